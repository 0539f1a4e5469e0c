"""Version 3 of the preparation: what it takes from around a digit, and that version 2 does not."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from digitlab.errors import ConfigError, PictureError
from digitlab.preparation import find_glyph, prepare
from digitlab.preparation.borders import find_cell
from digitlab.preparation.reflections import without_reflections
from digitlab.preparation.sheet import find_sheet

Bytes = npt.NDArray[np.uint8]
PAPER, PEN = (228, 226, 220), (40, 45, 60)
FIVE = np.array([(70, 0), (14, 0), (8, 45), (50, 42), (72, 65), (60, 95), (5, 100)])


def paper(height: int, width: int) -> Bytes:
    """A sheet with the grain and the uneven light that photographs have."""
    grain = np.random.default_rng(0).normal(0, 1.5, (height, width, 3))
    light = np.linspace(0, 12, width)[None, :, None]
    return (np.array(PAPER) - light + grain).clip(0, 255).astype(np.uint8)


def write(
    picture: Bytes,
    left: int,
    top: int,
    points: npt.NDArray[np.int64] = FIVE,
    pen: tuple[int, int, int] = PEN,
) -> Bytes:
    cv2.polylines(picture, [np.add(points, (left, top))], False, pen, 8, cv2.LINE_AA)
    return picture


def likeness(one: Bytes, other: Bytes) -> float:
    a, b = (cv2.blur(image, (3, 3)).astype(float).ravel() for image in (one, other))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def plain() -> Bytes:
    return prepare(write(paper(160, 150), 35, 30), "3")


def in_cell() -> Bytes:
    picture = paper(170, 150)
    picture[148:156] = picture[:, 134:141] = (25, 25, 25)
    return write(picture, 35, 22, pen=(165, 168, 175))


def circled() -> Bytes:
    picture = write(paper(220, 220), 72, 60)
    cv2.ellipse(picture, (110, 110), (88, 92), 0, 0, 352, PEN, 7, cv2.LINE_AA)
    return picture


def underlined() -> Bytes:
    picture = write(paper(190, 150), 35, 25)
    cv2.line(picture, (22, 150), (125, 147), PEN, 7, cv2.LINE_AA)
    return picture


def on_table() -> Bytes:
    table = np.full((420, 460, 3), (70, 60, 50), np.uint8)
    sheet = write(paper(170, 150), 35, 30)
    turn = cv2.getRotationMatrix2D((75, 85), -8, 1)
    turn[:, 2] += (180, 130)
    mask = cv2.warpAffine(np.full((170, 150), 255, np.uint8), turn, (460, 420))
    moved = cv2.warpAffine(sheet, turn, (460, 420))
    return np.where(mask[..., None] > 127, moved, table).astype(np.uint8)


def reflecting() -> Bytes:
    picture = (write(paper(160, 200), 30, 30, pen=(160, 165, 170)) * 0.6).astype(np.uint8)
    cv2.ellipse(picture, (160, 60), (14, 30), 20, 0, 360, (255, 255, 252), -1, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize("made", [in_cell, circled, underlined, on_table, reflecting])
def test_what_is_around_a_digit_is_taken_away_by_version_3_alone(made: object) -> None:
    picture = made()  # type: ignore[operator]
    assert likeness(prepare(picture, "3"), plain()) > 0.85
    assert likeness(prepare(picture, "2"), plain()) < 0.8


@pytest.mark.parametrize("made", [in_cell, circled, underlined, reflecting])
def test_a_glyph_says_that_things_were_taken_away_around_it(made: object) -> None:
    picture = made()  # type: ignore[operator]
    assert find_glyph(picture, version="3").disturbed
    assert not find_glyph(picture, version="2").disturbed


def test_a_glyph_says_that_it_was_put_together_or_cut() -> None:
    assert not find_glyph(write(paper(160, 150), 35, 30), version="3").disturbed
    assert not find_glyph(on_table(), version="3").disturbed
    broken = write(paper(160, 150), 35, 30)
    broken[86:92] = paper(160, 150)[86:92]
    assert find_glyph(broken, version="3").disturbed
    assert find_glyph(write(paper(120, 150), 35, 30), version="3").disturbed  # its foot is cut off


def test_a_sheet_in_a_large_photograph_is_found_as_in_a_small_one() -> None:
    large = cv2.resize(on_table(), None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    assert likeness(prepare(large, "3"), plain()) > 0.85


def test_the_box_on_a_turned_sheet_is_in_the_photograph() -> None:
    picture = on_table()
    box = find_glyph(picture, version="3").box
    turn = cv2.getRotationMatrix2D((75, 85), -8, 1)
    there = cv2.transform((FIVE + np.array([35, 30]))[None].astype(np.float64), turn)[0]
    left, top = np.add(there.min(axis=0), (180, 130))
    right, bottom = np.add(there.max(axis=0), (180, 130))
    # Around the box of a turned digit is a larger one.
    assert -16 < box[0] - left < 2
    assert -16 < box[1] - top < 2
    assert -2 < box[0] + box[2] - right < 16
    assert -2 < box[1] + box[3] - bottom < 16


def test_an_empty_cell_is_blank_and_a_one_in_a_cell_is_not() -> None:
    picture = paper(170, 150)
    picture[148:156] = picture[:, 134:141] = (25, 25, 25)
    with pytest.raises(PictureError, match="blank: nothing stands in its cell"):
        prepare(picture, "3")
    one = write(picture.copy(), 60, 25, np.array([(4, 0), (0, 100)]))
    image = prepare(one, "3")
    assert image.any(axis=0).sum() < 10
    assert image.any(axis=1).sum() >= 19


def test_a_line_off_the_middle_that_runs_out_of_the_picture_is_no_one() -> None:
    faded = paper(160, 150)
    faded[:112, 138:145] = (25, 25, 25)  # too short to be found as a border
    with pytest.raises(PictureError, match="blank: what stands there is a border"):
        prepare(faded, "3")
    assert likeness(prepare(write(faded, 35, 30), "3"), plain()) > 0.95
    middle = paper(160, 150)
    middle[:112, 70:77] = (25, 25, 25)
    assert prepare(middle, "3").any(axis=0).sum() < 10


@pytest.mark.parametrize("margin", [2, 4, 8])
@pytest.mark.parametrize(
    "digit",
    [
        [(0, 0), (52, 0), (20, 100)],
        [(40, 0), (0, 60), (66, 60), (50, 60), (50, 20), (50, 100)],
        [(4, 20), (30, 0), (56, 22), (0, 100), (64, 100)],
    ],
    ids=["7", "4", "2"],
)
def test_strokes_of_a_digit_that_is_cut_out_closely_are_no_borders(
    digit: list[tuple[int, int]], margin: int
) -> None:
    width, height = np.ptp(digit, axis=0) + 8
    wide = write(paper(height + 120, width + 120), 60, 60, np.array(digit))
    close = wide[60 - 4 - margin : 60 + height - 4 + margin, 60 - 4 - margin :]
    close = close[:, : width + 2 * margin]
    assert likeness(prepare(close, "3"), prepare(wide, "3")) > 0.95


@pytest.mark.parametrize("at", [20, 40, 75, 130])
def test_a_one_that_ends_before_the_edge_is_one_wherever_it_stands(at: int) -> None:
    one = paper(150, 150)
    one[2:148, at - 3 : at + 3] = PEN
    assert prepare(one, "3").any(axis=0).sum() < 10


def test_strokes_that_happen_to_lie_in_a_row_are_no_border_and_dashes_are() -> None:
    strokes = np.zeros((100, 100), np.float32)
    for left, right in ((0, 15), (28, 80), (92, 100)):  # the bar of a 7 between two neighbours
        strokes[20:26, left:right] = 1
    strokes[35:90, 40:47] = 1
    assert find_cell(strokes, 0.01) is None
    dashes = strokes.copy()
    dashes[20:26] = np.arange(100) % 12 < 8
    assert find_cell(dashes, 0.01) is not None


def test_a_thick_faint_digit_in_a_dark_cell_is_no_part_of_the_ground() -> None:
    picture = paper(170, 150)
    cv2.polylines(picture, [FIVE + np.array([35, 25])], False, (190, 192, 205), 26, cv2.LINE_AA)
    bare = prepare(picture, "3")
    picture[152:160] = picture[:, 136:143] = (20, 20, 20)
    assert likeness(prepare(picture, "3"), bare) > 0.9


def test_ink_is_seen_above_print() -> None:
    picture = paper(170, 150)
    rows, columns = np.mgrid[:170, :150]
    dots = (rows % 14 - 7) ** 2 + (columns % 14 - 7) ** 2 < 16
    picture[dots] = (picture[dots] * 0.72).astype(np.uint8)
    assert likeness(prepare(write(picture, 35, 30), "3"), plain()) > 0.85


def test_a_closely_cut_four_keeps_its_bar_and_its_stem() -> None:
    picture = paper(120, 92)
    write(picture, 4, 4, np.array([(20, 0), (2, 66), (84, 66)]))
    write(picture, 4, 4, np.array([(58, 0), (58, 112)]))
    assert likeness(prepare(picture, "3"), prepare(picture, "2")) > 0.95


def test_no_sheet_is_seen_where_there_is_none() -> None:
    half = paper(200, 200)
    half[:, 110:] //= 2  # a shadow
    for picture in (write(half, 20, 40), write(paper(200, 200), 60, 50)):
        assert find_sheet(picture, picture) is None
    board = np.full((200, 200, 3), 40, np.uint8)
    cv2.circle(board, (100, 100), 60, (240, 240, 240), 30)  # a thick 0 in chalk
    assert find_sheet(board, board) is None


def test_bright_ink_is_no_reflection() -> None:
    board = (np.full((160, 160, 3), 40) + np.arange(160)[:, None, None] // 12).astype(np.uint8)
    cv2.polylines(board, [np.add(FIVE, (40, 30))], False, (235, 235, 230), 9, cv2.LINE_AA)
    assert np.array_equal(without_reflections(board), board)


def test_an_unknown_version_of_a_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match="preparation = '4'"):
        find_glyph(paper(50, 50), version="4")


@pytest.mark.parametrize("print_", ["fine", "dense"])
def test_print_makes_no_stroke_a_part_of_the_ground(print_: str) -> None:
    rows, columns = np.mgrid[:60, :50]
    if print_ == "fine":
        lines, dark, pen = (rows + 2 * columns) % 5 < 1, 90, (60, 80, 190)
    else:
        lines, dark, pen = (rows % 4 < 2) & (columns % 4 < 2), 120, (120, 120, 120)
    bare, printed = paper(60, 50), paper(60, 50).astype(np.int64)
    printed -= dark * lines[..., None] * np.array([6, 8, 6]) // 10
    five = np.rint(FIVE * 0.4).astype(np.int32) + np.array([10, 10])
    images = []
    for one in (printed.clip(0, 255).astype(np.uint8), bare):
        cv2.polylines(one, [five], False, pen, 6, cv2.LINE_AA)
        images.append(prepare(one, "3"))
    assert likeness(images[0], images[1]) > 0.95

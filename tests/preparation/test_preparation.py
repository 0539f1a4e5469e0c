"""The preparation: one digit, wherever and however it stands in a picture, becomes the same."""

from __future__ import annotations

import gzip
import io
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import digitlab
from digitlab.errors import ConfigError, PictureError
from digitlab.preparation import VERSIONS, find_glyph, load_picture, prepare, prepare_images

Bytes = npt.NDArray[np.uint8]

MNIST = Path(digitlab.__file__).parent / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
with gzip.open(MNIST) as file:
    DIGITS = np.frombuffer(file.read(16 + 200 * 784)[16:], np.uint8).reshape(200, 28, 28)

digits = st.integers(0, 99).map(lambda index: DIGITS[index])


def enlarged(digit: Bytes, side: int) -> npt.NDArray[np.float64]:
    """Return ink in 0..1, float64 [side, side]."""
    large = cv2.resize(digit, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(large.astype(np.float64) / 255, 0, 1)


def on_paper(
    ink: npt.NDArray[np.float64], shape: tuple[int, int], x: int, y: int
) -> npt.NDArray[np.float64]:
    """Return a picture of `shape` that holds the ink with its corner at x, y."""
    picture = np.zeros(shape)
    picture[y : y + len(ink), x : x + ink.shape[1]] = ink
    return picture


def alike(one: Bytes, other: Bytes) -> float:
    """Return the cosine of two images, the best over shifts of a pixel."""
    a = one.astype(np.float64)
    shifted = [
        np.roll(other.astype(np.float64), (y, x), axis=(0, 1))
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    ]
    return max(float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())) for b in shifted)


def blank_code(picture: Bytes) -> str:
    with pytest.raises(PictureError) as caught:
        prepare(picture)
    return caught.value.code


def test_it_is_nearly_the_identity_on_mnist() -> None:
    prepared = prepare_images(DIGITS, "2")
    assert np.abs(prepared.astype(int) - DIGITS).mean() < 0.5
    assert np.mean([np.array_equal(a, b) for a, b in zip(prepared, DIGITS, strict=True)]) > 0.6
    pictures = np.stack([prepare(digit) for digit in DIGITS])
    assert np.abs(pictures.astype(int) - DIGITS).mean() < 0.8
    assert min(alike(a, b) for a, b in zip(pictures, DIGITS, strict=True)) > 0.97


def test_preparing_twice_changes_little() -> None:
    once = prepare_images(DIGITS, "2")
    assert np.abs(prepare_images(once, "2").astype(int) - once).mean() < 0.1


def test_none_gives_the_same_array_back() -> None:
    assert VERSIONS == ("none", "2", "3")
    assert prepare_images(DIGITS, "none") is DIGITS


def test_a_version_from_the_future_is_refused() -> None:
    with pytest.raises(ConfigError, match="preparation = '4'"):
        prepare_images(DIGITS, "4")


def test_a_blank_image_of_a_dataset_stays_black() -> None:
    assert not prepare_images(np.zeros((2, 28, 28), np.uint8), "2").any()


def test_dataset_ink_is_never_taken_for_the_ground() -> None:
    full = np.full((1, 28, 28), 255, np.uint8)
    full[0, :, 20:] = 0
    assert prepare_images(full, "2").sum() > 255 * 200


@settings(max_examples=40, deadline=None)
@given(digits, st.integers(60, 300), st.data())
def test_place_size_and_padding_do_not_matter(digit: Bytes, side: int, data: st.DataObject) -> None:
    height, width = side + data.draw(st.integers(0, 200)), side + data.draw(st.integers(0, 200))
    x, y = data.draw(st.integers(0, width - side)), data.draw(st.integers(0, height - side))
    ink = on_paper(enlarged(digit, side), (height, width), x, y)
    glyph = find_glyph((255 - 255 * ink).astype(np.uint8))
    unpadded = (255 - 255 * enlarged(digit, side)).astype(np.uint8)
    assert alike(glyph.image, prepare(unpadded)) > 0.97
    # Thin strokes are thickened, so that the tolerance for size is wider: the thinnest, half a
    # pixel from where they are in the digit, are 0.76 like it.
    assert alike(glyph.image, digit) > 0.75
    ys, xs = np.nonzero(ink > 0.5)
    box = (xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min())
    assert np.abs(np.array(glyph.box) - box).max() <= 2 + side // 20


@settings(max_examples=30, deadline=None)
@given(
    digits,
    st.tuples(*[st.integers(0, 255)] * 3),
    st.tuples(*[st.integers(0, 255)] * 3),
)
def test_colours_and_polarity_do_not_matter(
    digit: Bytes, pen: tuple[int, ...], paper: tuple[int, ...]
) -> None:
    ink = on_paper(enlarged(digit, 120), (150, 170), 25, 10)[..., None]
    if np.abs(np.subtract(pen, paper)).max() < 60:
        return
    picture = np.rint(np.array(paper) * (1 - ink) + np.array(pen) * ink).astype(np.uint8)
    black_on_white = (255 - 255 * ink).astype(np.uint8)
    assert alike(prepare(picture), prepare(black_on_white)) > 0.9


@pytest.mark.parametrize("inverted", [False, True])
def test_uneven_light_noise_and_jpeg_do_not_matter(inverted: bool) -> None:
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:260, 0:240]
    for digit in DIGITS[:12]:
        ink = on_paper(enlarged(digit, 150), (260, 240), 60, 40)
        light = 230 - 0.3 * x - 0.25 * y
        picture = light * (1 - 0.6 * ink) + random.normal(0, 4, ink.shape)
        picture = 255 - picture if inverted else picture
        file = io.BytesIO()
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=50)
        assert alike(prepare(load_picture(file.getvalue())), digit) > 0.9


def test_a_hard_shadow_beside_the_digit_is_not_ink() -> None:
    y, x = np.mgrid[0:240, 0:240]
    shade = np.where(x + 0.4 * y < 150, 0.55, 1.0)
    for digit in DIGITS[:12]:
        ink = on_paper(enlarged(digit, 110), (240, 240), 110, 100)
        picture = (225 * shade * (1 - 0.75 * ink)).astype(np.uint8)
        assert alike(prepare(picture), digit) > 0.85


def test_thick_strokes_that_fill_the_picture_are_read_whole() -> None:
    random = np.random.default_rng(2)
    light = np.linspace(180, 150, 90)[:, None]
    for digit in DIGITS[[3, 61, 84, 110]]:
        thick = cv2.dilate(enlarged(digit, 112), np.ones((5, 5)))[11:101, 16:96]
        picture = light * (1 - 0.5 * thick) + random.normal(0, 3, thick.shape)
        assert alike(prepare(picture.astype(np.uint8)), digit) > 0.85


def test_a_digit_cut_by_the_frame_of_a_drawing_keeps_its_polarity() -> None:
    for digit in DIGITS[:20]:
        ys, xs = np.nonzero(digit > 60)
        tight = np.where(digit[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] > 127, 255, 0)
        assert alike(prepare(tight.astype(np.uint8)), digit) > 0.85


def test_exif_rotation_gives_the_same_digit() -> None:
    upright = Image.fromarray((255 - 255 * enlarged(DIGITS[0], 100)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    assert np.array_equal(prepare(load_picture(file.getvalue())), prepare(np.asarray(upright)))


@pytest.mark.parametrize("side", [300, 1000, 3000])
def test_a_line_one_pixel_thin_does_not_vanish(side: int) -> None:
    picture = np.full((side, side), 255, np.uint8)
    middle = (side // 2, side // 2)
    cv2.ellipse(picture, middle, (side // 5, side // 3), 0, 0, 360, 0, 1)
    image = prepare(picture)
    assert (image > 127).sum() > 60
    assert image[14, 14] == 0


def test_thickening_fills_no_loop() -> None:
    picture = np.full((400, 400), 255, np.uint8)
    cv2.line(picture, (200, 60), (200, 340), 0, 2)
    cv2.circle(picture, (218, 80), 18, 0, 2)
    image = prepare(picture)
    _, labels = cv2.connectedComponents((image < 100).astype(np.uint8), connectivity=4)
    assert labels.max() == 2


def test_thickening_closes_no_gap() -> None:
    picture = np.full((400, 400), 255, np.uint8)
    cv2.ellipse(picture, (200, 200), (100, 140), 0, -88, 256, 0, 2)
    image = prepare(picture)
    _, labels = cv2.connectedComponents((image < 60).astype(np.uint8), connectivity=4)
    assert labels.max() == 1


def test_a_tiny_gap_stays_open_even_if_the_pen_stays_thin() -> None:
    picture = np.full((400, 400), 255, np.uint8)
    cv2.ellipse(picture, (200, 200), (100, 140), 0, 0, 360, 0, 1)
    picture[198:200, 290:310] = 255
    thin = (prepare(picture) > 127).sum()
    picture[180:220, 290:310] = 255
    assert thin < (prepare(picture) > 127).sum()


def test_light_that_falls_off_towards_the_frame_is_no_ink() -> None:
    y, x = np.mgrid[0:220, 0:220]
    from_frame = np.minimum(np.minimum(x, 219 - x), np.minimum(y, 219 - y))
    for digit in DIGITS[:6]:
        ink = on_paper(enlarged(digit, 120), (220, 220), 50, 50)
        picture = (150 + 0.7 * from_frame) * (1 - 0.7 * ink)
        assert alike(prepare(picture.astype(np.uint8)), digit) > 0.9


def test_a_dark_spot_does_not_hide_a_faint_digit() -> None:
    faint = np.full((200, 200), 255, np.uint8)
    faint[five() == 30] = 165
    spotted = faint.copy()
    spotted[10:16, 10:16] = 0
    assert alike(prepare(spotted), prepare(faint)) > 0.85


def five(thickness: int = 10) -> Bytes:
    """Return uint8 [200, 200]: a dark 5 on light paper, from 50 to 140 down."""
    picture = np.full((200, 200), 230, np.uint8)
    strokes = np.array([(120, 52), (72, 52), (70, 92)], np.int32)
    cv2.polylines(picture, [strokes], False, 30, thickness)
    cv2.ellipse(picture, (88, 108), (34, 30), 0, -120, 150, 30, thickness)
    return picture


@pytest.mark.parametrize(
    ("thickness", "rows", "columns"),
    [
        (10, slice(20, 24), slice(20, 24)),  # a speck far away
        (10, slice(80, 83), slice(40, 43)),  # a speck beside the digit
        (10, slice(195, 200), slice(None)),  # a line along the edge
        (10, slice(160, 200), slice(90, 94)),  # a near stroke that goes on outside
        (1, slice(188, 200), slice(None)),  # an edge that is heavier than a thin pen
        (2, slice(176, 200), slice(None)),  # and one that is broader than the rim
    ],
)
def test_what_is_not_the_digit_is_dropped(thickness: int, rows: slice, columns: slice) -> None:
    dirty = five(thickness)
    dirty[rows, columns] = 30
    assert np.array_equal(prepare(dirty), prepare(five(thickness)))


def test_a_part_that_belongs_to_the_digit_is_kept() -> None:
    hat = np.full((200, 200), 230, np.uint8)
    cv2.line(hat, (80, 40), (130, 40), 30, 9)
    cv2.ellipse(hat, (100, 110), (30, 40), 0, -90, 150, 30, 9)
    assert find_glyph(hat).box[1] < 45


def test_a_fainter_stroke_of_a_photograph_counts_whole() -> None:
    y, x = np.mgrid[0:240, 0:240]
    picture = 230 - 0.2 * x - 0.1 * y
    picture[40:200, 80:100] *= 0.4
    picture[108:128, 100:170] *= 0.62
    assert prepare(picture.astype(np.uint8))[:, 18].max() > 230


def test_noise_on_even_paper_leaves_thick_strokes_whole() -> None:
    random = np.random.default_rng(4)
    for digit in DIGITS[:30]:
        thick = cv2.dilate(digit, np.ones((3, 3), np.uint8))
        noisy = 240 - 0.8 * thick + random.uniform(-4, 4, digit.shape)
        assert alike(prepare(noisy.astype(np.uint8)), prepare(thick)) > 0.9


def test_a_small_digit_in_a_large_picture_is_looked_at_closely() -> None:
    for digit in DIGITS[:3]:
        ink = on_paper(enlarged(digit, 40), (2400, 3200), 2500, 300)
        glyph = find_glyph((225 * (1 - 0.8 * ink)).astype(np.uint8))
        assert alike(glyph.image, digit) > 0.93
        ys, xs = np.nonzero(ink > 0.5)
        assert np.abs(np.array(glyph.box[:2]) - (xs.min(), ys.min())).max() <= 2


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (300, 2), (40, 50, 3)])
def test_a_picture_of_one_colour_is_blank(level: int, shape: tuple[int, ...]) -> None:
    assert blank_code(np.full(shape, level, np.uint8)) == "blank"


def test_empty_paper_is_blank() -> None:
    y, x = np.mgrid[0:200, 0:300]
    paper = 220 - 0.1 * x - 0.1 * y + np.random.default_rng(0).normal(0, 2, x.shape)
    assert blank_code(paper.astype(np.uint8)) == "blank"


def test_an_array_that_is_no_picture_is_named() -> None:
    with pytest.raises(PictureError, match=r"it is float64 \[5, 5, 2\]"):
        find_glyph(np.zeros((5, 5, 2)), "it")  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70), st.sampled_from([0, 1, 3, 4])),
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 3, 16, 256]),
)
def test_any_array_gives_a_glyph_or_is_blank(
    shape: tuple[int, int, int], seed: int, levels: int
) -> None:
    size = shape[:2] if shape[2] == 0 else shape
    noise = np.random.default_rng(seed).integers(0, levels, size) * (255 // (levels - 1))
    with suppress(PictureError):  # whatever else is raised fails the test
        glyph = find_glyph(noise.astype(np.uint8))
        assert glyph.image.shape == (28, 28)
        assert glyph.image.max() == 255
        x, y, width, height = glyph.box
        assert 0 <= x < x + width <= shape[1]
        assert 0 <= y < y + height <= shape[0]


@pytest.mark.parametrize("shape", [(2, 4000), (4000, 2), (1, 3000, 3), (1500, 5, 4)])
def test_extreme_shapes_give_a_glyph_or_are_blank(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    with suppress(PictureError):
        assert prepare(picture).shape == (28, 28)


def test_a_photograph_cropped_to_thick_strokes_is_read_whole() -> None:
    # Strokes run out on all sides, cross in places thicker than themselves, and cover half of it.
    for digit in DIGITS[[0, 1, 4, 18, 61]]:
        thick = cv2.dilate(enlarged(digit, 112), np.ones((5, 5)))
        ys, xs = np.nonzero(thick > 0.5)
        part = thick[ys.min() + 2 : ys.max() - 1, xs.min() + 2 : xs.max() - 1]
        light = np.linspace(220, 190, part.shape[1])[None] + np.linspace(0, 20, len(part))[:, None]
        for pen in (0.25, 0.5):
            assert alike(prepare((light * (1 - (1 - pen) * part)).astype(np.uint8)), digit) > 0.8


def test_two_hard_shadows_across_a_digit_are_no_ink() -> None:
    y, x = np.mgrid[0:240, 0:240]
    shade = np.where(x + 0.4 * y < 170, 0.55, 1.0) * np.where(y - 0.3 * x > 110, 0.6, 1.0)
    near = []
    for digit in DIGITS[:12]:
        ink = on_paper(enlarged(digit, 110), (240, 240), 60, 70)
        near.append(alike(prepare((230 * shade * (1 - 0.8 * ink)).astype(np.uint8)), digit))
    assert min(near) > 0.6  # where the shadows cross, a corner may remain
    assert np.mean(near) > 0.85

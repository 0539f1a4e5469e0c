"""Contact sheets: every image is there, pixel by pixel, with its caption under it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitlab.contact_sheet import contact_sheet, free_place, save_picture
from digitlab.course_figures import draw_figure
from digitlab.picture_mark import is_ours
from digitlab.reading.picture_files import find_pictures
from digitlab.training.charts import draw_confusion, draw_curves


def test_images_are_enlarged_without_smoothing_and_in_order() -> None:
    images = np.zeros((5, 28, 28), np.uint8)
    for at, image in enumerate(images):
        image[:] = 50 * at + 20
    sheet = np.asarray(contact_sheet(images, [""] * 5, columns=3, scale=2))
    for value in (20, 70, 120, 170, 220):
        places = np.argwhere((sheet == value).all(axis=2))
        assert len(places) == 56 * 56
    firsts = [np.argwhere((sheet == value).all(axis=2))[0].tolist() for value in (20, 70, 170)]
    assert firsts[0][0] == firsts[1][0] < firsts[2][0]
    assert firsts[0][1] == firsts[2][1] < firsts[1][1]


def test_a_caption_is_written_under_its_image() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    blank = np.asarray(contact_sheet(images, ["", "7"], columns=2))
    written = np.asarray(contact_sheet(images, ["4", "7"], columns=2))
    assert blank.shape == written.shape
    rows, columns = np.nonzero((blank != written).any(axis=2))
    assert rows.min() > 84
    assert columns.max() < blank.shape[1] / 2


def test_an_arrow_is_drawn_and_not_left_to_the_font() -> None:
    images = np.zeros((1, 28, 28), np.uint8)
    drawn = np.asarray(contact_sheet(images, ["4 → 9"], columns=1)).astype(int)
    without = np.asarray(contact_sheet(images, ["4   9"], columns=1)).astype(int)
    dark = (drawn.sum(axis=2) < 300)[100:]
    assert dark.sum() > (without.sum(axis=2) < 300)[100:].sum()
    assert dark.any(axis=0).sum() > 15


def test_a_wide_caption_widens_the_columns_and_is_not_cut() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    narrow = contact_sheet(images, ["4", "9"], columns=2, scale=1)
    wide = contact_sheet(images, ["a caption of many words", "9"], columns=2, scale=1)
    assert wide.width > narrow.width + 100
    assert (np.asarray(wide)[:, -1] == np.asarray(wide)[0, 0]).all()


def test_without_captions_no_place_is_kept() -> None:
    images = np.zeros((1, 28, 28), np.uint8)
    assert contact_sheet(images, [""], 1).height < contact_sheet(images, ["1"], 1).height


def test_a_title_and_a_note_stand_above_and_widen_a_narrow_sheet() -> None:
    images = np.full((1, 28, 28), 255, np.uint8)
    bare = np.asarray(contact_sheet(images, ["4"], 1))
    titled = np.asarray(
        contact_sheet(images, ["4"], 1, title="数字 a", note="7 → 2: a 7 read as 2")
    )
    more = titled.shape[0] - bare.shape[0]
    assert more > 40
    assert titled.shape[1] > bare.shape[1]
    assert np.array_equal(titled[more:, : bare.shape[1]], bare)
    assert (titled[: more // 2] < 100).any()
    assert (titled[more // 2 : more] < 150).any()
    long = contact_sheet(images, ["4"], 1, title="a long path " * 50)
    assert long.width < 700
    assert (np.asarray(long)[:, -8:] == np.asarray(long)[0, 0]).all()


def test_no_images_give_an_empty_sheet() -> None:
    sheet = contact_sheet(np.zeros((0, 28, 28), np.uint8), [], columns=4)
    assert isinstance(sheet, Image.Image)
    assert sheet.height > 0


@pytest.mark.parametrize(
    ("shape", "captions", "columns", "scale"),
    [
        ((2, 28, 28), 1, 4, 3),
        ((2, 28, 27), 2, 4, 3),
        ((2, 784), 2, 4, 3),
        ((2, 28, 28), 2, 0, 3),
        ((2, 28, 28), 2, 4, 0),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    shape: tuple[int, ...], captions: int, columns: int, scale: int
) -> None:
    with pytest.raises(ValueError, match="expected"):
        contact_sheet(np.zeros(shape, np.uint8), [""] * captions, columns, scale)


def test_all_that_we_draw_is_marked_and_not_read_from_a_folder(tmp_path: Path) -> None:
    save_picture(Image.new("RGB", (50, 50)), tmp_path / "sheet.png")
    draw_curves(tmp_path / "curves.png", [], "quick")
    draw_confusion(tmp_path / "confusion.png", np.eye(10, dtype=np.int64))
    for suffix in ("svg", "png"):
        draw_figure("log", tmp_path / f"log.{suffix}")
    assert all(map(is_ours, tmp_path.iterdir()))
    Image.new("RGB", (50, 50)).save(tmp_path / "mine.png")
    assert list(find_pictures([tmp_path])) == [tmp_path / "mine.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_none_of_our_pictures_and_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "data.png")
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    assert not is_ours(tmp_path / "data.png")


def test_a_picture_that_nobody_asked_for_replaces_ours_alone(tmp_path: Path) -> None:
    place = tmp_path / "data.png"
    assert free_place(place) == place
    save_picture(Image.new("RGB", (9, 9)), place)
    assert free_place(place) == place
    Image.new("RGB", (9, 9)).save(place)
    assert free_place(place) == tmp_path / "data-2.png"
    (tmp_path / "data-2.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "data-3.png").mkdir()
    assert free_place(place) == tmp_path / "data-4.png"

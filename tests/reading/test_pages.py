"""Pages: every kind of source gives the same upright pixels, one page a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitlab import GuardedDecoder, Limits, Recogniser
from digitlab.decoding import load_picture
from digitlab.errors import PictureError
from digitlab.reading.pages import Page, Source, load_pages
from hostile_files import encoded
from small_models import WriteModel, picture_of


def refusal(source: Source, **options: object) -> PictureError:
    with pytest.raises(PictureError) as caught:
        next(load_pages(source, **options))  # type: ignore[arg-type]
    return caught.value


@pytest.mark.process
def test_a_picture_of_any_kind_is_one_page_without_a_number(tmp_path: Path) -> None:
    file = tmp_path / "3.png"
    file.write_bytes(encoded(Image.fromarray(picture_of(3)), "PNG"))
    with GuardedDecoder() as decoder:
        for source in (file, str(file), file.read_bytes(), picture_of(3)):
            for one in (None, decoder):
                (page,) = load_pages(source, decoder=one)
                assert page.number is None
                assert np.array_equal(page.picture, picture_of(3))


@pytest.mark.filterwarnings("ignore::digitlab.errors.PagesWarning")
def test_of_several_frames_the_first_is_the_page(tmp_path: Path) -> None:
    frames = [Image.fromarray(picture_of(digit)) for digit in (3, 4)]
    file = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    (page,) = load_pages(file)
    assert np.array_equal(page.picture, load_picture(file))
    assert np.array_equal(page.picture, picture_of(3))


def test_an_array_becomes_an_opaque_picture() -> None:
    grey = picture_of(3)
    clear = np.dstack([np.zeros((*grey.shape, 3), np.uint8), 255 - grey])
    (page,) = load_pages(clear)
    assert page.picture.shape == (*grey.shape, 3)
    assert np.array_equal(page.picture[..., 0], grey)


@pytest.mark.process
def test_what_is_no_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert str(refusal(np.zeros((5, 5, 2)))).startswith("the picture is float64 [5, 5, 2]")
    assert refusal(tmp_path / "gone.png").code == "missing"
    file = encoded(Image.fromarray(picture_of(3)), "PNG")
    assert refusal(file, max_pixels=100).code == "too-large"
    with GuardedDecoder(Limits(max_pixels=100)) as decoder:
        assert refusal(file, decoder=decoder).code == "too-large"


def test_a_page_is_read_with_its_number(write_model: WriteModel) -> None:
    recogniser = Recogniser(write_model())
    page = Page(2, picture_of(3))
    assert list(load_pages(page)) == [page]
    reading = recogniser.read(page, name="sheet.pdf")
    assert (reading.file, reading.page, reading.text) == ("sheet.pdf", 2, "3")
    blank = recogniser.read(Page(3, np.full((50, 60), 220, np.uint8)))
    assert (blank.page, blank.text, blank.error) == (3, "", None)


def test_of_several_pages_the_first_is_read_and_no_other_is_decoded(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(*_: object) -> object:
        yield Page(1, picture_of(3))
        raise AssertionError("the second page is not asked for")

    monkeypatch.setattr("digitlab.reading.recogniser.load_pages", two)
    reading = Recogniser(write_model()).read("sheet.pdf")
    assert (reading.file, reading.page, reading.text) == ("sheet.pdf", 1, "3")

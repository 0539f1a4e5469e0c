"""What `Recogniser.read` takes: each kind of source gives the reading of its file."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from digitlab import Reading, Recogniser
from digitlab.decoding import load_picture
from digitlab.reading.pages import load_pages
from hostile_files import encoded
from small_models import WriteModel, picture_of

Content = bytes


@pytest.fixture
def recogniser(write_model: WriteModel) -> Recogniser:
    return Recogniser(write_model())


@pytest.fixture
def content() -> Content:
    """Return a PNG of a 5."""
    return encoded(Image.fromarray(picture_of(5)), "PNG")


class Unbuffered(io.RawIOBase):
    """A file that cannot be sought and gives a few bytes at a time, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any) -> int:
        count = min(len(place), 7, len(self._left))
        place[:count], self._left = self._left[:count], self._left[count:]
        return count


class Named(os.PathLike[str]):
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_files_are_read_however_they_are_handed_over(
    recogniser: Recogniser, content: Content, tmp_path: Path
) -> None:
    expected = recogniser.read(content)
    assert expected.text == "5"
    file = tmp_path / "5.png"
    file.write_bytes(content)
    sources: list[Any] = [
        bytearray(content),
        memoryview(content),
        np.fromfile(file, np.uint8),
        io.BytesIO(content),
        io.BufferedReader(Unbuffered(content)),
        Unbuffered(content),
        picture_of(5).data,
    ]
    for source in sources:
        assert recogniser.read(source) == expected, type(source)
    assert recogniser.read(Named(file)) == recogniser.read(file)
    for buffering in (-1, 0):
        with open(file, "rb", buffering=buffering) as opened:
            assert recogniser.read(opened) == recogniser.read(file)  # by name, too
            assert not opened.closed
            assert recogniser.read(opened, name="again").error is not None  # it stands at its end
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, "inside.png")
    with zipfile.ZipFile(tmp_path / "a.zip").open("inside.png") as inside:
        reading = recogniser.read(inside)
        assert (reading.file, reading.text) == ("inside.png", "5")


def test_an_open_file_is_read_from_where_it_stands(
    recogniser: Recogniser, content: Content
) -> None:
    file = io.BytesIO(b"12345" + content)
    assert recogniser.read(file).error is not None
    file.seek(5)
    assert recogniser.read(file).text == "5"
    at_its_end = recogniser.read(file).error
    assert at_its_end is not None
    assert at_its_end.code == "not-a-picture"
    assert "file.seek(0)" in at_its_end.message
    file.close()
    closed = recogniser.read(file).error
    assert closed is not None
    assert closed.code == "unreadable"


def grey(mode: str) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.convert(mode)


WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{mode: grey(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I")},
    "La": lambda image: image.convert("LA").convert("La"),
    "PA": lambda image: image.convert("P").convert("PA"),
    "HSV": lambda image: image.convert("RGB").convert("HSV"),
    "F": lambda image: image.convert("F"),
    "F to 1": lambda image: Image.fromarray(np.asarray(image) / np.float32(255)),
    "I;16": lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 257),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_pil_image_of_any_mode_is_the_same_picture(recogniser: Recogniser, way: str) -> None:
    image = WAYS[way](Image.fromarray(picture_of(5)))
    (page,) = load_pages(image)
    picture = page.picture if page.picture.ndim == 2 else page.picture.mean(axis=2)
    limit = 255 if way == "1" else 2  # which has no greys at the edges of strokes
    assert np.abs(picture - picture_of(5).astype(float)).max() <= limit
    assert recogniser.read(image).text == "5"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_an_opened_pil_image_is_read_as_its_file_is(kind: str) -> None:
    image = Image.fromarray(picture_of(4)).crop((0, 0, 160, 120))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = encoded(image, kind, exif=exif)
    opened = Image.open(io.BytesIO(file))
    (page,) = load_pages(opened)
    assert page.picture.shape == (160, 120)  # upright
    assert np.array_equal(page.picture, load_picture(file))


def test_a_transparent_palette_of_a_pil_image_is_laid_on_the_opposite_of_its_ink() -> None:
    image = Image.fromarray((picture_of(5) < 128).astype(np.uint8)).convert("P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.info["transparency"] = 0
    (page,) = load_pages(image)
    assert np.array_equal(page.picture[..., 0] < 128, picture_of(5) < 128)


def test_a_pil_image_that_cannot_be_read_is_a_reading_with_its_reason(
    recogniser: Recogniser, content: Content, tmp_path: Path
) -> None:
    def code(image: Image.Image, **options: int) -> str | None:
        error = recogniser.read(image, **options).error  # type: ignore[arg-type]
        return error and error.code

    assert code(Image.fromarray(picture_of(5)), max_pixels=100) == "too-large"
    assert code(Image.open(io.BytesIO(content[:400]))) == "unreadable"
    assert code(Image.new("L", (0, 5))) == "not-a-picture"
    (tmp_path / "5.png").write_bytes(content)
    with Image.open(tmp_path / "5.png") as closed:
        pass
    assert code(closed) == "unreadable"
    assert "was closed before it was read" in str(recogniser.read(closed).error)


def test_arrays_and_tensors_are_the_same_picture(recogniser: Recogniser) -> None:
    picture = picture_of(5)
    expected = recogniser.read(picture)
    floats = torch.tensor(picture / 255, requires_grad=True)
    alike: list[Any] = [picture / 255, picture.astype(np.int64), torch.tensor(picture), floats]
    alike += [torch.tensor(picture)[None], floats[None]]
    for source in alike:
        assert recogniser.read(source) == expected, type(source)
    for source in (torch.tensor(picture).expand(3, -1, -1), picture < 128):
        assert recogniser.read(source).text == "5"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "source",
    [
        None,
        5,
        object(),
        {"image": 1},
        [[0, 255], [255, 0]],
        ["a.png", "b.png"],
        io.StringIO("text"),
        np.array([[None]]),
        np.zeros((5, 5), complex),
        torch.zeros(5, 5, dtype=torch.complex64),
    ],
    ids=lambda source: type(source).__name__,
)
def test_a_source_of_another_type_raises_in_one_line(recogniser: Recogniser, source: Any) -> None:
    with pytest.raises(TypeError, match=r"^it.*expected") as caught:
        recogniser.read(source, name="it")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_open_as_text_says_how_to_open_it(
    recogniser: Recogniser, content: Content, tmp_path: Path
) -> None:
    file = tmp_path / "5.png"
    file.write_bytes(content)
    with open(file, encoding="latin1") as opened, pytest.raises(TypeError, match="'rb'"):
        recogniser.read(opened)  # type: ignore[arg-type]


@pytest.mark.parametrize("one", ["5.png", Path("5.png"), b"png", io.BytesIO(b"png")])
def test_one_source_is_not_read_as_many(recogniser: Recogniser, one: Any) -> None:
    with pytest.raises(TypeError, match=r"expected several: read\(\) takes one"):
        recogniser.read_many(one)


def test_an_array_of_another_shape_is_a_reading_with_its_reason(recogniser: Recogniser) -> None:
    for array in (np.zeros((5, 5, 2), np.uint8), np.full((5, 5), np.nan), np.zeros((0, 5))):
        reading: Reading = recogniser.read(array, name="it")
        assert reading.error is not None
        assert reading.error.code == "not-a-picture"
        assert reading.error.message.startswith("it ")

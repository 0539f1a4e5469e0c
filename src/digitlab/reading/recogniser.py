"""The recogniser: a trained model and the preparation that it expects, without PyTorch.

Used by `digitlab read`, evaluation and serving, and as `digitlab.Recogniser`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digitlab.boxes import NUMBERS
from digitlab.decoding import MAX_PIXELS
from digitlab.errors import CalibrationWarning, ConfigError, ModelError, PictureError
from digitlab.layout.networks import Networks
from digitlab.preparation import Glyph
from digitlab.reading.image_arrays import Images, ImagesLike, as_images, prepared_images
from digitlab.reading.model_file import (
    SECOND_MODEL,
    Model,
    load_model,
    load_number_model,
    model_path,
)
from digitlab.reading.page_or_digit import check_upright, read_picture
from digitlab.reading.pages import (
    MAX_PAGES,
    Page,
    Source,
    check_many,
    check_max_pages,
    load_pages,
    name_of,
)
from digitlab.reading.refusal import DISTURBED, reasons
from digitlab.reading.snapshot import snapshot
from digitlab.reading.types import Box, Digit, Reading, ReadingError
from digitlab.wording import MADE_PICTURES, calibration_text

if TYPE_CHECKING:
    from digitlab.reading.guard import GuardedDecoder

Floats = npt.NDArray[np.float32]

NO_DIGIT = 10
BATCH = 512  # images a call of the model; larger ones only take memory


class Recogniser:
    """Reads digits with one model; several threads may share it.

    Args:
        model: a RUN folder, whose model.onnx is taken, or an .onnx file; None for the model that
            ships with digitlab.
        threads: of onnxruntime, at least 1; answers do not depend on it beyond rounding.

    Attributes:
        model: the checked model file, with its recipe, preparation and temperature.

    Raises:
        ModelError: in one line, where there is no model, it was changed or is not one of ours.
    """

    def __init__(self, model: str | PathLike[str] | None = None, threads: int = 1) -> None:
        if threads < 1:
            raise ConfigError(f"threads = {threads}: expected at least 1")
        self.model: Model = load_model(model_path(model), threads)
        self._threads = threads
        self._has_warned = False

    def __repr__(self) -> str:
        model = self.model
        if model.output == "value":
            return f"<Recogniser {model.path.name}: {model.recipe}, square error>"
        return (
            f"<Recogniser {model.path.name}: {model.recipe}, {model.width} outputs, "
            f"{calibration_text(model.calibrated_on)}>"
        )

    def _repr_html_(self) -> str:
        from digitlab import notebook

        model = self.model
        rows = [
            ("model", model.path),
            ("recipe", model.recipe),
            ("output", f"{model.width} {model.output}" if model.width > 1 else model.output),
            ("preparation", model.preparation),
            ("confidence", calibration_text(model.calibrated_on)),
            ("temperature", "none" if model.temperature is None else model.temperature),
            ("digitlab", model.version),
            ("SHA-256", model.sha256),
        ]
        return notebook.shown("Recogniser", notebook.table(rows))

    def read(
        self,
        source: Source,
        *,
        reject: float | str | None = None,
        name: str | None = None,
        max_pixels: int = MAX_PIXELS,
        decoder: GuardedDecoder | None = None,
        upright: str = "auto",
    ) -> Reading:
        """Read a picture of one digit, or the first page of a document.

        A picture of one digit takes three steps: `find_glyphs`, `classify`, `assemble`; one that
        shows more is read as a page (`digitlab.layout`).

        The picture always goes through `preparation.prepare`, of the version that the model names;
        of the usual one where it says `none`, which speaks of images of a dataset alone.

        A file is decoded in this process, which is fastest; hostile headers are refused, but a
        fault of a decoder could still end the process. For files of strangers give a `decoder`.

        Args:
            source: a path; the bytes of a file, also as bytearray, memoryview or uint8 [N]; an
                open binary file, which is read from where it stands and not closed; a PIL image;
                or a page of `load_pages`; or an array or a tensor of one picture: [H, W], or with
                1, 3 (RGB) or 4 channels, first or last, of uint8, of truth values, of floats from
                0 to 1, or of other integers from 0. Of several pages the first is read.
            reject: None refuses what is as likely something else, where the model knows what is no
                digit; "none" refuses nothing; a number R between 0
                and 1 refuses what is wrong with a probability above R.
            name: what the reading calls the picture; the path where there is one.
            max_pixels: larger files are not decoded.
            decoder: decodes files and bytes in a process of its own, with limits of its own, in
                place of `max_pixels`.
            upright: "auto" reads a page that lies on its side or stands on its head turned, where
                that makes clearly more sense; "no" never does. One digit is never turned. Boxes
                are in pixels of the page as it is given.

        Returns:
            One row with one number of one digit, the rows of a page, or no row where there is
            none (blank paper). A picture that cannot be read gives a reading with an `error`
            instead, whose codes are those of `digitlab.decoding.load_picture` and
            `GuardedDecoder.decode`. So what a source holds never raises, nor the shape and the
            values of an array.

        Warns:
            PagesWarning: of a document with several pages, of which `read_pages` reads all.
            CalibrationWarning: once, of a number as `reject` with a model that was calibrated on
                other images than made pictures, such as the validation images of its data: it
                holds for images like those.

        Raises:
            TypeError: for a source that is none of these, such as None or a file that is open as
                text.
            ModelError: for a number as `reject` with a model that is not calibrated.
            ConfigError: for any other `reject`, or `upright`.
        """
        self.check_reject(reject)
        check_upright(upright)
        reading, page = self._first(source, reject, name, max_pixels, decoder, upright)
        return reading if page is None else replace(reading, picture=snapshot(page.picture))

    def read_many(
        self,
        sources: Iterable[Source],
        *,
        reject: float | str | None = None,
        max_pixels: int = MAX_PIXELS,
        decoder: GuardedDecoder | None = None,
        upright: str = "auto",
    ) -> Iterator[Reading]:
        """Yield the reading of each picture, in order; see `read`. None keeps its picture.

        Raises:
            TypeError: for one source in place of several; while reading, as `read` does.
            ModelError, ConfigError: as `read` does.
        """
        self.check_reject(reject)
        check_upright(upright)
        check_many(sources)
        return (self._first(one, reject, None, max_pixels, decoder, upright)[0] for one in sources)

    def read_pages(
        self,
        source: Source,
        *,
        reject: float | str | None = None,
        name: str | None = None,
        max_pixels: int = MAX_PIXELS,
        decoder: GuardedDecoder | None = None,
        max_pages: int = MAX_PAGES,
        upright: str = "auto",
    ) -> Iterator[Reading]:
        """Yield the reading of each page of a document, a PDF or a TIFF, in order; see `read`.

        A page is decoded and read when its reading is asked for, and none keeps its picture. One
        that cannot be read gives a reading with an `error`, as a document does that has no pages,
        and the pages after it are read.

        Args:
            source, reject, name, max_pixels, decoder, upright: as of `read`.
            max_pages: of a document with more, the first so many are read.

        Yields:
            One reading at least; of a page of a document its `page` counts from 1.

        Warns:
            PagesWarning: of a document with more pages than that.

        Raises:
            TypeError: while reading, as `read` does.
            ModelError, ConfigError: as `read` does.
            ConfigError: for `max_pages` that is no whole number from 1.
        """
        self.check_reject(reject)
        check_upright(upright)
        check_max_pages(max_pages)
        advice = "; a larger max_pages reads more"
        pages = self.each_page(
            source, reject, name, max_pixels, decoder, max_pages, upright, advice
        )
        return (reading for reading, _ in pages)

    def each_page(
        self,
        source: Source,
        reject: float | str | None = None,
        name: str | None = None,
        max_pixels: int = MAX_PIXELS,
        decoder: GuardedDecoder | None = None,
        max_pages: int = MAX_PAGES,
        upright: str = "auto",
        advice: str = "",
    ) -> Iterator[tuple[Reading, Page | None]]:
        """Yield what `read_pages` does, each with its page; None where that cannot be read.

        Args:
            source, reject, name, max_pixels, decoder, max_pages, upright: as of `read_pages`.
            advice: ends the warning of a document with more pages.
        """
        name = name or name_of(source)
        try:
            pages = load_pages(source, name, max_pixels, decoder, max_pages, advice)
        except PictureError as error:
            yield _failed(name, error), None
            return
        found: tuple[Reading, Page | None]
        while True:
            try:
                page = next(pages, None)
                if page is None:
                    return
                rows, turned = read_picture(self, page.picture, name, reject, upright)
                found = Reading(name, rows, page.number, turned=turned), page
            except PictureError as error:
                found = _failed(name, error), None
            yield found

    def _first(
        self,
        source: Source,
        reject: float | str | None,
        name: str | None,
        max_pixels: int,
        decoder: GuardedDecoder | None,
        upright: str,
    ) -> tuple[Reading, Page | None]:
        """Return the reading of a picture, or of the first page of a document, with the page."""
        advice = "; read_pages reads more"
        return next(self.each_page(source, reject, name, max_pixels, decoder, 1, upright, advice))

    def classify(
        self, glyphs: Sequence[Glyph], reject: float | str | None = None
    ) -> tuple[Digit, ...]:
        """Say which digit each glyph is, many in one call of the network.

        Args:
            glyphs: as `find_glyphs` gives them; what it prepared is not prepared a second time.
            reject: as of `read`.

        Returns:
            A digit a glyph, in the same order; each as if it were alone.

        Raises:
            ModelError, ConfigError: as `read` does.
        """
        self.check_reject(reject)
        if not glyphs:
            return ()
        outputs = self._run(np.stack([glyph.image for glyph in glyphs]))
        boxes = [glyph.box for glyph in glyphs]
        if self.model.output == "value":
            nearest = _nearest_digits(outputs[:, 0]).tolist()
            answers = zip(nearest, boxes, strict=True)
            return tuple(Digit(digit, None, None, box, None) for digit, box in answers)
        outputs[[glyph.disturbed for glyph in glyphs]] /= DISTURBED
        likely = _softmax(outputs, self.model.temperature)
        return tuple(map(_most_likely, likely, reasons(likely, reject), boxes))

    def likely(self, images: Images) -> Floats:
        """Return how likely each digit is in prepared images, uint8 [N, 28, 28]; N at least 1.

        For models that give logits; float32 [N, 10] or [N, 11], as of `probabilities`.
        """
        return _softmax(self._run(images), self.model.temperature)

    @cached_property
    def networks(self) -> Networks:
        """What pages are read with: this model, and two that ship.

        For models that give logits.

        Raises:
            ModelError: where one that ships is missing, or was changed.
        """
        number_model = load_number_model()

        def is_number(evidence: Floats) -> Floats:
            answers = number_model.run(["likely"], {"evidence": evidence})[0]
            return np.asarray(answers[:, 0], np.float32)

        return Networks(self.likely, Recogniser(SECOND_MODEL, self._threads).likely, is_number)

    def check_reject(self, reject: float | str | None) -> None:
        """Raise ModelError or ConfigError, or warn, where `read` would for this `reject`."""
        if reject is None or reject == "none":
            return
        number = float(reject) if isinstance(reject, Real) else math.nan
        if not 0 < number < 1:
            raise ConfigError(f"reject = {reject!r}: expected 'none' or a number between 0 and 1")
        if self.model.calibrated_on is None:
            raise ModelError(
                f"{self.model.path} is not calibrated, so that reject = {number:g} means nothing: "
                "use the model that ships, or leave it out"
            )
        if self.model.calibrated_on != MADE_PICTURES and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self.model.path} was {calibration_text(self.model.calibrated_on)}: "
                f"reject = {number:g} promises nothing about other pictures, such as photographs",
                CalibrationWarning,
                stacklevel=3,
            )

    def probabilities(self, images: ImagesLike, *, prepared: bool = False) -> Floats:
        """Return how likely each digit is, the same for an image alone or among others.

        A blank image is no digit, and costs the others nothing: its row has all in the eleventh
        place, or 0.1 in each of ten.

        Args:
            images: arrays or tensors of single digits, grey, [N, H, W], [N, 1, H, W] or
                [N, H, W, 1], where N may be 0, or one image [H, W]; of uint8, of truth values, of
                other integers from 0 to 255, or of floats from 0 to 1. Images of 28 x 28 with a
                dark border have bright ink and are fed as the model's property `preparation` says;
                all others are pictures and go through `preparation.prepare`, but for a model that
                says "none", which takes any 28 x 28 as they are.
            prepared: the images come from `preparation.prepare`, and are fed as they are.

        Returns:
            float32 [N, 10], or [N, 11] where the eleventh is "no digit"; rows add up to 1. Of one
            image, N is 1.

        Raises:
            ModelError: for a model trained with square error, which has no probabilities.
            TypeError: for what is no array of numbers.
            PictureError: for an array of another shape or range.
        """
        if self.model.output != "logits":
            raise ModelError(
                f"{self.model.path} was trained with square error and has no probabilities: "
                "use values() or predict()"
            )
        outputs, blank = self._outputs(images, prepared)
        likely = _softmax(outputs, self.model.temperature)
        if self.model.width > NO_DIGIT:
            likely[blank] = np.eye(self.model.width, dtype=np.float32)[NO_DIGIT]
        else:
            likely[blank] = 1 / self.model.width
        return likely

    def values(self, images: ImagesLike, *, prepared: bool = False) -> Floats:
        """Return the value, float32 [N], that a model trained with square error gives each image.

        That of a blank image is not a number.

        Raises:
            ModelError: for a model that gives logits.
            TypeError, PictureError: as `probabilities` does.
        """
        if self.model.output != "value":
            raise ModelError(f"{self.model.path} gives logits: use probabilities() or predict()")
        outputs, blank = self._outputs(images, prepared)
        return np.where(blank, np.float32(np.nan), outputs[:, 0])

    def boxes(self, images: ImagesLike, *, prepared: bool = False) -> Floats:
        """Return where the ink of each image lies, as a model with the output `box` tells it.

        Args:
            images, prepared: as of `probabilities`.

        Returns:
            float32 [N, 4]: x, y, width and height in pixels of the 28 x 28 image that the network
            sees, which for pictures is the prepared one; all 0 of a blank image.

        Raises:
            ModelError: for a model without boxes.
            TypeError, PictureError: as `probabilities` does.
        """
        if not self.model.boxes:
            raise ModelError(
                f"{self.model.path} tells no boxes: train one that does, such as two-heads"
            )
        outputs, blank = self._outputs(images, prepared, "box")
        outputs[blank] = 0
        return outputs

    def predict(self, images: ImagesLike) -> npt.NDArray[np.int64]:
        """Return the best of ten digits for each image, int64 [N]; nothing is refused.

        Of a blank image that is 0.

        Raises:
            TypeError, PictureError: as `probabilities` does.
        """
        if self.model.output == "value":
            return _nearest_digits(self.values(images))
        best = self.probabilities(images)[:, :NO_DIGIT].argmax(axis=1)
        return np.asarray(best, np.int64)

    def _outputs(
        self, given: ImagesLike, prepared: bool, name: str | None = None
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return what the model gives, as `_run`, and which images are blank, bool [N]."""
        images = as_images(given, prepared)
        if not prepared:
            images = prepared_images(images, self.model.preparation)
        return self._run(images, name), np.asarray(~images.any(axis=(1, 2)), np.bool_)

    def _run(self, prepared: Images, name: str | None = None) -> Floats:
        """Run the model on images as it wants them, uint8 or float [N, 28, 28].

        Returns its output of that name; else the first, [N, width].
        """
        name = name or self.model.output
        width = NUMBERS if name == "box" else self.model.width
        outputs = [np.zeros((0, width), np.float32)]
        for first in range(0, len(prepared), BATCH):
            batch = np.ascontiguousarray(prepared[first : first + BATCH], np.float32)[:, None]
            if prepared.dtype == np.uint8:
                batch /= 255
            outputs += self.model.session.run([name], {"images": batch})
        return np.concatenate(outputs, dtype=np.float32)


def _failed(name: str | None, error: PictureError) -> Reading:
    return Reading(name, page=error.page, error=ReadingError(error.code, str(error)))


def _softmax(logits: Floats, temperature: float | None) -> Floats:
    # In float64, so that the rounding of the answer is that of float32 alone.
    scaled = logits.astype(np.float64) / (temperature or 1.0)
    likely = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True), np.float32)


def _most_likely(likely: Floats, reason: str | None, box: Box) -> Digit:
    """Return the best of ten digits, of probabilities float32 [10] or [11]."""
    ten = likely[:NO_DIGIT].tolist()
    best = int(likely[:NO_DIGIT].argmax())
    return Digit(best, ten[best], reason, box, tuple(ten))


def _nearest_digits(values: Floats) -> npt.NDArray[np.int64]:
    """Return the digit nearest to each value, int64 [N]; halves go to the even one."""
    return np.clip(np.rint(np.nan_to_num(values)), 0, 9).astype(np.int64)

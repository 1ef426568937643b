"""Dataset with text burned into its picture -> the same with the text blanked, and counts of what was done."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from edge.deidentify.blank_pixels import StoredFrame, StoredPixels, renderings, stored_pixels
from edge.deidentify.burned_in import TextBox, find_text
from edge.errors import ReadError
from edge.geometry import Array
from edge.read.dicom.colour import to_rgb
from edge.read.dicom.syntaxes import EXPLICIT_BIG, syntax_of
from edge.reasons import MOSTLY_TEXT, TEXT_NOT_BLANKED

MOST_TEXT = 0.35
"""A picture of which more than this share would be blanked is refused: a document, or a picture of a screen."""

STALE = (
    *("SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries", "LargestPixelValueInSeries"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "EncapsulatedPixelDataValueTotalLength"),
    "PlanarConfiguration",
)
"""What may no longer be true of pixels that were blanked and are no longer compressed."""

MOST_ENTRIES = 65535
"""The greatest stored value that a palette can tell from the next, PS3.3 C.7.6.3.1.5."""

WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
"""Other words, PS3.5 6.2: their byte order is the file's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blanked:
    """What was done to the pixels of one dataset.

    Parameters
    ----------
    frames : int
        Looked at; 0 where the dataset has no pixels.
    frames_with_text : int
        In which text was found.
    boxes : int
        Separate places with text, of all frames together.
    share : float
        Of all pixels that was blanked, 0 to 1: a place in which one frame shows text is blanked in all, but for tiles.
    unused_bits : bool
        Whether something was removed that stood in bits beside the values: an overlay of the old kind.
    """

    frames: int = 0
    frames_with_text: int = 0
    boxes: int = 0
    share: float = 0.0
    unused_bits: bool = False

    @property
    def changed(self) -> bool:
        """Whether the pixels are no longer those that came."""
        return self.frames_with_text > 0 or self.unused_bits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """What is blanked in each frame, (rows, columns), of which many may be one; and the range of the stored values."""

    blanked: Blanked
    masks: Sequence[NDArray[np.bool_]]
    low: float
    high: float


def blank_text(dataset: Dataset) -> Blanked:
    """Find text in every frame of a dataset, and blank it in place.

    Where something was blanked, all pixels are stored uncompressed (Explicit VR Little Endian), those of YBR as RGB;
    else nothing is changed. A place in which one frame shows text is blanked in all, unless the frames are the tiles of
    one picture. No text is recognised, so none can be kept or told. Overlays (60xx) are not looked at.

    Raises
    ------
    ReadError
        ``NO_TEXT_FINDER``, ``TEXT_FINDER_FAILED``; ``MOSTLY_TEXT``: too much would be blanked; ``TEXT_NOT_BLANKED``:
        text was found in pixels of a kind that is not written, such as floating point ones; and those of reading:
        ``BAD_HEADER``, ``DAMAGED``, ``UNSUPPORTED_COMPRESSION``, ``TOO_LARGE``.
    """
    pixels = stored_pixels(dataset)
    if pixels is None:
        return Blanked()
    found = _look(pixels)
    if not found.blanked.changed:
        return found.blanked
    _require_blankable(found.blanked, pixels)
    _write(dataset, pixels, found)
    return found.blanked


def clear_unused_bits(dataset: Dataset) -> None:
    """Clear what stands in bits beside the values, in place, with no search for text; see `Blanked.unused_bits`.

    Raises
    ------
    ReadError
        As `blank_text`, of pixels that have such bits.
    """
    if dataset.get("BitsStored") == dataset.get("BitsAllocated"):
        return
    pixels = stored_pixels(dataset)
    if pixels is None or not pixels.has_bits_beside() or not any(frame.beside for frame in pixels.frames()):
        return
    none = np.zeros((pixels.image.rows, pixels.image.columns), dtype=np.bool_)
    found = _Found(blanked=Blanked(unused_bits=True), masks=(none,) * pixels.image.frames, low=0, high=0)
    _require_blankable(found.blanked, pixels)
    _write(dataset, pixels, found)


def text_mask(boxes: Sequence[TextBox], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels that lie in any of the boxes, shape (rows, columns)."""
    mask = np.zeros(shape[:2], dtype=np.bool_)
    for box in boxes:
        mask[box.row_start : box.row_stop, box.column_start : box.column_stop] = True
    return mask


def boxes_of(frame: StoredFrame, pixels: StoredPixels) -> tuple[TextBox, ...]:
    """Return the boxes of text in a frame, in whichever way of looking at it they are found."""
    return tuple(box for rendering in renderings(frame, pixels) for box in find_text(rendering))


def _look(pixels: StoredPixels) -> _Found:
    """At every frame; at those that are the same only once."""
    shared = np.zeros((pixels.image.rows, pixels.image.columns), dtype=np.bool_)
    of_tiles = "TotalPixelMatrixRows" in pixels.dataset
    seen: dict[bytes, tuple[int, NDArray[np.bool_]]] = {}
    keys: list[bytes] = []
    low, high, beside = np.inf, -np.inf, False
    for frame in pixels.frames():
        key = hashlib.sha256(frame.values.tobytes()).digest()
        if key not in seen:
            own = text_mask(boxes_of(frame, pixels), shared.shape)
            count = cv2.connectedComponents(own.astype(np.uint8))[0] - 1
            if not of_tiles:
                shared |= own
            seen[key] = count, own if of_tiles and count else shared
            low, high = min(low, frame.values.min()), max(high, frame.values.max())
        keys.append(key)
        beside |= frame.beside
    counts, masks = [seen[key][0] for key in keys], [seen[key][1] for key in keys]
    blanked = Blanked(
        frames=len(counts),
        frames_with_text=sum(count > 0 for count in counts),
        boxes=sum(counts),
        share=float(np.mean([mask.mean() for mask in masks])),
        unused_bits=beside,
    )
    return _Found(blanked=blanked, masks=masks, low=low, high=high)


def _require_blankable(blanked: Blanked, pixels: StoredPixels) -> None:
    image = pixels.image
    if blanked.share > MOST_TEXT:
        raise ReadError(
            f"Blanking text in a picture: it would take {blanked.share:.0%} of it, expected at most {MOST_TEXT:.0%}.",
            MOSTLY_TEXT,
        )
    deep_ybr = image.photometric.startswith("YBR") and image.bits_stored > 8
    if image.is_float or image.bits_allocated == 1 or deep_ybr:
        raise ReadError(
            f"Blanking text in a picture: found {image.photometric} of {image.bits_stored} bits"
            f"{', floating point' if image.is_float else ''}; expected whole numbers of 8 bits or more, or of 8 in "
            "YBR.",
            TEXT_NOT_BLANKED,
        )


def _write(dataset: Dataset, pixels: StoredPixels, found: _Found) -> None:
    """All frames, with their masks blanked, take the place of the pixels."""
    image = pixels.image
    dark = _dark(pixels, found)
    content = io.BytesIO()  # gives its bytes without a copy
    photometric = image.photometric
    for frame, mask in zip(pixels.frames(), found.masks, strict=True):
        photometric, values = _writable(frame, pixels)
        values[mask] = dark
        content.write(np.ascontiguousarray(values, image.dtype.newbyteorder("<")).data)
    if content.tell() % 2:
        content.write(b"\0")
    del dataset["PixelData"]
    _describe(dataset, pixels, photometric)
    dataset.add_new("PixelData", "OB" if image.bits_allocated == 8 else "OW", content.getvalue())


def _writable(frame: StoredFrame, pixels: StoredPixels) -> tuple[str, Array]:
    """A copy of the values as they are written, and what they are."""
    if frame.photometric.startswith("YBR"):
        return "RGB", np.array(to_rgb(frame.values, frame.photometric, pixels.image.bits_stored))
    return frame.photometric, np.array(frame.values)


def _dark(pixels: StoredPixels, found: _Found) -> float:
    """The stored value of what looks darkest in these frames, PS3.3 C.7.6.3.1.2."""
    if pixels.palette is not None:
        low, high = pixels.image.stored_range or (0, 0)
        stored = np.arange(max(low, -MOST_ENTRIES), min(high, MOST_ENTRIES) + 1)
        return float(stored[pixels.palette.look_up(stored).astype(np.int64).sum(axis=-1).argmin()])
    if pixels.image.in_colour:
        return 0
    return found.high if pixels.image.photometric == "MONOCHROME1" else found.low


def _describe(dataset: Dataset, pixels: StoredPixels, photometric: str) -> None:
    """The attributes of the pixels as they are now; that they were compressed with loss once stays said."""
    if pixels.transfer_syntax_uid == EXPLICIT_BIG:
        _turn_words(dataset)
    for keyword in STALE:
        if keyword in dataset:
            del dataset[keyword]
    if pixels.image.samples == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.HighBit = pixels.image.bits_stored - 1
    syntax = syntax_of(pixels.transfer_syntax_uid)
    if syntax.lossy and (syntax.codec == "jpeg" or not dataset.get("LossyImageCompression")):  # the others can do both
        dataset.LossyImageCompression = "01"
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _turn_words(dataset: Dataset) -> None:
    """Bring other words of a big endian file into little endian, which pydicom writes as they are."""
    for element in dataset.iterall():
        size = WORD_BYTES.get(element.VR)
        if size is not None and isinstance(element.value, bytes) and len(element.value) % size == 0:
            element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()

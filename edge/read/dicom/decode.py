"""Pixels -> stored values, frame by frame: pydicom's decoders, fed only with what has been checked."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from edge.errors import ReadError
from edge.geometry import Array
from edge.read.dicom.boundary import guarded
from edge.read.dicom.codecs import PLUGIN, decoder_of
from edge.read.dicom.codestream import check_frame
from edge.read.dicom.description import PixelDescription
from edge.read.dicom.parse import PixelElement
from edge.read.dicom.syntaxes import EXPLICIT_BIG, SYNTAXES
from edge.reasons import BAD_HEADER, DAMAGED

PARTIAL = "YBR_PARTIAL_422"
"""Retired, and laid out as YBR_FULL_422 is (PS3.3-2017 C.7.6.3.1.2)."""


def stored_frames(
    content: bytes, pixels: PixelElement, image: PixelDescription, dataset: Dataset, uid: str
) -> Iterator[tuple[Array, str]]:
    """Yield each frame's stored values and their photometric interpretation.

    Parameters
    ----------
    content : bytes
        Of the file, inflated where its transfer syntax is deflated.
    uid : str
        The transfer syntax, one of the table `SYNTAXES`.

    Yields
    ------
    ndarray, shape (y, x) or (y, x, 3)
        In the declared type, or a narrower one that the codestream calls for; may be read-only.
    str
        What the samples are after decoding, for colour.

    Raises
    ------
    ReadError
        ``DAMAGED``, or ``BAD_HEADER`` where the values do not fit the declared bits.
    """
    codec = SYNTAXES[uid].codec
    options = _options(image, pixels)
    if codec == "native":
        source: Any = memoryview(content)[pixels.start : pixels.start + (pixels.length or 0)]
        if image.bits_allocated == image.samples == 1 and uid != EXPLICIT_BIG:
            yield from ((frame, image.photometric) for frame in _single_bits(source, image))
            return
    else:
        source = BytesIO(content)
        options |= _offsets(dataset)
        _check_frames(source, pixels, image, uid, options.get("extended_offsets"))
        source.seek(pixels.start)
    if codec in ("native", "rle"):
        options["correct_unused_bits"] = False
    with guarded(f"Decoding the pixels ({SYNTAXES[uid].name})", DAMAGED):
        decoder = decoder_of(uid)
        plugin = "" if codec == "native" else PLUGIN
        decoded = decoder.iter_array(source, raw=True, decoding_plugin=plugin, **options)
        for frame, found in islice(decoded, image.frames):
            values = _stored_bits(frame, image) if codec in ("native", "rle") else in_range(frame, image)
            partial = image.photometric == PARTIAL
            yield values, PARTIAL if partial else str(found["photometric_interpretation"])


def _single_bits(source: memoryview, image: PixelDescription) -> Iterator[Array]:
    """Frames of single bits, PS3.5 8.1.1 and D.4: from the lowest bit on, a frame may begin within a byte.

    pydicom takes a byte too few where one begins and ends within bytes.
    """
    size = image.rows * image.columns
    for first in range(0, image.frames * size, size):
        packed = np.frombuffer(source[first // 8 : (first + size + 7) // 8], dtype=np.uint8)
        bits = np.unpackbits(packed, bitorder="little")
        yield bits[first % 8 :][:size].reshape(image.rows, image.columns)


def _options(image: PixelDescription, pixels: PixelElement) -> dict[str, Any]:
    """The words in which pydicom takes the description."""
    options: dict[str, Any] = {
        "rows": image.rows,
        "columns": image.columns,
        "samples_per_pixel": image.samples,
        "number_of_frames": image.frames,
        "bits_allocated": image.bits_allocated,
        "bits_stored": image.bits_stored,
        "pixel_representation": int(image.signed),
        "photometric_interpretation": "YBR_FULL_422" if image.photometric == PARTIAL else image.photometric,
        "planar_configuration": image.planar_configuration,
        "pixel_keyword": pixels.keyword,
        "pixel_vr": pixels.vr,
        "allow_excess_frames": False,
    }
    if pixels.length is not None:
        options["view_only"] = True
    return options


def _offsets(dataset: Dataset) -> dict[str, Any]:
    """(7FE0,0001) Extended Offset Table and (7FE0,0002) its lengths, where both are there and of one size."""
    table, lengths = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    fit = isinstance(table, bytes) and isinstance(lengths, bytes) and len(table) == len(lengths) > 0
    return {"extended_offsets": (table, lengths)} if fit else {}


def _check_frames(source: BinaryIO, pixels: PixelElement, image: PixelDescription, uid: str, offsets: Any) -> None:
    """Look at every compressed frame before the decoder sees the first."""
    source.seek(pixels.start)
    count = 0
    with guarded("Finding the compressed frames", DAMAGED):
        for frame in generate_frames(source, number_of_frames=image.frames, extended_offsets=offsets):
            check_frame(frame, SYNTAXES[uid].codec, image)
            count += 1
            if count == image.frames:
                return
    raise ReadError(f"Finding the compressed frames: found {count}, expected {image.frames}.", DAMAGED)


def _stored_bits(frame: Array, image: PixelDescription) -> Array:
    """The bits from the high bit down, PS3.5 8.1.1; what stands above or below them (once: overlays) is cut off."""
    if image.is_float or image.bits_allocated in (1, image.bits_stored):
        return frame
    below = image.high_bit + 1 - image.bits_stored
    if below == 0 and _fits(frame, image):
        return frame
    above = image.bits_allocated - 1 - image.high_bit
    return (frame << above) >> (above + below)


def in_range(frame: Array, image: PixelDescription) -> Array:
    """Return a frame whose values fit the declared bits, which the type of the result and its range rely on.

    Raises
    ------
    ReadError
        ``BAD_HEADER``: they do not.
    """
    if not _fits(frame, image):
        raise ReadError(
            f"Decoding the pixels: found values from {frame.min()} to {frame.max()}, which do not fit the declared "
            f"{image.bits_stored} bits, {'signed' if image.signed else 'unsigned'}.",
            BAD_HEADER,
        )
    return frame


def _fits(frame: Array, image: PixelDescription) -> bool:
    low, high = image.stored_range or (-np.inf, np.inf)
    return bool(frame.max(initial=0) <= high) and bool(not image.signed or frame.min(initial=0) >= low)

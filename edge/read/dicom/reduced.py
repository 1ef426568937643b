"""A file of one picture in JPEG 2000 -> the smaller picture that it holds, where that was asked for and can be had.

Only where nothing can come out another than from the whole picture, but for its detail: a table of values (a palette,
a modality LUT) would be looked up with the mean of neighbours, places in pixels (of ultrasound regions) would be those
of another picture, and what does not fit the declared bits shows in the whole picture alone.
"""

from __future__ import annotations

from io import BytesIO

from pydicom.encaps import generate_frames

from edge.errors import ReadError
from edge.geometry import Array, Grid
from edge.read import jpeg2000
from edge.read.dicom.boundary import guarded
from edge.read.dicom.codecs import channels_last, decoded_jpeg_2000
from edge.read.dicom.codestream import check_frame
from edge.read.dicom.decode import in_range
from edge.read.dicom.description import PALETTE, PixelDescription
from edge.read.dicom.header import FileHeader
from edge.read.dicom.parse import PixelElement
from edge.read.dicom.place import Place
from edge.read.dicom.syntaxes import SYNTAXES
from edge.read.halved import halved, halvings, size_after, times_for
from edge.reasons import DAMAGED

CODECS = ("jpeg-2000", "htj2k")
TRANSFORMED = ("YBR_ICT", "YBR_RCT")
"""What the decoder turns into RGB: ISO/IEC 15444-1 annex G, PS3.3 C.7.6.3.1.2."""

LONGEST = 65532
"""Pixels along a side, of which `edge.prepare.stored` can move the half: OpenCV moves nothing longer than 32766."""


def may_be_smaller(file: FileHeader, place: Place) -> bool:
    """Return whether a file's header lets its one picture be decoded smaller than it is."""
    image = file.image
    return (
        SYNTAXES[file.parsed.transfer_syntax_uid].codec in CODECS
        and image.frames == 1
        and not image.is_float
        and image.photometric != PALETTE
        and place.transform.table is None
        and max(image.rows, image.columns) <= LONGEST
        and not any(keyword in file.dataset for keyword in ("SequenceOfUltrasoundRegions", "ExtendedOffsetTable"))
    )


def times_of(content: bytes, file: FileHeader, least_side: int) -> int:
    """Return how often the picture of a file is to be halved, so that neither side gets shorter than `least_side`.

    Parameters
    ----------
    content : bytes
        Of the file.

    Raises
    ------
    ReadError
        ``DAMAGED``: as for the whole picture.
    """
    image = file.image
    frame = _frame(content, file.pixels, image)
    check_frame(frame, SYNTAXES[file.parsed.transfer_syntax_uid].codec, image)
    told = jpeg2000.inspect(frame)
    if told.signed != image.signed or told.precision > image.bits_stored:
        return 0
    return times_for((image.rows, image.columns), least_side, halvings(frame))


def words_of(times: int, grid: Grid) -> tuple[str, ...]:
    """Return what is to be said of a picture that was halved so often, of which `grid` is left.

    Examples
    --------
    >>> words_of(2, Grid.of_picture(506, 512))
    ('the picture was decoded at 1/4 of its size, 512 x 506 pixels, as its pack was measured to allow',)
    """
    if times == 0:
        return ()
    _, rows, columns = grid.shape
    size = f"1/{1 << times} of its size, {columns} x {rows} pixels"
    return (f"the picture was decoded at {size}, as its pack was measured to allow",)


def smaller_frame(
    content: bytes, pixels: PixelElement, image: PixelDescription, uid: str, times: int
) -> tuple[Array, str]:
    """Return the stored values of a file's one picture, halved so often, and what its samples are.

    Where dark and bright meet, the wavelet goes beyond the values that the bits can express. OpenJPEG cuts that off;
    OpenJPH lets it wrap around, black to white, and so decodes none that is smaller, of HTJ2K either.

    Returns
    -------
    ndarray, shape (y, x) or (y, x, 3)
    str
        As for `edge.read.dicom.decode.stored_frames`.

    Raises
    ------
    ReadError
        ``DAMAGED``, or ``BAD_HEADER`` where the values do not fit the declared bits.
    """
    frame = _frame(content, pixels, image)
    codec = SYNTAXES[uid].codec
    check_frame(frame, codec, image)
    expected = (size_after(image.rows, times), size_after(image.columns, times), image.samples)
    with guarded(f"Decoding the pixels ({SYNTAXES[uid].name}) smaller than they are stored", DAMAGED):
        decoded = channels_last(decoded_jpeg_2000(halved(frame, times), "jpeg-2000"), expected)
    if decoded.shape != (expected if image.samples > 1 else expected[:2]):
        raise ReadError(f"Decoding a smaller picture: found the shape {decoded.shape}, expected {expected}.", DAMAGED)
    photometric = "RGB" if image.photometric in TRANSFORMED else image.photometric
    return in_range(decoded, image), photometric


def _frame(content: bytes, pixels: PixelElement, image: PixelDescription) -> bytes:
    """The one compressed frame; its fragments are put together."""
    source = BytesIO(content)
    source.seek(pixels.start)
    with guarded("Finding the compressed frames", DAMAGED):
        for frame in generate_frames(source, number_of_frames=image.frames):
            return frame
    raise ReadError("Finding the compressed frames: found none, expected 1.", DAMAGED)

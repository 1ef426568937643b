"""What goes in: `Series` (known from headers), `Scan` (decoded, every voxel in its place) and `Study`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from edge.geometry import Grid
from edge.reasons import Reason

Format = Literal["dicom", "nifti", "picture"]
Stack = Literal["picture", "volume", "frames"]
ReadRegion = Callable[[int, int, int, int, int], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file that a scan was read from.

    Parameters
    ----------
    path : str
        As it was found on this machine.
    sha256 : str
        Of the whole file, 64 hexadecimal digits; empty where the file could not be read.
    sop_class_uid, sop_instance_uid : str, optional
        (0008,0016) and (0008,0018), DICOM only.
    """

    path: str
    sha256: str
    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose scan it is and which one. Patient data: never logged. None where the files do not tell.

    ``birth_date`` and ``study_date`` are as DICOM writes them, such as 19800131: (0010,0030) and (0008,0020).
    """

    patient_id: str | None = None
    patient_name: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    frame_of_reference_uid: str | None = None
    birth_date: str | None = None
    study_date: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """How the scan was made, in DICOM's defined terms. None where the files do not tell; nothing is guessed.

    Parameters
    ----------
    modality : str, optional
        (0008,0060), such as ``DX``.
    body_part : str, optional
        (0018,0015) in upper case.
    view : str, optional
        (0018,5101), such as ``PA``.
    laterality : str, optional
        (0020,0062), else (0020,0060): ``L``, ``R``, ``B`` or ``U``.
    sex : str, optional
        (0010,0040).
    age_years : float, optional
        From (0010,1010), else from the birth and study dates.
    photometric : str, optional
        (0028,0004) of the voxels as delivered: ``MONOCHROME1``, ``MONOCHROME2`` or ``RGB``; YBR and palettes have
        become RGB. MONOCHROME1 is not inverted by reading.
    image_type : tuple of str
        (0008,0008).
    lossy : bool, optional
        (0028,2110), or a lossy transfer syntax.
    burned_in : bool, optional
        (0028,0301).
    presentation : str, optional
        (0008,0068): ``FOR PRESENTATION`` or ``FOR PROCESSING``.
    description : str, optional
        (0008,103E).
    contrast : bool, optional
        Whether (0018,0010) names a contrast agent.
    captured : bool
        Whether (0008,0016) is one of the classes of secondary captures.
    bits_stored : int, optional
        (0028,0101).
    kvp : float, optional
        (0018,0060), in kilovolts.
    slice_thickness_mm : float, optional
        (0018,0050).
    field_strength_tesla : float, optional
        (0018,0087).
    device : str, optional
        Of which make it is: (0008,0070) and (0008,1090). Never which one: no station, no serial number.
    """

    modality: str | None = None
    body_part: str | None = None
    view: str | None = None
    laterality: str | None = None
    sex: str | None = None
    age_years: float | None = None
    photometric: str | None = None
    image_type: tuple[str, ...] = ()
    lossy: bool | None = None
    burned_in: bool | None = None
    presentation: str | None = None
    description: str | None = None
    contrast: bool | None = None
    captured: bool = False
    bits_stored: int | None = None
    kvp: float | None = None
    slice_thickness_mm: float | None = None
    field_strength_tesla: float | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A linear window of values to look at: (0028,1050), (0028,1051) and (0028,1056), PS3.3 C.11.2.1.2."""

    center: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"] = "LINEAR"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that was found and not used, and why.

    Parameters
    ----------
    paths : tuple of str
        The files concerned.
    reason : Reason
    detail : str
        What exactly was found, without patient data.
    """

    paths: tuple[str, ...]
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Files that belong together, known from their headers alone; no pixel has been decoded.

    Parameters
    ----------
    format : {"dicom", "nifti", "picture"}
    paths : tuple of str
        In the order in which they were found.
    identity, acquisition
        What all files agree on.
    pictures : int
        Number of slices or frames.
    bytes : int
        Memory that the decoded voxels will take, from the declared sizes.
    least_side : int
        Where it is more than 0, a smaller picture that the file holds may be decoded in place of the whole one, as long
        as neither side is shorter than this; see `edge.read.halved`.
    """

    format: Format
    paths: tuple[str, ...]
    identity: Identity
    acquisition: Acquisition
    pictures: int
    bytes: int
    least_side: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slide:
    """A picture too large to be decoded at once, which is read region by region as it is asked for.

    Parameters
    ----------
    grid : Grid
        Of all its pixels, in the space of the scan's own grid.
    levels : tuple of (int, int)
        Rows and columns of every resolution, from the largest, which is that of `grid`, to the smallest. All of them
        cover the same extent.
    read : callable
        From level, first row, first column, height and width, in pixels of that level, to RGB: a new array of uint8,
        shape (height, width, 3). Raises `edge.errors.ReadError`.
    """

    grid: Grid
    levels: tuple[tuple[int, int], ...]
    read: ReadRegion


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """Voxels, each in its place.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x) or (z, y, x, 3)
        In real units after the modality transform, in the smallest dtype that holds them exactly: the stored
        integer type, a wider integer type, or float32. Grey, or RGB.
    grid : Grid
        Where they lie; the axes are the source's own.
    stack : {"picture", "volume", "frames"}
        Whether z is a single picture, a direction in space, or a sequence in time or of loose frames whose grid
        tells only the place of each picture's pixels.
    unit : str
        What a value is: ``HU``, ``SUVbw`` (g/ml), another term of (0028,1054) Rescale Type or (0054,1001) Units,
        ``stored value``, ``other`` where the file names what is no term, or ``unknown``.
    value_range : tuple of float, optional
        Least and greatest value that the format can express, after the modality transform.
    window : Window, optional
        The first window that the file proposes.
    identity, acquisition
        As in `Series`.
    sources : tuple of Source
    places : tuple of (int, int)
        For each z: index into `sources`, and the frame's number in that file, from 0.
    regions : tuple of (int, int, int, int)
        Where every picture of an ultrasound scan shows tissue: first row, first column, last row and last column of
        each 2-D region of (0018,6011), all included; empty where the files do not tell.
    warnings : tuple of str
        What a reader noticed that does not stop the use of the scan; no patient data.
    lengths_told : bool
        Whether the file, or a person, says in which unit its lengths are; else millimetres were taken.
    slide : Slide, optional
        Where the picture is too large to be decoded at once: `voxels` and `grid` then show it small.
    stored : Grid, optional
        Of the picture as the file has it, where a smaller one was decoded: `voxels` and `grid` are those of that.
    """

    voxels: NDArray[Any]
    grid: Grid
    stack: Stack
    unit: str
    value_range: tuple[float, float] | None = None
    window: Window | None = None
    identity: Identity
    acquisition: Acquisition
    sources: tuple[Source, ...]
    places: tuple[tuple[int, int], ...]
    regions: tuple[tuple[int, int, int, int], ...] = ()
    warnings: tuple[str, ...] = ()
    lengths_told: bool = True
    slide: Slide | None = None
    stored: Grid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyIndex:
    """One study as its headers tell it: what can be read, and what was left out."""

    key: str
    series: tuple[Series, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that was found at some paths: the studies, and the files that belong to none."""

    studies: tuple[StudyIndex, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """What was read: one scan per series, with everything that was left out and why."""

    scans: tuple[Scan, ...]
    left_out: tuple[LeftOut, ...]

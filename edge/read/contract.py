"""What every reader offers: tell whether a file is its own, describe it from its header, load a series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.scan import Acquisition, Format, Identity, Scan, Series

Progress = Callable[[str], None]
"""Called with the path of a file just before its bytes are decoded, so that a death can be laid at its door."""

HEAD_BYTES = 1024
"""How much of a file's beginning `Reader.recognises` is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One file as its header tells it, before any pixel is decoded.

    Parameters
    ----------
    format : {"dicom", "nifti", "picture"}
    path : str
    study, series : str
        Files that share both are one series. DICOM: the instance UIDs; other formats: the path, so that each file
        stands alone.
    identity, acquisition
        As in `edge.scan`.
    pictures : int
        Number of slices or frames in the file.
    bytes : int
        Memory that the file's decoded voxels will take, from its declared sizes.
    sop_instance_uid : str, optional
        DICOM only: tells a copy of the same image from another image.
    order : int
        (0020,0013) Instance Number, else 0; only to list files in a familiar order, never for geometry.
    in_tiles : bool
        Whether any region of it can be read by itself, so that it need not be decoded whole.
    """

    format: Format
    path: str
    study: str
    series: str
    identity: Identity
    acquisition: Acquisition
    pictures: int
    bytes: int
    sop_instance_uid: str | None = None
    order: int = 0
    in_tiles: bool = False


class Reader(Protocol):
    """A file format. Runs inside the child process that decodes untrusted bytes, never in the caller's."""

    def recognises(self, head: bytes, path: str) -> bool:
        """Return whether a file that begins with `head` is in this format; `path` is for formats without a magic."""

    def describe(self, path: str) -> Header:
        """Return what the header of the file says, decoding no pixel.

        Raises
        ------
        edge.errors.ReadError
            The file cannot become a scan; the reason says why.
        """

    def load(self, series: Series, limit_bytes: int, progress: Progress) -> Scan:
        """Return the decoded scan.

        Parameters
        ----------
        series : Series
            As grouped from headers.
        limit_bytes : int
            Refuse with ``TOO_LARGE``, before decoding, anything whose declared voxels need more.
        progress : callable
            Called with each path before it is decoded.

        Raises
        ------
        edge.errors.ReadError
            The series is no scan that can be trusted; the reason says why.
        """

"""File to Study: recognised by content, decoded in a process of its own, nothing guessed.

`read_study` reads one study. `ScanReader` reads many, lets its caller do other work meanwhile, and never lets one
bad file end a run. `READERS` lists the formats in the order in which they are asked whether a file is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.table import Entry

if TYPE_CHECKING:
    from edge.read.isolate import Pending, ScanReader
    from edge.scan import Study

__all__ = ["READERS", "Pending", "ScanReader", "read_study"]

READERS: dict[str, Entry] = {
    "picture": Entry("edge.read.picture:PictureReader"),
    "nifti": Entry("edge.read.nifti:NiftiReader"),
    "dicom": Entry("edge.read.dicom:DicomReader"),
}

_LAZY = {
    "Pending": Entry("edge.read.isolate:Pending"),
    "ScanReader": Entry("edge.read.isolate:ScanReader"),
}


def read_study(paths: str | Path | Sequence[str | Path]) -> Study:
    """Return everything at `paths` as one study, decoded in a child process.

    Parameters
    ----------
    paths : str, Path or sequence of these
        Files, or folders of any depth. NIfTI files and pictures found beside DICOM files belong to the study too.

    Returns
    -------
    Study
        One scan for each series, and everything that was left out with the reason.

    Raises
    ------
    edge.errors.ReadError
        ``NOTHING_THERE``; ``TWO_PATIENTS`` or ``SEVERAL_STUDIES`` if the DICOM files are not of one study; or, where
        nothing could be read, the reason of the first file.
    """
    read: Any = Entry("edge.read.study:read_study").load()
    study: Study = read(paths)
    return study


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return _LAZY[name].load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

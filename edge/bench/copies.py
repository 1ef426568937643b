"""Copies of scans that no program takes for one another, in a process of its own: it reads what others have written.

Two DICOM files with one SOP Instance UID are the same image, and a second one is left out as a repetition. So a copy
gets study, series and instance UIDs of its own (``2.25.`` and a number, PS3.5 B.2), the same for all files of a study.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.child import ending, import_path
from edge.errors import ReadError
from edge.reasons import DECODER_DIED, NOT_READABLE
from edge.typed import dump, parse
from edge.write.files import mapped

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from edge.bench.copies import main; main()"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One file to be copied.

    Parameters
    ----------
    format : {"dicom", "other"}
    source, target : str
        Paths; the target's folder is there.
    number : int
        Of the copy, from 0; files of one copy have one number.
    """

    format: Literal["dicom", "other"]
    source: str
    target: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copies:
    copies: tuple[Copy, ...]


def copy_all(copies: Sequence[Copy]) -> None:
    """Make the copies, DICOM files in a child process.

    Raises
    ------
    ReadError, OutputError
        A file that was read before cannot be copied, or there is no room.
    """
    for copy in copies:
        if copy.format == "other":
            _copy_other(copy)
    told = json.dumps(dump(_Copies(copies=tuple(copy for copy in copies if copy.format == "dicom"))))
    command = [sys.executable, "-c", _BOOT, *import_path()]
    ran = subprocess.run(command, input=told.encode(), capture_output=True, check=False)  # noqa: S603 - ourselves
    if ran.returncode:
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        raise ReadError(f"Copying DICOM files in a process of its own: {ending(ran.returncode)}{last}.", DECODER_DIED)


def _copy_other(copy: Copy) -> None:
    """A copy and not a second name, which would be taken for the same file."""
    if not Path(copy.source).is_file():
        raise ReadError("Copying a scan to measure with: it is gone.", NOT_READABLE)
    with mapped(Path(copy.target)):
        shutil.copyfile(copy.source, copy.target)


def main() -> None:
    """Be that process: read what to copy from stdin, and copy it."""
    for copy in parse(_Copies, json.load(sys.stdin)).copies:
        _copy_dicom(copy)


def _copy_dicom(copy: Copy) -> None:
    import pydicom  # noqa: PLC0415 - only the child needs it

    dataset = pydicom.dcmread(copy.source, force=True)
    for keyword in _UIDS:
        if keyword in dataset:
            setattr(dataset, keyword, _uid(str(dataset[keyword].value), copy.number))
    if hasattr(dataset, "file_meta") and "SOPInstanceUID" in dataset:
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(copy.target)


def _uid(uid: str, number: int) -> str:
    digest = hashlib.sha256(f"{uid} {number}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"

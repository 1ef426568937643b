"""From paths to the files at them: each real file once, in a stable order, none of them opened."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from edge.errors import ReadError
from edge.reasons import BAD_NAME, DAMAGED, NOT_AN_IMAGE, NOT_READABLE, NOTHING_THERE, Reason
from edge.scan import LeftOut

Paths = str | Path | Sequence[str | Path]

_LITTER_FILES = {".ds_store", "thumbs.db", "desktop.ini"}
_LITTER_FOLDERS = {
    "system volume information",
    "$recycle.bin",
    ".spotlight-v100",
    ".trashes",
    ".fseventsd",
    ".temporaryitems",
}


_RESULT_FOLDER = re.compile(r"[0-9a-f]{16}-[a-z0-9_-]+")


def find_files(paths: Paths) -> tuple[tuple[str, ...], tuple[LeftOut, ...]]:
    """Return the absolute paths of all plain files at `paths`, sorted, and what was left out.

    Folders are walked to any depth. A file or folder that can be reached in several ways (links) is taken once,
    under the name that sorts first. What operating systems strew over sticks (``.DS_Store``, ``Thumbs.db``, the
    recycle bin, ``._x`` beside ``x``) was put there by no one and is passed over in silence, and so are the folders
    of edgerun's own results, unless they are named themselves; everything else is either returned or listed as
    left out.

    Raises
    ------
    edge.errors.ReadError
        ``NOTHING_THERE``: there is nothing at any of the paths, or only empty folders.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    walk = _Walk()
    for path in sorted({str(Path(path).absolute()) for path in given}):
        walk.visit(path)
    if not walk.files and all(out.reason is NOTHING_THERE for out in walk.left_out):
        names = ", ".join(repr(str(path)) for path in given[:3]) + (", ..." if len(given) > 3 else "")
        raise ReadError(f"Looking for scans at {names or 'no path at all'}: no file was found.", NOTHING_THERE)
    return tuple(sorted(walk.files)), tuple(sorted(walk.left_out, key=lambda out: out.paths))


class _Walk:
    """What was seen so far."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.left_out: list[LeftOut] = []
        self._seen: set[tuple[int, int]] = set()

    def visit(self, start: str) -> None:
        """Take the file, or every file below the folder."""
        waiting = [start]
        while waiting:
            path = waiting.pop()
            if not _is_text(path):
                self._leave(_in_text(path), BAD_NAME, "Its name holds bytes that are no UTF-8, shown as \\x..")
                continue
            try:
                status = os.stat(path)  # noqa: PTH116 -- follows links; Path has no plainer way
            except FileNotFoundError:
                self._leave(path, NOTHING_THERE, "There is nothing at this path, or at the end of this link.")
                continue
            except OSError as error:
                self._leave(path, NOT_READABLE, f"The system says: {error.strerror}.")
                continue
            if self._is_known(status):
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.extend(reversed(self._entries(path)))
            elif not stat.S_ISREG(status.st_mode):
                self._leave(path, NOT_AN_IMAGE, "It is a pipe, socket or device, no plain file; it was not opened.")
            elif status.st_size == 0:
                self._leave(path, DAMAGED, "The file is empty.")
            else:
                self.files.append(path)

    def _is_known(self, status: os.stat_result) -> bool:
        """Whether this very file or folder was met before; file systems without numbers for them say 0."""
        identity = (status.st_dev, status.st_ino)
        known = status.st_ino != 0 and identity in self._seen
        self._seen.add(identity)
        return known

    def _entries(self, folder: str) -> list[str]:
        """What a folder holds, sorted, less the litter."""
        try:
            names = set(os.listdir(folder))  # noqa: PTH208 -- names are asked for, not paths
        except OSError as error:
            self._leave(folder, NOT_READABLE, f"The system says: {error.strerror}.")
            return []
        found = [Path(folder, name) for name in sorted(names) if not _is_litter(name, names)]
        return [str(path) for path in found if not _is_result(path)]

    def _leave(self, path: str, reason: Reason, detail: str) -> None:
        self.left_out.append(LeftOut(paths=(path,), reason=reason, detail=detail))


def _is_text(path: str) -> bool:
    """Whether the name can be written down; Python keeps other bytes as halves of surrogate pairs (PEP 383)."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _in_text(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_result(path: Path) -> bool:
    """Whether this is the folder of a study's results, which often lies on the very stick that is examined again."""
    if _RESULT_FOLDER.fullmatch(path.name) is None:
        return False
    try:
        return (path / "report.json").is_file()
    except OSError:  # it may not be looked into, which the walk will say
        return False


def _is_litter(name: str, beside: set[str]) -> bool:
    """Whether an operating system put this here; ``._x`` is AppleDouble only where ``x`` lies beside it."""
    lower = name.lower()
    return lower in _LITTER_FILES or lower in _LITTER_FOLDERS or (name.startswith("._") and name[2:] in beside)

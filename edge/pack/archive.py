"""A pack's files: a folder, or one ``.edgepack`` zip; read whole, once, and never through a link."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

from edge.errors import PackError
from edge.reasons import MISSING_FILE, NO_PACK

LARGEST_FILE = 2**31 - 1
"""Bytes. Protobuf, and so ONNX in one file, ends there."""

ReadFile = Callable[[str], bytes]


def open_archive(path: Path) -> ReadFile:
    """Return the function that reads a file of the pack at `path` by its name, such as ``golden/a.dcm``.

    Raises
    ------
    PackError
        ``P400``: there is neither a folder nor a zip. The returned function raises ``P403``.
    """
    if path.is_dir():
        return lambda name: _read_folder(path, name)
    if path.is_file() and zipfile.is_zipfile(path):
        return lambda name: _read_zip(path, name)
    raise PackError(f"Opening {path}: found neither a folder nor an .edgepack file.", NO_PACK)


def _read_folder(folder: Path, name: str) -> bytes:
    """Open each folder on the way without following links, then read what is open, not what a path says by then."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    place = folder
    try:
        for part in Path(name).parts:
            place = place / part
            if place.is_symlink():
                raise _missing(place, "a link")
        with os.fdopen(os.open(place, flags | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _missing(place, "no plain file")
            if found.st_size > LARGEST_FILE:
                raise _missing(place, f"{found.st_size} bytes")
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise _missing(place, error.strerror or "an error") from error


def _read_zip(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(name)
            if entry.file_size > LARGEST_FILE:
                raise _missing(path / name, f"{entry.file_size} bytes")
            with archive.open(entry) as file:
                return file.read(entry.file_size)
    except KeyError as error:
        raise _missing(path / name, "nothing") from error
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise _missing(path / name, "a damaged, encrypted or unknown archive") from error


def _missing(place: Path, found: str) -> PackError:
    return PackError(f"Reading {place}: found {found}, expected a plain file of at most 2 GiB.", MISSING_FILE)

"""A pack's files: a folder, or one ``.edgepack`` zip; read whole, once, and never through a link."""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.errors import PackError
from edge.reasons import MISSING_FILE, NO_PACK

LARGEST_FILE = 2**31 - 1
"""Bytes. Protobuf, and so ONNX in one file, ends there."""

LARGEST_MANIFEST = 2**24 - 1
"""Bytes. It is parsed before anything vouches for it."""

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

ReadFile = Callable[[str, int], bytes]


def open_archive(path: Path) -> ReadFile:
    """Return the function that reads a file of the pack at `path` by its name, such as ``golden/a.dcm``.

    Its second argument is how many bytes the file may have.

    Raises
    ------
    PackError
        ``P400``: there is neither a folder nor a zip. The returned function raises ``P403``.
    """
    try:
        if path.is_dir():
            return partial(_read_folder, path)
        if path.is_file() and zipfile.is_zipfile(path):
            return partial(_read_zip, path)
    except OSError as error:  # such as a name that is too long, or a folder that may not be looked into
        raise PackError(f"Opening {path}: {error.strerror or 'an error'}.", NO_PACK) from error
    raise PackError(f"Opening {path}: found neither a folder nor an .edgepack file.", NO_PACK)


def _read_folder(folder: Path, name: str, largest: int) -> bytes:
    """Refuse a link anywhere below the folder, then read what is open, not what the path says by then."""
    place = folder
    try:
        for part in Path(name).parts:
            place = place / part
            if place.is_symlink():
                raise _missing(place, "a link", largest)
        with io.BufferedReader(io.FileIO(place, opener=_open_no_link)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _missing(place, "no plain file", largest)
            if found.st_size > largest:
                raise _missing(place, f"{found.st_size} bytes", largest)
            return file.read(found.st_size)
    except OSError as error:
        raise _missing(place, error.strerror or "an error", largest) from error


def _open_no_link(path: str, flags: int) -> int:
    """Open neither through a link nor, where it is a pipe, wait for its other end."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _read_zip(path: Path, name: str, largest: int) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename == name]
            if len(entries) != 1:
                inside = any(entry.filename.endswith(f"/{name}") for entry in archive.infolist())
                wrapped = ", and one in a folder: zip what is in the pack's folder, not the folder" if inside else ""
                raise _missing(path / name, f"{len(entries)} of that name{wrapped}", largest)
            entry = entries[0]
            if entry.file_size > largest:
                raise _missing(path / name, f"{entry.file_size} bytes", largest)
            if entry.compress_type not in COMPRESSIONS:
                raise _missing(path / name, f"compression {entry.compress_type}", largest)
            with archive.open(entry) as file:
                return file.read(entry.file_size)
    except _BAD_ZIP as error:
        raise _missing(path / name, "a damaged, encrypted or unknown archive", largest) from error


_BAD_ZIP = (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile, zlib.error)
"""What `zipfile` raises on damaged archives; it has no one type for that."""


def _missing(place: Path, found: str, largest: int) -> PackError:
    return PackError(f"Reading {place}: found {found}, expected a plain file of at most {largest} bytes.", MISSING_FILE)

"""What engines compiled for this machine, kept so that nobody else can have written it.

A compiled model is a program: an engine that loads one runs it. So none is ever taken from outside, and one of our own
is used only if a code over every byte of it (HMAC-SHA256, RFC 2104), made with a key that never leaves the folder, says
that this user's edgerun wrote it here. An entry, in this order: `MAGIC`, the lengths of head and payload (8 bytes each,
little endian), the head (the conditions as JSON), the payload, the code.

On Windows the folder lies in the user's own profile, and who owns it and may write to it is not asked.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import json
import os
import secrets
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge.errors import EngineError, OutputError, UsageError
from edge.reasons import CACHE_UNSAFE, DISK_FULL
from edge.typed import TypedError, dump, parse
from edge.write.files import UNFINISHED, mapped

MAGIC = b"EDGERUN COMPILED 1\n"
LIMIT_BYTES = 8 << 30
"""How much may be kept, by default; the entry that was not used for the longest goes first."""

KEY_FILE = "key"
KEY_BYTES = 32
ENTRY = ".compiled"

_LENGTHS = struct.Struct("<QQ")
_CODE_BYTES = hashlib.sha256().digest_size
_LARGEST_HEAD_BYTES = 1 << 20
_ABANDONED_SECONDS = 3600.0
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_MAY_ANYTHING = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All that an artefact is bound to: under any other conditions it is another one.

    Parameters
    ----------
    kind : str
        What it is, such as ``tensorrt-plan``.
    engine : str
        As in `edge.engines.ENGINES`.
    model_sha256 : str
        Of the ONNX file.
    precision : str
    versions : mapping
        Of the libraries and drivers that made it and are to load it.
    machine : mapping
        Of the processor or GPU: which one, what it can do, its power mode.
    settings : mapping
        Shapes, threads, options.
    """

    kind: str
    engine: str
    model_sha256: str
    precision: str
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was there: the payload, or None and, in words, why; what was not what it should be is removed already."""

    payload: bytes | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An entry as it describes itself; nobody verified it.

    Parameters
    ----------
    key : str
        Its name: the SHA-256 of its conditions.
    conditions : Conditions or None
        None: it cannot be read.
    bytes : int
        Size of the file.
    used_at : float
        Seconds since the epoch.
    """

    key: str
    conditions: Conditions | None
    bytes: int
    used_at: float


def cache_folder() -> Path:
    """Return where this user's compiled models are: ``EDGERUN_CACHE``, else the system's place for caches."""
    if chosen := os.environ.get("EDGERUN_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "edgerun" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgerun"


def open_store(folder: Path | None = None, *, limit_bytes: int | None = None) -> Store:
    """Open the store, and make it where there is none.

    Parameters
    ----------
    folder : Path, optional
        By default `cache_folder()`.
    limit_bytes : int, optional
        How much may be kept: by default ``EDGERUN_CACHE_BYTES``, else 8 GiB.

    Raises
    ------
    EngineError
        ``E506``: others own the folder or its key, or may write to it.
    OutputError
        ``W800`` or ``W801``: it cannot be made.
    UsageError
        ``EDGERUN_CACHE_BYTES`` is not a positive whole number.
    """
    place = folder or cache_folder()
    with mapped(place):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise EngineError(f"Opening {place}: found a link, expected a folder.", CACHE_UNSAFE)
    try:
        _check_own(found, _OTHERS_MAY_WRITE)
    except _ForeignError as error:
        raise EngineError(f"Opening {place}: {error}.", CACHE_UNSAFE) from error
    return Store(place, _key(place), _limit() if limit_bytes is None else limit_bytes)


def read_own(path: Path) -> bytes:
    """Return what stands in a plain file that nobody but this user can have written.

    Raises
    ------
    OSError
        It is not there or cannot be read. ``PermissionError``, in words: it is a link, another user owns it, or others
        may write to it.
    """
    try:
        with _opened_private(path, _OTHERS_MAY_WRITE) as file:
            return file.read()
    except _ForeignError as error:
        raise PermissionError(str(error)) from error


class Store:
    """Compiled models in one folder; for any number of processes. Made by `open_store`."""

    def __init__(self, folder: Path, key: bytes, limit_bytes: int) -> None:
        self._folder = folder
        self._key = key
        self._limit_bytes = limit_bytes

    def get(self, conditions: Conditions) -> Found:
        """Return what was compiled under these conditions, if every byte of it is what this store wrote."""
        head, path = _head_of(conditions), self._path(conditions)
        try:
            payload = self._read(path, head)
        except FileNotFoundError:
            return Found(payload=None, why="nothing was prepared under these conditions")
        except _ForeignError as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return Found(payload=None, why=f"what was prepared was not to be trusted and is removed: {error}")
        except OSError as error:  # such as too many open files: another time it may be read
            return Found(payload=None, why=f"what was prepared cannot be read: {error.strerror or error}")
        with contextlib.suppress(OSError):  # a folder that may only be read from is still of use
            os.utime(path)
        return Found(payload=payload)

    def put(self, conditions: Conditions, payload: bytes) -> None:
        """Keep `payload`, whole or not at all; what was not used for the longest makes room.

        Raises
        ------
        OutputError
            ``W800`` or ``W801``; also where it alone is more than the store may hold.
        """
        head, path = _head_of(conditions), self._path(conditions)
        if len(payload) > self._limit_bytes:
            found = f"found {len(payload)} bytes, expected no more than EDGERUN_CACHE_BYTES, {self._limit_bytes}"
            raise OutputError(f"Keeping a prepared model in {self._folder}: {found}. Raise it.", DISK_FULL)
        parts = [MAGIC + _LENGTHS.pack(len(head), len(payload)) + head, payload]
        parts.append(self._code(parts))
        with mapped(path):
            self._make_room(sum(map(len, parts)), path)
            with _written_whole(path) as file:
                for part in parts:
                    file.write(part)

    def drop(self, conditions: Conditions) -> None:
        """Remove what was compiled under these conditions, as when an engine does not take it."""
        with mapped(self._folder):
            self._path(conditions).unlink(missing_ok=True)

    def entries(self) -> tuple[Stored, ...]:
        """Return what is kept, that which was not used for the longest first."""
        found = []
        for path in self._folder.glob(f"*{ENTRY}"):
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                about = path.lstat()
                found.append(
                    Stored(
                        key=path.name.removesuffix(ENTRY),
                        conditions=_told_by(path),
                        bytes=about.st_size,
                        used_at=about.st_mtime,
                    )
                )
        return tuple(sorted(found, key=lambda item: (item.used_at, item.key)))

    def clear(self) -> int:
        """Remove everything that is kept and return how many entries that was; the key stays.

        Raises
        ------
        OutputError
            ``W800``.
        """
        count = 0
        with mapped(self._folder):
            for path in self._folder.glob(f"*{ENTRY}"):
                path.unlink(missing_ok=True)
                count += 1
        return count

    def _path(self, conditions: Conditions) -> Path:
        return self._folder / (hashlib.sha256(_head_of(conditions)).hexdigest() + ENTRY)

    def _code(self, parts: list[bytes]) -> bytes:
        code = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            code.update(part)
        return code.digest()

    def _read(self, path: Path, head: bytes) -> bytes:
        """The payload, which is in this process's memory before the code is computed over it."""
        with _opened_private(path, _OTHERS_MAY_WRITE) as file:
            payload_bytes = _payload_bytes(file, head)
            start = MAGIC + _LENGTHS.pack(len(head), payload_bytes) + head
            if file.read(len(start)) != start:
                raise _ForeignError("its head is not that of these conditions")
            payload, code = file.read(payload_bytes), file.read()
        if not hmac.compare_digest(code, self._code([start, payload])):
            raise _ForeignError("its code is not one that this store made")
        return payload

    def _make_room(self, needed: int, path: Path) -> None:
        others = [item for item in self.entries() if item.key + ENTRY != path.name]
        total = sum(item.bytes for item in others)
        for item in others:
            if total + needed <= self._limit_bytes:
                break
            (self._folder / (item.key + ENTRY)).unlink(missing_ok=True)
            total -= item.bytes
        for leftover in self._folder.glob(f"{UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - leftover.lstat().st_mtime > _ABANDONED_SECONDS:
                    leftover.unlink()


class _ForeignError(Exception):
    """A file is not what this store wrote; the message says how that shows."""


def _head_of(conditions: Conditions) -> bytes:
    """One spelling for one set of conditions."""
    return json.dumps(dump(conditions), sort_keys=True, separators=(",", ":")).encode("ascii")


def _payload_bytes(file: BinaryIO, head: bytes) -> int:
    size = os.fstat(file.fileno()).st_size - len(MAGIC) - _LENGTHS.size - len(head) - _CODE_BYTES
    if size < 0:
        raise _ForeignError("it was cut short")
    return size


def _told_by(path: Path) -> Conditions | None:
    try:
        with _opened_private(path, _OTHERS_MAY_WRITE) as file:
            start = file.read(len(MAGIC) + _LENGTHS.size)
            if len(start) < len(MAGIC) + _LENGTHS.size or not start.startswith(MAGIC):
                return None
            head_bytes, _ = _LENGTHS.unpack(start[len(MAGIC) :])
            return parse(Conditions, json.loads(file.read(min(head_bytes, _LARGEST_HEAD_BYTES))))
    except (OSError, ValueError, RecursionError, TypedError, _ForeignError):
        return None


def _limit() -> int:
    told = os.environ.get("EDGERUN_CACHE_BYTES")
    if told is None:
        return LIMIT_BYTES
    if not told.isascii() or not told.isdigit() or int(told) == 0:
        raise UsageError(f"Reading EDGERUN_CACHE_BYTES: found {told!r}, expected a number of bytes.")
    return int(told)


def _key(folder: Path) -> bytes:
    """The folder's key, made by whoever comes first."""
    path = folder / KEY_FILE
    with mapped(path):
        if not os.path.lexists(path):
            _make_key(path)
        try:
            with _opened_private(path, _OTHERS_MAY_ANYTHING) as file:
                key = file.read(KEY_BYTES + 1)
        except _ForeignError as error:
            raise EngineError(f"Opening {path}: {error}.", CACHE_UNSAFE) from error
    if len(key) != KEY_BYTES:
        raise EngineError(f"Opening {path}: found a key of another length, expected {KEY_BYTES} bytes.", CACHE_UNSAFE)
    return key


def _make_key(path: Path) -> None:
    """A link, unlike a rename, never replaces the key that another process made meanwhile."""
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _opened_private(path: Path, forbidden: int) -> Iterator[BinaryIO]:
    """A plain file of this user, asked of the opened file itself: what its name leads to may change meanwhile."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise _ForeignError("it is a link") from error
        raise
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise _ForeignError("it is no plain file")
        _check_own(about, forbidden)
        yield file


def _check_own(about: os.stat_result, forbidden: int) -> None:
    """Refuse what another user owns, or what has a permission that it must not have."""
    if sys.platform == "win32":
        return
    if about.st_uid != os.geteuid():
        raise _ForeignError(f"found the owner {about.st_uid}, expected {os.geteuid()}, who runs this")
    if about.st_mode & forbidden:
        mode = stat.S_IMODE(about.st_mode)
        raise _ForeignError(f"found the permissions {mode:04o}, expected {mode & ~forbidden:04o}")


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[BinaryIO]:
    """A private file that gets its name when all of it is on the disk."""
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)

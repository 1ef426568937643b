"""How two processes exchange messages over a pipe: a length, a JSON document, and raw bytes where voxels travel."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LENGTHS = struct.Struct(">IQ")
_DOCUMENT_LIMIT = 1 << 28
_PIECE = 1 << 20


class FrameError(ValueError):
    """The other side sent something that is no frame, or a larger one than it may."""


def widen(stream: BinaryIO) -> None:
    """Let a pipe hold more, where the system can and allows it: raw bytes then change hands in fewer turns."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; others have no such thing
        with contextlib.suppress(OSError):  # a limit of the user or of the system
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIECE)


def write_frame(stream: BinaryIO, document: Any, raw: Iterable[memoryview] = (), raw_bytes: int = 0) -> None:
    """Write one frame and flush.

    Parameters
    ----------
    stream : binary file
    document : object
        Of JSON types. Written in ASCII, so that file names that are no valid text survive.
    raw : iterable of memoryview
        Contiguous pieces, `raw_bytes` long together.
    raw_bytes : int
    """
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
    stream.write(_LENGTHS.pack(len(text), raw_bytes) + text)
    for piece in raw:
        stream.write(piece)
    stream.flush()


def read_frame(
    stream: BinaryIO, raw_limit: int = 0, alive: Callable[[], object] = lambda: None
) -> tuple[Any, bytearray] | None:
    """Return the next document and its raw bytes, or None at the end of the stream.

    Parameters
    ----------
    stream : binary file
    raw_limit : int
        The most raw bytes to take.
    alive : callable
        Called whenever bytes have arrived, so that a long message is not mistaken for silence.

    Raises
    ------
    FrameError
        The frame is cut short, too long, or holds no JSON.
    """
    lengths = bytearray(_LENGTHS.size)
    got = stream.readinto(lengths)  # type: ignore[attr-defined]
    if not got:
        return None
    _fill(stream, memoryview(lengths)[got:], alive)
    text_bytes, raw_bytes = _LENGTHS.unpack(lengths)
    if text_bytes > _DOCUMENT_LIMIT or raw_bytes > raw_limit:
        raise FrameError(f"A frame of {text_bytes} and {raw_bytes} bytes, expected at most {raw_limit} raw ones.")
    text, raw = bytearray(text_bytes), bytearray(raw_bytes)
    _fill(stream, memoryview(text), alive)
    _fill(stream, memoryview(raw), alive)
    try:
        return json.loads(text), raw
    except (ValueError, RecursionError) as error:
        raise FrameError("A frame that holds no JSON.") from error


def _fill(stream: BinaryIO, target: memoryview, alive: Callable[[], object]) -> None:
    """Read until `target` is full."""
    at = 0
    while at < len(target):
        got = stream.readinto(target[at : at + _PIECE])  # type: ignore[attr-defined]
        if not got:
            raise FrameError(f"A frame cut short after {at} of {len(target)} bytes.")
        at += got
        alive()

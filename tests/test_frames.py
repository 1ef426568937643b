"""Frames on a pipe: what is written is read, whatever the pipe holds at a time."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from edge import frames
from edge.frames import FrameError, read_frame, widen, write_frame

Ends = tuple[BinaryIO, BinaryIO]
USUAL = 1 << 16
"""Bytes that a pipe of Linux holds (pipe(7))."""


@pytest.fixture
def pipe() -> Iterator[Ends]:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer:
        yield reader, writer


def holds(writer: BinaryIO) -> int:
    """Bytes that go in while nobody reads."""
    os.set_blocking(writer.fileno(), False)
    return os.write(writer.fileno(), bytes(1 << 24))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not let the size of a pipe be told")
def test_a_widened_pipe_holds_more(pipe: Ends) -> None:
    widen(pipe[0])
    assert holds(pipe[1]) > 4 * USUAL


def test_where_a_pipe_cannot_be_widened_it_stays_as_it_is(pipe: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open("rb") as no_pipe:
        widen(no_pipe)
    monkeypatch.setattr(frames, "fcntl", None)
    widen(pipe[0])
    assert holds(pipe[1]) <= USUAL


@pytest.mark.parametrize("wide", [False, True])
def test_what_is_written_is_read(wide: bool, pipe: Ends) -> None:
    reader, writer = pipe
    if wide:
        widen(reader)
    raw = bytes(range(256)) * 1024
    parts = [memoryview(raw), memoryview(raw)[::-1]]
    document = {"name": "\udcff ü", "numbers": [1, 2.5]}
    writing = threading.Thread(target=write_frame, args=(writer, document, map(bytes, parts), 2 * len(raw)))
    writing.start()
    found = read_frame(reader, 1 << 20)
    writing.join()
    assert found == (document, bytearray(raw + raw[::-1]))


def test_more_than_was_agreed_is_not_taken() -> None:
    stream = io.BytesIO()
    write_frame(stream, {}, [memoryview(bytes(9))], 9)
    stream.seek(0)
    with pytest.raises(FrameError, match="at most 8"):
        read_frame(stream, 8)


def test_a_frame_that_is_cut_short_is_none() -> None:
    stream = io.BytesIO()
    write_frame(stream, {"a": 1})
    with pytest.raises(FrameError, match="cut short"):
        read_frame(io.BytesIO(stream.getvalue()[:-1]))
    assert read_frame(io.BytesIO()) is None

"""The reading process seen from outside: started, spoken to, waited for no longer than agreed, killed.

This module imports nothing heavy; a program that cannot wait for it starts the process by `edge.child.start_reader`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from edge.child import ending, signal_of, start_reader
from edge.errors import EdgerunError, UsageError
from edge.frames import FrameError, read_frame, widen, write_frame
from edge.read.memory import memory_bytes
from edge.reasons import DECODE_TIMEOUT, DECODER_DIED, Reason

READERS = "edge.read:READERS"
PREFETCH = ("dicom",)
"""What a program that starts a child on the chance should have it import: most scans are DICOM."""
SECONDS = 20.0
"""How long the child may be silent over one small file; see `ScanReader`."""

_START_SECONDS = 120.0
_DEFAULT_BYTES = 2 << 30


class ChildGoneError(Exception):
    """The child was killed for its silence or died; `words` say how, `reason` which of the two."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


def default_limit_bytes() -> int:
    """Return the memory that one decoded scan may take: EDGERUN_SCAN_BYTES, else 2 GiB or half of the memory.

    In a container the memory is the container's; see `edge.read.memory`.

    Raises
    ------
    UsageError
        EDGERUN_SCAN_BYTES is not a positive whole number.
    """
    told = os.environ.get("EDGERUN_SCAN_BYTES")
    if told is not None:
        if not (told.isascii() and told.isdigit() and int(told) > 0):
            raise UsageError(f"Reading EDGERUN_SCAN_BYTES: found {told!r}, expected a number of bytes.")
        return int(told)
    memory = memory_bytes()
    return _DEFAULT_BYTES if memory is None else min(_DEFAULT_BYTES, memory // 2)


class Child:
    """A process that decodes untrusted files.

    Parameters
    ----------
    limit_bytes : int
        The most memory that one decoded scan may take.
    seconds : float
        The longest silence over one small file.
    readers : str
        ``module:name`` of the table of readers. They find no requests, tqdm or PIL to import.
    prefetch : sequence of str
        Readers to import while the child waits for its first request.
    process : Popen, optional
        What `edge.child.start_reader` gave, where it was started earlier.
    """

    def __init__(
        self,
        *,
        limit_bytes: int,
        seconds: float = SECONDS,
        readers: str = READERS,
        prefetch: Sequence[str] = (),
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        settings = {"limit_bytes": limit_bytes, "seconds": seconds, "readers": readers, "prefetch": list(prefetch)}
        self._limit_bytes = limit_bytes
        self._frames: queue.SimpleQueue[tuple[Any, bytearray] | None] = queue.SimpleQueue()
        self._heard = time.monotonic()
        self._ready = False
        self._process = process or start_reader()
        self._listener = threading.Thread(target=self._listen, name="edgerun-read", daemon=True)
        self._listener.start()
        self._write(settings)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    @classmethod
    def early(cls, process: subprocess.Popen[bytes]) -> Child:
        """Return a child with the usual settings, for a program that started its process before its own imports.

        Raises
        ------
        UsageError
            As of `default_limit_bytes`.
        """
        return cls(limit_bytes=default_limit_bytes(), prefetch=PREFETCH, process=process)

    def _listen(self) -> None:
        """Take every frame as it comes, so that the child never waits for the parent."""
        stream = self._process.stdout
        try:
            if stream is not None:
                widen(stream)  # type: ignore[arg-type]
            while stream is not None:
                frame = read_frame(stream, self._limit_bytes, self._note_life)  # type: ignore[arg-type]
                self._frames.put(frame)
                self._note_life()
                if frame is None:
                    return
        except (FrameError, OSError, ValueError, MemoryError):
            self._frames.put(None)

    def _note_life(self) -> None:
        self._heard = time.monotonic()

    def send(self, document: Any) -> None:
        """Send one request; a child that is gone or takes none shows at the next `receive`."""
        self._note_life()
        watchdog = threading.Timer(_START_SECONDS, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._write(document)
        finally:
            watchdog.cancel()

    def _write(self, document: Any) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                write_frame(self._process.stdin, document)  # type: ignore[arg-type]

    def receive(self, seconds: float) -> tuple[Any, bytearray]:
        """Return the next answer and its raw bytes.

        Raises
        ------
        ChildGoneError
            Nothing came for `seconds`, or the child died or sent no frame; it is dead now.
        EdgerunError
            The child never came to work at all: the installation is broken, not a file.
        """
        if not self._ready:
            try:
                self._wait(_START_SECONDS)
            except ChildGoneError as gone:
                raise EdgerunError(
                    f"Starting the process that reads scans with {sys.executable}: {gone.words} before it had seen "
                    "any file. Free some memory and try again; if it stays so, install edgerun again."
                ) from gone
            self._ready = True
            self._note_life()
        return self._wait(seconds)

    def _wait(self, seconds: float) -> tuple[Any, bytearray]:
        while True:
            left = self._heard + seconds - time.monotonic()
            try:
                # A parent that was stopped for a while finds answers in the pipe: a moment to take them.
                frame = self._frames.get(timeout=max(left, 0.5))
            except queue.Empty:
                if self._heard + seconds > time.monotonic():
                    continue
                self.kill()
                raise ChildGoneError(
                    DECODE_TIMEOUT, f"it gave no sign of life for {seconds:.0f} s and was ended"
                ) from None
            if frame is None:
                raise self._death()
            return frame

    def _death(self) -> ChildGoneError:
        """What the end of the stream means."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            return ChildGoneError(DECODER_DIED, "it answered with something that is no answer")
        finally:
            self.kill()
        if signal_of(code) == "SIGALRM":
            return ChildGoneError(DECODE_TIMEOUT, "it gave no sign of life and ended itself")
        return ChildGoneError(DECODER_DIED, ending(code))

    def kill(self) -> None:
        """End the process now, whatever it does."""
        self._process.kill()
        try:
            self._process.wait(timeout=5)  # longer only if the disk that it reads from does not answer
        except subprocess.TimeoutExpired:
            return
        self._listener.join(timeout=5)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what could not be written is of no use any more
                    continue

"""The process that cleans files, seen from outside: started, spoken to, ended when it is silent, started again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from edge.child import import_path
from edge.deidentify.contract import Answer, Begin, Cleaned, Do, Failed, Ready
from edge.engines.apart import ChildGoneError, ChildProcess
from edge.errors import EdgerunError, ReadError
from edge.frames import FrameError, read_frame, write_frame
from edge.read.process import default_limit_bytes
from edge.reasons import DECODER_DIED, REASONS
from edge.typed import dump, parse

if TYPE_CHECKING:
    from typing_extensions import Self

SECONDS = 600.0
"""How long one file may take, plus a second for every 20 kB of it: text is looked for in each of its frames."""

_BYTES_A_SECOND = 20_000
_START_SECONDS = 120.0
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from edge.deidentify.worker import main; main(sys.argv[1])"


class CleanerProcess:
    """Cleans files in a child process; a context manager.

    Parameters
    ----------
    begin : Begin
        How files are to be cleaned.
    seconds : float
        See `SECONDS`.

    Attributes
    ----------
    ready : Ready
        What the child can do here.
    """

    def __init__(self, begin: Begin, *, seconds: float = SECONDS) -> None:
        self._begin = begin
        self._seconds = seconds
        self._limit_bytes = default_limit_bytes()
        self._child: ChildProcess | None = None
        self.ready = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def clean(self, path: str) -> tuple[Cleaned, bytearray]:
        """Return what was done to a file, and the bytes of the new one.

        Raises
        ------
        ReadError
            It was not cleaned; also if the child died of it or took too long, after which the next file gets another.
        """
        if self._child is None:
            self._start()
        seconds = self._seconds + _size(path) / _BYTES_A_SECOND
        try:
            answer, data = self._exchange(Do(path=path, seconds=seconds), seconds)
        except ChildGoneError as gone:
            self._end()
            raise ReadError(f"Cleaning it in a process of its own: {gone}.", DECODER_DIED) from gone
        except BaseException:  # an interrupt leaves half a message behind
            self._end()
            raise
        if isinstance(answer, Failed):
            raise ReadError(answer.message, REASONS[answer.code])
        if not isinstance(answer, Cleaned):
            self._end()
            raise ReadError("Cleaning it: the process answered something else.", DECODER_DIED)
        return answer, data

    def _start(self) -> Ready:
        settings = json.dumps({"limit_bytes": self._limit_bytes})
        self._child = ChildProcess([sys.executable, "-c", _BOOT, settings, *import_path()])
        try:
            answer, _ = self._exchange(self._begin, _START_SECONDS)
        except ChildGoneError as gone:
            self._end()
            raise EdgerunError(f"Starting the process that cleans files with {sys.executable}: {gone}.") from gone
        if not isinstance(answer, Ready):
            self._end()
            raise EdgerunError("Starting the process that cleans files: it answered something else.")
        return answer

    def _exchange(self, request: Begin | Do, seconds: float) -> tuple[Answer, bytearray]:
        if self._child is None:
            raise ChildGoneError("it was ended")
        return self._child.exchange(
            lambda stream: write_frame(stream, dump(request)), lambda stream: _read(stream, self._limit_bytes), seconds
        )

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
        self._child = None


def _read(stream: BinaryIO, limit_bytes: int) -> tuple[Answer, bytearray]:
    frame = read_frame(stream, 2 * limit_bytes)
    if frame is None:
        raise FrameError("The end, expected an answer.")
    answer: Answer = parse(Answer, frame[0])  # type: ignore[arg-type]
    if isinstance(answer, Failed) and answer.code not in REASONS:
        raise FrameError(f"A failure with the code {answer.code}.")
    return answer, frame[1]


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # whoever reads it says better why
        return 0

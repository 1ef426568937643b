"""The process that makes DICOM objects, seen from outside: started once a run, spoken to, ended when it is silent."""

from __future__ import annotations

import json
import re
import sys
import threading
from typing import Any, BinaryIO, TypeVar

from numpy.typing import NDArray

from edge.child import import_path
from edge.engines.apart import ChildGoneError, ChildProcess
from edge.engines.apart_worker import read_tensors, write_tensors
from edge.errors import CodedError, OutputError, ReadError
from edge.frames import FrameError, read_frame, write_frame
from edge.objects.contract import Answer, Arrays, Failed, Made, Make, Ready, Settings, Unfit
from edge.objects.unfit import UnfitError
from edge.read.process import default_limit_bytes
from edge.reasons import OBJECT_NOT_MADE, REASONS
from edge.typed import dump, parse

TABLE = "edge.objects:OBJECTS"
SECONDS = 300.0
"""How long one view of one result may take."""

_START_SECONDS = 120.0
_LARGEST_FILE_BYTES = 1 << 32
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from edge.objects.worker import main; main(sys.argv[1])"

A = TypeVar("A", Ready, Made)
Files = dict[str, NDArray[Any]]


class ObjectMaker:
    """Makes DICOM objects in a child process, which is started when it is first needed, and again where it has died.

    Threads may share one; they take turns.

    Parameters
    ----------
    limit_bytes : int, optional
        As of a decoded scan (`edge.read.process.default_limit_bytes`); the child may take some copies of that.
    seconds : float
        How long one view of one result may take before the child is ended.
    table : str
        ``module:name`` of the table of builders; for tests.
    """

    def __init__(self, *, limit_bytes: int | None = None, seconds: float = SECONDS, table: str = TABLE) -> None:
        self._limit_bytes = limit_bytes
        self._seconds = seconds
        self._table = table
        self._child: ChildProcess | None = None
        self._ready = False
        self._turn = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The child's number; None while there is none."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the child, if there is none, without waiting for it."""
        with self._turn:
            self._started()

    def close(self) -> None:
        """End the child, if there is one; a later request starts another."""
        with self._turn:
            self._end()

    def make(self, request: Make, arrays: Arrays) -> dict[str, bytes]:
        """Return the files of one view of one result.

        Raises
        ------
        edge.objects.unfit.UnfitError
            The view cannot show this result.
        OutputError
            ``W803`` what was made does not lie where it should; ``W804`` it was not made.
        ReadError
            A source is not what was examined.
        """
        with self._turn:
            try:
                answer, files = self._asked(request, arrays)
            except ChildGoneError as gone:
                self._end()
                raise OutputError(f"Making {request.view}.dcm: {gone}.", OBJECT_NOT_MADE) from gone
            except BaseException:  # an interrupt leaves half a message behind
                self._end()
                raise
        if isinstance(answer, Unfit):
            raise UnfitError(answer.words)
        if isinstance(answer, Failed):
            raise _raised(answer)
        return {name: values.tobytes() for name, values in files.items()}

    def _asked(self, request: Make, arrays: Arrays) -> tuple[Answer, Files]:
        child = self._started()
        if not self._ready:
            child.exchange(lambda _: None, lambda stream: _read(stream, Ready, request.view), _START_SECONDS)
            self._ready = True

        def send(stream: BinaryIO) -> None:
            write_frame(stream, dump(request))
            write_tensors(stream, arrays)

        return child.exchange(send, lambda stream: _read(stream, Made, request.view), self._seconds)

    def _started(self) -> ChildProcess:
        if self._child is None:
            limit = self._limit_bytes or default_limit_bytes()
            settings = Settings(limit_bytes=limit, seconds=self._seconds, table=self._table)
            command = [sys.executable, "-c", _BOOT, json.dumps(dump(settings)), *import_path()]
            try:
                self._child = ChildProcess(command)
            except OSError as error:
                said = f"Starting a process for DICOM objects with {sys.executable}: {error.strerror or error}."
                raise OutputError(said, OBJECT_NOT_MADE) from error
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
        self._child, self._ready = None, False


def _read(stream: BinaryIO, kind: type[A], view: str) -> tuple[A | Unfit | Failed, Files]:
    frame = read_frame(stream)
    if frame is None:
        raise FrameError("The end, expected an answer.")
    answer: Answer = parse(Answer, frame[0])  # type: ignore[arg-type]
    if not isinstance(answer, (kind, Unfit, Failed)) or (isinstance(answer, Failed) and answer.code not in REASONS):
        raise FrameError(f"An answer of the kind {answer.kind}, expected {kind.__name__}.")
    files = read_tensors(stream, answer.files if isinstance(answer, Made) else 0, _LARGEST_FILE_BYTES)
    if not all(re.fullmatch(rf"{view}(-\d+)?\.dcm", name) for name in files):
        raise FrameError("Files by other names than were asked for.")
    return answer, files


def _raised(failed: Failed) -> CodedError:
    reason = REASONS[failed.code]
    return ReadError(failed.message, reason) if failed.code.startswith("R") else OutputError(failed.message, reason)


MAKER = ObjectMaker()
"""The one of this process; between two runs it has no child."""

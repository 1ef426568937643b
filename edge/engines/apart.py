"""An engine in a process of its own: a model that kills or hangs its engine ends nothing but itself."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, BinaryIO, TypeVar

from numpy.typing import NDArray

from edge.child import ending, import_path
from edge.engines import Progress, check_feeds
from edge.engines.apart_worker import (
    Answer,
    AskPeak,
    Failed,
    Infer,
    Inferred,
    Opened,
    Peak,
    Settings,
    Step,
    read_tensors,
    write_tensors,
)
from edge.errors import EdgerunError, EngineError, UsageError
from edge.frames import FrameError, read_frame, write_frame
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, REASONS, Reason
from edge.typed import dump, parse

OPENER = "edge.engines:open_engine"
OPENING_SECONDS = 600.0
"""How long it may take to start, to import the engine and to load the model, by default."""
SECONDS = 120.0
"""How long one inference may take, by default."""

_LARGEST_ANSWER_BYTES = 1 << 32
_PARTS = 10
_LAST_WORDS_BYTES = 4096
_LONGEST_WORDS = 200
_PEAK_SECONDS = 60.0
_END_SECONDS = 5.0
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from edge.engines.apart_worker import main; main(sys.argv[1])"

A = TypeVar("A", Opened, Inferred, Peak)
T = TypeVar("T")


class EngineApart:
    """An engine in a child process; fulfils `edge.engines.Engine`, for one caller at a time.

    What a model does to its engine's process does not reach the caller's, and the threads of two engines do not wait
    in one process. What it costs is the start of a process, and a copy of feeds and outputs through a pipe.

    Parameters
    ----------
    name : str
        As in `edge.engines.ENGINES`.
    model : bytes
        ONNX. Not kept.
    precision : str
        Of the model; for the report.
    threads : int
        As many as the engine may use.
    opening_seconds, seconds : float
        How long loading the model and one inference may take before the child is ended; time in which the caller's
        own process was stopped hardly counts.
    opener : str
        ``module:name`` of what stands in for `edge.engines.open_engine`; for tests.
    progress : callable, optional
        Hears how far an opener is that takes one (`edge.engines.open_prepared`); what it returns stops nothing.

    Attributes
    ----------
    last_seconds : float
        What the last inference that succeeded took inside the child, without the way there and back; 0 before any.

    Raises
    ------
    EngineError
        As of `edge.engines.open_engine`; ``E501`` too if the child dies or takes too long.
    UsageError
        There is no engine by that name.
    """

    def __init__(  # noqa: PLR0913 -- all but two by name, and most have a usual value
        self,
        name: str,
        model: bytes,
        *,
        precision: str,
        threads: int,
        opening_seconds: float = OPENING_SECONDS,
        seconds: float = SECONDS,
        opener: str = OPENER,
        progress: Progress | None = None,
    ) -> None:
        settings = Settings(
            name=name,
            precision=precision,
            threads=threads,
            opener=opener,
            model_bytes=len(model),
            opening_seconds=opening_seconds,
            seconds=seconds,
            progress=progress is not None,
        )
        self.last_seconds = 0.0
        self._progress = progress
        self._name = name
        self._seconds = seconds
        self._gone = ""
        self._child = _start(settings)
        try:
            opened, _ = self._ask(Opened, lambda stream: _write(stream, model), opening_seconds, ENGINE_OPEN)
        except BaseException:
            self.close()
            raise
        self.facts, self.inputs, self.outputs = opened.facts, opened.inputs, opened.outputs

    @property
    def pid(self) -> int:
        """The child's number."""
        return self._child.pid

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once; see `edge.engines.Engine.infer`.

        Raises
        ------
        EngineError
            ``E502``; also if the child died, then or earlier, or took longer than `seconds`.
        """
        self._check_alive()
        check_feeds(feeds, self.inputs, f"{self._name} {self.facts.version}")

        def send(stream: BinaryIO) -> None:
            write_frame(stream, dump(Infer(tensors=len(feeds))))
            write_tensors(stream, feeds)

        inferred, outputs = self._ask(Inferred, send, self._seconds, ENGINE_RUN)
        self.last_seconds = inferred.seconds
        return outputs

    def peak_bytes(self) -> int | None:
        """Return the most memory that the child has held so far: interpreter, engine and model as it arrived.

        Returns
        -------
        int or None
            Resident bytes; None where the system does not tell (Windows).

        Raises
        ------
        EngineError
            ``E502``: the child is gone.
        """
        self._check_alive()
        peak, _ = self._ask(Peak, lambda stream: write_frame(stream, dump(AskPeak())), _PEAK_SECONDS, ENGINE_RUN)
        return peak.bytes

    def close(self) -> None:
        """End the child and give its memory back; a second call does nothing."""
        self._gone = self._gone or "it is closed"
        self._child.end()

    def _check_alive(self) -> None:
        if self._gone:
            raise self._error(self._gone, ENGINE_RUN)

    def _ask(
        self, kind: type[A], send: Callable[[BinaryIO], None], seconds: float, reason: Reason
    ) -> tuple[A, dict[str, NDArray[Any]]]:
        """The child's answer and the tensors that came with it; what the engine raised there is raised here."""
        try:
            answer, tensors = self._child.exchange(send, lambda stream: _read(stream, kind, self._progress), seconds)
        except ChildGoneError as gone:
            self._gone = str(gone)
            raise self._error(self._gone, reason) from gone
        except BaseException:  # an interrupt leaves half a message behind
            self.close()
            raise
        if isinstance(answer, Failed):
            raise _raised(answer)
        return answer, tensors

    def _error(self, words: str, reason: Reason) -> EngineError:
        doing = "Opening" if reason is ENGINE_OPEN else "Running"
        return EngineError(f"{doing} {self._name} in a process of its own: {words}.", reason)


def _write(stream: BinaryIO, model: bytes) -> None:
    stream.write(model)
    stream.flush()


def _read(stream: BinaryIO, kind: type[A], progress: Progress | None) -> tuple[A | Failed, dict[str, NDArray[Any]]]:
    answer = _answer(stream)
    while isinstance(answer, Step) and progress is not None:
        progress(answer.phase, answer.step, answer.steps)
        answer = _answer(stream)
    if not isinstance(answer, (kind, Failed)):
        raise FrameError(f"An answer of the kind {answer.kind}, expected {kind.__name__}.")
    if isinstance(answer, Failed) and answer.code is not None and answer.code not in REASONS:
        raise FrameError(f"A failure with the code {answer.code}.")
    count = answer.tensors if isinstance(answer, Inferred) else 0
    return answer, read_tensors(stream, count, _LARGEST_ANSWER_BYTES)


def _answer(stream: BinaryIO) -> Answer:
    frame = read_frame(stream)
    if frame is None:
        raise FrameError("The end, expected an answer.")
    return parse(Answer, frame[0])  # type: ignore[arg-type]


def _raised(failed: Failed) -> EdgerunError:
    return UsageError(failed.message) if failed.code is None else EngineError(failed.message, REASONS[failed.code])


class ChildGoneError(Exception):
    """The child was ended or died; the message says how."""


def _start(settings: Settings) -> ChildProcess:
    command = [sys.executable, "-c", _BOOT, json.dumps(dump(settings)), *import_path()]
    try:
        return ChildProcess(command)
    except OSError as error:
        said = f"Starting a process for {settings.name} with {sys.executable}: {error.strerror or error}."
        raise EngineError(said, ENGINE_OPEN) from error


class ChildProcess:
    """The process: spoken to, waited for no longer than agreed, ended."""

    def __init__(self, command: list[str]) -> None:
        # A session of its own: an interrupt typed at the terminal reaches the parent, which ends the child.
        self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._said = _LastWords(_opened(self._process.stderr))

    def exchange(self, send: Callable[[BinaryIO], None], receive: Callable[[BinaryIO], T], seconds: float) -> T:
        """Send a request and return the answer, or end the child and raise `ChildGoneError`."""
        answer: T | None = None
        with _ended_after(self._process, seconds) as was_late:
            try:
                with contextlib.suppress(OSError):  # a child that is gone takes nothing and answers nothing
                    send(_opened(self._process.stdin))
                answer = receive(_opened(self._process.stdout))
            except MemoryError:
                self.end()
                raise ChildGoneError("there was not enough memory here for what it was fed or answered") from None
            except (OSError, ValueError):  # no frame, or the end of the stream
                answer = None
        if was_late.is_set():
            self.end()
            raise ChildGoneError(self._with_last_words(f"it gave no answer for {seconds:g} s and was ended"))
        if answer is None:
            raise self._death()
        return answer

    def end(self) -> None:
        """End the process now, whatever it does."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # longer only if a device that it uses does not answer
            self._process.wait(timeout=_END_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what could not be written is of no use any more
                _opened(stream).close()
        self._said.join()

    def _death(self) -> ChildGoneError:
        """What the end of the stream means."""
        try:
            code = self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        self.end()
        if code is None:
            return ChildGoneError(self._with_last_words("it answered with something that is no answer"))
        return ChildGoneError(self._with_last_words(ending(code)))

    def _with_last_words(self, how: str) -> str:
        line = self._said.line()
        return f"{how}; the last that it printed is {line!r}" if line else how


def _opened(stream: IO[bytes] | None) -> BinaryIO:
    if stream is None:
        raise TypeError("A pipe that was asked for is there.")
    return stream  # type: ignore[return-value]


@contextlib.contextmanager
def _ended_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """End a process unless left in time; what is yielded is set if that was so."""
    done, was_late = threading.Event(), threading.Event()

    def watch() -> None:
        # In parts: a while in which the whole of this process was stopped counts as one of them at most.
        if not any(done.wait(seconds / _PARTS) for _ in range(_PARTS)):
            was_late.set()
            process.kill()

    thread = threading.Thread(target=watch, name="edgerun-watch", daemon=True)
    thread.start()
    try:
        yield was_late
    finally:
        done.set()
        thread.join()


class _LastWords:
    """Takes what the child prints, so that it neither waits nor garbles the terminal, and keeps the end of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._listen, args=(stream,), name="edgerun-stderr", daemon=True)
        self._thread.start()

    def _listen(self, stream: BinaryIO) -> None:
        with stream:
            while heard := os.read(stream.fileno(), _LAST_WORDS_BYTES):
                self._kept = (self._kept + heard)[-_LAST_WORDS_BYTES:]

    def join(self) -> None:
        """Wait until all was heard; no longer where a process that the child started still holds the pipe."""
        self._thread.join(timeout=_END_SECONDS)

    def line(self) -> str:
        """Return the last line that is not empty, without characters that a terminal obeys; or nothing."""
        text = "".join(c if c.isprintable() or c == "\n" else " " for c in self._kept.decode("utf-8", "replace"))
        lines = [line for line in text.split("\n") if line.strip()]
        return textwrap.shorten(lines[-1], _LONGEST_WORDS) if lines else ""

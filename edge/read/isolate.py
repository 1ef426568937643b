"""From paths to studies and scans through a child process, so that no file can kill, hang or fill the caller."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.errors import ReadError, UsageError
from edge.read.contract import Header, Progress
from edge.read.find import Paths, find_files
from edge.read.group import group
from edge.read.messages import Answer, At, Cut, Describe, Described, Failed, Load, Loaded, Region, scan_of
from edge.read.process import READERS, SECONDS, Child, ChildGoneError, default_limit_bytes
from edge.read.unchanged import check_unchanged, quoted, stamp_of
from edge.reasons import DECODER_DIED, REASONS
from edge.scan import Found, LeftOut, Scan, Series
from edge.typed import dump, parse

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

T = TypeVar("T")
Pixels = NDArray[np.uint8]

_SLOWEST_DECODE = 2_000_000
"""Bytes of voxels per second that the slowest decoder (JPEG 2000) gives on the smallest board, with a margin."""

_ASKED_CHARACTERS = 8_192
"""Paths asked for at a time: few enough for the pipe's buffer (64 KiB) even if every character is escaped."""


class _Job(ABC, Generic[T]):
    """One thing to ask of the child, begun when those before it are done."""

    outcome: tuple[T] | None = None
    error: ReadError | None = None

    @abstractmethod
    def begin(self) -> None:
        """Send the request."""

    @abstractmethod
    def collect(self, progress: Progress) -> T:
        """Take the answers."""


class _Line:
    """Jobs in the order in which they were asked for; the child works on the first."""

    def __init__(self, talk: _Talk) -> None:
        self._talk = talk
        self._jobs: deque[_Job[Any]] = deque()

    def join(self, job: _Job[Any]) -> None:
        self._jobs.append(job)
        if len(self._jobs) == 1:
            job.begin()

    def finish(self, job: _Job[Any], progress: Progress) -> None:
        """Collect what was asked for up to and including `job`."""
        while job in self._jobs:
            first = self._jobs[0]
            try:
                first.outcome = (first.collect(progress if first is job else _say_nothing),)
            except ReadError as error:
                first.error = error
            except BaseException:  # an interrupt, or the caller's own progress
                self.leave()
                raise
            self._jobs.popleft()
            if self._jobs:
                self._jobs[0].begin()

    def leave(self) -> None:
        """Drop all of them, and the child that is at work on one."""
        self._jobs.clear()
        self._talk.end()


class Pending(Generic[T]):
    """Something that was asked of the child and is under way; `result` waits for it."""

    def __init__(self, line: _Line, job: _Job[T]) -> None:
        self._line = line
        self._job = job
        line.join(job)

    def result(self, progress: Progress | None = None) -> T:
        """Return what was asked for. What was asked for earlier is collected first.

        Parameters
        ----------
        progress : callable, optional
            Called with the path of each file when it is its turn.

        Raises
        ------
        edge.errors.ReadError
            As said where it was asked for.
        edge.errors.UsageError
            The `ScanReader` was closed before this was collected.
        """
        self._line.finish(self._job, progress or _say_nothing)
        if self._job.error is not None:
            raise self._job.error
        if self._job.outcome is None:
            raise UsageError("Collecting a scan from a reader that was closed: collect first, then close.")
        return self._job.outcome[0]


class _Talk:
    """The child that is alive at the moment, replaced when it had to be ended."""

    def __init__(self, start: Callable[[], Child], child: Child) -> None:
        self._start = start
        self._child: Child | None = child

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    def ask(self, request: Describe | Load | Cut) -> None:
        """Send a request, to a new child if need be."""
        if self._child is not None and not self._child.is_alive:
            self.end()  # it had nothing to do, so no file is at fault
        self._child = self._child or self._start()
        self._child.send(dump(request))

    def hear(self, seconds: float) -> tuple[Answer, bytearray]:
        """Return the next answer."""
        if self._child is None:
            raise ChildGoneError(DECODER_DIED, "it was ended")
        try:
            document, raw = self._child.receive(seconds)
            answer: Answer = parse(Answer, document)  # type: ignore[arg-type]
        except ChildGoneError:
            self.end()
            raise
        except (ValueError, RecursionError) as error:
            raise self.distrust() from error
        return answer, raw

    def distrust(self) -> ChildGoneError:
        """End a child whose answer makes no sense, and return that as an error."""
        self.end()
        return ChildGoneError(DECODER_DIED, "it answered with something that is no answer")

    def end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


class ScanReader:
    """Reads scans in a process of its own. A context manager; the process is started at once.

    Parameters
    ----------
    limit_bytes : int, optional
        The most memory that one decoded scan may take. By default what EDGERUN_SCAN_BYTES says, else 2 GiB or half
        of the machine's memory, whichever is less.
    seconds : float
        The longest that the child may be silent over one file, plus a second for every 2 MB that the file's voxels
        take. Then it is ended and the file is left out.
    prefetch : sequence of str
        Names of readers that will likely be needed, such as ``("dicom",)``: the child imports them at once.
    readers : str
        ``module:name`` of the table of readers; for programs that add a format, and for tests.
    child : Child, optional
        A process that was started earlier with the same settings.

    Examples
    --------
    >>> with ScanReader() as reader:  # doctest: +SKIP
    ...     found = reader.index("/media/stick").result()
    ...     scans = [reader.load(series).result() for study in found.studies for series in study.series]
    """

    def __init__(
        self,
        *,
        limit_bytes: int | None = None,
        seconds: float = SECONDS,
        prefetch: Sequence[str] = (),
        readers: str = READERS,
        child: Child | None = None,
    ) -> None:
        self.limit_bytes = default_limit_bytes() if limit_bytes is None else limit_bytes
        self.seconds = seconds

        def start() -> Child:
            return Child(limit_bytes=self.limit_bytes, seconds=seconds, readers=readers, prefetch=prefetch)

        self._talk = _Talk(start, child or start())
        self._line = _Line(self._talk)
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it does. What is pending is lost, and no region of a slide can be read any more."""
        self._closed = True
        self._line.leave()

    @property
    def child_pid(self) -> int | None:
        """The process that reads at the moment, for those who measure it; None while there is none."""
        return self._talk.pid

    def index(self, paths: Paths) -> Pending[Found]:
        """Begin to read the headers of all files at `paths`: files, or folders of any depth.

        Parameters
        ----------
        paths : str, Path or sequence of these

        Returns
        -------
        Pending of Found
            The studies in the order of their first files, and the files that belong to no study.

        Raises
        ------
        edge.errors.ReadError
            ``NOTHING_THERE``: there is no file at all.
        """
        files, left_out = find_files(paths)
        return Pending(self._line, _Indexing(self._talk, self, files, left_out))

    def load(self, series: Series) -> Pending[Scan]:
        """Begin to decode a series.

        Returns
        -------
        Pending of Scan
            Its result raises `edge.errors.ReadError` if the series is no scan that can be trusted, if decoding
            took too long or took the child's life; the message names the file at fault.
        """
        return Pending(self._line, _Loading(self._talk, self, series))

    def cut(self, series: Series, level: int, place: tuple[int, int], size: tuple[int, int]) -> Pixels:
        """Return a region of a slide that this reader has loaded; see `edge.scan.Slide.read`.

        Parameters
        ----------
        place, size : tuple of int
            First row and column; rows and columns.

        Raises
        ------
        edge.errors.ReadError
            The region cannot be read, took too long, or took the child's life.
        edge.errors.UsageError
            The `ScanReader` was closed.
        """
        if self._closed:
            raise UsageError("Reading a region of a slide with a reader that was closed: read first, then close.")
        asked = Cut(format=series.format, paths=series.paths, level=level, place=place, size=size, seconds=self.seconds)
        return Pending(self._line, _Cutting(self._talk, asked)).result()


class _Indexing(_Job[Found]):
    """The headers of many files, asked for some at a time; a file that ends the child is left out."""

    def __init__(self, talk: _Talk, reader: ScanReader, files: Sequence[str], left_out: Sequence[LeftOut]) -> None:
        self._talk = talk
        self._reader = reader
        self._files = files
        self._left_out = list(left_out)
        self._headers: list[Header] = []
        self._asked = 0
        self._done = 0

    def begin(self) -> None:
        """Ask for the next files."""
        room = _ASKED_CHARACTERS
        first = self._asked = self._done
        while self._asked < len(self._files) and (room > 0 or self._asked == first):
            room -= len(self._files[self._asked])
            self._asked += 1
        if self._asked > first:
            self._talk.ask(Describe(paths=tuple(self._files[first : self._asked])))

    def collect(self, progress: Progress) -> Found:
        """Take an answer for every file, and group what was found."""
        for path in self._files:
            progress(path)
            alive = self._take(path)
            self._done += 1
            if not alive or self._done == self._asked:
                self.begin()
        return group(self._headers, self._left_out, self._reader.limit_bytes)

    def _take(self, path: str) -> bool:
        """One answer; False where the child is gone and the rest must be asked for again."""
        try:
            answer, _ = self._talk.hear(self._reader.seconds)
            if isinstance(answer, Failed) and answer.code in REASONS:
                self._left_out.append(LeftOut(paths=(path,), reason=REASONS[answer.code], detail=answer.message))
            elif isinstance(answer, Described) and answer.header.path == path:
                self._headers.append(answer.header)
            else:
                raise self._talk.distrust()
        except ChildGoneError as gone:
            detail = f"The process that read its header is gone: {gone.words}."
            self._left_out.append(LeftOut(paths=(path,), reason=gone.reason, detail=detail))
            return False
        return True


class _Loading(_Job[Scan]):
    """One series on its way to becoming a scan."""

    def __init__(self, talk: _Talk, reader: ScanReader, series: Series) -> None:
        self._talk = talk
        self._reader = reader
        self._series = series
        files = max(len(series.paths), 1)
        self._seconds = math.ceil(reader.seconds + series.bytes / files / _SLOWEST_DECODE)

    def begin(self) -> None:
        """Ask for it."""
        self._before = {path: stamp_of(path) for path in self._series.paths}
        self._talk.ask(Load(series=self._series, seconds=self._seconds))

    def collect(self, progress: Progress) -> Scan:
        """Follow the child from file to file until the scan is here."""
        at = self._series.paths[0]
        try:
            while True:
                answer, raw = self._talk.hear(self._seconds)
                if isinstance(answer, At) and answer.path in self._series.paths:
                    at = answer.path
                    progress(at)
                elif isinstance(answer, Failed) and answer.code in REASONS:
                    raise ReadError(f"Reading {quoted(at)}: {answer.message}", REASONS[answer.code])
                elif isinstance(answer, Loaded):
                    return self._scan(answer, raw)
                else:
                    raise self._talk.distrust()
        except ChildGoneError as gone:
            message = f"Reading {quoted(at)}: the process that decoded it is gone: {gone.words}."
            raise ReadError(message, gone.reason) from gone

    def _scan(self, loaded: Loaded, raw: bytearray) -> Scan:
        def read(level: int, y: int, x: int, height: int, width: int) -> Pixels:
            pixels = self._reader.cut(self._series, level, (y, x), (height, width))
            for path, stamp in self._before.items():
                check_unchanged(path, stamp)
            return pixels

        try:
            return scan_of(loaded, raw, self._series, read)
        except ValueError as error:
            raise self._talk.distrust() from error


class _Cutting(_Job[Pixels]):
    """One region of a slide."""

    def __init__(self, talk: _Talk, asked: Cut) -> None:
        self._talk = talk
        self._asked = asked

    def begin(self) -> None:
        """Ask for it."""
        self._talk.ask(self._asked)

    def collect(self, progress: Progress) -> Pixels:  # noqa: ARG002 -- there is one file
        """Take its pixels."""
        asked = self._asked
        shape = (*asked.size, 3)
        try:
            answer, raw = self._talk.hear(asked.seconds)
            if isinstance(answer, Failed) and answer.code in REASONS:
                raise ReadError(f"Reading {quoted(asked.paths[0])}: {answer.message}", REASONS[answer.code])
            if not isinstance(answer, Region) or len(raw) != math.prod(shape):
                raise self._talk.distrust()
        except ChildGoneError as gone:
            message = f"Reading {quoted(asked.paths[0])}: the process that decoded it is gone: {gone.words}."
            raise ReadError(message, gone.reason) from gone
        return np.frombuffer(raw, dtype=np.uint8).reshape(shape)


def _say_nothing(path: str) -> None:
    """Progress that nobody follows."""

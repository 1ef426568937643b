"""The child that decodes untrusted bytes: requests come in, headers and voxels go out, nothing else does.

Before it touches a file it limits itself: memory, open files, no file written, no core dump. Each file has a clock
(``SIGALRM``) that ends the process even if the parent is gone by then. Where the system has no `resource` module
or no alarm (Windows), the parent's time limit and the byte budget of the readers still hold.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edge.errors import ReadError, UsageError
from edge.frames import read_frame, write_frame
from edge.read.contract import HEAD_BYTES, Header, Reader
from edge.read.messages import (
    At,
    Cut,
    Described,
    Failed,
    Load,
    Ready,
    Region,
    Request,
    Settings,
    loaded_of,
    raw_of,
)
from edge.reasons import DAMAGED, DECODER_DIED, NOT_AN_IMAGE, NOT_READABLE, TOO_LARGE
from edge.scan import Scan, Series
from edge.table import Entry
from edge.typed import dump, parse

if TYPE_CHECKING:
    from edge.read.tiling import Pixels, Regions

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SLIDES: Mapping[str, Entry] = {
    "dicom": Entry("edge.read.dicom.slide:open_slide"),
    "picture": Entry("edge.read.regions:open_tiff"),
}
"""By format: what opens the files of a slide."""

_LIBRARIES_BYTES = 5 << 28
"""Address space for Python and the libraries: numpy, OpenCV, pydicom, nibabel and imagecodecs together map 0.3 GiB."""

_COPIES = 3
"""The file, its decoded slices and the finished volume may be in memory at the same time."""

_NEVER_USED = ("requests", "tqdm", "PIL")
"""Packages that pydicom would load where they happen to be installed: to fetch its samples, or for other decoders."""

_OPEN_FILES = 256
_ALARM_FACTOR = 1.5


def main() -> None:
    """Serve requests from stdin until it closes. The first frame is a `Settings` document."""
    requests, answers = take_streams()
    if (first := read_frame(requests)) is None:
        os._exit(0)  # the parent is gone
    told = parse(Settings, first[0])
    shut_in(told.limit_bytes)
    sys.modules.update(dict.fromkeys(_NEVER_USED))  # type: ignore[arg-type]  # None: as if they were not installed
    table: Any = Entry(told.readers).load()
    worker = _Worker(table, told, answers)
    write_frame(answers, dump(Ready()))
    worker.prefetch()
    try:
        while (frame := read_frame(requests)) is not None:
            worker.answer(parse(Request, frame[0]))  # type: ignore[arg-type]
    except BrokenPipeError:
        pass  # the parent is gone
    os._exit(0)  # nothing to tidy, and no library's farewell to wait for


def take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of stdin and stdout; whoever prints from now on prints to nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)  # first: stderr may be closed, and the next file takes its number
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    if nowhere > 2:
        os.close(nowhere)
    return requests, answers


def shut_in(limit_bytes: int) -> None:
    """Take away what a process that parses untrusted files has no need of; an interrupt is its parent's matter."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What libraries warn of may quote the file, which is patient data; stderr is closed to them as well.
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if resource is None:
        return
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a container may have no /proc to write to
            # If the machine runs out of memory, this process is the one to end.
            Path("/proc/self/oom_score_adj").write_text("1000")
    memory = resource.RLIMIT_AS if sys.platform == "linux" else resource.RLIMIT_DATA
    _lower(memory, _LIBRARIES_BYTES + _COPIES * limit_bytes)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    sys.dont_write_bytecode = True
    _lower(resource.RLIMIT_FSIZE, 0)


def _lower(which: int, value: int) -> None:
    """Set a limit for good, never above the one that holds already."""
    _, hard = resource.getrlimit(which)
    lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (lowered, lowered))


class _Worker:
    """The readers that were needed so far, and the way back to the parent."""

    def __init__(self, table: Mapping[str, Entry], settings: Settings, answers: BinaryIO) -> None:
        self._table = table
        self._settings = settings
        self._answers = answers
        self._readers: dict[str, Reader] = {}
        self._open: tuple[tuple[str, ...], Regions] | None = None

    def prefetch(self) -> None:
        """Import what the parent expects to need."""
        for name in self._settings.prefetch:
            if name in self._table:
                self._reader(name)

    def answer(self, request: Request) -> None:
        """Do as asked and say how it went."""
        if isinstance(request, Load):
            self._load(request)
            return
        if isinstance(request, Cut):
            self._cut(request)
            return
        for path in request.paths:
            found = _attempt(self._describe, path, self._settings.seconds)
            self._say(found if isinstance(found, Failed) else Described(header=found))

    def _load(self, request: Load) -> None:
        def load(series: Series) -> Scan:
            def progress(path: str) -> None:
                set_alarm(request.seconds)
                self._say(At(path=path))

            return self._reader(series.format).load(series, self._settings.limit_bytes, progress)

        scan = _attempt(load, request.series, request.seconds)
        if isinstance(scan, Failed):
            self._say(scan)
        else:
            write_frame(self._answers, dump(loaded_of(scan)), raw_of(scan), scan.voxels.nbytes)

    def _cut(self, request: Cut) -> None:
        def cut(asked: Cut) -> Pixels:
            regions = self._regions(asked)
            return regions.read(asked.level, *asked.place, *asked.size)

        pixels = _attempt(cut, request, request.seconds)
        if isinstance(pixels, Failed):
            self._say(pixels)
        else:
            write_frame(self._answers, dump(Region()), [pixels.data.cast("B")], pixels.nbytes)

    def _regions(self, asked: Cut) -> Regions:
        """The slide that was asked for last stays open: its directories take long to read again."""
        if self._open is not None and self._open[0] != asked.paths:
            self._open[1].close()
            self._open = None
        if self._open is None:
            opener: Callable[[Sequence[str]], Regions] = SLIDES[asked.format].load()
            self._open = asked.paths, opener(asked.paths)
        return self._open[1]

    def _describe(self, path: str) -> Header:
        with Path(path).open("rb") as file:
            head = file.read(HEAD_BYTES)
        for name in self._table:
            reader = self._reader(name)
            if reader.recognises(head, path):
                return reader.describe(path)
        raise ReadError("Its first bytes are those of no format that edgerun reads.", NOT_AN_IMAGE)

    def _reader(self, name: str) -> Reader:
        if name not in self._readers:
            self._readers[name] = self._table[name].load()()
        return self._readers[name]

    def _say(self, message: Failed | Described | At | Ready) -> None:
        write_frame(self._answers, dump(message))


def _attempt(action: Callable[[Any], Any], subject: object, seconds: float) -> Any:
    """The one boundary: whatever a reader does short of dying becomes an answer."""
    set_alarm(seconds)
    try:
        return action(subject)
    except ReadError as error:
        return Failed(code=error.reason.code, message=error.message)
    except UsageError as error:  # a region that does not lie within its level: the file is not what it was
        return Failed(code=DAMAGED.code, message=error.message)
    except MemoryError:
        return Failed(code=TOO_LARGE.code, message="Decoding it took more memory than one scan may take.")
    except OSError as error:
        reason = TOO_LARGE if error.errno == errno.ENOMEM else NOT_READABLE  # a file too large to be mapped
        return Failed(code=reason.code, message=f"The system says: {error.strerror or type(error).__name__}.")
    except Exception as error:  # noqa: BLE001 -- decoders raise what they like; the text may quote the file
        return Failed(code=DECODER_DIED.code, message=f"The decoder failed with {type(error).__name__}.")
    finally:
        set_alarm(0)


def set_alarm(seconds: float) -> None:
    """End this process in a while unless called again. The parent's own clock is quicker, if there still is one."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds * _ALARM_FACTOR)

"""Several reading processes at work at a time, where there is enough to decode to be worth their start."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from edge.read.find import Paths
from edge.read.isolate import Pending, ScanReader
from edge.read.process import Child
from edge.scan import Found, Scan, Series

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

WORTH_BYTES = 64 << 20
"""Decoded voxels that are worth another process: it takes a third of a second to start, as long as these to decode."""


class ScanReaders:
    """As `edge.read.isolate.ScanReader`, with as many processes as there is work for. A context manager.

    Parameters
    ----------
    most : int
        Processes at a time.
    prefetch : sequence of str
        See `ScanReader`.
    child : Child, optional
        A process that was started earlier; it becomes the first of them.
    """

    def __init__(self, *, most: int, prefetch: Sequence[str] = (), child: Child | None = None) -> None:
        self._most = most
        self._prefetch = prefetch
        self._readers = [ScanReader(prefetch=prefetch, child=child)]
        self._begun_bytes = 0
        self._turn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.close()

    @property
    def child_pids(self) -> tuple[int, ...]:
        """The processes that read at the moment, for those who measure them."""
        return tuple(reader.child_pid for reader in self._readers if reader.child_pid is not None)

    def index(self, paths: Paths) -> Pending[Found]:
        """Begin to read headers; see `ScanReader.index`."""
        return self._readers[0].index(paths)

    def load(self, series: Series) -> Pending[Scan]:
        """Begin to decode a series; see `ScanReader.load`. Collect what was begun in the order in which it was."""
        self._begun_bytes += series.bytes
        if len(self._readers) < min(self._most, 1 + self._begun_bytes // WORTH_BYTES):
            self._readers.append(ScanReader(prefetch=self._prefetch))
        self._turn = (self._turn + 1) % len(self._readers)
        return self._readers[self._turn].load(series)

"""While something runs, what it holds and what the machine does: memory, clocks, heat, throttling, energy."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge.bench import sysfs
from edge.bench.nvidia import Nvml, open_nvml
from edge.bench.procfs import Held, Kind, held_by

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path("/")
SECONDS = 0.5
"""Between two looks. What a process held at most is the system's own figure, and needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The most that a process and all that it started held.

    Parameters
    ----------
    kind : {"pss", "rss"}
        See `edge.bench.procfs.Held`.
    peak_bytes : int
        At any one look.
    at_most_bytes : int
        The sum of each process's own most: they may not have held it at the same time, and share pages.
    gpu_bytes : int, optional
        At any one look, on NVIDIA GPUs: by these processes, or by anybody where the driver does not tell by process.
    """

    kind: Kind
    peak_bytes: int
    at_most_bytes: int
    gpu_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was seen of a stretch of time; empty or None stands for what the machine does not tell, never for 0.

    Parameters
    ----------
    seconds : float
    memory : Memory, optional
    mhz : tuple of float, optional
        The least, the middle and the greatest clock of any core at any look.
    celsius : mapping
        The greatest by sensor.
    throttled : mapping, optional
        What slowed the machine down meanwhile, and by how much its counter or state grew; empty: nothing did.
    joules : mapping
        By domain, rail or GPU.
    load : tuple of float, optional
        The system's load over the last minute, before and after.
    """

    seconds: float
    memory: Memory | None
    mhz: tuple[float, float, float] | None
    celsius: Mapping[str, float]
    throttled: Mapping[str, int] | None
    joules: Mapping[str, float]
    load: tuple[float, float] | None


class Record:
    """Adds up single looks; the time is told to it.

    Parameters
    ----------
    pid : int
        The first process of the tree.
    root : Path
        Where ``proc`` and ``sys`` lie.
    nvml : Nvml, optional
    """

    def __init__(self, pid: int, root: Path = ROOT, nvml: Nvml | None = None) -> None:
        self._pid = pid
        self._root = root
        self._nvml = nvml
        self._times: list[float] = []
        self._held: list[Held] = []
        self._gpu_bytes: list[int] = []
        self._mhz: list[float] = []
        self._celsius: dict[str, float] = {}
        self._states: list[Mapping[str, int]] = []
        self._counters: list[Mapping[str, sysfs.Counter]] = []
        self._gpu_joules: list[Mapping[str, float]] = []
        self._watts: list[Mapping[str, float]] = []

    @property
    def resident_bytes(self) -> int | None:
        """What the processes held in memory at the last look; see `edge.bench.procfs.Held`."""
        return self._held[-1].resident_bytes if self._held else None

    def look(self, now: float) -> None:
        """Take everything down as it is at `now`, in seconds of any clock."""
        root = self._root
        self._times.append(now)
        held = held_by(self._pid, root)
        if held is not None:
            self._held.append(held)
        self._mhz += sysfs.clocks_mhz(root)
        states = dict(sysfs.throttling(root) or {})
        self._heat(sysfs.temperatures_c(root))
        self._counters.append(sysfs.energy_counters(root))
        self._watts.append(sysfs.watts(root))
        if self._nvml is not None:
            seen = self._nvml.look(held.most_bytes if held else ())
            self._gpu_bytes.append(seen.used_bytes if seen.bytes is None else seen.bytes)
            self._heat(seen.celsius)
            self._gpu_joules.append(seen.joules)
            states |= seen.slowed
        self._states.append(states)

    def result(self, load: tuple[float, float] | None = None) -> Watched:
        """Return what all looks came to; there were two at least."""
        mhz = (min(self._mhz), statistics.median(self._mhz), max(self._mhz)) if self._mhz else None
        return Watched(
            seconds=self._times[-1] - self._times[0],
            memory=self._memory(),
            mhz=mhz,
            celsius=self._celsius,
            throttled=self._throttled(),
            joules=self._joules(),
            load=load,
        )

    def _heat(self, celsius: Mapping[str, float]) -> None:
        for name, degrees in celsius.items():
            self._celsius[name] = max(degrees, self._celsius.get(name, degrees))

    def _memory(self) -> Memory | None:
        if not self._held:
            return None
        kind: Kind = "pss" if all(held.kind == "pss" for held in self._held) else "rss"
        most: dict[int, int] = {}
        for held in self._held:
            most |= held.most_bytes
        return Memory(
            kind=kind,
            peak_bytes=max(held.bytes for held in self._held),
            at_most_bytes=sum(most.values()),
            gpu_bytes=max(self._gpu_bytes, default=None),
        )

    def _throttled(self) -> dict[str, int] | None:
        first = self._states[0]
        if not first:
            return None
        most = {name: max(states.get(name, 0) for states in self._states) for name in first}
        # A counter tells by its growth; a state, such as that of a cooling device, by being above 0 at all.
        grown = {name: most[name] - (before if name.endswith("count") else 0) for name, before in first.items()}
        return {name: value for name, value in grown.items() if value > 0}

    def _joules(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for before, after in zip(self._counters, self._counters[1:], strict=False):
            for name, joules in sysfs.joules_between(before, after).items():
                found[name] = found.get(name, 0.0) + joules
        steps = list(zip(self._times, self._times[1:], strict=False))
        for name in (name for name in self._watts[0] if all(name in watts for watts in self._watts)):
            power = [watts[name] for watts in self._watts]
            pairs = zip(steps, power, power[1:], strict=False)
            found[name] = sum((until - since) * (a + b) / 2 for (since, until), a, b in pairs)
        if self._gpu_joules:
            last = self._gpu_joules[-1]
            found |= {name: last[name] - before for name, before in self._gpu_joules[0].items() if name in last}
        return found


class Watch:
    """Looks again and again beside the work, in a thread; a context manager.

    Parameters
    ----------
    pid : int, optional
        The first process of the tree; by default this one.
    seconds : float
        Between two looks.
    root : Path
    nvml : Nvml, optional
    """

    def __init__(
        self, pid: int | None = None, *, seconds: float = SECONDS, root: Path = ROOT, nvml: Nvml | None = None
    ) -> None:
        self._record = Record(os.getpid() if pid is None else pid, root, nvml)
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgerun-watch", daemon=True)
        self._load = load_now()

    @property
    def resident_bytes(self) -> int | None:
        """What the processes held in memory at the last look; see `edge.bench.procfs.Held`."""
        return self._record.resident_bytes

    def __enter__(self) -> Self:
        self._record.look(time.perf_counter())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._record.look(time.perf_counter())

    def result(self) -> Watched:
        """Return what was seen, once the watch has ended."""
        after = load_now()
        return self._record.result(None if self._load is None or after is None else (self._load, after))

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._record.look(time.perf_counter())


def load_now() -> float | None:
    """Return the system's load over the last minute; None where it does not tell (Windows)."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def gpu_watcher() -> tuple[Nvml | None, str]:
    """Return NVML where it answers, else None and why not."""
    opened = open_nvml()
    return (None, opened) if isinstance(opened, str) else (opened, "")

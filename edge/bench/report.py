"""The report of a bench, as frozen types. Version 1.

``bench.json`` is the truth and the page a view of it; the published schema (``report.schema.json`` beside this file)
is generated from these types. What was not measured is null or missing, and ``not_measured`` says why; it is never 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.bench.ceiling import Ceiling
from edge.bench.measured import Stage
from edge.bench.quantiles import Quantile
from edge.bench.watch import Memory
from edge.engines import EngineFacts
from edge.errors import UsageError
from edge.pack.manifest import Evidence, Threshold
from edge.typed import dump, parse

ScenarioName = Literal["cold-start", "folder", "single-stream", "multi-stream", "offline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackModel:
    """A model of the pack, and whether it is the one that ran."""

    precision: str
    file: str
    sha256: str
    engines: tuple[str, ...]
    verdict: str
    ran: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """A golden case of the pack, run before anything was timed: how far from its known answer it came out."""

    name: str
    largest_difference: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPack:
    """What was measured. ``sha256`` is the manifest's, which pins every file of the pack.

    ``evidence`` is the pack's own, of its maker: how right each precision was found, on whose data. ``thresholds``
    are those of the model that ran.
    """

    name: str
    version: str
    title: str
    status: str
    sha256: str
    intended_use: str
    models: tuple[PackModel, ...]
    thresholds: Mapping[str, Threshold]
    evidence: tuple[Evidence, ...]
    known_answers: tuple[KnownAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchScan:
    """A study that was examined; no file name stands here, as it could hold a patient's.

    ``sha256`` is the file's; where there are several, that of their hashes, sorted.
    """

    name: str
    sha256: str
    bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchMachine:
    """Where it ran. ``gpus`` as NVML names them; ``memory_bytes`` of the whole machine."""

    name: str
    system: str
    cores: int
    memory_bytes: int | None
    gpus: tuple[str, ...]
    power_mode: str | None
    software: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What one source of energy gave. Sources contain one another (a package is a part of the board): never add them.

    Parameters
    ----------
    name : str
        The domain (RAPL), the rail (hwmon) or the GPU (NVML).
    joules_a_scan : float
        Above what the machine takes when idle; it can come out below 0 where that is lost in the noise.
    watts, idle_watts : float
        On average while it ran, and before it began.
    """

    name: str
    joules_a_scan: float
    watts: float
    idle_watts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How the machine was meanwhile.

    Parameters
    ----------
    load : tuple of float, optional
        The system's load over the last minute, before and after.
    mhz : tuple of float, optional
        Least, median and greatest clock of any core.
    celsius : mapping
        The greatest by sensor.
    throttled : mapping, optional
        What slowed the machine down, and by how much its counter or state grew; empty: nothing did; null: not told.
    """

    load: tuple[float, float] | None
    mhz: tuple[float, float, float] | None
    celsius: Mapping[str, float]
    throttled: Mapping[str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way of asking, and how long the answers took.

    Parameters
    ----------
    name : str
        ``single-stream``, ``multi-stream`` and ``offline`` are MLPerf's; see docs/benchmarks.md.
    engine : EngineFacts, optional
        What ran; one scan may have another engine than many. Null where an untrained pack refused to answer.
    scans_a_query : int
    queries, scans : int
        Counted, warm-up excluded.
    seconds : float
        All queries together.
    latencies_ms : tuple of float
        Of each query, in the order in which they were asked.
    quantiles : tuple
        Empty where there was a single query, whose figure is the throughput.
    stages : tuple
        Mean for one scan; the rows add up to the wall time.
    """

    name: ScenarioName
    engine: EngineFacts | None
    scans_a_query: int
    queries: int
    scans: int
    seconds: float
    scans_an_hour: float
    latencies_ms: tuple[float, ...]
    quantiles: tuple[Quantile, ...]
    stages: tuple[Stage, ...]
    memory: Memory | None
    energy: tuple[Energy, ...]
    conditions: Conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSlice:
    """A stretch of the soak: from when, how many scans, their median, and the resident bytes held at its end."""

    from_seconds: float
    scans: int
    median_ms: float
    held_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """Scan after scan for a long time: whether it grows slower, or larger.

    Parameters
    ----------
    first_ms, last_ms : float
        Median of the first and of the last slice.
    ratio, low, high : float
        Last over first, with the 95% bootstrap interval.
    growth_bytes : int, optional
        Resident bytes that the processes held at the end of the last slice more than at the end of the first.
    quantiles : tuple
        Of all its scans.
    """

    minutes: float
    slices: tuple[SoakSlice, ...]
    first_ms: float
    last_ms: float
    ratio: float
    low: float
    high: float
    growth_bytes: int | None
    conditions: Conditions
    quantiles: tuple[Quantile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A scenario of this run over the same one of an earlier run.

    Parameters
    ----------
    ratio, low, high : float
        Of the median latencies (of the times for one scan where there was a single query), with the 95% bootstrap
        interval; below 1 is faster.
    noise : float, optional
        The larger of the ratios between the halves of each run, 1 at least; null where a run had too few queries.
    outcome : {"faster", "slower", "within the noise", "too few to tell"}
    """

    name: ScenarioName
    ratio: float
    low: float | None
    high: float | None
    noise: float | None
    outcome: Literal["faster", "slower", "within the noise", "too few to tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run beside an earlier one of the same pack; ``differs`` says what else was not the same."""

    earlier_utc: str
    scenarios: tuple[Compared, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """Everything that `edgerun bench` measured.

    Parameters
    ----------
    origin : {"given", "golden", "phantom"}
        Whose scans: the caller's, the pack's golden cases, or made for the purpose.
    engine : EngineFacts
        What really ran in the streams, read back from it.
    confirmed : mapping
        What was taken from somebody's word because the files do not tell.
    left_out, not_measured : mapping
        Scenarios and figures that are missing, and why.
    """

    format: Literal["edgerun-bench"] = "edgerun-bench"
    format_version: Literal[1] = 1
    finished_utc: str
    arguments: Mapping[str, str]
    pack: BenchPack
    engine: EngineFacts
    origin: Literal["given", "golden", "phantom"]
    scans: tuple[BenchScan, ...]
    confirmed: Mapping[str, str]
    machine: BenchMachine
    scenarios: tuple[Scenario, ...]
    ceiling: Ceiling | None
    soak: Soak | None
    comparison: Comparison | None
    left_out: Mapping[str, str]
    not_measured: Mapping[str, str]


def to_json(report: BenchReport, *, indent: int | None = None) -> str:
    """Return the report as one JSON document."""
    return json.dumps(dump(report), indent=indent, ensure_ascii=False)


def from_json(data: bytes, name: str) -> BenchReport:
    """Return the report in `data`.

    Raises
    ------
    UsageError
        It is none, or of another version.
    """
    try:
        return parse(BenchReport, json.loads(data))
    except (ValueError, RecursionError) as error:  # JSON, UTF-8 and TypedError are all of this kind
        raise UsageError(
            f"Reading {name} to compare with: {error}. Give the bench.json of an earlier `edgerun bench`."
        ) from error

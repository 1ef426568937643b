"""Queries that were timed, and where their time went."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge.engines import EngineFacts

REST = "rest"
STAGES: Mapping[str, str] = {
    "index": "find the files and read their headers",
    "choose": "match pack and scan, hash the files",
    "open": "load the engine and the model",
    "read": "wait for the decoded voxels",
    "check": "check the scan against the pack",
    "prepare": "prepare the tensors",
    "infer": "run the engine",
    "conclude": "draw the finding from the outputs",
    "write": "write pictures and report",
    REST: "everything that no stage explains",
}
"""In the order of the work, in words."""

Tell = Callable[[str], None]
"""Hears in words how far a bench is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question and how long its answer took.

    Parameters
    ----------
    seconds : float
        Wall time from the question to the last report on the disk.
    stages : mapping
        Wall seconds by stage, see `edge.clock.Clock`.
    scans : int
        That were examined.
    engine : EngineFacts, optional
        What ran, as the reports say; None where a pack refused to answer.
    """

    seconds: float
    stages: Mapping[str, float] = field(default_factory=dict)
    scans: int = 1
    engine: EngineFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a scenario goes on: until `most` queries or `seconds` are reached, but for `least` queries anyway."""

    most: int
    seconds: float
    least: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One row of the table of stages: mean milliseconds for one scan, and their share of the wall time.

    The rows of a scenario add up to its wall time for one scan. The last one, ``rest``, is what no stage explains; it
    is below 0 where stages ran at the same time.
    """

    name: str
    ms: float
    share: float


def repeat(
    ask: Callable[[int], Query], limits: Limits, tell: Tell, now: Callable[[], float] = time.perf_counter
) -> list[Query]:
    """Return the queries that were asked one after the other, each as soon as the one before was answered.

    Parameters
    ----------
    ask : callable
        Asks the n-th query.
    """
    started, asked = now(), list[Query]()
    while len(asked) < limits.most and (len(asked) < limits.least or now() - started < limits.seconds):
        asked.append(ask(len(asked)))
        tell(f"{len(asked)} of at most {limits.most}")
    return asked


def stages_of(queries: Sequence[Query]) -> tuple[Stage, ...]:
    """Return where the time of some queries went, for one scan; the rows add up to the wall time for one scan.

    Examples
    --------
    >>> query = Query(seconds=0.5, stages={"infer": 0.125, "read": 0.25}, scans=2)
    >>> [(row.name, row.ms) for row in stages_of([query])]
    [('read', 125.0), ('infer', 62.5), ('rest', 62.5)]
    """
    wall, scans = sum(query.seconds for query in queries), sum(query.scans for query in queries)
    seconds: dict[str, float] = {}
    for query in queries:
        for name, taken in query.stages.items():
            seconds[name] = seconds.get(name, 0.0) + taken
    order = list(STAGES)
    named = sorted(seconds, key=lambda name: order.index(name) if name in order else len(order))
    seconds[REST] = wall - sum(seconds.values())
    return tuple(
        Stage(name=name, ms=1e3 * seconds[name] / scans, share=seconds[name] / wall) for name in (*named, REST)
    )

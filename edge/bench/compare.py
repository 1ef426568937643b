"""One run beside an earlier one: scenario by scenario, and what else was not the same."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from edge.bench.paired import ratio_of_medians
from edge.bench.report import BenchReport, Compared, Comparison, Scenario
from edge.errors import UsageError

FEWEST = 6
"""Queries of a run: with fewer, a bootstrap knows too little."""


def compare(now: BenchReport, earlier: BenchReport) -> Comparison:
    """Return every scenario that both runs have, and what differs of what they ran on.

    Raises
    ------
    UsageError
        They are of two packs.
    """
    check_same_pack(now.pack.name, now.pack.sha256, earlier)
    before = {scenario.name: scenario for scenario in earlier.scenarios}
    pairs = [(scenario, before[scenario.name]) for scenario in now.scenarios if scenario.name in before]
    return Comparison(
        earlier_utc=earlier.finished_utc,
        scenarios=tuple(compared(new, old) for new, old in pairs),
        differs=tuple(_differences(now, earlier)),
    )


def check_same_pack(name: str, sha256: str, earlier: BenchReport) -> None:
    """Refuse to compare with a run of another pack.

    Raises
    ------
    UsageError
    """
    if sha256 != earlier.pack.sha256:
        found = f"{earlier.pack.name} {earlier.pack.version}, {earlier.pack.sha256[:12]}"
        raise UsageError(
            f"Comparing with an earlier run: it was of the pack {found}, this one is of {name}, {sha256[:12]}. "
            "Only runs of one and the same pack can be compared."
        )


def compared(now: Scenario, earlier: Scenario) -> Compared:
    """Return how one scenario went beside its like.

    A difference exceeds the noise if the interval of the ratio leaves out 1 and the ratio is farther from 1 than the
    halves of either run are from each other.
    """
    new, old = _each(now), _each(earlier)
    if min(len(new), len(old)) < FEWEST:
        ratio = statistics.median(new) / statistics.median(old)
        return Compared(name=now.name, ratio=ratio, low=None, high=None, noise=None, outcome="too few to tell")
    found, noise = ratio_of_medians(new, old), max(_drift(new), _drift(old))
    faster = found.high < 1 and 1 / found.middle > noise
    slower = found.low > 1 and found.middle > noise
    return Compared(
        name=now.name,
        ratio=found.middle,
        low=found.low,
        high=found.high,
        noise=noise,
        outcome="faster" if faster else "slower" if slower else "within the noise",
    )


def _each(scenario: Scenario) -> list[float]:
    """Milliseconds for one scan, so that runs of several sizes can be compared."""
    scans = scenario.scans / scenario.queries
    return [latency / scans for latency in scenario.latencies_ms]


def _drift(latencies: Sequence[float]) -> float:
    half = len(latencies) // 2
    ratio = statistics.median(latencies[:half]) / statistics.median(latencies[half:])
    return max(ratio, 1 / ratio)


def _differences(now: BenchReport, earlier: BenchReport) -> Iterator[str]:
    here, there = now.machine, earlier.machine
    facts = {
        "machine": (here.name, there.name),
        "system": (here.system, there.system),
        "memory": (_gigabytes(here.memory_bytes), _gigabytes(there.memory_bytes)),
        "GPUs": (", ".join(here.gpus), ", ".join(there.gpus)),
        "power mode": (here.power_mode, there.power_mode),
        "engine": (f"{now.engine.name} {now.engine.version}", f"{earlier.engine.name} {earlier.engine.version}"),
        "provider": (now.engine.provider, earlier.engine.provider),
        "precision": (now.engine.precision, earlier.engine.precision),
        "threads": (now.engine.threads, earlier.engine.threads),
        "scans": (_hashes(now), _hashes(earlier)),
    }
    software = sorted({*here.software, *there.software})
    facts |= {f"version of {name}": _both(name, here.software, there.software) for name in software}
    for name, (new, old) in facts.items():
        if new != old:
            yield f"{name}: {new or 'not told'}, earlier {old or 'not told'}"


def _both(name: str, here: Mapping[str, str], there: Mapping[str, str]) -> tuple[str | None, str | None]:
    return here.get(name), there.get(name)


def _hashes(report: BenchReport) -> str:
    return ", ".join(sorted(scan.sha256[:12] for scan in report.scans))


def _gigabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e9:.1f} GB"

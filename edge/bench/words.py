"""Figures and findings of a bench in words, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge.bench.quantiles import Quantile
from edge.bench.report import BenchReport, Scenario, Soak
from edge.page.tables import MISSING

WHAT: Mapping[str, str] = {
    "cold-start": "`edgerun infer` of one scan in a new process, from its start to the report on the disk",
    "folder": "`edgerun infer` of a folder of scans in a new process",
    "single-stream": "one scan after the other, everything loaded",
    "multi-stream": "several scans asked for at once, everything loaded",
    "offline": "all scans at once, in a process that runs already; the model is loaded in it",
}
ORIGINS: Mapping[str, str] = {
    "given": "the scans that were given",
    "golden": "the pack's own golden cases",
    "phantom": "phantoms made for this run, as the pack has no golden case",
}
HALF_BUSY = 0.5
"""Of the load for each core before the start: more, and the machine was doing other work."""


def time_words(milliseconds: float) -> str:
    """Return a time with three digits, in ms below a second.

    Examples
    --------
    >>> time_words(0.5123), time_words(47.71), time_words(1464.1), time_words(7340000.0)
    ('0.512 ms', '47.7 ms', '1.46 s', '7,340 s')
    """
    value, unit = (milliseconds / 1e3, "s") if abs(milliseconds) >= 999.5 else (milliseconds, "ms")
    return f"{value:,.0f} {unit}" if abs(value) >= 999.5 else f"{value:.3g} {unit}"


def bytes_words(size: int) -> str:
    """Return a size in MB or GB.

    Examples
    --------
    >>> bytes_words(96_664_576), bytes_words(-4_000_000), bytes_words(2_500_000_000)
    ('97 MB', '-4 MB', '2.50 GB')
    """
    return f"{size / 1e9:.2f} GB" if abs(size) >= 1e9 else f"{size / 1e6:.0f} MB"


def count_words(value: float) -> str:
    """Return a whole number with its thousands apart.

    Examples
    --------
    >>> count_words(60516.2)
    '60,516'
    """
    return f"{value:,.0f}"


def percent_words(value: float) -> str:
    """Return a percentage with three digits.

    Examples
    --------
    >>> percent_words(14411.5), percent_words(12.34), percent_words(0.1234)
    ('14,412%', '12.3%', '0.12%')
    """
    size = abs(value)
    return f"{value:,.0f}%" if size >= 100 else f"{value:.1f}%" if size >= 1 else f"{value:.2f}%"


def bound_words(quantile: Quantile, queries: int) -> str:
    """Return what a percentile is at most, or how many queries that takes."""
    if quantile.at_most_ms is None:
        return f"n too small: {queries}, needs {quantile.needs}"
    return f"at most {time_words(quantile.at_most_ms)}"


def tail_words(soak: Soak) -> str:
    """Return how much longer the slowest scans of a soak took than its median, ready to follow other words."""
    found = {quantile.percent: quantile.found_ms for quantile in soak.quantiles}
    if not {50.0, 99.0} <= set(found):
        return ""
    return f"; p99 {time_words(found[99.0])}, {found[99.0] / found[50.0]:.2f} times p50"


def scenario_line(scenario: Scenario) -> str:
    """Return one scenario in a line for the terminal."""
    each = [f"p{q.percent:g} {time_words(q.found_ms)} ({bound_words(q, scenario.queries)})" for q in scenario.quantiles]
    each += [] if scenario.quantiles else [f"{scenario.scans} scans in {time_words(1e3 * scenario.seconds)}"]
    return f"{scenario.name:14} {', '.join(each)}; {count_words(scenario.scans_an_hour)} scans an hour"


def cautions(report: BenchReport) -> Iterator[str]:
    """Yield what a reader must know before any figure."""
    if report.pack.status == "architecture-only":
        yield (
            "This pack is untrained (architecture-only): its model runs and nothing it says means anything. "
            "The times are real; no report was made from its answers."
        )
    if report.origin == "phantom":
        yield "No scan was given and the pack has no golden case: the times are those of phantoms made for this run."
    loads = [scenario.conditions.load[0] for scenario in report.scenarios if scenario.conditions.load]
    if loads and loads[0] > HALF_BUSY * report.machine.cores:
        yield (
            f"The machine was busy with other work: a load of {loads[0]:.1f} on {report.machine.cores} cores before "
            "the first scenario. Without that it is faster than these figures."
        )
    watched = [scenario.conditions for scenario in report.scenarios]
    watched += [report.soak.conditions] if report.soak is not None else []
    slowed = sorted({name for conditions in watched for name in conditions.throttled or ()})
    if slowed:
        yield f"The machine slowed itself down: {', '.join(slowed)}. Cool it, or choose another power mode."


def lead(report: BenchReport) -> str:
    """Return the report in a sentence or two."""
    by_name = {scenario.name: scenario for scenario in report.scenarios}
    said = []
    if (alone := by_name.get("cold-start")) and alone.quantiles:
        said.append(f"One scan takes {time_words(alone.quantiles[0].found_ms)} from the command to the report")
    if (stream := by_name.get("single-stream")) and stream.quantiles:
        said.append(f"{time_words(stream.quantiles[0].found_ms)} once everything is loaded")
    if many := by_name.get("folder") or by_name.get("offline"):
        said.append(f"a folder gives {count_words(many.scans_an_hour)} scans an hour")
    words = f"{', '.join(said[:-1])}, and {said[-1]}" if said[1:] else "".join(said)
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def terminal(report: BenchReport) -> Iterator[str]:
    """Yield the lines that the command ends with."""
    engine = report.engine
    yield f"{report.pack.title}, {report.pack.name} {report.pack.version}; {ORIGINS[report.origin]}"
    yield f"{engine.name} {engine.version}, {engine.precision}, {engine.provider}, {engine.threads} threads"
    yield report.machine.name
    yield from (f"Caution: {words}" for words in cautions(report))
    yield from map(scenario_line, report.scenarios)
    if (found := report.ceiling) is not None:
        interval = f"{percent_words(found.low_percent)} to {percent_words(found.high_percent)}"
        yield (
            f"{'bare engine':14} {time_words(found.engine_ms)}; the whole way of a scan takes"
            f" {time_words(found.beside_ms)} beside it, {percent_words(found.overhead_percent)} of it (95%: {interval})"
        )
    if (soak := report.soak) is not None:
        grown = MISSING if soak.growth_bytes is None else bytes_words(soak.growth_bytes)
        yield (
            f"{'soak':14} {time_words(soak.first_ms)} at first, {time_words(soak.last_ms)} at last, ratio"
            f" {soak.ratio:.2f} (95%: {soak.low:.2f} to {soak.high:.2f}); memory grew by {grown}{tail_words(soak)}"
        )
    yield from (f"{name}: left out, as {why}." for name, why in report.left_out.items())
    if report.comparison is not None:
        for item in report.comparison.scenarios:
            yield f"{item.name:14} {item.ratio:.2f} times the earlier run: {item.outcome}"
        yield from (f"Differs: {words}" for words in report.comparison.differs)

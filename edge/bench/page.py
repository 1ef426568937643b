"""The report as one page that needs nothing else: no network, no script, no font; for a screen and for A4 paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge.bench import tables
from edge.bench.report import BenchReport, Scenario, Soak
from edge.bench.words import (
    ORIGINS,
    WHAT,
    bound_words,
    bytes_words,
    cautions,
    count_words,
    lead,
    percent_words,
    time_words,
)
from edge.page import svg
from edge.page.markup import Markup, element, joined
from edge.page.tables import MISSING, pairs
from edge.page.whole import whole

BOUNDS = (
    '"At most" is the bound that the true percentile does not exceed with 99% confidence, by the binomial '
    "distribution (MLPerf Inference Rules, early stopping criterion). It takes 7 queries for p50, 44 for p90 and 459 "
    "for p99."
)
ESTIMATES = (
    "LoadGen, MLPerf's own program, asks for 64 and 662 queries and reports one rank slower. This is not an MLPerf "
    "result: a sample here is a whole scan with reading and writing, and MLPerf's runs last 600 seconds."
)


def page(report: BenchReport) -> str:
    """Return the page."""
    title = f"edgerun bench: {report.pack.title}"
    return whole(title, (*_head(report), *_sections(report)))


def _head(report: BenchReport) -> Iterator[Markup]:
    engine, pack = report.engine, report.pack
    yield element("p", f"edgerun bench, {report.finished_utc}", class_="soft")
    yield element("h1", pack.title)
    yield element("p", lead(report), class_="lead")
    yield from (element("p", words, class_="warning") for words in cautions(report))
    yield pairs(
        {
            "machine": report.machine.name,
            "system": report.machine.system,
            "memory": MISSING if report.machine.memory_bytes is None else bytes_words(report.machine.memory_bytes),
            "GPU": ", ".join(report.machine.gpus) or report.not_measured.get("memory of the GPU", ""),
            "power mode": report.machine.power_mode or MISSING,
            "engine that ran": f"{engine.name} {engine.version}, {engine.precision}, {engine.threads} threads,"
            f" {engine.provider}",
            "pack": f"{pack.name} {pack.version}, {pack.status}",
            "scans": f"{ORIGINS[report.origin]}: {len(report.scans)}",
            "vouched for, where a file does not tell": ", ".join(
                f"{name} {value}" for name, value in sorted(report.confirmed.items())
            ),
        }
    )
    yield element("p", pack.intended_use, class_="soft")


def _listed(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(facts.items()))


def _sections(report: BenchReport) -> Iterator[Markup]:
    if report.scenarios:
        yield from _waits(report)
        yield from _stages(report)
        yield from _distributions(report)
    if report.ceiling is not None:
        yield from _ceiling(report)
    if report.soak is not None:
        yield from _soak(report.soak)
    if report.comparison is not None:
        yield from _comparison(report)
    if report.scenarios:
        yield from _machine(report)
    yield from _accuracy(report)
    yield from _identity(report)


def _waits(report: BenchReport) -> Iterator[Markup]:
    yield element("h2", "How long a scan waits")
    yield tables.waits(report)
    yield element("p", BOUNDS, class_="soft")
    yield element("ul", *(element("li", _what(scenario)) for scenario in report.scenarios))
    for name, why in report.left_out.items():
        yield element("p", f"{name}: left out, as {why}.")


def _what(scenario: Scenario) -> Markup:
    return joined(element("b", scenario.name), f": {WHAT[scenario.name].replace('`', '')}.")


def _stages(report: BenchReport) -> Iterator[Markup]:
    yield element("h2", "Where the time goes")
    for scenario in report.scenarios:
        yield element("h3", f"{scenario.name}: for one scan")
        drawn = [
            svg.Bar(
                name=stage.name,
                value=stage.ms,
                words=f"{time_words(stage.ms)} ({percent_words(100 * stage.share)})",
                shade=tables.shade_of(stage.name),
            )
            for stage in scenario.stages
        ]
        yield element("figure", svg.bars(drawn, f"Milliseconds for one scan by stage, {scenario.name}"))
    yield tables.stages(report.scenarios)
    yield element(
        "p",
        "Means; every column adds up to the wall time. In a new process, the rest is the start of Python and its"
        " imports. Where stages run at the same time, as in a folder, the rest is below 0: what was won by that.",
        class_="soft",
    )


def _distributions(report: BenchReport) -> Iterator[Markup]:
    shown = [scenario for scenario in report.scenarios if scenario.quantiles]
    if not shown:
        return
    yield element("h2", "How much the waiting varies")
    for scenario in shown:
        marks = [
            svg.Mark(
                value=q.found_ms,
                words=f"p{q.percent:g} {time_words(q.found_ms)}, {bound_words(q, scenario.queries)}",
            )
            for q in scenario.quantiles
        ]
        title = f"Latencies of {scenario.name}"
        yield element("h3", f"{scenario.name}: {count_words(scenario.queries)} queries")
        yield element("figure", svg.distribution(scenario.latencies_ms, marks, "ms for one query", title))
    yield element("h3", "MLPerf's early-stopping estimates")
    yield tables.loadgen(shown)
    yield element("p", ESTIMATES, class_="soft")


def _ceiling(report: BenchReport) -> Iterator[Markup]:
    if report.ceiling is None:
        return
    yield element("h2", "The bare engine beside the whole way")
    yield tables.ceiling(report.ceiling)
    yield element(
        "p",
        "Prepared tensors straight into the engine, in turn with the whole way of the same scan from the file to the"
        " report. No way can be faster than the engine alone.",
        class_="soft",
    )


def _soak(soak: Soak) -> Iterator[Markup]:
    yield element("h2", f"A soak of {soak.minutes:g} minutes")
    grown = MISSING if soak.growth_bytes is None else bytes_words(soak.growth_bytes)
    ratio = f"{soak.ratio:.2f} (95%: {soak.low:.2f} to {soak.high:.2f})"
    yield pairs(
        {
            "first, median": time_words(soak.first_ms),
            "last, median": time_words(soak.last_ms),
            "last / first": ratio,
            **{f"p{item.percent:g}": time_words(item.found_ms) for item in soak.quantiles},
            "memory grew by": grown,
            "scans": count_words(sum(item.scans for item in soak.slices)),
        }
    )
    x, y = [item.from_seconds / 60 for item in soak.slices], [item.median_ms for item in soak.slices]
    yield element("figure", svg.lines(x, y, ("minutes", "median, ms"), "Median latency over time"))
    held = [(item.from_seconds / 60, item.held_bytes / 1e6) for item in soak.slices if item.held_bytes is not None]
    if held:
        minutes, megabytes = ([pair[0] for pair in held], [pair[1] for pair in held])
        yield element("figure", svg.lines(minutes, megabytes, ("minutes", "resident memory, MB"), "Memory over time"))


def _comparison(report: BenchReport) -> Iterator[Markup]:
    if report.comparison is None:
        return
    yield element("h2", f"Beside the run of {report.comparison.earlier_utc}")
    yield tables.comparison(report.comparison)
    yield element(
        "p",
        "A difference counts where the interval leaves out 1 and the ratio is farther from 1 than the halves of either"
        " run are from each other. What else ran on the machine is not known to it.",
        class_="soft",
    )
    differs = report.comparison.differs
    yield (
        element("ul", *(element("li", words) for words in differs))
        if differs
        else element("p", "Machine, engine, versions and scans were the same.")
    )


def _machine(report: BenchReport) -> Iterator[Markup]:
    yield element("h2", "What it took of the machine")
    yield tables.conditions(report)
    yield element(
        "p",
        "Memory of the process and all that it started. Joules are above those of the idle machine; sources contain"
        " one another and must not be added.",
        class_="soft",
    )
    if report.not_measured:
        yield pairs({f"{name}: {MISSING}": f"{why}." for name, why in report.not_measured.items()})


def _accuracy(report: BenchReport) -> Iterator[Markup]:
    pack, engine = report.pack, report.engine
    yield element("h2", "How right it is")
    yield element("p", "What the pack's maker measured, precision by precision; nothing of this was measured here.")
    if pack.evidence:
        yield tables.evidence(pack, engine.precision, engine.name)
    else:
        yield element("p", "The pack holds no evidence.", class_="soft")
    if pack.known_answers:
        worst = max(pack.known_answers, key=lambda item: item.largest_difference / (item.tolerance or 1.0))
        yield element(
            "p",
            f"Before the timing, all {len(pack.known_answers)} known answers of the pack came out on this machine; the"
            f" farthest by {worst.largest_difference:.2g}, of {worst.tolerance:g} allowed.",
        )


def _identity(report: BenchReport) -> Iterator[Markup]:
    yield element("h2", "What exactly ran")
    yield element("p", "Pack (SHA-256 of its manifest): ", element("span", report.pack.sha256, class_="hash"))
    yield tables.models(report.pack)
    yield tables.scans(report)
    yield element("h3", "Versions, and what was asked for")
    yield pairs({**report.machine.software, **report.arguments})

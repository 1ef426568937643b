"""The tables of the page."""

from __future__ import annotations

from collections.abc import Sequence

from edge.bench.ceiling import Ceiling
from edge.bench.measured import REST, STAGES
from edge.bench.quantiles import Quantile
from edge.bench.report import BenchPack, BenchReport, Comparison, Conditions, Energy, Scenario
from edge.bench.watch import Memory
from edge.bench.words import bound_words, bytes_words, count_words, percent_words, time_words
from edge.page.markup import Markup, element, joined
from edge.page.svg import swatch
from edge.page.tables import MISSING, row, table


def waits(report: BenchReport) -> Markup:
    """How long a scan waits, by scenario."""
    rows = [row(_waits(scenario), 1) for scenario in report.scenarios]
    return table(("scenario", "queries x scans", "p50", "p90", "p99", "scans an hour"), rows, 1)


def _waits(scenario: Scenario) -> list[str]:
    each = [_under(time_words(q.found_ms), bound_words(q, scenario.queries)) for q in scenario.quantiles]
    once = [_under(time_words(scenario.latencies_ms[0]), "all together, once"), "", ""]
    asked = f"{count_words(scenario.queries)} x {scenario.scans_a_query}"
    engine = scenario.engine
    ran = f"{engine.name}, {engine.precision}" if engine else ""
    return [_under(scenario.name, ran), asked, *(each or once), count_words(scenario.scans_an_hour)]


def loadgen(scenarios: Sequence[Scenario]) -> Markup:
    """MLPerf's own estimates, for those who compare with published figures."""
    rows = [
        row((scenario.name, *(_estimate(q, scenario.queries) for q in scenario.quantiles[1:])), 1)
        for scenario in scenarios
        if scenario.quantiles
    ]
    return table(("scenario", "p90, early stopping", "p99, early stopping"), rows, 1)


def _estimate(quantile: Quantile, queries: int) -> str:
    if quantile.loadgen_ms is None:
        return f"n too small: {queries}, needs {quantile.loadgen_needs}"
    return time_words(quantile.loadgen_ms)


def stages(scenarios: Sequence[Scenario]) -> Markup:
    """Milliseconds for one scan, stage by stage; the last row is their sum, which is the wall time."""
    found = {scenario.name: {stage.name: stage.ms for stage in scenario.stages} for scenario in scenarios}
    names = [name for name in STAGES if any(name in each for each in found.values())]
    names += sorted({name for each in found.values() for name in each} - set(STAGES))
    rows = [
        row((_stage(name), *(_ms(each.get(name)) for each in found.values())), 1)
        for name in (*(n for n in names if n != REST), REST)
    ]
    rows.append(row(("wall time for one scan", *(_ms(sum(each.values())) for each in found.values())), 1, "total"))
    return table(("ms for one scan", *found), rows, 1)


def _stage(name: str) -> Markup:
    words = STAGES.get(name, "")
    return joined(swatch(shade_of(name)), name, element("span", words, class_="under") if words else "")


def shade_of(name: str) -> int:
    """Return the shade of a stage, the same in every drawing."""
    return list(STAGES).index(name) if name in STAGES else len(STAGES)


def ceiling(found: Ceiling) -> Markup:
    """The bare engine beside the whole way."""
    interval = f"95%: {percent_words(found.low_percent)} to {percent_words(found.high_percent)}"
    cells = (
        time_words(found.engine_ms),
        time_words(found.whole_ms),
        time_words(found.beside_ms),
        _under(percent_words(found.overhead_percent), interval),
        count_words(found.pairs),
    )
    head = ("bare engine", "whole way", "beside the engine", "of the engine's time", "pairs")
    return table(head, [row(cells, 0)], 0)


def conditions(report: BenchReport) -> Markup:
    """Memory, energy and the state of the machine, by scenario; of a soak, the state alone."""
    rows = [row(_conditions(scenario), 1) for scenario in report.scenarios]
    rows += [row(["soak", "", "", "", *_state(report.soak.conditions)], 1)] if report.soak is not None else []
    head = ("scenario", "peak memory", "GPU memory", "joules a scan", "clock, MHz", "hottest", "throttled", "load")
    return table(head, rows, 1)


def _conditions(scenario: Scenario) -> list[str]:
    memory = scenario.memory
    return [
        scenario.name,
        MISSING if memory is None else _held(memory),
        MISSING if memory is None or memory.gpu_bytes is None else bytes_words(memory.gpu_bytes),
        _joules(scenario.energy),
        *_state(scenario.conditions),
    ]


def _state(seen: Conditions) -> list[str]:
    hottest = max(seen.celsius.items(), key=lambda item: item[1], default=None)
    slowed = ", ".join(seen.throttled) or "no" if seen.throttled is not None else MISSING
    return [
        MISSING if seen.mhz is None else _under(f"{seen.mhz[1]:.0f}", f"{seen.mhz[0]:.0f} to {seen.mhz[2]:.0f}"),
        MISSING if hottest is None else _under(f"{hottest[1]:.0f} C", hottest[0]),
        slowed,
        MISSING if seen.load is None else f"{seen.load[0]:.1f} to {seen.load[1]:.1f}",
    ]


def _held(memory: Memory) -> str:
    below = f"{memory.kind.upper()}; no more than {bytes_words(memory.at_most_bytes)}"
    return _under(bytes_words(memory.peak_bytes), below)


def _joules(found: Sequence[Energy]) -> str:
    if not found:
        return MISSING
    words = (
        _under(f"{item.joules_a_scan:.3g}", f"{item.name}: {item.watts:.3g} W, idle {item.idle_watts:.3g} W")
        for item in found
    )
    return joined(*words)


def evidence(pack: BenchPack, precision: str, engine: str) -> Markup:
    """How right each precision was found, by the pack's maker."""
    rows = []
    for item in pack.evidence:
        interval = f"{item.interval[0]:.3f} to {item.interval[1]:.3f}" if item.interval else MISSING
        ran = "ran here" if (item.precision, item.engine) == (precision, engine) else ""
        told = (f"{item.precision} on {item.engine}", item.label, item.metric, item.data, f"{item.value:.3f}", interval)
        rows.append(row((_under(told[0], ran), *told[1:], count_words(item.n)), 4))
    return table(("model", "label", "metric", "data", "value", "95% interval", "n"), rows, 4)


def models(pack: BenchPack) -> Markup:
    """Every model of the pack with its hash."""
    rows = [
        row(
            (
                _under(f"{item.precision}, {', '.join(item.engines)}", "ran here" if item.ran else ""),
                item.verdict,
                joined(item.file, " ", _hash(item.sha256)),
            ),
            3,
        )
        for item in pack.models
    ]
    return table(("model", "verdict of the gate", "file, SHA-256"), rows, 3)


def scans(report: BenchReport) -> Markup:
    """What was examined."""
    rows = [
        row((item.name, _hash(item.sha256), count_words(item.files), count_words(item.bytes)), 2)
        for item in report.scans
    ]
    return table(("scan", "SHA-256", "files", "bytes"), rows, 2)


def comparison(found: Comparison) -> Markup:
    """Each scenario beside the earlier run."""
    rows = []
    for item in found.scenarios:
        interval = MISSING if item.low is None or item.high is None else f"{item.low:.2f} to {item.high:.2f}"
        noise = MISSING if item.noise is None else f"{item.noise:.2f}"
        rows.append(row((item.name, item.outcome, f"{item.ratio:.2f}", interval, noise), 2))
    return table(("scenario", "outcome", "now / earlier", "95% interval", "halves of a run"), rows, 2)


def _hash(digest: str) -> Markup:
    return element("span", digest, class_="hash")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _under(words: str, below: str) -> Markup:
    return joined(words, element("span", below, class_="under")) if below else joined(words)

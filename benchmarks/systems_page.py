"""The page of INT8 for every recipe, from what was measured; ``python -m benchmarks.systems_page`` writes it anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.systems_int8 import BASE_ENGINE, OnEngine, Results, System, read_results
from convert.sources import RECIPES

PAGE = Path(__file__).parent.parent / "docs" / "systems-int8.md"
NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
NOT_MEASURED = "not measured"
MEGABYTE = 1e6
FAR = 0.1
"""Relative: INT8 that is right was found nearer on most networks."""
FP32_APART = 1e-3
"""Relative: FP32 on two engines that differs by more is worth a word."""

HEAD = """# INT8 for every system

Every recipe of [systems.md](systems.md), in FP32 and in INT8, on every engine of the machine that it was measured on.
INT8 was calibrated on phantoms, and asked about other ones. The weights of all recipes but `chest-pneumonia` and
`brain-tissue` are random: the error tells how far INT8 computes from FP32, not how accurate a model is. What INT8 does
to a trained model's findings, the gate of [the workshop](workshop.md) judges on labelled scans.

- **error**: of INT8 against FP32 on the same engine, |difference| / |FP32| in L2 over all values of the worst output;
  boxes and scores that share an output are taken apart, and of boxes that the graph itself chooses it is their scores.
  Errors of layers add up through random weights: in `brats-unet3d` and `pix2pix-resnet`, the farthest off, no layer
  that is quantised alone is worse than 32 dB, 2.5% (`convert.search.rank_layers` on a phantom that calibrated).
  `alzheimer-cnn3d` has no bad layer either (33 dB the worst). Half of its error is the residual trunk, whose six
  additions are rounded to 8 bits over its whole range, and normalised up again in each block: with them in float its
  maps come from 0.10 to 0.055 and its logits from 0.12 to 0.10; with them alone in INT8 and one convolution the maps
  are at 0.095. Of the logits, 0.12 is no more than 0.012 in all: random weights leave logits of 0.1, as they are means
  of maps whose values cancel (deviation 0.26).
- **times as fast**: as FP32 on the same engine, median of paired ratios, 95% bootstrap interval in brackets.
- **load**: of the machine while it was measured, which others used too; it makes the intervals wide.

This page is generated from `benchmarks/results/int8.json` by `python -m benchmarks.systems_page`; the numbers are made
by `python -m benchmarks.systems_int8`, for single rows with `--nets RECIPE ...`.
"""


def page(results: Results) -> str:
    """Return the page as Markdown: a row for each recipe, measured or not."""
    engines = tuple(dict.fromkeys(row.engine for system in results.systems for row in system.engines))
    found = {system.recipe: system for system in results.systems}
    rows = [_row(name, found.get(name), engines) for name in RECIPES]
    parts = [HEAD, _measured(results), "", *_table_head(engines), *rows, "", *_remarks(results.systems)]
    return "\n".join(parts).rstrip() + "\n"


def _measured(results: Results) -> str:
    """Where, when and with what."""
    if not results.systems:
        return "Nothing was measured yet."
    dates = sorted(system.date[:10] for system in results.systems)
    rounds = sorted({system.rounds for system in results.systems})
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    named = ("python", "onnxruntime", "openvino")
    with_what = ", ".join(f"{name} {results.versions[name]}" for name in named if name in results.versions)
    return f"Measured on {results.machine}, {when}, {with_what}; rounds: {', '.join(map(str, rounds))}."


def _table_head(engines: Sequence[str]) -> list[str]:
    cells = ["recipe", "load", "INT8 file"]
    for engine in engines:
        name = NAMES.get(engine, engine)
        cells += [f"{name}: FP32", "INT8", "error", "times as fast"]
    return [f"| {' | '.join(cells)} |", "|---" * len(cells) + "|"]


def _row(recipe: str, system: System | None, engines: Sequence[str]) -> str:
    count = 2 + 4 * len(engines)
    if system is None:
        return f"| `{recipe}` | {' | '.join([NOT_MEASURED] * count)} |"
    low, high = sorted(system.load)
    cells = [f"{low:g} to {high:g}", _size(system)]
    by_engine = {row.engine: row for row in system.engines}
    for engine in engines:
        cells += _cells(by_engine.get(engine, OnEngine(engine=engine)))
    return f"| `{recipe}` | {' | '.join(cells)} |"


def _size(system: System) -> str:
    if system.int8_bytes is None:
        return "none"
    return f"{system.int8_bytes / MEGABYTE:.2f} MB, {system.fp32_bytes / system.int8_bytes:.2f} times as small"


def _cells(row: OnEngine) -> list[str]:
    speed = "-" if row.speedup is None else _speed(row.speedup.median, row.speedup.low, row.speedup.high)
    error = "-" if row.int8_error is None else f"{row.int8_error:.2g}"
    return [_ms(row.fp32_ms), _ms(row.int8_ms), error, speed]


def _speed(median: float, low: float, high: float) -> str:
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _remarks(systems: Sequence[System]) -> list[str]:
    """What was noted, one line each."""
    lines = [f"- `{system.recipe}` has no INT8 model: {system.no_int8}" for system in systems if system.no_int8]
    for system in systems:
        for row in system.engines:
            lines += [f"- `{system.recipe}` on {NAMES.get(row.engine, row.engine)}: {note}" for note in row.notes]
    far = _named((system.recipe, row.engine, row.int8_error) for system in systems for row in system.engines)
    if far:
        lines.append(
            f"- INT8 is farther than {FAR:g} from FP32, with random weights, for {far}. Whether a trained network's"
            " findings would change is for the gate to say, which gives layers back to float where they do."
        )
    apart = _named(
        ((system.recipe, row.engine, row.fp32_error) for system in systems for row in system.engines), least=FP32_APART
    )
    if apart:
        lines.append(f"- FP32 is farther than {FP32_APART:g} from that of {NAMES[BASE_ENGINE]} for {apart}.")
    return ["What was noted:", "", *lines] if lines else []


def _named(errors: Iterable[tuple[str, str, float | None]], least: float = FAR) -> str:
    """The larger ones, in words."""
    return ", ".join(
        f"`{recipe}` on {NAMES.get(engine, engine)} ({error:.2g})"
        for recipe, engine, error in errors
        if error is not None and error > least
    )


if __name__ == "__main__":
    PAGE.write_text(page(read_results()), encoding="utf-8")

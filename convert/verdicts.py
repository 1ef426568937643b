"""A conversion in words: the verdict on each candidate, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from convert.document import CandidateTold, Conversion
from convert.gate.judge import Comparison


def verdict_lines(conversion: Conversion) -> list[str]:
    """Return the verdict on each candidate, line by line."""
    return [line for item in conversion.candidates for line in _of(item)]


def _of(item: CandidateTold) -> Iterator[str]:
    verdict = "reference" if item.judgement is None else item.judgement.verdict
    speed = f", {item.latency_ms:.2f} ms" if item.latency_ms else ""
    yield f"{item.name}: {verdict}, {item.bytes / 1e6:.2f} MB{speed}"
    if item.judgement is not None:
        yield from (f"  {problem}" for problem in item.judgement.problems)
        yield from (f"  {_row(row)}" for row in item.judgement.comparisons)
        yield from (f"  {words}: too few to judge" for words in item.judgement.skipped)


def _row(row: Comparison) -> str:
    change = f"{row.reference:.4f} -> {row.candidate:.4f}" if row.metric != "flips" else f"{row.candidate:.4f}"
    needed = f", about {row.n_needed} scans would tell" if row.n_needed else ""
    bound = f"bound {row.bound:+.4f}, margin {row.margin:.4g}"
    return f"{row.label} {row.metric} ({row.group}, n = {row.n}): {change}, {bound}: {row.verdict}{needed}"

"""A comparison -> what a person reads of it."""

from __future__ import annotations

from edge.replay.compare import Comparison

MOST_TOLD = 20

ANOTHER_MAKER = (
    "Not the same software or engine as when the report was made. So decisions and scores are compared, and neither "
    "places and outlines nor the files beside the report:"
)


def told(comparison: Comparison) -> list[str]:
    """Return what came of a replay, line by line."""
    lines = [] if comparison.exact else [ANOTHER_MAKER]
    lines += [f"  {words}" for words in comparison.why_not_exact]
    if comparison.gone:
        lines += [f"Files that were left out of the study then and are not here any more: {len(comparison.gone)}."]
    lines += [f"  {item.path}: was {item.before}, is {item.after}" for item in comparison.differences[:MOST_TOLD]]
    if more := len(comparison.differences) - MOST_TOLD:
        lines += [f"  and {more} more"] if more > 0 else []
    return [*lines, _verdict(comparison)]


def _verdict(comparison: Comparison) -> str:
    if not comparison.same:
        return "DIFFERENT: the result was not made again."
    if comparison.exact:
        numbered = ", ".join(comparison.not_compared)
        but = f" but {numbered}: there stands the number of the result, which is another one here" if numbered else ""
        return f"THE SAME: every value, and every byte of every file beside the report{but}."
    if comparison.largest is None:
        return "THE SAME decisions. The report holds no scores to compare."
    if comparison.tolerance is None:
        return f"THE SAME decisions; scores differ by {comparison.largest:.2g} at most. The pack sets no tolerance."
    apart = f"{comparison.largest:.2g} at most, within the pack's tolerance of {comparison.tolerance:g}"
    return f"THE SAME decisions; scores differ by {apart}."

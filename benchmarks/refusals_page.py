"""The page of what the chest pack refuses; ``python -m benchmarks.refusals_page`` writes it anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.refusals_study import Group, Results, Row, read_results
from edge.reasons import REASONS

PAGE = Path(__file__).parent.parent / "docs" / "refusals-study.md"
TITLES: Mapping[Group, str] = {
    "good": "Good films, of which every refusal is wrong",
    "spoiled": "Spoiled films",
    "cut": "Parts of films, and films in what is no film",
    "noise": "Noise",
    "other": "Anything else",
}
ALWAYS = ("C709",)
"""Warned of with every film here: the data set tells no age."""

HEAD = """# What the chest pack refuses

The test films of the embedded pack `chest-pneumonia`, which neither its model nor its limits have seen, given to it as
they are and spoiled; noise; and everything in pydicom's test files, of which none is a film of a chest. All of it went
the whole way of a user's scans, and what is counted stands in the reports.

- **refused**: share of the pictures that got no result, with its 95% interval (Clopper and Pearson).
- **by code**: for how many each [code](refusals.md) was a reason; one picture can have several.
- **warned**: of how many results a code warned. A film that is mirrored left for right is warned of (C748) and not
  refused: a patient's organs may be.

What the study does not show: films of other hospitals, ages and devices, and films as large as machines make them. The
pictures are 28 x 28 points; what is larger was enlarged from these.

This page is generated from `benchmarks/results/refusals.json` by `python -m benchmarks.refusals_page`; the numbers are
made by `python -m benchmarks.refusals_study`.
"""


def page(results: Results) -> str:
    """Return the page as Markdown."""
    told = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    pack = f"{results.pack} {results.pack_version} (SHA-256 of its manifest {results.pack_sha256[:16]}...)"
    parts = [HEAD, f"Examined on {results.date[:10]} with {pack}; {told}.", ""]
    for group, title in TITLES.items():
        rows = [_row(row) for row in results.rows if row.group == group]
        parts += [f"## {title}", "", "| Kind | n | Refused | By code | Warned |", "|---|---|---|---|---|", *rows, ""]
    unreadable = {row.unreadable for row in results.rows if row.unreadable}
    if unreadable:
        parts += [f"Of pydicom's test files {max(unreadable)} more cannot be read or hold no picture.", ""]
    parts += ["## The codes", "", *_codes(results), ""]
    return "\n".join(parts)


def _row(row: Row) -> str:
    share = f"{row.refused / row.n:.1%} ({row.low:.1%} to {row.high:.1%})"
    warned = {code: count for code, count in row.warned.items() if code not in ALWAYS}
    return f"| {row.kind} | {row.n} | {share} | {_counts(row.codes)} | {_counts(warned)} |"


def _counts(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code}: {count}" for code, count in codes.items()) or "-"


def _codes(results: Results) -> list[str]:
    used = sorted({code for row in results.rows for code in (*row.codes, *row.warned)} - set(ALWAYS))
    return [f"- {code} `{REASONS[code].name}`: {REASONS[code].words}" for code in used]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(read_results()), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The page of every stable code, generated from the reasons; ``python -m edge.reasons_page`` writes it anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.reasons import REASONS, Reason

PAGE = Path(__file__).parent.parent / "docs" / "refusals.md"

FAMILIES: Mapping[str, tuple[str, str]] = {
    "R3": ("Reading", "The scan cannot be read, or not as one that can be trusted. Exit code 3."),
    "P4": ("The model pack", "The pack is missing, damaged or unsafe. Exit code 4."),
    "E5": ("The engine", "What runs the model is missing or failed. Exit code 5."),
    "C7": ("The scan is refused", "The scan was read, and the model is not made for it. Exit code 7."),
    "W8": ("Writing", "The result cannot be written. Exit code 8."),
}

HEAD = """# What the codes mean

Whatever edgerun leaves out, refuses or cannot do, it says with one of these codes. A code can be read over a phone
and never changes its meaning.

This page is generated from `edge/reasons.py` by `python -m edge.reasons_page`.
"""


def page() -> str:
    """Return the page as Markdown: one table for each family of codes."""
    return "\n".join([HEAD, *(_family(start, *words) for start, words in FAMILIES.items())])


def _family(start: str, title: str, words: str) -> str:
    rows = [_row(reason) for code, reason in sorted(REASONS.items()) if code.startswith(start)]
    table = ["| Code | Name | What happened | What to do |", "|---|---|---|---|", *rows]
    return "\n".join([f"## {start}xx: {title}", "", words, "", *table, ""])


def _row(reason: Reason) -> str:
    cells = [reason.code, f"`{reason.name}`", reason.words, reason.action]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

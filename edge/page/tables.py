"""Tables and lists of facts: words and numbers go in, rows come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.page.markup import Markup, element

MISSING = "not measured"
NONE = "none"


def table(head: Sequence[str], rows: Sequence[Markup], numbers: int) -> Markup:
    """Return a table; all columns from `numbers` on hold numbers."""
    cells = (element("th", words, class_="number" if n >= numbers else None) for n, words in enumerate(head))
    return element("table", element("thead", element("tr", *cells)), element("tbody", *rows))


def row(cells: Sequence[str], numbers: int, class_: str | None = None) -> Markup:
    """Return a row of a `table`; what is missing is said in words and looks like it."""
    return element(
        "tr", *(_cell(cell, "number" if n >= numbers else None) for n, cell in enumerate(cells)), class_=class_
    )


def pairs(facts: Mapping[str, str]) -> Markup:
    """A list of names and what they are."""
    return element("dl", *(part for name, value in facts.items() for part in (_dt(name), element("dd", value or NONE))))


def _dt(name: str) -> Markup:
    return element("dt", name)


def _cell(cell: str, class_: str | None) -> Markup:
    missing = cell == MISSING
    return element("td", cell, class_=" ".join(filter(None, (class_, "missing" if missing else ""))) or None)

"""Parts of the page of an evaluation that every task has: figures, groups, and plots side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edge.page.markup import Markup, element, joined
from edge.page.tables import row, table
from edge.site.figures import Figure
from edge.site.subgroups import RULE, Comparison, Subgroup
from edge.site.words import FIGURES, KINDS, figure_name, figure_words, p_words

NO_FIGURE = "not defined"


def figures_table(
    figures: Mapping[str, Figure], *, of: str = "scans", size: str | None = None, distance: str | None = None
) -> Markup:
    """Return the table of figures, each with its meaning and its interval.

    Parameters
    ----------
    of : str
        What is counted.
    size, distance : str, optional
        See `edge.site.words.figure_name`.
    """
    rows = []
    for name, figure in figures.items():
        title, meaning = figure_name(name, size=size, distance=distance)
        counted = str(figure.n) if figure.hits is None else f"{figure.hits} of {figure.n}"
        value, limits = figure_words(figure)
        told = joined(title, element("span", meaning, class_="under"))
        rows.append(row((told, value or NO_FIGURE, limits, counted), 1))
    return table(("figure", "value", "95% interval", of), rows, 1)


def groups(title: str, found: Sequence[Subgroup]) -> Iterator[Markup]:
    """Return whether anybody is served worse, or that nobody knows."""
    if not found:
        yield element(
            "p",
            "No groups: neither the table (columns sex, age, device, site) nor the scans tell of any. Whether some "
            "patients are served worse is not known.",
            class_="warning",
        )
        return
    names = list(dict.fromkeys(name for group in found for name in group.figures))
    head = ("group", "scans, with it", *(FIGURES[name][0] for name in names))
    rows = [row(_group_cells(group, names), 2, "worse" if _is_worse(group) else None) for group in found]
    yield element("h3", f"{title}: is anybody served worse?")
    yield wide(table(head, rows, 2))
    yield element("p", RULE, class_="soft")


def plot(title: str, drawing: Markup) -> Markup:
    """Return a drawing with its title, as one of several side by side."""
    return element("figure", element("figcaption", title), drawing, class_="plot")


def wide(inner: Markup) -> Markup:
    """Return a table that may be moved sideways on a phone."""
    return element("div", inner, class_="wide")


def _group_cells(group: Subgroup, names: Sequence[str]) -> list[str]:
    name = joined(group.level, element("span", KINDS[group.kind], class_="under"))
    cells = [_compared(group.figures[each]) if each in group.figures else "not compared" for each in names]
    return [name, f"{group.n}, {group.positives}", *cells]


def _compared(each: Comparison) -> Markup:
    value, limits = figure_words(each.group)
    parts: list[str] = [value or NO_FIGURE]
    if limits:
        parts.append(element("span", limits, class_="under"))
    verdict = each.verdict if each.p is None else f"{each.verdict} ({p_words(each.p)})"
    parts.append(element("span", verdict, class_="under verdict" if each.verdict != "worse" else "under verdict bad"))
    return joined(*parts)


def _is_worse(group: Subgroup) -> bool:
    return any(each.verdict == "worse" for each in group.figures.values())

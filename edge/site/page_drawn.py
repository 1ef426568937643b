"""The sections of an evaluation's page for what was drawn: outlines, and boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.page.markup import Markup, element
from edge.page.tables import row, table
from edge.site.evaluation import CaseReport
from edge.site.finds import BoxEvaluation
from edge.site.page_parts import figures_table, groups, plot, wide
from edge.site.plots_drawn import columns_plot, free_response_plot, sizes_plot
from edge.site.structures import POOR, StructureEvaluation
from edge.site.words import SIZES, rows_words


def structure_sections(structure: StructureEvaluation, cases: Sequence[CaseReport]) -> Iterator[Markup]:
    """Return what is shown of an outlined structure."""
    absent = structure.n - structure.present
    yield element("h2", structure.title)
    yield wide(figures_table(structure.figures, size=structure.unit, distance=structure.distance_unit))
    found = ("scans that have it", str(structure.present - structure.missed), str(structure.missed))
    without = ("scans that do not", str(structure.false_alarms), str(absent - structure.false_alarms))
    yield wide(table(("in truth", "said to be there", "said not to be there"), [row(found, 1), row(without, 1)], 1))
    yield _rows("Missed", structure.missed_rows)
    yield _rows("Outlined where there is none", structure.false_alarm_rows)
    yield _rows(f"Worst outlines (Dice below {POOR})", structure.worst_rows)
    drawn = [each for case in cases for each in case.outlines if each.label == structure.name]
    present = [each for each in drawn if each.present]
    if present:
        unit = SIZES[structure.unit] if structure.unit else ""
        pairs = [(each.true_size, each.size) for each in drawn]
        yield element(
            "div",
            plot("Dice, of the scans that have it", columns_plot([each.dice for each in present], structure.title)),
            *([plot("Size", sizes_plot(pairs, unit, f"Sizes of {structure.title}"))] if unit else []),
            class_="plots",
        )
    yield from groups(structure.title, structure.subgroups)


def boxes_sections(boxes: BoxEvaluation) -> Iterator[Markup]:
    """Return what is shown of a label that boxes are drawn for."""
    yield element("h2", boxes.title)
    yield element(
        "p",
        f"A box is a find if it overlaps a true one by {boxes.overlap:g} at least (intersection over union), and no "
        f"surer box has found that one.{_averaged_words(boxes.precision_overlaps)}",
        class_="soft",
    )
    yield wide(figures_table(boxes.figures, of="counted"))
    told = (str(boxes.boxes), str(boxes.found), str(boxes.missed), str(boxes.reported), str(boxes.false_alarms))
    yield wide(table(("true boxes", "found", "missed", "reported boxes", "of these false"), [row(told, 0)], 0))
    yield _rows("Scans with a missed one", boxes.missed_rows)
    yield _rows("Scans with a false one", boxes.false_alarm_rows)
    if boxes.froc:
        title = f"Free-response curve of {boxes.title}"
        drawing = free_response_plot(boxes.froc, _in_force(boxes), title)
        yield element("div", plot("Every threshold: found, and at what price", drawing), class_="plots")
        yield element("p", _curve_words(boxes), class_="soft")
    yield from groups(boxes.title, boxes.subgroups)


def _in_force(boxes: BoxEvaluation) -> tuple[float, float]:
    """False boxes on a scan, and sensitivity."""
    return boxes.false_alarms / boxes.n, boxes.found / boxes.boxes


def _averaged_words(overlaps: Sequence[float]) -> str:
    """Of average precision, which for boxes in volumes is no figure of one overlap."""
    each = " and ".join(f"{overlap:g}" for overlap in overlaps)
    return f" Average precision is the mean of those with overlaps of {each}." if len(overlaps) > 1 else ""


def _curve_words(boxes: BoxEvaluation) -> str:
    if boxes.curve_from == boxes.threshold:
        return (
            "The curve ends at the pack's threshold, below which no box is reported: a lower one would go on to the "
            "right. So average precision and FROC score are lower than the maker's."
        )
    return (
        f"Curve, average precision and FROC score are of all boxes from a score of {boxes.curve_from:g} on, which the "
        "scans were examined for once more. All else is of those that are reported; the ring is the threshold in force."
    )


def _rows(what: str, rows: Sequence[int]) -> Markup:
    return element("p", element("b", f"{what}: "), rows_words(rows))

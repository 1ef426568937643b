"""An evaluation as one page that needs nothing else: no network, no script, no font; for a phone and for A4 paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.page.markup import Markup, element
from edge.page.tables import pairs, row, table
from edge.page.whole import whole
from edge.site.evaluation import Evaluation, Grades, LabelEvaluation, Lost
from edge.site.named import SiteReport
from edge.site.page_drawn import boxes_sections, structure_sections
from edge.site.page_parts import NO_FIGURE, figures_table, groups, plot, wide
from edge.site.plots import reliability_plot, roc_plot, score_plot
from edge.site.words import FIGURES, NOT_TO_CONCLUDE, figure_words, lead, rows_words
from edge.write.report import DISCLAIMER

MORE_STYLE = Path(__file__).with_name("page.css")


def page(found: Evaluation) -> str:
    """Return the page."""
    title = f"edgerun evaluate: {found.pack.title}"
    return whole(title, (*_head(found), *_sections(found)), MORE_STYLE.read_text(encoding="utf-8"))


def _head(found: Evaluation) -> Iterator[Markup]:
    yield element("p", f"edgerun evaluate, {found.finished_utc}", class_="soft")
    yield element("h1", found.pack.title)
    yield from (element("p", words, class_="lead") for words in lead(found))
    yield from (element("p", words, class_="warning") for words in found.cautions)
    engines = ", ".join(f"{each.name} {each.version}, {each.precision}" for each in found.engines)
    yield pairs(
        {
            "pack": f"{found.pack.name} {found.pack.version}, {found.pack.status}",
            "engine that ran": engines,
            "rows of the table": str(found.rows),
            "patients": "not told: every row taken for another" if found.patients is None else str(found.patients),
            "with an answer": str(found.answered),
            "refused": str(found.refused),
            "failed": str(found.failed),
            "threshold": "the pack's own" if found.site is None else _site_words(found.site),
        }
    )
    yield element("p", DISCLAIMER, class_="soft")


def _site_words(site: SiteReport) -> str:
    return f"set at this site on {site.decided_utc[:10]} for {', '.join(site.labels)} (file {site.file_sha256[:8]})"


def _sections(found: Evaluation) -> Iterator[Markup]:
    for label in found.labels:
        yield from _label(label)
    for structure in found.structures:
        yield from structure_sections(structure, found.cases)
    for boxes in found.boxes:
        yield from boxes_sections(boxes)
    if found.grades is not None:
        yield from _grades(found.grades)
    yield from _lost(found.lost, found.task)
    yield element("h2", "What not to conclude")
    yield element("ul", *(element("li", words) for words in NOT_TO_CONCLUDE))
    yield from _identity(found)


def _label(label: LabelEvaluation) -> Iterator[Markup]:
    yield element("h2", label.title)
    yield wide(figures_table(label.figures))
    yield wide(_confusion(label))
    yield from _rows(label)
    yield element("div", *_plots(label), class_="plots")
    yield from _reliability_words(label)
    yield from groups(label.title, label.subgroups)


def _confusion(label: LabelEvaluation) -> Markup:
    rows = [
        row(("with it", str(label.found), str(label.missed), str(label.lost_positives)), 1),
        row(("without it", str(label.false_alarms), str(label.spared), str(label.lost_negatives)), 1),
    ]
    return table(("in truth", "said to be there", "said not to be there", "no answer"), rows, 1)


def _rows(label: LabelEvaluation) -> Iterator[Markup]:
    yield element("p", element("b", "Missed: "), rows_words(label.missed_rows))
    yield element("p", element("b", "False alarms: "), rows_words(label.false_alarm_rows))
    if label.uncertain:
        yield element(
            "p",
            f"For {label.uncertain} of {label.n} scans a reader was asked to look, as the score lies where the pack's "
            f"model errs too often. In the figures these count by their threshold like all others.",
        )


def _plots(label: LabelEvaluation) -> Iterator[Markup]:
    sensitivity, specificity = label.figures["sensitivity"].value, label.figures["specificity"].value
    if label.roc and sensitivity is not None and specificity is not None:
        at = (1.0 - specificity, sensitivity)
        yield plot("Every threshold", roc_plot(label.roc, at, f"ROC curve of {label.title}"))
    words = "probability that was told" if label.judged == "probability" else "score (no probability)"
    yield plot(
        "Does it happen as often as it says?",
        reliability_plot(label.reliability, words, f"Reliability of {label.title}"),
    )
    yield plot("Scores", score_plot(label.scores, label.threshold, f"Scores of {label.title}"))


def _reliability_words(label: LabelEvaluation) -> Iterator[Markup]:
    if label.judged == "score":
        yield element(
            "p",
            "The pack has no calibration: its scores rank scans and are no probabilities, so points far from the "
            "diagonal are no fault of it. A site can set one with edgerun calibrate.",
            class_="soft",
        )
    else:
        yield element("p", f"Probabilities were calibrated on {label.calibrated_on}.", class_="soft")
    yield element("p", f"Expected calibration error over ten bins: {label.calibration_error:.3f}.", class_="soft")


def _grades(grades: Grades) -> Iterator[Markup]:
    yield element("h2", "Grades")
    value, limits = figure_words(grades.kappa)
    yield element("p", f"Quadratic weighted kappa {value or NO_FIGURE} ({limits}), {grades.kappa.n} scans.")
    rows = [row((name, *map(str, counts)), 1) for name, counts in zip(grades.names, grades.counts, strict=True)]
    yield wide(table(("in truth \\ said", *grades.names), rows, 1))


def _lost(found: tuple[Lost, ...], task: str) -> Iterator[Markup]:
    yield element("h2", "Scans without an answer")
    if not found:
        yield element("p", "None: every row of the table has an answer.")
        return
    rows = [
        row(
            (
                each.code,
                "refused" if each.refused else "failed",
                each.words,
                rows_words(each.rows),
                str(len(each.rows)),
            ),
            4,
        )
        for each in found
    ]
    yield wide(table(("code", "", "why", "rows of the table", "scans"), rows, 4))
    but = " but 'sensitivity, no answer counted as missed'" if task == "classification" else ""
    yield element("p", f"They are in no figure above{but}.", class_="soft")


def _identity(found: Evaluation) -> Iterator[Markup]:
    yield element("h2", "What exactly ran")
    yield pairs(
        {
            "pack, SHA-256": found.pack.sha256,
            "table, SHA-256": found.table_sha256,
            "intended use": found.pack.intended_use,
            "limits": found.pack.limits,
            **found.software,
        }
    )
    yield element("p", "How intervals were found", class_="soft")
    figures = [each.figures for each in found.labels]
    figures += [each.figures for each in found.structures]
    figures += [each.figures for each in found.boxes]
    methods: dict[str, dict[str, None]] = {}
    for name, figure in (item for each in figures for item in each.items()):
        methods.setdefault(figure.method, {})[FIGURES[name][0]] = None
    yield element("ul", *(element("li", f"{', '.join(names)}: {method}.") for method, names in methods.items()))

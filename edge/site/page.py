"""An evaluation as one page that needs nothing else: no network, no script, no font; for a phone and for A4 paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.bench.markup import Markup, element, joined
from edge.bench.page import POLICY, STYLE
from edge.bench.tables import pairs, row, table
from edge.site.evaluation import Evaluation, Grades, LabelEvaluation, Lost
from edge.site.named import SiteReport
from edge.site.plots import reliability_plot, roc_plot, score_plot
from edge.site.subgroups import RULE, Comparison, Subgroup
from edge.site.words import FIGURES, KINDS, NOT_TO_CONCLUDE, figure_words, lead, p_words, rows_words
from edge.write.report import DISCLAIMER

MORE_STYLE = Path(__file__).with_name("page.css")
NO_FIGURE = "not defined"


def page(found: Evaluation) -> str:
    """Return the page."""
    title = f"edgerun evaluate: {found.pack.title}"
    style = STYLE.read_text(encoding="utf-8") + MORE_STYLE.read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element("body", *_head(found), *_sections(found))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


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
    if found.grades is not None:
        yield from _grades(found.grades)
    yield from _lost(found.lost)
    yield element("h2", "What not to conclude")
    yield element("ul", *(element("li", words) for words in NOT_TO_CONCLUDE))
    yield from _identity(found)


def _label(label: LabelEvaluation) -> Iterator[Markup]:
    yield element("h2", label.title)
    yield _wide(_figures(label))
    yield _wide(_confusion(label))
    yield from _rows(label)
    yield element("div", *_plots(label), class_="plots")
    yield from _reliability_words(label)
    if label.subgroups:
        yield element("h3", f"{label.title}: is anybody served worse?")
        yield _wide(_subgroups(label))
        yield element("p", RULE, class_="soft")
    else:
        yield element(
            "p",
            "No groups: neither the table (columns sex, age, device, site) nor the scans tell of any. Whether some "
            "patients are served worse is not known.",
            class_="warning",
        )


def _figures(label: LabelEvaluation) -> Markup:
    rows = []
    for name, figure in label.figures.items():
        title, meaning = FIGURES[name]
        of = str(figure.n) if figure.hits is None else f"{figure.hits} of {figure.n}"
        told = joined(title, element("span", meaning, class_="under"))
        value, limits = figure_words(figure)
        rows.append(row((told, value or NO_FIGURE, limits, of), 1))
    return table(("figure", "value", "95% interval", "scans"), rows, 1)


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
        yield _plot("Every threshold", roc_plot(label.roc, at, f"ROC curve of {label.title}"))
    words = "probability that was told" if label.judged == "probability" else "score (no probability)"
    yield _plot(
        "Does it happen as often as it says?",
        reliability_plot(label.reliability, words, f"Reliability of {label.title}"),
    )
    yield _plot("Scores", score_plot(label.scores, label.threshold, f"Scores of {label.title}"))


def _plot(title: str, drawing: Markup) -> Markup:
    return element("figure", element("figcaption", title), drawing, class_="plot")


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


def _subgroups(label: LabelEvaluation) -> Markup:
    rows = [row(_group_cells(group), 2, "worse" if _is_worse(group) else None) for group in label.subgroups]
    return table(("group", "scans, with it", "sensitivity", "specificity", "AUC"), rows, 2)


def _group_cells(group: Subgroup) -> list[str]:
    name = joined(group.level, element("span", KINDS[group.kind], class_="under"))
    cells = [
        _compared(group.figures[each]) if each in group.figures else "not compared"
        for each in ("sensitivity", "specificity", "auc")
    ]
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


def _grades(grades: Grades) -> Iterator[Markup]:
    yield element("h2", "Grades")
    value, limits = figure_words(grades.kappa)
    yield element("p", f"Quadratic weighted kappa {value or NO_FIGURE} ({limits}), {grades.kappa.n} scans.")
    rows = [row((name, *map(str, counts)), 1) for name, counts in zip(grades.names, grades.counts, strict=True)]
    yield _wide(table(("in truth \\ said", *grades.names), rows, 1))


def _lost(found: tuple[Lost, ...]) -> Iterator[Markup]:
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
    yield _wide(table(("code", "", "why", "rows of the table", "scans"), rows, 4))
    yield element("p", "They are in no figure above but 'sensitivity, no answer counted as missed'.", class_="soft")


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
    methods: dict[str, dict[str, None]] = {}
    for name, figure in (item for label in found.labels for item in label.figures.items()):
        methods.setdefault(figure.method, {})[FIGURES[name][0]] = None
    yield element("ul", *(element("li", f"{', '.join(names)}: {method}.") for method, names in methods.items()))


def _wide(inner: Markup) -> Markup:
    """What is wider than a phone is moved sideways by itself."""
    return element("div", inner, class_="wide")

"""The words of an evaluation: for its page and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.site.case import BAND, DEVICE, SEX, SITE
from edge.site.evaluation import Evaluation, LabelEvaluation
from edge.site.figures import Figure
from edge.site.finds import BoxEvaluation
from edge.site.structures import StructureEvaluation
from edge.site.subgroups import Subgroup

FIGURES: Mapping[str, tuple[str, str]] = {
    "auc": ("AUC", "how often a scan with it has a higher score than one without"),
    "sensitivity": ("sensitivity", "of the scans with it, the share that is found"),
    "sensitivity_lost_as_missed": (
        "sensitivity, no answer counted as missed",
        "with those that were refused or failed",
    ),
    "specificity": ("specificity", "of the scans without it, the share that is spared"),
    "ppv": (
        "positive predictive value",
        "of the scans said to have it, the share that does; only for as many sick as here",
    ),
    "npv": (
        "negative predictive value",
        "of the scans said not to, the share that does not; only for as many sick as here",
    ),
    "f1": ("F1", "harmonic mean of sensitivity and positive predictive value"),
    "brier": ("Brier score", "mean squared error of what is taken for a probability; 0 is best"),
    "dice": ("Dice", "what outline and truth have in common, 0 to 1; mean over the scans that have it, 0 where missed"),
    "hd95": (
        "distance of outlines (HD95), mean",
        "95th percentile, {distance}; where one of the two is empty the diagonal of the whole picture",
    ),
    "hd95_median": ("distance of outlines (HD95), median", "{distance}; a missed one does not outweigh all others"),
    "volume_error": (
        "error of size",
        "share of the larger of outline and truth; mean over the scans that have it",
    ),
    "volume_bias": ("outline less truth", "{size}, mean over the scans that have it; above 0: drawn too large"),
    "outlined_share": ("sensitivity", "of the scans that have it, the share that is said to"),
    "left_alone_share": ("specificity", "of the scans that do not, the share that is not said to"),
    "box_sensitivity": ("sensitivity", "of the true boxes, the share that is found"),
    "box_ppv": ("positive predictive value", "of the boxes that are reported, the share that finds something"),
    "false_positives": ("false boxes on a scan", "mean over all scans"),
    "scan_sensitivity": ("scans with it, something found", "of the scans with a true box, the share with one found"),
    "scan_specificity": ("scans without it, left alone", "of the scans without one, the share without any box"),
    "average_precision": (
        "average precision",
        "precision at every sensitivity, over all thresholds: the area under that curve",
    ),
    "froc": (
        "FROC score",
        "mean sensitivity at 1/8 to 8 false boxes on a scan",
    ),
}
SIZES: Mapping[str | None, str] = {"ml": "ml", "mm2": "mm\u00b2", "pixels": "pixels"}
DISTANCES: Mapping[str | None, str] = {"mm": "mm", "pixel": "pixels"}
NO_UNIT = "in units that differ"
KINDS: Mapping[str, str] = {SEX: "sex", BAND: "age", DEVICE: "device", SITE: "site"}
NOT_TO_CONCLUDE = (
    "That the model will do as well on other patients, on another scanner, or next year.",
    "That a group is served as well as others because it is not called worse: of 'too few to tell' nobody knows.",
    "That 'positive predictive value' holds where more or fewer of the scanned are sick than in the table.",
    "That a scan without an answer is a scan without a finding.",
    "Anything, if the truth in the table came from the model itself, or from a reader who had seen its answer.",
    "That it may be used for diagnosis: no page can say that.",
)


def figure_words(figure: Figure) -> tuple[str, str]:
    """Return a figure's value and its interval; nothing where they are not defined.

    Examples
    --------
    >>> figure_words(Figure(value=0.9, low=0.8123, high=1.0, n=9, method=""))
    ('0.900', '0.812 to 1.000')
    """
    if figure.value is None:
        return "", ""
    limits = "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"
    return f"{figure.value:.3f}", limits


def p_words(p: float) -> str:
    """Return a p-value as short as it can be told."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def rows_words(rows: Sequence[int], most: int = 60) -> str:
    """Return lines of the table, the first of many.

    Examples
    --------
    >>> rows_words([2, 3, 9]), rows_words([]), rows_words(range(2, 9), most=3)
    ('rows 2, 3, 9', 'none', 'rows 2, 3, 4 and 4 more')
    """
    if not rows:
        return "none"
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:most]))}{more}"


def figure_name(name: str, *, size: str | None = None, distance: str | None = None) -> tuple[str, str]:
    """Return what a figure is called and what it means.

    Parameters
    ----------
    size, distance : str, optional
        Units of an outlined structure.
    """
    title, meaning = FIGURES[name]
    units = {"size": SIZES.get(size, NO_UNIT), "distance": DISTANCES.get(distance, NO_UNIT)}
    return title, meaning.format(**units)


def lead(found: Evaluation) -> list[str]:
    """Return the first sentences of the page: how many scans were answered, and what came of each label."""
    counts = f"{found.answered} have an answer, {found.refused} were refused and {found.failed} failed."
    each = [label_words(label) for label in found.labels]
    each += [structure_words(structure) for structure in found.structures]
    each += [boxes_words(boxes) for boxes in found.boxes]
    return [f"Of {found.rows} scans {counts}", *each]


def structure_words(structure: StructureEvaluation) -> str:
    """Return how well a structure was outlined, in one sentence, and who is served worse."""
    dice = structure.figures["dice"]
    absent, found = structure.n - structure.present, structure.present - structure.missed
    outlined = "" if dice.value is None else f" Dice {dice.value:.3f}{_limits(dice, value=False)}."
    missed = f" Said to be there on {found} of {structure.present} scans that have it"
    alarms = f" and on {structure.false_alarms} of {absent} that do not." if absent else "."
    return f"{structure.title}.{outlined}{missed}{alarms}{worse_words(structure.subgroups)}"


def boxes_words(boxes: BoxEvaluation) -> str:
    """Return how much was found at what price, in one sentence, and who is served worse."""
    at = "" if boxes.threshold is None else f" At the threshold {boxes.threshold:.3g}:"
    found = f" {boxes.found} of {boxes.boxes} were found{_limits(boxes.figures['box_sensitivity'])}"
    false = boxes.figures["false_positives"]
    price = (
        "" if false.value is None else f", with {false.value:.2f} false boxes on a scan{_limits(false, value=False)}"
    )
    return f"{boxes.title}.{at}{found}{price}.{worse_words(boxes.subgroups)}"


def label_words(label: LabelEvaluation) -> str:
    """Return the two figures of a label that a clinic lives by, in one sentence, and who is served worse."""
    negatives = label.n - label.positives
    at = "" if label.threshold is None else f" At the {_of(label)} {label.threshold:.3g}:"
    found = f"{label.found} of {label.positives} with it were found{_limits(label.figures['sensitivity'])}"
    spared = f"{label.spared} of {negatives} without it were spared{_limits(label.figures['specificity'])}"
    return f"{label.title}.{at} {found}; {spared}.{worse_words(label.subgroups)}"


def worse_words(groups: Sequence[Subgroup]) -> str:
    """Return which groups are served worse; of those with too few scans, that nobody knows."""
    worse = [words for group in groups if (words := _worse_group(group))]
    unknown = sum(any(each.verdict == "too few to tell" for each in group.figures.values()) for group in groups)
    said = f" WORSE for: {'; '.join(worse)}." if worse else ""
    return said + (f" Too few scans to tell for {unknown} of {len(groups)} groups." if unknown else "")


def _worse_group(group: Subgroup) -> str:
    names = [FIGURES[name][0] for name, each in group.figures.items() if each.verdict == "worse"]
    return f"{KINDS[group.kind]} {group.level} ({', '.join(names)})" if names else ""


def terminal(found: Evaluation) -> list[str]:
    """Return what is said on a terminal."""
    lines = [*lead(found), *(f"Caution: {words}" for words in found.cautions)]
    lines += [
        f"{'refused' if each.refused else 'failed'}: {len(each.rows)} by {each.code}: {each.words}"
        for each in found.lost
    ]
    return lines


def _of(label: LabelEvaluation) -> str:
    return "site threshold" if label.threshold_of == "site" else "threshold"


def _limits(figure: Figure, *, value: bool = True) -> str:
    told, limits = figure_words(figure)
    return f" ({f'{told}, ' if value else ''}95% {limits})" if limits else ""

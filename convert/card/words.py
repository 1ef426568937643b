"""What a card says in the same words at several places."""

from __future__ import annotations

import math
from collections.abc import Mapping

from convert.document import SetUsed
from convert.gate.judge import ALL, Comparison
from edge.pack.manifest import ClassificationTask, DetectionTask, Manifest, RegistrationTask, SegmentationTask, Task

UNTRAINED = "The weights of this model are not trained: no figure on this card is about a disease."
METRICS: Mapping[str, str] = {
    "auc": "area under the ROC curve",
    "flips": "share of changed decisions",
    "kappa": "quadratic weighted kappa",
    "dice": "Dice overlap",
    "hd95-mm": "95th percentile of surface distances (HD95) in mm",
    "hd95-pixels": "95th percentile of surface distances (HD95) in pixels",
    "volume-error": "error of the volume",
    "froc": "free-response ROC score",
    "false-positives": "false positives per scan",
    "target-registration-error": "target registration error in mm",
    "folded": "share of folded voxels",
}
_OUTPUT: Mapping[str, str] = {
    "binary": "one score for the whole scan, for",
    "multi-class": "one of several labels for the whole scan:",
    "multi-label": "any of several labels for the whole scan:",
    "ordinal": "one grade for the whole scan, in rising severity:",
}


def metric_words(metric: str) -> str:
    """Return what people call a metric; its own name where we know no better."""
    return METRICS.get(metric, metric.replace("-", " ").replace("_", " "))


def label_titles(manifest: Manifest) -> dict[str, str]:
    """Return the title of each label, by its name."""
    return {label.name: label.title for label in manifest.task.labels}


def label_words(label: str, titles: Mapping[str, str]) -> str:
    """Return what people call a label."""
    together = "all labels" if titles else "all pairs of scans"
    return together if label == ALL else titles.get(label, label)


def task_words(task: Task) -> str:
    """Return what the model gives out, in one sentence."""
    names = ", ".join(label.title for label in task.labels)
    if isinstance(task, SegmentationTask):
        return f"Segmentation: outlines in the scan: {names}."
    if isinstance(task, ClassificationTask):
        return f"Classification, {task.mode}: {_OUTPUT[task.mode]} {names}."
    if isinstance(task, DetectionTask):
        return f"Detection: boxes in the scan around: {names}."
    if isinstance(task, RegistrationTask):
        return "Registration: how far each place of one scan lies from where it is in another."
    return f"Translation: a synthetic image, made from the scan: {task.makes}."


def number(value: float, *, signed: bool = False) -> str:
    """Return a figure for people, rounded to four decimals.

    Examples
    --------
    >>> number(0.98765), number(-0.00001, signed=True), number(float("nan"))
    ('0.9877', '0.0000', 'not a number')
    """
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    text = f"{value:+.4f}" if signed else f"{value:.4f}"
    return text[1:] if text in ("+0.0000", "-0.0000") else text


def change_words(row: Comparison, titles: Mapping[str, str]) -> str:
    """Return one comparison in a sentence: what was, what became of it, and what may become of it."""
    where = "" if row.group == ALL else f" in {row.group}"
    was = "" if row.metric == "flips" else f"{number(row.reference)} in the reference, "
    needed = f"; about {row.n_needed} scans would tell" if row.n_needed else ""
    return (
        f"{metric_words(row.metric)} of {label_words(row.label, titles)}{where} (n = {row.n}): {was}"
        f"{number(row.candidate)} here, {allowed_words(row)}: {row.verdict}{needed}"
    )


def allowed_words(row: Comparison) -> str:
    """Return how bad the change may really be, and how bad it may be at most."""
    return f"worst plausible change {number(row.bound, signed=True)}, allowed {number(limit_of(row), signed=True)}"


def limit_of(row: Comparison) -> float:
    """Return the margin with the sign of a change for the worse."""
    return -row.margin if row.higher_is_better else row.margin


def set_words(item: SetUsed, titles: Mapping[str, str]) -> str:
    """Return a set of scans in a sentence."""
    counted = ", ".join(f"{label_words(label, titles)} in {count}" for label, count in item.positives.items())
    return (
        f"{item.words}: {item.n} scans{f'; {counted}' if counted else ''}; SHA-256 of its files' hashes {item.sha256}"
    )

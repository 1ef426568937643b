"""What to say of a reference that knows no better than nothing: copies of it pass all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convert.displacement import target_registration_error
from convert.document import CandidateTold
from convert.labels import LabelledSet


def doubts_of(reference: CandidateTold, scans: LabelledSet) -> list[str]:
    """Return a sentence for each figure of the reference itself that says that it, or its table, is wrong.

    Parameters
    ----------
    reference : CandidateTold
        With its evidence.
    scans : LabelledSet
        That it was measured on.
    """
    return [*_of_scores(reference), *_of_boxes(reference), *_of_pairs(reference, scans)]


def _of_scores(reference: CandidateTold) -> Iterator[str]:
    for item in reference.evidence:
        if item.metric == "auc" and item.interval is not None and item.interval[0] <= 0.5:
            yield (
                f"The reference itself tells {item.label} no better than chance: AUC {item.value:.3f}, 95% interval"
                f" from {item.interval[0]:.3f}. Check the steps, the order of the labels and the table."
            )


def _of_boxes(reference: CandidateTold) -> Iterator[str]:
    for item in reference.evidence:
        if item.metric == "froc" and item.interval is not None and item.interval[0] <= 0.0:
            yield (
                f"The reference itself hardly finds {item.label}: FROC {item.value:.3f}. Check the steps, the order of"
                " the labels, and the order and the unit of the numbers in the table."
            )


def _of_pairs(reference: CandidateTold, scans: LabelledSet) -> Iterator[str]:
    if not scans.landmarks:
        return
    before = float(np.mean([target_registration_error(item.fixed, item.moving) for item in scans.landmarks]))
    for item in reference.evidence:
        if item.metric == "target-registration-error" and item.value >= before:
            yield (
                f"The reference itself brings landmarks no nearer: {item.value:.2f} mm, and {before:.2f} mm by the"
                " headers alone. Check the steps, which scan is which, and the landmarks."
            )

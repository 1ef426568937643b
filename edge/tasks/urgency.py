"""How urgent a finding is: by its label, and by the pack's rules for what was measured of it, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge.pack.tasks import Label, Quantity, UrgencyRule
from edge.pack.words import URGENCIES, Urgency

NAMES: Mapping[Quantity, tuple[str, str]] = {
    "score": ("score", ""),
    "volume-ml": ("volume", " mL"),
    "area-mm2": ("area", " mm2"),
    "diameter-mm": ("longest diameter", " mm"),
    "size-mm": ("longest side", " mm"),
}
"""What is measured is called, and its unit."""


def urgency_of(label: Label, measured: Mapping[Quantity, float | None]) -> tuple[Urgency, str | None]:
    """Return how urgent a finding that is there is, and why, where its label has rules.

    The gravest rule that is reached decides; of several as grave, the first. What could not be measured counts as more
    than any rule asks for: a size that nobody knows makes nothing less urgent.

    Parameters
    ----------
    label : Label
    measured : mapping
        By measure, every one that the task knows; None where it is not known.

    Examples
    --------
    >>> rule = UrgencyRule(measure="volume-ml", at=30.0, urgency="urgent")
    >>> bleeding = Label(name="a", title="A", finding=True, urgency="soon", urgency_from=(rule,))
    >>> urgency_of(bleeding, {"volume-ml": 31.2})
    ('urgent', "volume 31.2 mL reaches 30 mL, the pack's rule for urgent")
    >>> urgency_of(bleeding, {"volume-ml": 12.0})
    ('soon', "volume 12 mL is below 30 mL, the pack's rule for urgent")
    >>> urgency_of(bleeding, {"volume-ml": None})
    ('urgent', "volume unknown, counted as 30 mL or more, the pack's rule for urgent")
    """
    if not label.urgency_from:
        return label.urgency, None
    reached = [rule for rule in label.urgency_from if _reaches(measured[rule.measure], rule)]
    if not reached:
        lowest = min(label.urgency_from, key=lambda rule: URGENCIES.index(rule.urgency))
        return label.urgency, _reason(lowest, measured[lowest.measure], holds=False)
    gravest = max(reached, key=lambda rule: URGENCIES.index(rule.urgency))
    return gravest.urgency, _reason(gravest, measured[gravest.measure], holds=True)


def _reaches(value: float | None, rule: UrgencyRule) -> bool:
    """Scores are compared as float32, which is what the model gave."""
    if value is None:
        return True
    return bool(np.float32(value) >= np.float32(rule.at)) if rule.measure == "score" else value >= rule.at


def _reason(rule: UrgencyRule, value: float | None, *, holds: bool) -> str:
    name, unit = NAMES[rule.measure]
    limit = f"{rule.at:g}{unit}"
    told = f"the pack's rule for {rule.urgency}"
    if value is None:
        return f"{name} unknown, counted as {limit} or more, {told}"
    if rule.measure == "score" and np.float32(value) == np.float32(rule.at):
        value = rule.at  # as near to it as float32 comes
    digits = next((n for n in range(3, 9) if f"{value:.{n}g}" != f"{rule.at:.{n}g}"), 3)
    said = f"{float(f'{value:.{digits}g}'):.10g}{unit}"
    return f"{name} {said} {'reaches' if holds else 'is below'} {limit}, {told}"

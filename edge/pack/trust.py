"""How far a model's score is to be believed: its calibrated probability, and the scores that a reader must settle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from edge.pack.words import Share, Text
from edge.typed import Between

SUREST = 1e-6
"""A score nearer to 0 or to 1 is taken for this far from it: a logit is finite, and float32 knows no nearer to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What turns a score into a probability: ``sigmoid(slope * logit(score) + intercept)`` (Platt 1999).

    Parameters
    ----------
    method : {"logistic"}
    slope : float
        More than 0: the order of scans stays.
    intercept : float
    rule : str
        How both were found, in words.
    chosen_on : str
        On what scans.
    n, positives : int
        How many these were, and how many of them were positive: among scans where positives are rarer or more
        frequent, the probability is another.
    """

    method: Literal["logistic"]
    slope: Annotated[float, Between(1e-3, 1e3)]
    intercept: Annotated[float, Between(-1e3, 1e3)]
    rule: Text
    chosen_on: Text
    n: Annotated[int, Between(2, 10**9)]
    positives: Annotated[int, Between(1, 10**9)]

    def probability(self, score: float) -> float:
        """Return the probability that belongs to a score of 0 to 1.

        Examples
        --------
        >>> plain = Calibration(method="logistic", slope=1.0, intercept=0.0, rule="-", chosen_on="-", n=2, positives=1)
        >>> round(plain.probability(0.3), 12), plain.probability(1.0) < 1.0
        (0.3, True)
        """
        return 0.5 * (1.0 + math.tanh(0.5 * (self.slope * logit(score) + self.intercept)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The scores from `low` up to but not `high`, around the threshold, that a reader must settle.

    Parameters
    ----------
    low, high : float
    rule : str
        What holds outside of it, in words.
    chosen_on : str
        On what scans it was found.
    n : int
        How many these were.
    """

    low: Share
    high: Share
    rule: Text
    chosen_on: Text
    n: Annotated[int, Between(1, 10**9)]


def logit(score: float) -> float:
    """Return the logarithm of the odds of a score, of which what lies within `SUREST` of 0 or 1 counts as that.

    Examples
    --------
    >>> logit(0.5), round(logit(0.75), 6), logit(0.0) == logit(1e-9)
    (0.0, 1.098612, True)
    """
    inside = min(max(score, SUREST), 1.0 - SUREST)
    return math.log(inside / (1.0 - inside))

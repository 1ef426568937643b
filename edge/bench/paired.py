"""Two runs of latencies -> how many times as long the one is, and between what that lies: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as long something takes: the middle of it, and its 95% bootstrap interval."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Wall seconds of commands run in turn, A B C A B C ...

    Parameters
    ----------
    seconds : mapping
        By name of command, one value a round.
    """

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Return the median of one command, in seconds."""
        return float(np.median(self.seconds[name]))

    def ratio(self, name: str, base: str, *, seed: int = 0) -> tuple[float, float, float]:
        """Return the median of the paired ratios name / base, with its 95% bootstrap interval."""
        found = paired_ratio(self.seconds[name], self.seconds[base], seed=seed)
        return found.middle, found.low, found.high


def paired_ratio(of: Sequence[float], base: Sequence[float], *, seed: int = 0) -> Ratio:
    """Return the median of the ratios of values that were measured side by side.

    Parameters
    ----------
    of, base : sequence of float
        Equally many, above 0.

    Examples
    --------
    >>> paired_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    Ratio(middle=2.0, low=2.0, high=2.0)
    """
    ratios = np.array(of) / np.array(base)
    return _ratio(float(np.median(ratios)), _medians(ratios, np.random.default_rng(seed)))


def ratio_of_medians(of: Sequence[float], base: Sequence[float], *, seed: int = 0) -> Ratio:
    """Return the ratio of two medians of values that were not measured side by side, nor need be equally many.

    Examples
    --------
    >>> ratio_of_medians([3.0, 3.0], [2.0, 2.0, 2.0])
    Ratio(middle=1.5, low=1.5, high=1.5)
    """
    generator = np.random.default_rng(seed)
    draws = _medians(np.array(of), generator) / _medians(np.array(base), generator)
    return _ratio(float(np.median(of) / np.median(base)), draws)


def _medians(values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    drawn = generator.choice(values, (DRAWS, values.size))
    return np.asarray(np.median(drawn, axis=1))


def _ratio(middle: float, draws: NDArray[np.float64]) -> Ratio:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Ratio(middle=middle, low=float(low), high=float(high))

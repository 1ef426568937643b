"""How far scores are to be believed: fitted on the scans that tune, kept where those that judge do not speak against.

A score becomes a probability by Platt's line through its log-odds, fitted with his targets, which keep a few scans from
promising certainty (Platt 1999). The zone that is left to a reader comes from split conformal prediction within each
class (Vovk 2012; Angelopoulos and Bates 2021): whatever the model is like, of scans that are exchangeable with those
that tune, each class gets a wrong answer outside of the zone in the stated share at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from convert.describe import ThresholdRule
from convert.gate.judge import Indices, Question
from convert.metrics import Scores, Truth, calibration_error
from convert.tune import Labelled
from edge.pack.manifest import Calibration, Threshold, Zone
from edge.site import logistic

LEAST_TO_CALIBRATE = 100
"""Of each class: fewer tell no slope and no intercept that others could rely on (Collins et al. 2016)."""
SURE, TWICE = 0.95, 2.0
"""A zone needs so many scans that its error, which varies with the sample, is surely below twice the stated one."""
ROUNDING = 1e-9
"""0.05 times 60 is a little more than 3."""
REFUTED = 0.025
"""One-sided: the lower end of an exact 95% interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far the scores of one candidate are to be believed, by label.

    Parameters
    ----------
    calibration, uncertain : mapping
        As in `edge.pack.manifest.Model`.
    notes : tuple of str
        What is not there, and why.
    """

    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    uncertain: Mapping[str, Zone] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def trust_of(
    rules: Mapping[str, ThresholdRule],
    thresholds: Mapping[str, Threshold],
    tuned: tuple[Labelled, Mapping[str, Scores]],
    judged: tuple[Labelled, Mapping[str, Scores]],
    name: str,
) -> Trust:
    """Return what was found for one candidate of a classification.

    Parameters
    ----------
    rules : mapping
        By label; those with an `error` leave some scores to a reader.
    thresholds : mapping
        The candidate's own.
    tuned, judged : tuples of (Labelled, mapping)
        A set, and by label the candidate's scores of its scans, float64 (n,), 0 to 1.
    name : str
        What to call the candidate.
    """
    (tune, scores), (judge, later) = tuned, judged
    calibration: dict[str, Calibration] = {}
    uncertain: dict[str, Zone] = {}
    notes: list[str] = []
    for label in [label for label in thresholds if label in tune.scans.truths and label in judge.scans.truths]:
        truth, seen = tune.scans.truths[label], (judge.scans.truths[label], later[label])
        line = calibration_of(tune, label, scores[label])
        line = line if isinstance(line, str) else _confirmed(line, *seen)
        if isinstance(line, str):
            notes.append(f"There is no calibration of {label!r} for {name}: {line}.")
        else:
            calibration[label] = line
        if (error := rules[label].error) is None:
            continue
        zone = zone_of(truth, scores[label], thresholds[label], error, tune)
        if isinstance(zone, str):
            notes.append(f"No score of {label!r} is left to a reader for {name}: {zone}.")
        else:
            uncertain[label] = zone
            notes += _refuted(label, zone, error, seen, name)
    return Trust(calibration=calibration, uncertain=uncertain, notes=tuple(notes))


def calibration_of(tune: Labelled, label: str, scores: Scores) -> Calibration | str:
    """Return the line that turns the scores of a label into probabilities, or why there is none."""
    truth = tune.scans.truths[label]
    least = min(_units(tune, truth), _units(tune, ~truth))
    if least < LEAST_TO_CALIBRATE:
        return f"{_found(tune)} {least} of the rarer class, expected {LEAST_TO_CALIBRATE} at least"
    return logistic.calibration_of(truth, scores, tune.words)


def zone_of(truth: Truth, scores: Scores, threshold: Threshold, error: float, tune: Labelled) -> Zone | str:
    """Return the scores that a reader must settle so that each class errs in a share of `error` at most, or why none.

    Positives err below the zone, negatives above it. The limits are the scores of the scans that tune, the k-th lowest
    of n positives and the k-th highest of n negatives, where ``k / (n + 1)`` is at most `error`; the threshold lies
    inside or at an end.
    """
    given = scores.astype(np.float32)  # which the runtime compares, too
    least = min(_units(tune, truth), _units(tune, ~truth))
    if (needed := scans_for(error)) > least:
        return (
            f"{_found(tune)} {least} of the rarer class, expected {needed} at least for an error of {_percent(error)}"
        )
    lowest, highest = np.sort(given[truth]), np.sort(given[~truth])[::-1]
    low = lowest[_rank(lowest.size, error) - 1]
    high = np.nextafter(highest[_rank(highest.size, error) - 1], np.float32(2))
    if high > 1:
        return f"more than {_percent(error)} of the negatives have the highest score that there is"
    at = np.float32(threshold.value)
    ends = (float(low) if low < at else threshold.value, float(high) if high > at else threshold.value)
    if ends[0] >= ends[1]:
        return f"at its threshold, each class errs in {_percent(error)} at most"
    return Zone(
        low=ends[0],
        high=ends[1],
        rule=f"outside, each class errs in {_percent(error)} at most: split conformal within each class",
        chosen_on=tune.words,
        n=truth.size,
    )


def scans_for(error: float) -> int:
    """Return how many scans of a class a zone needs.

    The error that a zone really has, over all samples that it could have been found on, follows a beta distribution
    (Angelopoulos and Bates 2021, section 3.2).

    Examples
    --------
    >>> scans_for(0.1), scans_for(0.05)
    (30, 61)
    """
    sizes = np.arange(1, int(20 / error))  # beyond it is always below
    ranks = np.floor(error * (sizes + 1) + ROUNDING)
    worst = np.where(ranks > 0, stats.beta.ppf(SURE, np.maximum(ranks, 1), sizes + 1 - ranks), 1.0)
    return int(sizes[worst > TWICE * error].max()) + 1


def _rank(n: int, error: float) -> int:
    return int(np.floor(error * (n + 1) + ROUNDING))


def _percent(share: float) -> str:
    return f"{share * 100:g}%"


def _units(tune: Labelled, among: Truth) -> int:
    """Scans, or patients where the set tells them: those of one patient resemble each other."""
    patients = tune.scans.patients
    return int(among.sum()) if patients is None else len({patients[index] for index in np.flatnonzero(among)})


def _found(tune: Labelled) -> str:
    return "found scans of" if tune.scans.patients is None else "found patients:"


def _confirmed(line: Calibration, truth: Truth, scores: Scores) -> Calibration | str:
    """The line, unless the scans that judge are told worse with it than without."""
    before, after = _brier(truth, scores), _brier(truth, _probabilities(line, scores))
    if after < before:
        return line
    return f"on the scans that judge, its Brier score is {after:.4f}, and {before:.4f} without it"


def _refuted(label: str, zone: Zone, error: float, seen: tuple[Truth, Scores], name: str) -> Iterator[str]:
    """Where the scans that judge err outside of the zone more often than its rule says and than chance explains."""
    truth, scores = seen
    given = scores.astype(np.float32)
    wrong = {"positives": (truth, given < np.float32(zone.low)), "negatives": (~truth, given >= np.float32(zone.high))}
    for words, (among, missed) in wrong.items():
        count, n = int((missed & among).sum()), int(among.sum())
        if n and stats.binomtest(count, n, error, alternative="greater").pvalue < REFUTED:
            share = f"{count} of {n} {words} err outside of the zone, expected {_percent(error)} at most"
            yield f"The zone of {label!r} for {name} does not hold on the scans that judge: {share}."


def _brier(truth: Truth, told: Scores) -> float:
    return float(np.mean((told - truth) ** 2))


def _probabilities(line: Calibration, scores: Scores) -> Scores:
    return np.array([line.probability(float(score)) for score in scores])


def questions(trust: Trust, truths: Mapping[str, Truth], scores: Mapping[str, Scores]) -> list[Question]:
    """Return the figures to tell of one candidate's trust on the scans that judge; nothing is compared.

    ``uncertain-share`` is of all scans; ``coverage-of-positives`` and ``coverage-of-negatives`` are the shares of a
    class whose answer is right or left to a reader.
    """
    asked: list[Question] = []
    for label, line in trust.calibration.items():
        told = {"": scores[label], "-calibrated": _probabilities(line, scores[label])}
        for end, values in told.items():
            asked += _of_probabilities(label, truths[label], values, end)
    for label, zone in trust.uncertain.items():
        asked += _of_zone(label, truths[label], scores[label].astype(np.float32), zone)
    return asked


def _of_probabilities(label: str, truth: Truth, told: Scores, end: str) -> list[Question]:
    everything = np.ones_like(truth)
    return [
        _question(f"brier{end}", label, lambda at: _brier(truth[at], told[at]), everything, truth),
        _question(
            f"calibration-error{end}", label, lambda at: calibration_error(truth[at], told[at]), everything, truth
        ),
    ]


def _of_zone(label: str, truth: Truth, given: NDArray[np.float32], zone: Zone) -> list[Question]:
    below, beyond = given < np.float32(zone.low), given >= np.float32(zone.high)
    shares = (
        ("uncertain-share", ~below & ~beyond, np.ones_like(truth)),
        ("coverage-of-positives", ~below, truth),
        ("coverage-of-negatives", ~beyond, ~truth),
    )
    return [_question(metric, label, _share_of(hit, among), among, truth) for metric, hit, among in shares]


def _share_of(hit: Truth, among: Truth) -> Callable[[Indices], float]:
    return lambda at: float(hit[at][among[at]].mean()) if among[at].any() else float("nan")


def _question(metric: str, label: str, of: Callable[[Indices], float], counted: Truth, truth: Truth) -> Question:
    strata = truth.astype(np.int64)
    return Question(metric=metric, label=label, margin=0.0, reference=of, candidate=of, counted=counted, strata=strata)

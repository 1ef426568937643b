"""What the pictures of a pack look like: a template and limits, by which the runtime tells how a picture lies.

The template is learnt from pictures such as the model learnt from, its limits are chosen on those that choose the
thresholds, and how often both err is measured on those that judge. Not every kind of picture has an upright position:
where the pictures that choose do not show one, the pack gets no look, and the runtime tells nothing.

The template is the filter that answers to the mean picture and least to what else varies in pictures of this kind, in
whatever position they lie: w = (C + ridge)^-1 m, with m the mean and C the covariance of reduced pictures, averaged
over the eight positions (a regularised Fisher discriminant; Turin 1960, "An introduction to matched filters").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convert.build import Built, Plan
from convert.cases import Case
from convert.describe import Description
from convert.familiar_limits import interval_of
from convert.familiar_step import apart
from convert.measure import Progress
from convert.reading import examinations_of
from edge.check import check_scan
from edge.check.film import filled_share, saturated_share
from edge.check.look import Position, position_of, positions, reduced
from edge.errors import UsageError
from edge.findings import Notice
from edge.pack.look import Look
from edge.pack.manifest import ALL, Accepts, Evidence
from edge.reasons import MIRRORED
from edge.scan import Scan

SIZE = 12
RIDGE = 1.0
"""Of the mean variance of a point."""

LEAST_LEARNT, MOST_LEARNT, LEAST_CHOSEN = 50, 2000, 100
"""Pictures that a template needs, that it is made of at most, and that limits need."""

BEYOND = 0.005
"""Share of the pictures that choose that may lie beyond a limit."""

UPRIGHT = 0.98
"""Share of them at least that the template finds upright; else such pictures have no upright position."""

LIKE = 0.25
"""Noise of SIZE x SIZE points has a correlation of 0 with a deviation of 1 / SIZE."""

LEAST_FILLED, MOST_SATURATED = 0.75, 0.25
"""What no pack refuses, however full its own pictures are and however few of their points are plain."""

METHOD = "Clopper and Pearson 1934"

Square = NDArray[np.float64]
Change = Callable[[Scan, int], Scan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is measured of one picture that chooses."""

    position: Position
    filled: float
    saturated: float


def with_look(
    description: Description, plan: Plan, built: Built, learnt: Sequence[Case], progress: Progress
) -> tuple[Description, Built]:
    """Return the description with what its pictures look like, and what was built with how often that errs.

    Nothing changes where its scans are no single pictures, where there are too few of them, or where their look stands
    in the description already.

    Parameters
    ----------
    learnt : sequence of tuples of Path
        Examinations such as the model learnt from.

    Raises
    ------
    edge.errors.ReadError
        A scan cannot be read.
    """
    (item, *others) = description.inputs
    tune, evaluate = plan.tune, plan.evaluate
    if others or item.accepts.stack != "picture" or item.accepts.look or tune is None or evaluate is None:
        return description, built
    learnt = apart(learnt, plan)
    if len(learnt) < LEAST_LEARNT or len(tune.scans.paths) < LEAST_CHOSEN:
        return description, built
    some = _some(learnt)
    progress(f"learning what upright pictures look like from {len(some)} pictures")
    try:
        squares = [square for scan in _read(plan, some) if (square := _square(scan)) is not None]
        template = template_of(squares)
        words = f"{len(squares)} pictures such as the model learnt from"
        look = look_of(template, [_seen(scan, template) for scan in _read(plan, tune.scans.cases)], words, tune.words)
    except UsageError as error:
        progress(error.message)
        return description, replace(built, notes=(*built.notes, error.message))
    looked = replace(item, accepts=replace(item.accepts, look=look))
    figures = errors_of(_read(plan, evaluate.scans.cases), looked.accepts, built, evaluate.words)
    reference, *rest = built.candidates
    reference = replace(reference, evidence=(*reference.evidence, *figures))
    return replace(description, inputs=(looked,)), replace(built, candidates=(reference, *rest))


def template_of(squares: Sequence[Square]) -> tuple[float, ...]:
    """Return the template of upright pictures, as `edge.check.look.reduced` gives them, row by row.

    Raises
    ------
    UsageError
        They have nothing in common.
    """
    flat = np.array([square.ravel() for square in squares])
    mean = flat.mean(axis=0)
    apart = flat - mean
    orders = [each.ravel() for each in positions(np.arange(flat.shape[1], dtype=np.float64).reshape(squares[0].shape))]
    turned = [apart[:, order.astype(int)] for order in orders]
    covariance = sum(each.T @ each for each in turned) / (len(turned) * len(flat))
    ridge = RIDGE * np.trace(covariance) / len(mean)
    found = np.linalg.solve(covariance + max(ridge, 1e-12) * np.eye(len(mean)), mean)
    found -= found.mean()
    length = float(np.linalg.norm(found))
    if length == 0.0:
        raise UsageError("Learning what upright pictures look like: found nothing that they have in common.")
    return tuple(round(float(value), 4) for value in found / length)


def look_of(template: tuple[float, ...], seen: Sequence[Seen], learnt_from: str, chosen_on: str) -> Look:
    """Return the template with its limits, chosen on other pictures.

    Raises
    ------
    UsageError
        By the template these lie anyhow: there is no upright position, or the template does not know it.
    """
    upright = float(np.mean([each.position.lead > 0 for each in seen]))
    likeness = _lowest([each.position.likeness for each in seen])
    if upright < UPRIGHT or likeness < LIKE:
        raise UsageError(
            f"The pack does not tell how a picture lies: of {len(seen)} pictures, {upright:.1%} look upright (expected"
            f" {UPRIGHT:.0%}), with a likeness of {likeness:.2f} or more (expected {LIKE})."
        )
    return Look(
        template=template,
        least_likeness=likeness,
        least_lead=min(0.0, _lowest([each.position.lead for each in seen])),
        least_side=min(0.0, _lowest([each.position.side for each in seen])),
        least_filled=min(LEAST_FILLED, _lowest([each.filled for each in seen])),
        most_saturated=max(MOST_SATURATED, -_lowest([-each.saturated for each in seen])),
        learnt_from=learnt_from,
        chosen_on=chosen_on,
        n=len(seen),
    )


def errors_of(scans: Iterator[Scan], accepts: Accepts, built: Built, words: str) -> tuple[Evidence, ...]:
    """Return how often pictures are refused as they are, as negatives and turned, and warned of mirrored."""
    counts = dict.fromkeys(CHANGES, 0)
    number = 0
    for number, scan in enumerate(scans, start=1):
        for name, (change, wanted) in CHANGES.items():
            counts[name] += any(wanted(note) for note in check_scan(change(scan, number), accepts))
    first = built.candidates[0]
    return tuple(_figure(name, count, number, first.precision, first.engine, words) for name, count in counts.items())


def _figure(name: str, count: int, number: int, precision: str, engine: str, words: str) -> Evidence:
    return Evidence(
        precision=precision,  # type: ignore[arg-type]
        engine=engine,
        label=ALL,
        data=words,
        metric=name,
        value=round(count / number, 6),
        interval=interval_of(count, number),
        method=METHOD,
        n=number,
    )


def negative(scan: Scan) -> Scan:
    """Return a picture whose every value is its mirror within its own range."""
    low, high = scan.voxels.min(), scan.voxels.max()
    return replace(scan, voxels=np.asarray(high - (scan.voxels - low), dtype=scan.voxels.dtype))


def turned(scan: Scan, quarters: int) -> Scan:
    """Return a picture turned by so many quarters; its grid stays, so that nothing else can give it away."""
    return replace(scan, voxels=np.ascontiguousarray(np.rot90(scan.voxels, quarters, axes=(1, 2))))


def mirrored(scan: Scan) -> Scan:
    """Return a picture with left and right changed over."""
    return replace(scan, voxels=np.ascontiguousarray(scan.voxels[:, :, ::-1]))


def _refused(note: Notice) -> bool:
    return note.severity == "refuse"


def _said_mirrored(note: Notice) -> bool:
    return note.reason is MIRRORED


CHANGES: dict[str, tuple[Change, Callable[[Notice], bool]]] = {
    "refused-as-they-are": (lambda scan, _: scan, _refused),
    "refused-as-negatives": (lambda scan, _: negative(scan), _refused),
    "refused-turned": (lambda scan, number: turned(scan, 1 + number % 3), _refused),
    "warned-mirrored": (lambda scan, _: mirrored(scan), _said_mirrored),
    "warned-not-mirrored": (lambda scan, _: scan, _said_mirrored),
}
"""By name of figure: what is done to a picture of which number, and what of that is counted. One of the quarter turns
for each picture, so that pictures count once."""


def _read(plan: Plan, cases: Sequence[Case]) -> Iterator[Scan]:
    inputs = plan.draft.inputs
    for _, scans in examinations_of(cases, inputs, plan.confirmed):
        yield scans[inputs[0].name]


def _some(cases: Sequence[Case]) -> list[Case]:
    """At most so many, evenly spread."""
    step = max(1, math.ceil(len(cases) / MOST_LEARNT))
    return list(cases[::step])


def _square(scan: Scan) -> Square | None:
    return reduced(scan, SIZE) if scan.stack == "picture" and scan.slide is None else None


def _seen(scan: Scan, template: tuple[float, ...]) -> Seen:
    square = _square(scan)
    if square is None:
        raise UsageError("Measuring what pictures look like: found a scan that is no single picture of numbers.")
    grey = scan.voxels[0] if scan.voxels.ndim == 3 else scan.voxels[0].max(axis=-1)
    return Seen(position=position_of(square, template), filled=filled_share(grey), saturated=saturated_share(grey))


def _lowest(values: Sequence[float]) -> float:
    """The limit below which so small a share lies as `BEYOND` allows, rounded down."""
    kept = sorted(values)[math.floor(BEYOND * len(values))]
    return math.floor(kept * 1e4) / 1e4

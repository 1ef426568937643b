"""Outlined cases -> for each structure, how well it was outlined: figures with intervals, and who is served worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.pack.manifest import SegmentationTask
from edge.site.examine import Examined
from edge.site.figures import Figure, mean, median, share, undefined
from edge.site.judged import Flags, Numbers, Values, numbered
from edge.site.meeting import Outlined, SizeUnit
from edge.site.resampled import Statistic, ratio_of
from edge.site.subgroups import Measures, Subgroup, subgroups

WORST = 10
POOR = 0.5
"""Dice below which an outline is listed among the worst: less than half of both masks is common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureEvaluation:
    """One structure on the scans that have an answer and of which its mask is known.

    Parameters
    ----------
    n, present : int
        Scans, and those that truly have it.
    missed, false_alarms : int
        Scans that have it and are not said to; that are said to and do not.
    unit : {"ml", "mm2", "pixels"}, optional
        Of sizes; None where scans differ in it.
    distance_unit : {"mm", "pixel"}, optional
        Of distances of outlines; None where scans differ in it.
    figures : mapping
        By name.
    missed_rows, false_alarm_rows, worst_rows : tuple of int
        Lines of the table; the worst have a Dice below `POOR`, the worst first, `WORST` at most.
    """

    name: str
    title: str
    n: int
    present: int
    missed: int
    false_alarms: int
    unit: SizeUnit | None
    distance_unit: Literal["mm", "pixel"] | None
    figures: Mapping[str, Figure]
    missed_rows: tuple[int, ...]
    false_alarm_rows: tuple[int, ...]
    worst_rows: tuple[int, ...]
    subgroups: tuple[Subgroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Structure:
    """One structure on its cases; see `edge.site.subgroups.Grouped`. Arrays of shape (n,)."""

    cases: tuple[Examined, ...]
    outlined: tuple[Outlined, ...]
    patients: Numbers

    @property
    def truth(self) -> Flags:
        """Whether it is there."""
        return np.array([each.overlap.present for each in self.outlined], dtype=np.bool_)

    @property
    def said(self) -> Flags:
        """Whether it is said to be there."""
        return np.array([each.said for each in self.outlined], dtype=np.bool_)

    def measured(self, name: str) -> Values:
        """Return what `edge.truth.overlap.Overlap` calls so."""
        return np.array([getattr(each.overlap, name) for each in self.outlined], dtype=np.float64)

    @property
    def bias(self) -> Values:
        """How much larger than the truth it was outlined."""
        return np.array([each.size - each.true_size for each in self.outlined], dtype=np.float64)


def structures(examined: Sequence[Examined], task: SegmentationTask) -> tuple[StructureEvaluation, ...]:
    """Return every structure of which the truth of at least one answered case is known."""
    patients = numbered([each.case.patient for each in examined])
    found = []
    for label in task.labels:
        known = [index for index, each in enumerate(examined) if each.answered and label.name in each.outlined]
        if known:
            cases = tuple(examined[index] for index in known)
            outlined = tuple(each.outlined[label.name] for each in cases)
            structure = Structure(cases=cases, outlined=outlined, patients=patients[known])
            found.append(_evaluated(structure, label.name, label.title))
    return tuple(found)


def _evaluated(structure: Structure, name: str, title: str) -> StructureEvaluation:
    truth, said = structure.truth, structure.said
    units = {each.unit for each in structure.outlined}
    distances = {each.overlap.unit for each in structure.outlined}
    return StructureEvaluation(
        name=name,
        title=title,
        n=int(truth.size),
        present=int(truth.sum()),
        missed=int((truth & ~said).sum()),
        false_alarms=int((~truth & said).sum()),
        unit=units.pop() if len(units) == 1 else None,
        distance_unit=distances.pop() if len(distances) == 1 else None,
        figures=_figures(structure),
        missed_rows=_rows(structure, truth & ~said),
        false_alarm_rows=_rows(structure, ~truth & said),
        worst_rows=_worst(structure),
        subgroups=subgroups(structure, OUTLINES),
    )


def _figures(structure: Structure) -> dict[str, Figure]:
    """Those of outlines are of the scans that truly have it: with the others a rare structure would be near 1."""
    truth, said, patients = structure.truth, structure.said, structure.patients
    there, of = only(structure, truth), patients[truth]
    one_unit = len({each.overlap.unit for each in structure.outlined}) == 1
    one_size = len({each.unit for each in structure.outlined}) == 1
    distances = there.measured("hd95")
    return {
        "dice": mean(there.measured("dice"), of),
        "hd95": mean(distances, of) if one_unit else undefined(),
        "hd95_median": median(distances, of) if one_unit else undefined(),
        "volume_error": mean(there.measured("volume_error"), of),
        "volume_bias": mean(there.bias, of) if one_size else undefined(),
        "outlined_share": share(said[truth], patients[truth]),
        "left_alone_share": share(~said[~truth], patients[~truth]),
    }


def only(structure: Structure, inside: Flags) -> Structure:
    """Return the structure on some of its cases."""
    kept: NDArray[Any] = np.flatnonzero(inside)
    return replace(
        structure,
        cases=tuple(structure.cases[index] for index in kept),
        outlined=tuple(structure.outlined[index] for index in kept),
        patients=structure.patients[inside],
    )


def _compared(structure: Structure) -> dict[str, Figure]:
    figures = _figures(structure)
    return {name: figures[name] for name in ("dice", "outlined_share", "left_alone_share")}


def _statistics(structure: Structure) -> dict[str, Statistic]:
    there = structure.truth.astype(np.float64)
    said = structure.said.astype(np.float64)
    return {
        "dice": ratio_of(structure.measured("dice") * there, there),
        "outlined_share": ratio_of(said * there, there),
        "left_alone_share": ratio_of((1 - said) * (1 - there), 1 - there),
    }


def _counted(structure: Structure) -> dict[str, tuple[Flags, ...]]:
    there = structure.truth
    return {"dice": (there,), "outlined_share": (there,), "left_alone_share": (~there,)}


OUTLINES: Measures[Structure] = Measures(only=only, figures=_compared, statistics=_statistics, counted=_counted)
"""Of a segmentation."""


def _rows(structure: Structure, which: Flags) -> tuple[int, ...]:
    return tuple(structure.cases[index].case.row for index in np.flatnonzero(which))


def _worst(structure: Structure) -> tuple[int, ...]:
    dice = structure.measured("dice")
    order = np.argsort(dice, kind="stable")
    poor = [index for index in order if structure.truth[index] and dice[index] < POOR]
    return tuple(structure.cases[index].case.row for index in poor[:WORST])

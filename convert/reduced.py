"""Whether a pack's pictures in JPEG 2000 may be decoded smaller than they are, measured on scans as they were taken.

Every scan is compressed, without loss (wavelet 5/3) and with (9/7), and examined twice from the same codestream: whole,
and as small as the runtime would decode it. Both go all of the way, through every check, the steps, every model of the
pack and its thresholds. Only where nothing that is decided differs on any scan, and no score by more than the pack's
tolerance, on at least `LEAST_SCANS` scans large enough to be halved, is the pack given `edge.pack.reduced.Reduced`.
Each scan is spoilt in some way as well (`convert.spoilt`): what checks say of it whole, they must say of it small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from convert.golden import TOLERANCES
from convert.spoilt import spoilt
from edge.check import check_scan
from edge.device import usable_cores
from edge.engines import Engine, available_engines, open_engine
from edge.errors import ReadError, UsageError
from edge.findings import Classification, Refusal
from edge.models import check_names
from edge.pack.manifest import Manifest, Model, Precision
from edge.pack.reduced import Compared, Reduced, least_side_of, longest_side, reduced_problem
from edge.pack.store import Pack
from edge.pipeline import Examination, examine
from edge.read.halved import halved, halved_grid, halvings, times_for
from edge.scan import Scan

Coding = Literal["lossless", "lossy"]
CODINGS: tuple[Coding, ...] = get_args(Coding)

LEAST_SCANS = 100
"""Fewer prove nothing: where none of 100 differs, it is fewer than 3 in 100 that do (95%)."""

EVERY = 10
"""Scans between words of progress."""

SIZES = (1, 2, 4)
"""Times the least that any pack of this input may have (`edge.pack.reduced.least_side_of`): the first that holds."""

LOSSY_DB = 50
"""Peak signal to noise ratio of what is compressed with loss: about a tenth of the size of a film of 12 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found.

    Parameters
    ----------
    reduced : Reduced, optional
        What the pack may say; None where it must not.
    words : tuple of str
        What holds or fails at each size, in sentences.
    """

    reduced: Reduced | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Between what one model said of a scan twice.

    Parameters
    ----------
    examined : bool
        Whether the whole picture was; else it was refused, which says nothing of scores.
    decision : bool
        Whether anything that is decided differs.
    score : float
        The largest difference of a score.
    """

    examined: bool
    decision: bool
    score: float


@dataclass(slots=True, kw_only=True)
class Tally:
    """What is known so far of one size, precision and coding."""

    tolerance: float
    n: int = 0
    changed: int = 0
    spoilt: int = 0
    let_through: int = 0
    largest_difference: float = 0.0
    halvings: set[int] = field(default_factory=set)
    least_ratio: float = float("inf")

    def add(self, found: Sequence[Difference], times: int, ratio: float) -> None:
        """Count one scan, whichever of the models of a precision it differs for."""
        self.n += all(each.examined for each in found)
        self.changed += any(each.decision for each in found)
        self.largest_difference = max(self.largest_difference, *(each.score for each in found))
        self.halvings.add(times)
        self.least_ratio = min(self.least_ratio, ratio)

    @property
    def holds(self) -> bool:
        """Whether nothing differs by more than it may."""
        return not self.changed and not self.let_through and self.largest_difference <= self.tolerance


Key = tuple[int, Precision, Coding]
"""Least side, precision, coding."""


def measure_reduced(
    pack: Pack,
    scans: Iterable[Scan],
    words: str,
    progress: Callable[[str], None],
    *,
    tolerance: float | None = None,
    least_scans: int = LEAST_SCANS,
) -> Verdict:
    """Return whether, and how small, pictures in JPEG 2000 may be decoded for a pack.

    Parameters
    ----------
    scans : iterable of Scan
        As they were taken, whole; of those that cannot be halved nothing is learnt.
    words : str
        What scans these are.
    progress : callable
        Hears now and then how many were measured.
    tolerance : float, optional
        By how much a score may differ; None: `tolerance_of`.
    least_scans : int
        Fewer allow nothing.

    Raises
    ------
    UsageError
        The pack can never be allowed to, is not trained, or has a model for which no engine is here; or a scan is no
        picture of whole numbers.
    """
    manifest = pack.manifest
    if problem := reduced_problem(manifest):
        raise UsageError(f"Measuring {manifest.name}: JPEG 2000 is decoded whole for it: {problem}.")
    if manifest.status != "trained":
        raise UsageError(f"Measuring {manifest.name}: found the status {manifest.status!r}, expected 'trained'.")
    sides = tuple(size * least_side_of(manifest.inputs[0]) for size in SIZES)
    tallies: dict[Key, Tally] = {
        (side, precision, coding): Tally(
            tolerance=tolerance_of(manifest, precision) if tolerance is None else tolerance
        )
        for side in sides
        for precision in _precisions(manifest)
        for coding in CODINGS
    }
    with ExitStack() as stack:
        models = _opened(pack, stack)
        for number, scan in enumerate(scans, start=1):
            if number % EVERY == 0:
                progress(f"{number} scans measured")
            for coding in CODINGS:
                _compare(scan, coding, manifest, models, sides, tallies)
                _check_spoilt(spoilt(scan, number), coding, manifest, sides, tallies)
    return _verdict(sides, tallies, words, least_scans)


def tolerance_of(manifest: Manifest, precision: Precision) -> float:
    """Return by how much a score may differ: as its known answers may from one machine to another."""
    told = [case.expect[precision].tolerance for case in manifest.golden]
    return min(told, default=TOLERANCES[precision])


def coded(scan: Scan, coding: Coding) -> bytes:
    """Return the one picture of a scan as a bare codestream of JPEG 2000.

    Raises
    ------
    UsageError
        Its values are no whole numbers of 8 or 16 bits.
    """
    picture = scan.voxels[0]
    if picture.dtype.kind not in "ui" or picture.dtype.itemsize > 2:
        raise UsageError(f"Compressing a picture to measure with: found {picture.dtype}, expected 8 or 16 bits.")
    bits = _bits_of(picture, scan.acquisition.bits_stored or 16)
    lossy: dict[str, Any] = {"reversible": False, "level": LOSSY_DB}
    how = lossy if coding == "lossy" else {"reversible": True, "level": 0}
    picture = np.ascontiguousarray(picture)
    return bytes(imagecodecs.jpeg2k_encode(picture, codecformat="j2k", bitspersample=bits, **how))


def _bits_of(picture: NDArray[Any], stored: int) -> int:
    """The bits stored, where the values have room in them: those of a scan in real units need not."""
    whole = 8 * picture.dtype.itemsize
    low, high = (-(1 << stored >> 1), 1 << stored >> 1) if picture.dtype.kind == "i" else (0, 1 << stored)
    return stored if stored < whole and low <= picture.min() and picture.max() < high else whole


def decoded(scan: Scan, data: bytes, times: int) -> Scan:
    """Return a scan as it is read from a codestream of its picture whose sides are halved so often."""
    grid = halved_grid(scan.grid, times)
    values: NDArray[Any] = np.asarray(imagecodecs.jpeg2k_decode(halved(data, times)))
    shape = (*grid.shape[1:], *scan.voxels.shape[3:])
    low, high = scan.value_range or (values.min(), values.max())
    voxels = np.clip(values.reshape(shape), low, high).astype(scan.voxels.dtype)[np.newaxis]
    return replace(scan, voxels=voxels, grid=grid, stored=scan.grid if times else None)


def difference(whole: Examination, small: Examination) -> Difference:
    """Return how far two examinations of one scan are apart.

    What is decided are the codes of refusals and of warnings, and of every label whether it is there, is urgent and is
    uncertain; and the grade. Scores are compared where both have them.
    """
    first, second = whole.findings, small.findings
    codes = [sorted(note.reason.code for note in each.warnings) for each in (whole, small)]
    examined = isinstance(first, Classification)
    if not isinstance(first, Classification) or not isinstance(second, Classification):
        return Difference(
            examined=examined, decision=codes[0] != codes[1] or _refused(whole) != _refused(small), score=0.0
        )
    decided = [
        (each.grade, [(at.positive, at.urgency, at.uncertain) for at in each.labels]) for each in (first, second)
    ]
    scores = [abs(a.score - b.score) for a, b in zip(first.labels, second.labels, strict=True)]
    differs = codes[0] != codes[1] or decided[0] != decided[1]
    return Difference(examined=examined, decision=differs, score=max(scores))


def _refused(each: Examination) -> list[str] | None:
    """Codes; None where it was not refused."""
    said = each.findings
    return sorted(note.reason.code for note in said.notices) if isinstance(said, Refusal) else None


def _precisions(manifest: Manifest) -> tuple[Precision, ...]:
    return tuple(dict.fromkeys(model.precision for model in manifest.models))


def _opened(pack: Pack, stack: ExitStack) -> list[tuple[Model, Engine]]:
    """Every model of a pack on an engine that it was made for."""
    here = available_engines()
    opened = []
    for model in pack.manifest.models:
        usable = [name for name in here if name in model.engines]
        if not usable:
            missing = ", ".join(model.engines)
            raise UsageError(f"Measuring {pack.manifest.name}: {model.precision} needs {missing}, which is not here.")
        data, _ = pack.read_model(model)
        engine = open_engine(usable[0], data, precision=model.precision, threads=usable_cores())
        stack.callback(engine.close)
        check_names(pack, engine)
        opened.append((model, engine))
    return opened


def _compare(
    scan: Scan,
    coding: Coding,
    manifest: Manifest,
    models: Sequence[tuple[Model, Engine]],
    sides: Sequence[int],
    tallies: dict[Key, Tally],
) -> None:
    """Examine one scan whole and at every size, and count what differs."""
    data = coded(scan, coding)
    times_of = {side: times_for(scan.grid.shape[1:], side, halvings(data)) for side in sides}
    if not any(times_of.values()):
        return
    seen = {times: decoded(scan, data, times) for times in {0, *times_of.values()}}
    said = {times: [_examined(each, manifest, *model) for model in models] for times, each in seen.items()}
    found = {times: list(map(difference, said[0], small)) for times, small in said.items()}
    for (side, precision, how), tally in tallies.items():
        times = times_of[side]
        if how == coding and times:
            own = [each for each, (model, _) in zip(found[times], models, strict=True) if model.precision == precision]
            ratio = min(seen[times].grid.shape[1:]) / longest_side(manifest.inputs[0])
            tally.add(own, times, ratio)


def _check_spoilt(
    scan: Scan, coding: Coding, manifest: Manifest, sides: Sequence[int], tallies: Mapping[Key, Tally]
) -> None:
    """Count whether a spoilt scan is let through at some size that is noticed whole."""
    data = coded(scan, coding)
    times_of = {side: times_for(scan.grid.shape[1:], side, halvings(data)) for side in sides}
    seen = {times: decoded(scan, data, times) for times in {0, *times_of.values()}}
    accepts = manifest.inputs[0].accepts
    said = {times: {note.reason.code for note in check_scan(each, accepts)} for times, each in seen.items()}
    for (side, _, how), tally in tallies.items():
        if how == coding and (times := times_of[side]):
            tally.spoilt += 1
            tally.let_through += not said[0] <= said[times]


def _examined(scan: Scan, manifest: Manifest, model: Model, engine: Engine) -> Examination:
    name = manifest.inputs[0].name
    try:
        return examine({name: scan}, manifest, model, engine)
    except ReadError as error:
        raise UsageError(f"Measuring with a scan: {error.message}") from error


def _verdict(sides: Sequence[int], tallies: dict[Key, Tally], words: str, least_scans: int) -> Verdict:
    """The smallest size at which all models agree with themselves."""
    told: list[str] = []
    for side in sides:
        of_side = {key[1:]: tally for key, tally in tallies.items() if key[0] == side}
        told.append(_words_of(side, of_side, least_scans))
        if all(tally.holds and tally.n >= least_scans for tally in of_side.values()):
            compared = tuple(
                Compared(
                    precision=precision,
                    coding=coding,
                    n=tally.n,
                    spoilt=tally.spoilt,
                    largest_difference=round(tally.largest_difference, 6),
                    tolerance=tally.tolerance,
                    halvings=(min(tally.halvings), max(tally.halvings)),
                    least_ratio=round(tally.least_ratio, 3),
                )
                for (precision, coding), tally in of_side.items()
            )
            return Verdict(reduced=Reduced(least_side=side, measured_on=words, compared=compared), words=tuple(told))
    return Verdict(reduced=None, words=tuple(told))


def _words_of(side: int, tallies: Mapping[tuple[Precision, Coding], Tally], least_scans: int) -> str:
    told = [
        f"{precision} {coding}: decided otherwise on {tally.changed} of {tally.n} scans, scores differ by at most "
        f"{tally.largest_difference:.4f}, allowed {tally.tolerance:g}; lets through {tally.let_through} of "
        f"{tally.spoilt} spoilt ones"
        for (precision, coding), tally in tallies.items()
    ]
    fewest = min(tally.n for tally in tallies.values())
    enough = "" if fewest >= least_scans else f"; found {fewest} scans, fewer than {least_scans} prove nothing"
    return f"At least {side} pixels on each side. {'; '.join(told)}{enough}."


def with_reduced(pack: Pack, reduced: Reduced | None) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest of a pack with the permission or without, and the pack's files by name."""
    manifest = pack.manifest
    files = dict(_files(pack))
    return replace(manifest, reduced=reduced), files


def _files(pack: Pack) -> Iterator[tuple[str, bytes]]:
    manifest = pack.manifest
    for model in manifest.models:
        yield model.file, pack.read(model.file, model.sha256)
    for case in manifest.golden:
        for role, name in case.scans.items():
            yield name, pack.read(name, case.sha256[role])
    if manifest.card is not None:
        yield manifest.card.file, pack.read(manifest.card.file, manifest.card.sha256)

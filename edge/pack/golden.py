"""Golden cases: known answers that prove the whole path, from file to finding, on this machine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.engines import Engine
from edge.errors import PackError, ReadError
from edge.findings import (
    Classification,
    Detections,
    Findings,
    Refusal,
    Registration,
    Segmentation,
    Translation,
)
from edge.pack.manifest import Golden, Manifest, Model
from edge.pack.store import Pack
from edge.pack.tasks import REGISTERED, TRANSLATED
from edge.pipeline import examine
from edge.read import read_study
from edge.reasons import GOLDEN_FAILED
from edge.scan import Scan

HALF_WAY_MM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """How far one golden case is from its known answer.

    Parameters
    ----------
    name : str
    largest_difference : float
        Over the answers, absolute.
    tolerance : float
    """

    name: str
    largest_difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.largest_difference <= self.tolerance


def run_golden(pack: Pack, model: Model, engine: Engine) -> tuple[GoldenResult, ...]:
    """Return the result of every golden case of the pack with one model on one engine.

    Raises
    ------
    PackError
        ``P403``, ``P404``: a file; ``P408``: a case cannot be examined at all.
    """
    return tuple(_run(case, pack, model, engine) for case in pack.manifest.golden)


def golden_scans(case: Golden, pack: Pack) -> dict[str, Scan]:
    """Return the scans of a golden case by name of input.

    Raises
    ------
    PackError
        As `run_golden`.
    """
    with tempfile.TemporaryDirectory() as folder:
        scans = {}
        for role, name in case.scans.items():
            file = Path(folder) / role
            file.write_bytes(pack.read(name, case.sha256[role]))
            scans[role] = _read(file, case)
    return scans


def _run(case: Golden, pack: Pack, model: Model, engine: Engine) -> GoldenResult:
    examination = examine(golden_scans(case, pack), _as_trained(pack.manifest), model, engine)
    if isinstance(examination.findings, Refusal):
        codes = ", ".join(notice.reason.code for notice in examination.findings.notices)
        raise PackError(f"Running the golden case {case.name}: it was refused with {codes}.", GOLDEN_FAILED)
    found = answers(examination.findings)
    expected = case.expect[model.precision]
    difference = max((abs(found[label] - score) for label, score in expected.scores.items()), default=0.0)
    return GoldenResult(name=case.name, largest_difference=difference, tolerance=expected.tolerance)


def _read(file: Path, case: Golden) -> Scan:
    try:
        return read_study(file).scans[0]
    except ReadError as error:
        raise PackError(f"Running the golden case {case.name}: {error.message}", GOLDEN_FAILED) from error


def answers(findings: Findings) -> dict[str, float]:
    """Return what a golden case compares, by name, each from 0 to 1.

    - Classification: the score of each label.
    - Segmentation: each label's share of the picture or volume.
    - Detection: the best score of each label; 0 where it has no box.
    - Registration: `REGISTERED`. How far the voxels were moved along x, y and z of LPS, on average, and the average
      length of a displacement: 0.5 stands for no millimetre, and
      10 mm are half of the way from there to 0 or 1. And the share of the voxels where space is folded.
    - Translation: `TRANSLATED`. The mean value as a share of the range, of the whole image and of its first half
      along each axis, so that an image that was turned or mirrored is noticed.
    """
    if isinstance(findings, Classification):
        return {item.name: item.score for item in findings.labels}
    if isinstance(findings, Segmentation):
        return {region.name: region.share for region in findings.regions}
    if isinstance(findings, Detections):
        scores = {
            label.name: [box.score for box in findings.boxes if box.name == label.name] for label in findings.labels
        }
        return {name: max(found, default=0.0) for name, found in scores.items()}
    return _of_field(findings) if isinstance(findings, Registration) else _of_image(findings)


def _of_field(findings: Registration) -> dict[str, float]:
    moved_mm = [float(part.mean(dtype=np.float64)) for part in findings.displacement_mm]
    shares = [0.5 + 0.5 * mm / (abs(mm) + HALF_WAY_MM) for mm in (*moved_mm, findings.mean_mm)]
    return dict(zip(REGISTERED, (*shares, findings.folded_share), strict=True))


def _of_image(findings: Translation) -> dict[str, float]:
    low, high = findings.range
    nz, ny, nx = ((size + 1) // 2 for size in findings.grid.shape)
    values = findings.values
    parts = (values, values[:nz], values[:, :ny], values[:, :, :nx])
    means = [(float(part.mean(dtype=np.float64)) - low) / (high - low) for part in parts]
    return {name: min(max(mean, 0.0), 1.0) for name, mean in zip(TRANSLATED, means, strict=True)}


def _as_trained(manifest: Manifest) -> Manifest:
    """An untrained pack proves its plumbing here, which is no clinical report."""
    return replace(manifest, status="trained")

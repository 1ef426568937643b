"""Golden cases: known answers that prove the whole path, from file to finding, on this machine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from edge.engines import Engine
from edge.errors import PackError, ReadError
from edge.findings import Classification, Findings, Refusal
from edge.pack.manifest import Golden, Manifest, Model
from edge.pack.store import Pack
from edge.pipeline import examine
from edge.read import read_study
from edge.reasons import GOLDEN_FAILED
from edge.scan import Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """How far one golden case is from its known answer.

    Parameters
    ----------
    name : str
    largest_difference : float
        Over the labels, absolute.
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


def _run(case: Golden, pack: Pack, model: Model, engine: Engine) -> GoldenResult:
    with tempfile.TemporaryDirectory() as folder:
        scans = {}
        for role, name in case.scans.items():
            file = Path(folder) / role
            file.write_bytes(pack.read(name, case.sha256[role]))
            scans[role] = _read(file, case)
    examination = examine(scans, _as_trained(pack.manifest), model, engine)
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
    """Return what a golden case compares: the score of each label, or its share of the picture."""
    if isinstance(findings, Classification):
        return {item.name: item.score for item in findings.labels}
    return {region.name: region.share for region in findings.regions}


def _as_trained(manifest: Manifest) -> Manifest:
    """An untrained pack proves its plumbing here, which is no clinical report."""
    return replace(manifest, status="trained")

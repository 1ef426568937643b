"""Examined cases that never saw a scan: what is true of them and what was said is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.findings import LabelScore
from edge.pack.manifest import ClassificationTask, Label, Manifest, Threshold
from edge.pack.store import Pack, open_pack
from edge.site.case import Case, Table
from edge.site.examine import Engine, Examined
from edge.site.judged import Judged, judged
from edge.site.named import SiteReport
from edge.testing import tiny_manifest, write_tiny_pack
from edge.write.report import ReasonReport

ENGINE = Engine(name="onnxruntime", version="1.0", precision="fp32")
REFUSED = ReasonReport(code="C704", name="wrong-body-part", words="Another part.", action="", detail="")
FAILED = ReasonReport(code="E502", name="engine-run", words="It failed.", action="", detail="")
TASK = ClassificationTask(
    kind="classification",
    mode="binary",
    output="scores",
    activation="sigmoid",
    labels=(Label(name="bright", title="Bright", finding=True, urgency="soon"),),
)


def said(score: float, *, threshold: float = 0.5, name: str = "bright", probability: float | None = None) -> LabelScore:
    """What the tiny pack says of its one label."""
    return LabelScore(
        name=name,
        title=name.title(),
        code=None,
        score=score,
        threshold=threshold,
        positive=score >= threshold,
        finding=True,
        urgency=None,
        probability=probability,
        calibrated_on=None if probability is None else "films",
    )


def case(
    row: int,
    score: float | None,
    *,
    truth: bool | None,
    patient: str | None = None,
    told: Mapping[str, str] | None = None,
    reason: ReasonReport = REFUSED,
    threshold: float = 0.5,
    site: SiteReport | None = None,
) -> Examined:
    """A row with an answer, or where there is no score, without one."""
    known = {} if truth is None else {"bright": truth}
    of = Case(row=row, path=Path(f"/{row}"), truth=known, patient=patient or f"row {row}", told=told or {})
    if score is None:
        return Examined(case=of, key=f"key{row}", reason=reason, refused=reason is REFUSED)
    label = said(score, threshold=threshold)
    return Examined(case=of, key=f"key{row}", labels=(label,), engine=ENGINE, site=site)


def cases(
    scores: Sequence[float] | NDArray[np.float64],
    truth: Sequence[bool] | NDArray[np.bool_],
    *,
    patients: Sequence[str] | None = None,
    told: Sequence[Mapping[str, str]] | None = None,
) -> list[Examined]:
    """A row for each score, from line 2 on."""
    return [
        case(
            index + 2,
            float(score),
            truth=bool(there),
            patient=None if patients is None else patients[index],
            told=None if told is None else told[index],
        )
        for index, (score, there) in enumerate(zip(scores, truth, strict=True))
    ]


def label_of(examined: Sequence[Examined]) -> Judged:
    """The one label of these."""
    (label,) = judged(examined, TASK)
    return label


def drawn(
    n: int, *, seed: int, apart: float = 1.5, share: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores that rise with the truth, and the truth."""
    generator = np.random.default_rng(seed)
    truth = generator.random(n) < share
    logits = generator.normal(size=n) + np.where(truth, apart, -apart)
    return 1 / (1 + np.exp(-logits)), truth


def table(examined: Sequence[Examined], *, names_patients: bool = True) -> Table:
    """The table that these cases came from."""
    return Table(cases=tuple(each.case for each in examined), sha256="a" * 64, names_patients=names_patients)


def tiny(folder: Path, manifest: Manifest | None = None, *, threshold: float = 0.5) -> Pack:
    """A tiny pack on the disk."""
    told = manifest or tiny_manifest()
    limit = Threshold(value=threshold, rule="none", chosen_on="nothing", n=1)
    models = tuple(replace(model, thresholds=dict.fromkeys(model.thresholds, limit)) for model in told.models)
    return open_pack(write_tiny_pack(folder, replace(told, models=models)))

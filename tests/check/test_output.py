"""An answer that is the same everywhere is refused, whatever it was asked of; one that differs passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge.check.output import said_of_output
from edge.findings import Classification, LabelScore, Refusal, Translation
from edge.geometry import Grid
from edge.pack.manifest import ClassificationTask, Label
from edge.pipeline import examine
from edge.testing import FakeEngine, phantom_scan, tiny_manifest

GRID = Grid.of_picture(2, 2)


def translation(values: list[float]) -> Translation:
    voxels = np.array(values, np.float32).reshape(1, 2, 2)
    return Translation(values=voxels, range=(0.0, 1.0), unit="HU", makes="CT", grid=GRID)


def classification(*scores: float) -> Classification:
    plain: dict[str, Any] = {"code": None, "threshold": 0.5, "positive": False, "finding": True, "urgency": None}
    labels = [LabelScore(name=f"l{n}", title=f"L{n}", score=score, **plain) for n, score in enumerate(scores)]
    return Classification(labels=tuple(labels), grid=GRID)


@pytest.mark.parametrize("findings", [translation([0.5] * 4), classification(0.25, 0.25, 0.25)])
def test_what_is_the_same_everywhere_is_no_answer(findings: Translation | Classification) -> None:
    (notice,) = said_of_output(findings)
    assert (notice.reason.code, notice.severity) == ("C742", "refuse")


@pytest.mark.parametrize("findings", [translation([0.5, 0.5, 0.5, 0.6]), classification(0.2, 0.3), classification(0.5)])
def test_what_differs_and_a_single_score_pass(findings: Translation | Classification) -> None:
    assert said_of_output(findings) == ()


def test_a_scan_that_surely_has_the_worst_grade_is_not_refused() -> None:
    """The score of a grade is that of this grade or a worse one, so of the worst grade all may be exactly 1."""
    assert said_of_output(replace(classification(1.0, 1.0, 1.0), grade="l2")) == ()


@pytest.mark.parametrize(("logits", "refused"), [((0.0, 0.0), True), ((0.0, 1.0), False)])
def test_a_dead_model_makes_no_report(logits: tuple[float, float], refused: bool) -> None:
    labels = tuple(Label(name=name, title=name, finding=True) for name in ("one", "two"))
    task = ClassificationTask(
        kind="classification", mode="multi-label", output="scores", activation="sigmoid", labels=labels
    )
    manifest = tiny_manifest(task=task)
    model = manifest.models[0]
    threshold = next(iter(model.thresholds.values()))
    model = type(model)(
        precision="fp32", file=model.file, sha256=model.sha256, engines=model.engines, verdict="reference",
        thresholds={"one": threshold, "two": threshold},
    )  # fmt: skip
    engine = FakeEngine(lambda _: {"scores": np.array([logits], np.float32)})
    findings = examine({"image": phantom_scan((1, 8, 8))}, manifest, model, engine).findings
    assert isinstance(findings, Refusal) == refused

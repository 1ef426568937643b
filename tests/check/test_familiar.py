"""A scan that is not like those that the model learnt from is refused or warned of, before its score is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.radiograph import radiograph
from edge.check.familiar import energy_of
from edge.engines import open_engine
from edge.errors import EngineError
from edge.findings import Classification, Refusal
from edge.pack.familiar import DistanceLimits, EnergyLimit, Familiar
from edge.pack.manifest import ClassificationTask, Manifest, Windows
from edge.pack.store import EMBEDDED, open_pack
from edge.pipeline import Examination, examine
from edge.read import read_study
from edge.reasons import ARCHITECTURE_ONLY
from edge.testing import FakeEngine, phantom_scan, tiny_manifest

DISTANCE = DistanceLimits(warn=1.5, refuse=2.0, rule="a rank", chosen_on="some scans", n=99)
LIMITS = Familiar(output="familiar", distance=DISTANCE)
ENERGY = EnergyLimit(warn=-2.0, rule="a rank", chosen_on="some scans", n=99)
SCORE = np.full((1, 1), 3.0, np.float32)


def pack_with(familiar: Familiar | None, **changes: Any) -> Manifest:
    pack = tiny_manifest(**changes)
    return replace(pack, models=tuple(replace(model, familiar=familiar) for model in pack.models))


def examined(outputs: Mapping[str, NDArray[Any]], manifest: Manifest) -> Examination:
    """What is said of a scan by an engine that answers the same to any."""
    engine = FakeEngine(lambda _: dict(outputs), outputs=tuple(outputs))
    return examine({"image": phantom_scan((1, 8, 8))}, manifest, manifest.models[0], engine)


def at(distance: float, familiar: Familiar | None = LIMITS, **changes: Any) -> Examination:
    """What is said of a scan whose features lie so far away."""
    outputs = {"scores": SCORE, "familiar": np.full((1, 1), distance, np.float32)}
    return examined(outputs, pack_with(familiar, **changes))


def codes(examination: Examination) -> list[str]:
    refused = examination.findings.notices if isinstance(examination.findings, Refusal) else ()
    return [note.reason.code for note in (*refused, *examination.warnings)]


def test_a_scan_that_is_near_passes_and_its_distance_is_told() -> None:
    said = at(1.5)
    assert isinstance(said.findings, Classification)
    assert codes(said) == []
    assert said.likeness is not None
    assert (said.likeness.distance, said.likeness.warn, said.likeness.refuse) == (1.5, 1.5, 2.0)


def test_a_scan_in_the_middle_zone_keeps_its_finding_and_is_warned_of() -> None:
    said = at(1.75)
    assert isinstance(said.findings, Classification)
    assert codes(said) == ["C751"]
    assert "1.75" in said.warnings[0].detail
    assert "1.5" in said.warnings[0].detail


def test_a_scan_that_is_far_away_is_refused_with_distance_and_limit_and_has_no_score() -> None:
    said = at(37.25)
    assert isinstance(said.findings, Refusal)
    assert codes(said) == ["C750"]
    assert "37.2" in said.findings.notices[0].detail
    assert said.likeness is not None
    assert said.likeness.distance == 37.25


def test_a_pack_that_refuses_none_only_warns() -> None:
    said = at(1e6, replace(LIMITS, distance=replace(DISTANCE, refuse=None)))
    assert isinstance(said.findings, Classification)
    assert codes(said) == ["C751"]


def test_a_pack_without_limits_says_nothing_whatever_its_graph_gives() -> None:
    said = at(float("nan"), None)
    assert (codes(said), said.likeness) == ([], None)


def test_an_untrained_pack_is_refused_for_that_alone() -> None:
    assert codes(at(37.0, status="architecture-only")) == [ARCHITECTURE_ONLY.code]


@pytest.mark.parametrize("distance", [float("nan"), float("inf"), -float("inf")])
def test_a_distance_that_is_no_number_is_an_error_of_the_engine(distance: float) -> None:
    with pytest.raises(EngineError, match="no numbers") as caught:
        at(distance)
    assert caught.value.reason.code == "E503"


@pytest.mark.parametrize(
    "outputs",
    [
        {"scores": SCORE},
        {"scores": SCORE, "familiar": np.zeros((1, 2), np.float32)},
        {"scores": SCORE, "familiar": np.zeros((2, 1), np.float32)},
        {"scores": SCORE, "familiar": np.zeros(1, np.float32)},
    ],
    ids=["missing", "two values", "two scans", "no batch"],
)
def test_a_distance_that_is_missing_or_has_another_shape_is_an_error_of_the_engine(
    outputs: dict[str, NDArray[Any]],
) -> None:
    with pytest.raises(EngineError, match="'familiar'") as caught:
        examined(outputs, pack_with(LIMITS))
    assert caught.value.reason.code == "E503"


def test_of_a_scan_that_is_seen_in_windows_the_mean_counts() -> None:
    """Of four windows one is far away: 1, 1, 1, 4 are 1.75 on average."""
    task = tiny_manifest().task
    assert isinstance(task, ClassificationTask)
    steps = ({"step": "monochrome2"}, {"step": "voi_window"})
    inputs = (replace(tiny_manifest().inputs[0], steps=steps),)
    manifest = pack_with(LIMITS, task=replace(task, windows=Windows(overlap=0.0)), inputs=inputs)
    far = iter([1.0, 1.0, 1.0, 4.0])

    def answer(_: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {"scores": SCORE, "familiar": np.full((1, 1), next(far), np.float32)}

    engine = FakeEngine(answer, outputs=("scores", "familiar"))
    said = examine({"image": phantom_scan((1, 8, 8))}, manifest, manifest.models[0], engine)
    assert said.likeness is not None
    assert said.likeness.distance == pytest.approx(1.75)
    assert "C751" in codes(said)


@pytest.mark.parametrize(("logit", "said"), [(0.1, ["C752"]), (-0.1, ["C752"]), (9.0, []), (-9.0, [])])
def test_a_model_that_is_unusually_unsure_is_warned_of_on_both_sides(logit: float, said: list[str]) -> None:
    outputs = {"scores": np.full((1, 1), logit, np.float32), "familiar": np.ones((1, 1), np.float32)}
    examination = examined(outputs, pack_with(replace(LIMITS, energy=ENERGY)))
    assert isinstance(examination.findings, Classification)
    assert codes(examination) == said
    assert examination.likeness is not None
    assert examination.likeness.energy_warn == -2.0


def test_energy_is_that_of_the_papers() -> None:
    logits = np.array([1.0, 2.0, -3.0], np.float32)
    assert energy_of(logits, "softmax") == pytest.approx(-np.log(np.exp(logits.astype(float)).sum()))
    both = -np.log(np.exp(logits / 2.0) + np.exp(-logits / 2.0)).mean()
    assert energy_of(logits, "sigmoid") == pytest.approx(both)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_energy_of_huge_logits_is_a_number(activation: str) -> None:
    assert np.isfinite(energy_of(np.array([3e38, -3e38], np.float32), activation))


def test_a_picture_of_noise_that_somebody_calls_a_chest_film_is_refused(tmp_path: Path) -> None:
    """By the embedded pack; whatever refuses it, noise never gets a finding."""
    pack = open_pack(EMBEDDED / "chest-pneumonia")
    model = pack.manifest.models[0]
    assert model.familiar is not None
    file = tmp_path / "noise.dcm"
    file.write_bytes(radiograph(np.random.default_rng(5).integers(0, 256, (28, 28)).astype(np.uint8), "noise"))
    engine = open_engine("onnxruntime", pack.read_model(model)[0], precision=model.precision, threads=1)
    scans = {"image": read_study(file).scans[0]}
    assert isinstance(examine(scans, pack.manifest, model, engine).findings, Refusal)

"""Limits of what is familiar: those that contradict each other, or that nothing would be compared with, are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edge.errors import PackError
from edge.pack.familiar import DistanceLimits, EnergyLimit, Familiar
from edge.pack.manifest import ClassificationTask, Manifest, Windows, parse_manifest
from edge.testing import tiny_manifest, tiny_segmentation
from edge.typed import dump

DISTANCE = DistanceLimits(warn=1.5, refuse=2.0, rule="a rank", chosen_on="some scans", n=99)
ENERGY = EnergyLimit(warn=-0.1, rule="a rank", chosen_on="some scans", n=99)
FAMILIAR = Familiar(output="familiar", distance=DISTANCE, energy=ENERGY)


def document(manifest: Manifest | None = None, familiar: Familiar | None = FAMILIAR) -> dict[str, Any]:
    """A tiny pack's manifest as JSON, with limits in its one model."""
    pack = manifest or tiny_manifest()
    pack = replace(pack, models=tuple(replace(model, familiar=familiar) for model in pack.models))
    return dict(dump(pack))


def parsed(told: dict[str, Any]) -> Manifest:
    return parse_manifest(json.dumps(told).encode(), "tiny")


def task_with(**changes: Any) -> Manifest:
    task = tiny_manifest().task
    assert isinstance(task, ClassificationTask)
    return tiny_manifest(task=replace(task, **changes))


@pytest.mark.parametrize(
    "familiar",
    [FAMILIAR, replace(FAMILIAR, energy=None), replace(FAMILIAR, distance=replace(DISTANCE, refuse=None)), None],
)
def test_limits_come_back_as_they_were_written(familiar: Familiar | None) -> None:
    assert parsed(document(familiar=familiar)).models[0].familiar == familiar


def test_a_pack_that_knows_nothing_of_limits_is_read_as_before() -> None:
    told = document(familiar=None)
    del told["models"][0]["familiar"]
    assert parsed(told).models[0].familiar is None


BROKEN: list[tuple[str, str, object]] = [
    ("distance.refuse", "refuse", 1.4),
    ("distance.warn", "warn", -0.1),
    ("distance.warn", "warn", "far"),
    ("distance.n", "n", 0),
    ("distance.rule", "rule", " "),
    ("distance.wran", "wran", 1.0),
]


@pytest.mark.parametrize(("path", "key", "value"), BROKEN)
def test_a_broken_limit_of_the_distance_is_refused_with_its_path(path: str, key: str, value: object) -> None:
    told = document()
    told["models"][0]["familiar"]["distance"][key] = value
    with pytest.raises(PackError, match=rf"\$\.models\[0\]\.familiar\.{path}: ") as caught:
        parsed(told)
    assert caught.value.reason.code == "P401"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_limit_that_is_no_number_is_refused(value: float) -> None:
    told = document()
    told["models"][0]["familiar"]["distance"]["warn"] = value
    with pytest.raises(PackError, match="expected a finite number"):
        parsed(told)


def test_a_distance_that_the_task_takes_for_its_answer_is_refused() -> None:
    with pytest.raises(PackError, match=r"\$\.models\[0\]\.familiar\.output: found 'scores'"):
        parsed(document(familiar=replace(FAMILIAR, output="scores")))


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (tiny_manifest(task=tiny_segmentation()), "only a classification"),
        (task_with(activation="none"), "not logits"),
        (task_with(windows=Windows()), "not taken of windows"),
    ],
    ids=["segmentation", "scores", "windows"],
)
def test_a_limit_of_energy_that_nothing_would_be_compared_with_is_refused(manifest: Manifest, why: str) -> None:
    with pytest.raises(PackError, match=rf"\$\.models\[0\]\.familiar\.energy: .*{why}"):
        parsed(document(manifest))


def test_a_distance_alone_is_for_tasks_with_windows_too() -> None:
    told = document(task_with(windows=Windows()), replace(FAMILIAR, energy=None))
    assert parsed(told).models[0].familiar is not None

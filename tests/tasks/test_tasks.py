"""What holds of every task: outputs that are no answer are an error of the engine, never a finding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.pack.manifest import Manifest
from edge.tasks import TASKS, activate, conclude
from edge.testing import phantom_scan, tiny_manifest, tiny_segmentation
from tests.tasks.models import concluded, feed_of, model_of, with_task

Array = NDArray[Any]
SIZE = {"classification": (1, 1), "segmentation": (1, 1, 4, 4)}


def manifest_of(task: str) -> Manifest:
    return tiny_manifest() if task == "classification" else with_task(tiny_segmentation(), {"bright": 0.5})


def refused(task: str, outputs: dict[str, Array]) -> str:
    with pytest.raises(EngineError) as caught:
        concluded(manifest_of(task), outputs)
    assert caught.value.reason.code == "E503"
    return caught.value.message


def test_every_task_is_tested() -> None:
    assert set(SIZE) == set(TASKS)
    assert all(manifest_of(name).task.kind == name for name in TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_an_answer_is_a_finding(task: str) -> None:
    assert concluded(manifest_of(task), {"scores": np.ones(SIZE[task], np.float32)})


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("task", TASKS)
def test_numbers_of_any_type_are_taken(task: str, dtype: str) -> None:
    assert concluded(manifest_of(task), {"scores": np.ones(SIZE[task], dtype)})


@pytest.mark.parametrize("task", TASKS)
def test_a_missing_output_is_no_answer(task: str) -> None:
    assert "'scores'" in refused(task, {"other": np.ones(SIZE[task], np.float32)})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("task", TASKS)
def test_values_that_are_no_numbers_are_no_answer(task: str, bad: float) -> None:
    values = np.zeros(SIZE[task], np.float64)
    values.flat[-1] = bad
    assert "1 values that are no numbers" in refused(task, {"scores": values})


@pytest.mark.parametrize("task", TASKS)
def test_another_shape_is_no_answer(task: str) -> None:
    shape = SIZE[task]
    for wrong in ((2, *shape[1:]), (1, 2, *shape[2:]), shape[1:], (*shape, 1), (0, *shape[1:])):
        assert "shape" in refused(task, {"scores": np.zeros(wrong, np.float32)})


def test_an_empty_picture_of_scores_is_no_answer() -> None:
    assert "shape" in refused("segmentation", {"scores": np.zeros((1, 1, 0, 4), np.float32)})


@pytest.mark.parametrize("task", TASKS)
def test_words_are_no_answer(task: str) -> None:
    assert "expected numbers" in refused(task, {"scores": np.full(SIZE[task], "yes")})


@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize("task", TASKS)
def test_a_model_of_a_picture_runs_exactly_once(task: str, times: int) -> None:
    manifest, scan = manifest_of(task), phantom_scan((1, 8, 8))
    result = (feed_of(scan, manifest), {"scores": np.ones(SIZE[task], np.float32)})
    with pytest.raises(EngineError, match=f"ran {times} times"):
        conclude([result] * times, {"image": scan}, manifest, model_of(manifest))


# Activations ---------------------------------------------------------------------------------------------

LOGITS = st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=8)


@given(LOGITS)
def test_any_logits_become_scores_from_0_to_1(logits: list[float]) -> None:
    values = np.array([logits], np.float32)
    for activation in ("sigmoid", "softmax"):
        scores = activate(values, activation, "scores", 1)
        assert scores.min() >= 0.0
        assert scores.max() <= 1.0
    assert activate(values, "softmax", "scores", 1).sum() == pytest.approx(1.0)


def test_a_sigmoid_is_a_sigmoid() -> None:
    logits = np.linspace(-30, 30, 61, dtype=np.float32)
    assert np.allclose(activate(logits, "sigmoid", "s", 0), 1 / (1 + np.exp(-logits.astype(np.float64))), atol=1e-15)


def test_a_softmax_is_a_softmax() -> None:
    logits = np.array([[1.0, 2.0, 3.0]], np.float32)
    raised = np.exp([1.0, 2.0, 3.0])
    assert np.allclose(activate(logits, "softmax", "s", 1), raised / raised.sum())


@pytest.mark.parametrize("bad", [-0.01, 1.01, 7.0])
def test_a_graph_that_says_it_gives_scores_must_give_scores(bad: float) -> None:
    with pytest.raises(EngineError, match="expected scores from 0 to 1") as caught:
        activate(np.array([0.5, bad], np.float32), "none", "s", 0)
    assert caught.value.reason.code == "E503"


def test_what_rounding_does_to_a_score_is_forgiven() -> None:
    scores = activate(np.array([-5e-7, 1.0 + 5e-7], np.float32), "none", "s", 0)
    assert scores.tolist() == [0.0, 1.0]

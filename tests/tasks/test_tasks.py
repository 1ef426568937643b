"""What holds of every task: outputs that are no answer are an error of the engine, never a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import Findings, said_of, state_of
from edge.pack.manifest import DetectionTask, Manifest, RegistrationTask, TranslationTask
from edge.prepare import prepare
from edge.scan import Scan
from edge.tasks import TASKS, activate, conclude, shares
from edge.testing import phantom_scan, tiny_manifest, tiny_segmentation
from tests.tasks.models import answered, label, model_of, volume_input, volume_of, with_task

Array = NDArray[Any]
FLAT = np.arange(64.0).reshape(4, 4, 4)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task with the shape of its answer."""

    manifest: Manifest
    shape: tuple[int, ...]
    scans: Mapping[str, Scan] = field(default_factory=lambda: {"image": phantom_scan((1, 8, 8))})


def detector(layout: str = "one-per-label") -> Manifest:
    task = DetectionTask(kind="detection", layout=layout, output="scores", activation="none", labels=(label("bright"),))  # type: ignore[arg-type]
    return with_task(task, {"bright": 0.5})


def registration() -> Manifest:
    task = RegistrationTask(kind="registration", output="scores", fixed="fixed", moving="moving")
    return tiny_manifest(task=task, inputs=(volume_input("fixed"), volume_input("moving")))


CASES = {
    "classification": Case(manifest=tiny_manifest(), shape=(1, 1)),
    "segmentation": Case(manifest=with_task(tiny_segmentation(), {"bright": 0.5}), shape=(1, 1, 4, 4)),
    "detection": Case(manifest=detector(), shape=(1, 1, 7)),
    "registration": Case(
        manifest=registration(),
        shape=(1, 3, 4, 4, 4),
        scans={"fixed": volume_of(FLAT), "moving": volume_of(FLAT)},
    ),
    "translation": Case(
        manifest=with_task(
            TranslationTask(kind="translation", output="scores", range=(0.0, 1.0), unit="none", makes="picture"), {}
        ),
        shape=(1, 1, 4, 4),
    ),
}
SIZE = {name: case.shape for name, case in CASES.items()}


def given(task: str, outputs: dict[str, Array]) -> Findings:
    """The findings of a case when the model gives these outputs."""
    case = CASES[task]
    return answered(case.manifest, case.scans, lambda _: outputs)


def refused(task: str, outputs: dict[str, Array]) -> str:
    with pytest.raises(EngineError) as caught:
        given(task, outputs)
    assert caught.value.reason.code == "E503"
    return caught.value.message


def test_every_task_is_tested() -> None:
    assert set(CASES) == set(TASKS)
    assert all(case.manifest.task.kind == name for name, case in CASES.items())


@pytest.mark.parametrize("task", TASKS)
def test_an_answer_is_a_finding(task: str) -> None:
    found = given(task, {"scores": np.ones(SIZE[task], np.float32)})
    assert type(found).__name__.lower().startswith(task)
    assert found.grid.space == next(iter(CASES[task].scans.values())).grid.space


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("task", TASKS)
def test_numbers_of_any_type_are_taken(task: str, dtype: str) -> None:
    found = given(task, {"scores": np.ones(SIZE[task], dtype)})
    expected = given(task, {"scores": np.ones(SIZE[task], np.float32)})
    assert said_of(found) == said_of(expected)
    assert state_of(found) == state_of(expected)


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
def test_a_model_that_sees_everything_runs_exactly_once(task: str, times: int) -> None:
    case = CASES[task]
    (feed,) = prepare(case.scans, case.manifest)
    result = (feed, {"scores": np.ones(case.shape, np.float32)})
    with pytest.raises(EngineError, match=f"ran {times} times"):
        conclude([result] * times, case.scans, case.manifest, model_of(case.manifest))


@pytest.mark.parametrize("task", TASKS)
def test_an_answer_is_not_written_to(task: str) -> None:
    values = np.full(SIZE[task], 0.25, np.float32)
    values.setflags(write=False)
    given(task, {"scores": values})
    assert (values == 0.25).all()


@pytest.mark.parametrize("task", TASKS)
def test_a_manifest_of_another_task_is_a_mistake_of_the_program(task: str) -> None:
    other = next(name for name in TASKS if name != task)
    function = TASKS[task].load()
    with pytest.raises(TypeError, match=CASES[other].manifest.task.kind):
        function([], CASES[other].scans, CASES[other].manifest, model_of(CASES[other].manifest))


# Activations ---------------------------------------------------------------------------------------------

LOGITS = st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=8)


@hypothesis.given(LOGITS)
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


@hypothesis.given(LOGITS)
@hypothesis.example([1.7014118346046923e38, -1.7014117331926443e38])
def test_shares_of_a_volume_are_the_scores_of_a_picture(logits: list[float]) -> None:
    values = np.array(logits, np.float32).reshape(-1, 1)
    for activation in ("sigmoid", "softmax"):
        exact = activate(values, activation, "scores", 0)
        assert np.abs(shares(values, activation, 0) - exact).max() < 1e-6


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

"""The models of a run: a graph that is not the one of the manifest is refused, and gives its memory back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.engines import TensorSpec
from edge.errors import PackError
from edge.models import Models, check_names
from edge.pack.store import open_pack
from edge.reasons import MODEL_MISMATCH
from edge.table import Entry
from edge.testing import FakeEngine, tiny_input, tiny_manifest, write_tiny_pack

LOAD = Entry.load


def engine_of(*shape: int) -> FakeEngine:
    engine = FakeEngine(dict)
    engine.inputs = (TensorSpec(name="image", dtype="float32", shape=shape),)
    return engine


@pytest.mark.parametrize("shape", [(-1, 1, 4, 4), (1, 1, 4, 4), (-1, 1, -1, -1), (-1, -1, -1, -1), ()])
def test_a_graph_whose_input_can_be_what_the_manifest_says_is_taken(tmp_path: Path, shape: tuple[int, ...]) -> None:
    check_names(open_pack(write_tiny_pack(tmp_path / "tiny")), engine_of(*shape))


@pytest.mark.parametrize(
    "shape",
    [(-1, 1, 5, 4), (-1, 3, 4, 4), (-1, 4, 4, 1), (1, 4, 4), (-1, 1, 1, 4, 4), (2, 1, 4, 4)],
    ids=["another size", "more channels", "channels last", "no batch", "a volume", "a batch of two"],
)
def test_a_graph_with_an_input_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(PackError) as caught:
        check_names(open_pack(write_tiny_pack(tmp_path / "tiny")), engine_of(*shape))
    assert caught.value.reason is MODEL_MISMATCH
    assert f"the input image of shape {shape}; expected (1, 1, 4, 4), NCHW" in caught.value.message


def test_every_input_is_compared(tmp_path: Path) -> None:
    second = replace(tiny_input(size=8), name="mask", tensor="mask")
    pack = open_pack(write_tiny_pack(tmp_path / "tiny", tiny_manifest(inputs=(tiny_input(), second))))
    engine = engine_of(-1, 1, 4, 4)
    engine.inputs = (replace(engine.inputs[0], name="mask"), *engine.inputs)
    with pytest.raises(PackError, match="the input mask of shape"):
        check_names(pack, engine)


def test_an_engine_whose_graph_is_refused_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(-1, 1, 5, 5)
    monkeypatch.setattr(
        Entry, "load", lambda self: (lambda *_, **__: engine) if "Engine" in self.target else LOAD(self)
    )
    pack = write_tiny_pack(tmp_path / "tiny")
    with Models(str(pack), None, "auto") as models, pytest.raises(PackError):
        models.open(models.packs[0])
    assert engine.closed


def test_a_real_graph_is_compared_before_anything_is_run(tmp_path: Path) -> None:
    pack = write_tiny_pack(tmp_path / "tiny", tiny_manifest(inputs=(tiny_input(size=5),)))
    with Models(str(pack), None, "auto") as models, pytest.raises(PackError) as caught:
        models.open(models.packs[0])
    assert caught.value.reason is MODEL_MISMATCH

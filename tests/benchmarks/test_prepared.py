"""What is made of the candidates' times, by times that were made up; and the packs that recipes become."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from benchmarks.figures import Figure
from benchmarks.nets import Net
from benchmarks.packs import recipe_pack
from benchmarks.prepared import BASE, figures_of, worst_of
from edge.engines import ENGINES, available_engines
from edge.pack.store import open_pack
from edge.ready.candidates import candidates
from edge.testing import tiny_model, write_tiny_pack
from tests.ready.found import chosen, record_of, visit

FAST = "int8 on openvino"


def test_each_choice_is_held_against_the_best_and_against_the_base(tmp_path: Path) -> None:
    """ONNX Runtime starts quickly and was chosen for one scan; for a folder another was, and a third is faster."""
    record = record_of(open_pack(write_tiny_pack(tmp_path / "tiny")), chosen("onnxruntime"), chosen("openvino"))
    visits = {
        BASE: [visit(0.5, 0.1)] * 3,
        "fp32 on openvino": [visit(1.0, 0.05)] * 3,
        FAST: [visit(1.0, 0.04)] * 3,
    }
    one_best, one_base, many_best, many_base = figures_of("Net", record, visits)
    assert (one_best.found, one_best.outcome(), one_base.found) == (0.0, "met", 1.0)
    assert many_best.found == pytest.approx(25.0)
    assert many_best.outcome() == "missed"
    assert many_best.what == f"Net, a folder: `prepare` chose fp32 on openvino, beside the best, {FAST}"
    assert many_base.found == pytest.approx(2.0)
    assert (many_base.outcome(), many_base.n) == ("met", 3)


def test_of_all_choices_the_worst_stands_for_them() -> None:
    far = [Figure(what=f"far {n}", unit="%", n=3, found=n, at_most=5.0, detail=True) for n in (0.0, 7.0, 2.0)]
    slow = [Figure(what=f"slow {n}", unit="times", n=3, found=n, at_least=1.0, detail=True) for n in (3.0, 0.9, 1.5)]
    found = worst_of([each for pair in zip(far, slow, strict=True) for each in pair])
    words = [(each.what, each.found, each.detail, each.outcome()) for each in found]
    assert words == [
        ("far 7.0 (worst of 3 choices)", 7.0, False, "missed"),
        ("slow 0.9 (worst of 3 choices)", 0.9, False, "missed"),
    ]


def test_a_choice_that_may_be_far_from_the_best_stands_before_one_that_is_the_best() -> None:
    best = Figure(what="best", unit="%", n=7, found=0.0, low=0.0, high=0.0, at_most=5.0, detail=True)
    open_one = Figure(what="open", unit="%", n=7, found=-17.0, low=-31.0, high=98.0, at_most=5.0, detail=True)
    gain = Figure(what="gain", unit="times", n=7, found=2.0, low=1.5, high=2.5, at_least=1.0, detail=True)
    worst, _ = worst_of([best, gain, open_one, gain])
    assert worst.what == "open (worst of 2 choices)"


@pytest.mark.parametrize("recipe", ["chest-densenet121", "unet3d"])
def test_a_recipe_becomes_a_pack_of_which_every_file_may_be_chosen(tmp_path: Path, recipe: str) -> None:
    model = tiny_model()
    net = Net(name=recipe, fp32=model, fp16=b"", signed=b"", lowered=dict.fromkeys(ENGINES, model), feeds=())
    pack = recipe_pack(net, tmp_path)
    here = [name for name in available_engines() if not ENGINES[name].device]
    found = [item.name for item in candidates(pack.manifest, available_engines())]
    assert found == [*(f"fp32 on {name}" for name in here), *(f"int8 on {name}" for name in here)]
    assert pack.manifest.status == "architecture-only"

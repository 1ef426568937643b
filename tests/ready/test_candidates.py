"""Which engine may run which model: what the gate let pass, and in full precision what only a GPU can be."""

from __future__ import annotations

from pathlib import Path

from edge.pack.manifest import Evidence
from edge.ready.candidates import candidates
from edge.testing import tiny_manifest
from tests.ready.found import CUDA, model, pack_with

HERE = ("onnxruntime", "openvino", CUDA)


def names(pack: object, engines: tuple[str, ...] = HERE) -> list[tuple[str, bool]]:
    return [(item.name, item.judged) for item in candidates(pack.manifest, engines)]  # type: ignore[attr-defined]


def test_what_passed_the_gate_comes_in_the_manifests_order(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, model("fp32", "openvino", "onnxruntime"), model("int8", "openvino"))
    assert names(pack, ("onnxruntime", "openvino")) == [
        ("fp32 on onnxruntime", True),
        ("fp32 on openvino", True),
        ("int8 on openvino", True),
    ]


def test_what_the_gate_rejected_or_could_not_tell_is_no_candidate(tmp_path: Path) -> None:
    rejected = model("int8", "openvino", verdict="rejected")
    unclear = model("fp16", "openvino", verdict="inconclusive")
    pack = pack_with(tmp_path, model("fp32", "onnxruntime"), rejected, unclear)
    assert names(pack, ("onnxruntime", "openvino")) == [("fp32 on onnxruntime", True)]


def test_an_engine_for_a_gpu_that_no_gate_saw_is_a_candidate_in_full_precision_alone(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, model("fp32", "onnxruntime"), model("int8", "onnxruntime"))
    assert names(pack)[-1] == (f"fp32 on {CUDA}", False)
    assert [name for name, _ in names(pack)].count(f"int8 on {CUDA}") == 0


def test_an_engine_of_the_cpu_that_the_pack_does_not_name_may_have_been_found_wrong(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, model("fp32", "onnxruntime"))
    assert names(pack, ("onnxruntime", "openvino")) == [("fp32 on onnxruntime", True)]


def test_an_engine_that_the_gate_rejected_in_another_precision_was_at_hand_and_needs_the_gate(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, model("fp32", "onnxruntime"), model("int8", CUDA, verdict="rejected"))
    assert names(pack) == [("fp32 on onnxruntime", True)]


def test_an_engine_of_which_a_figure_tells_was_at_hand_too(tmp_path: Path) -> None:
    told = Evidence(precision="fp32", engine=CUDA, label="all", data="d", metric="auc", value=0.1, n=9)
    pack = pack_with(tmp_path, model("fp32", "onnxruntime"), evidence=(told,))
    assert names(pack) == [("fp32 on onnxruntime", True)]


def test_without_a_known_answer_nothing_can_prove_itself_here() -> None:
    manifest = tiny_manifest()
    assert manifest.golden == ()
    assert [item.engine for item in candidates(manifest, HERE)] == ["onnxruntime"]


def test_without_full_precision_that_passed_nothing_can_prove_itself_here(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, model("fp32", "onnxruntime", verdict="inconclusive"), model("int8", "onnxruntime"))
    assert names(pack) == [("int8 on onnxruntime", True)]

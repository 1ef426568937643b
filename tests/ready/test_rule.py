"""What runs a pack: a record that holds is obeyed, one that does not is told of, a GPU that is gone is no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.engines import ENGINES
from edge.errors import EngineError, PackError
from edge.models import Models
from edge.pack.store import Pack, open_pack
from edge.ready.machine import engine_versions
from edge.ready.place import record_path
from edge.ready.record import write_record
from edge.ready.rule import Plan, Wish, is_settled, plan
from edge.reasons import ENGINE_OPEN, GOLDEN_FAILED, GOLDEN_NOT_RUN, GPU_LOST, NO_PRECISION, PROVEN_HERE_ONLY
from edge.table import Entry
from edge.testing import FakeEngine, write_tiny_pack
from tests.ready.found import CUDA, GPU, chosen, heard, model, no_gpu, pack_with, record_of, tried, with_gpu

FREE = Wish()
SLOWER = Wish(allow_slower=True)


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pack:
    """A pack for both engines of the CPU; both are here."""
    monkeypatch.setattr("edge.ready.rule.available_engines", lambda: ("onnxruntime", "openvino"))
    return pack_with(tmp_path, model("fp32", "onnxruntime", "openvino"), model("int8", "openvino"))


def planned(pack: Pack, scans: int = 1, wish: Wish = FREE) -> tuple[Plan, list[str]]:
    words, say = heard()
    return plan(pack, wish, scans, say), words


def ran(found: tuple[Plan, list[str]]) -> tuple[str, str]:
    return found[0].engine, found[0].model.precision


def prepared_for_gpu(pack: Pack, **changes: Any) -> None:
    """Prepared while the GPU was there."""
    write_record(record_of(pack, chosen(CUDA, judged=False), **changes))


# A record that holds --------------------------------------------------------------------------------------


def test_without_a_record_the_first_engine_that_the_model_is_proven_for_runs(pack: Pack) -> None:
    found, words = planned(pack)
    assert (found.engine, found.model.precision, found.recorded, words) == ("onnxruntime", "fp32", False, [])


def test_where_nothing_was_prepared_every_result_says_that_the_known_answers_were_never_run(pack: Pack) -> None:
    (notice,) = planned(pack)[0].notices
    assert (notice.reason, notice.severity) == (GOLDEN_NOT_RUN, "warn")
    assert notice.detail == "Engine onnxruntime, fp32."


def test_a_pack_without_known_answers_has_none_that_were_not_run(tmp_path: Path) -> None:
    assert planned(open_pack(write_tiny_pack(tmp_path / "tiny")))[0].notices == ()


def test_only_the_engine_that_gave_the_known_answers_is_taken_for_proven(pack: Pack) -> None:
    write_record(record_of(pack, chosen("onnxruntime")))
    assert planned(pack, wish=Wish(engine="onnxruntime"))[0].notices == ()
    for wish in (Wish(engine="openvino"), Wish(precision="int8")):
        (notice,) = planned(pack, wish=wish)[0].notices
        assert notice.reason is GOLDEN_NOT_RUN


@pytest.mark.parametrize("changes", [{"golden": ()}, {"problem": "E501: It does not open."}])
def test_an_engine_that_was_measured_alone_is_not_proven(pack: Pack, changes: dict[str, Any]) -> None:
    other = replace(tried(chosen("openvino")), **changes)
    write_record(record_of(pack, chosen("onnxruntime"), tried=(tried(chosen("onnxruntime")), other)))
    (notice,) = planned(pack, wish=Wish(engine="openvino"))[0].notices
    assert notice.reason is GOLDEN_NOT_RUN


def test_what_was_proven_with_another_version_is_not_proven_now(pack: Pack) -> None:
    write_record(record_of(pack, chosen("onnxruntime"), versions={**engine_versions(), "onnxruntime": "0.1"}))
    found, words = planned(pack)
    assert [notice.reason for notice in found.notices] == [GOLDEN_NOT_RUN]
    assert "prepared with another version of onnxruntime" in words[0]


@pytest.mark.parametrize(("scans", "expected"), [(1, ("onnxruntime", "fp32")), (10, ("openvino", "int8"))])
def test_the_number_of_scans_decides_between_the_two_winners(pack: Pack, scans: int, expected: tuple[str, str]) -> None:
    write_record(record_of(pack, chosen("onnxruntime"), chosen("openvino", "int8"), many_from=10))
    found = planned(pack, scans)
    assert ran(found) == expected
    assert (found[0].recorded, found[0].notices, found[1]) == (True, (), [])


@pytest.mark.parametrize(
    "wish", [Wish(engine="onnxruntime"), Wish(precision="fp32"), Wish(engine="onnxruntime", precision="fp32")]
)
def test_what_is_asked_for_by_name_comes_before_the_record(pack: Pack, wish: Wish) -> None:
    write_record(record_of(pack, chosen("openvino", "int8")))
    assert ran(planned(pack, wish=wish)) == ("onnxruntime", "fp32")


def test_a_record_cannot_let_run_what_the_manifest_does_not(pack: Pack) -> None:
    write_record(record_of(pack, chosen("onnxruntime", "int8")))
    found = planned(pack)
    assert ran(found) == ("onnxruntime", "fp32")
    assert "the pack does not let its choice run" in found[1][0]


def test_a_record_cannot_bring_back_what_the_gate_could_not_tell(tmp_path: Path) -> None:
    unclear = model("int8", "onnxruntime", verdict="inconclusive")
    pack = pack_with(tmp_path, model("fp32", "onnxruntime"), unclear)
    write_record(record_of(pack, chosen("onnxruntime", "int8")))
    assert ran(planned(pack)) == ("onnxruntime", "fp32")


def test_the_engine_is_settled_where_it_does_not_depend_on_the_number_of_scans(pack: Pack) -> None:
    assert is_settled(pack, FREE)
    write_record(record_of(pack, chosen("openvino")))
    assert is_settled(pack, FREE)
    write_record(record_of(pack, chosen("onnxruntime"), chosen("openvino")))
    assert not is_settled(pack, FREE)
    assert is_settled(pack, Wish(engine="onnxruntime"))


@pytest.mark.parametrize("wish", [Wish(engine="openvino"), Wish(engine="openvino", precision="fp32")])
def test_an_engine_that_was_found_wrong_here_is_refused_whatever_its_makers_gate_says(pack: Pack, wish: Wish) -> None:
    wrong = tried(chosen("openvino"), "P408: It does not give the known answers: case by 0.5, allowed 0.01.")
    record = record_of(pack, chosen("onnxruntime"), tried=(tried(chosen("onnxruntime")), wrong))
    write_record(record)
    with pytest.raises(PackError, match="found fp32 on openvino wrong here: P408: It does not") as caught:
        planned(pack, wish=wish)
    assert caught.value.reason is GOLDEN_FAILED
    assert ran(planned(pack, wish=Wish(engine="openvino", precision="int8"))) == ("openvino", "int8")
    write_record(replace(record, versions={}))  # of other versions nothing is known
    assert ran(planned(pack, wish=wish)) == ("openvino", "fp32")


# A record that does not -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda found: {"versions": {**found.versions, "onnxruntime": "1.0"}}, "another version of onnxruntime"),
        (lambda found: {"machine": replace(found.machine, cores=99)}, "another machine"),
        (lambda found: {"machine": replace(found.machine, power_mode="7W")}, "power mode"),
    ],
    ids=["version", "cores", "power mode"],
)
def test_one_that_was_made_under_other_conditions_is_told_of_and_not_obeyed(
    pack: Pack, changes: Callable[[Any], dict[str, Any]], words: str
) -> None:
    record = record_of(pack, chosen("openvino", "int8"))
    write_record(replace(record, **changes(record)))
    found = planned(pack)
    assert ran(found) == ("onnxruntime", "fp32")
    (said,) = found[1]
    assert said.startswith("tiny: prepared ")
    assert words in said
    assert "run `edgerun prepare`" in said


def test_one_that_is_damaged_is_told_of_and_not_obeyed(pack: Pack) -> None:
    write_record(record_of(pack, chosen("openvino", "int8")))
    record_path(pack.sha256).write_text(json.dumps({"format": "edgerun-prepared"}), encoding="utf-8")
    found = planned(pack)
    assert ran(found) == ("onnxruntime", "fp32")
    assert "cannot be read; run `edgerun prepare`" in found[1][0]


def test_one_of_another_pack_is_not_looked_at(pack: Pack, tmp_path: Path) -> None:
    other = pack_with(tmp_path / "other", model("fp32", "openvino"))
    write_record(record_of(other, chosen("openvino")))
    assert ran(planned(pack)) == ("onnxruntime", "fp32")


def test_it_is_told_once_in_a_run(pack: Pack) -> None:
    record = record_of(pack, chosen("openvino"))
    write_record(replace(record, versions={}))
    words, say = heard()
    with Models(pack.path, None, "auto", say=say) as models:
        models.expect(2)
        models.warm_up()
        for _ in range(3):
            models.open(models.packs[0])
    assert len(words) == 1


# A GPU ----------------------------------------------------------------------------------------------------


def test_a_gpu_that_proved_itself_here_runs_and_every_result_says_so(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    found, words = planned(pack)
    assert (found.engine, found.model.precision, words) == (CUDA, "fp32", [])
    (notice,) = found.notices
    assert (notice.reason, notice.severity) == (PROVEN_HERE_ONLY, "warn")


def test_it_can_be_asked_for_by_name_then(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    write_record(record_of(pack, chosen("onnxruntime"), tried=(tried(chosen(CUDA, judged=False)),)))
    found, _ = planned(pack, wish=Wish(engine=CUDA))
    assert (found.engine, [notice.reason for notice in found.notices]) == (CUDA, [PROVEN_HERE_ONLY])
    assert planned(pack)[0].engine == "onnxruntime"


@pytest.mark.parametrize("problem", ["P408: It does not give the known answers.", "E502: it died"])
def test_one_that_did_not_prove_itself_cannot(pack: Pack, monkeypatch: pytest.MonkeyPatch, problem: str) -> None:
    with_gpu(monkeypatch)
    write_record(record_of(pack, chosen("onnxruntime"), tried=(tried(chosen(CUDA, judged=False), problem),)))
    with pytest.raises(PackError) as caught:
        planned(pack, wish=Wish(engine=CUDA))
    assert caught.value.reason is NO_PRECISION


@pytest.mark.parametrize("wish", [Wish(engine=CUDA), Wish(engine=CUDA, precision="int8")])
def test_without_a_record_that_holds_no_name_brings_it(pack: Pack, monkeypatch: pytest.MonkeyPatch, wish: Wish) -> None:
    with_gpu(monkeypatch)
    record = record_of(pack, chosen(CUDA, judged=False))
    write_record(replace(record, versions={}) if wish.precision == "auto" else record)
    with pytest.raises(PackError) as caught:
        planned(pack, wish=wish)
    assert caught.value.reason is NO_PRECISION


def test_a_gpu_that_is_gone_is_an_error_and_no_silent_fallback(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    no_gpu(monkeypatch)
    with pytest.raises(EngineError, match=f"Running tiny on {CUDA}: NVIDIA H100 is not there") as caught:
        planned(pack)
    assert caught.value.reason is GPU_LOST
    assert caught.value.exit_code == 5


def test_a_gpu_that_shows_itself_and_does_not_answer_is_gone_too(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    monkeypatch.setattr("edge.gpu.find_gpu", lambda: None)
    with pytest.raises(EngineError) as caught:
        planned(pack)
    assert caught.value.reason is GPU_LOST


def test_with_it_gone_a_change_of_versions_is_no_way_around(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack, versions={})
    no_gpu(monkeypatch)
    with pytest.raises(EngineError) as caught:
        planned(pack)
    assert caught.value.reason is GPU_LOST


def test_a_slower_engine_runs_where_a_person_allows_it_and_every_result_says_so(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    no_gpu(monkeypatch)
    found, words = planned(pack, wish=SLOWER)
    assert (found.engine, words) == ("onnxruntime", [])
    notice, unproven = found.notices
    assert (notice.reason, notice.severity, unproven.reason) == (GPU_LOST, "warn", GOLDEN_NOT_RUN)
    assert notice.detail == f"Ran on onnxruntime instead of {CUDA}, as --allow-slower lets it."


def test_a_gpu_that_shows_itself_and_does_not_answer_is_not_its_own_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_with(tmp_path, model("fp16", CUDA), model("fp32", "onnxruntime"))
    with_gpu(monkeypatch)
    write_record(record_of(pack, chosen(CUDA, "fp16")))
    monkeypatch.setattr("edge.gpu.find_gpu", lambda: None)
    assert ran(planned(pack, wish=SLOWER)) == ("onnxruntime", "fp32")


def test_no_engine_that_was_found_wrong_here_stands_in_for_it(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    wrong = tried(chosen("onnxruntime"), "P408: It does not give the known answers: case by 0.5, allowed 0.01.")
    prepared_for_gpu(pack, tried=(tried(chosen(CUDA, judged=False)), wrong))
    no_gpu(monkeypatch)
    with pytest.raises(PackError) as caught:
        planned(pack, wish=SLOWER)
    assert caught.value.reason is GOLDEN_FAILED


def test_allowing_it_changes_nothing_while_the_gpu_is_there(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    assert planned(pack, wish=SLOWER)[0].engine == CUDA


def test_a_single_scan_needs_no_gpu_that_was_found_faster_for_a_folder(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    write_record(record_of(pack, chosen("onnxruntime"), chosen(CUDA, judged=False)))
    no_gpu(monkeypatch)
    assert planned(pack, scans=1)[0].engine == "onnxruntime"
    with pytest.raises(EngineError):
        planned(pack, scans=100)


def test_a_gpu_that_is_gone_is_said_of_an_engine_that_is_asked_for_too(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    no_gpu(monkeypatch)
    with pytest.raises(EngineError) as caught:
        planned(pack, wish=Wish(engine=CUDA))
    assert caught.value.reason is GPU_LOST


def test_another_gpu_in_its_place_is_another_machine(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    monkeypatch.setattr("edge.ready.machine.find_gpu", lambda: replace(GPU, uuid="GPU-2"))
    found, words = planned(pack)
    assert found.engine == "onnxruntime"
    assert "another machine, GPU" in words[0]


# Opening --------------------------------------------------------------------------------------------------


def failing(patch: pytest.MonkeyPatch, error: EngineError) -> None:
    """From now on the engine for the GPU cannot be opened."""
    load = Entry.load

    def fail(*_: Any, **__: Any) -> FakeEngine:
        raise error

    patch.setattr(Entry, "load", lambda self: fail if "OnnxRuntimeCudaEngine" in self.target else load(self))


def test_the_engine_of_the_record_is_opened_and_its_notice_kept(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    with Models(pack.path, None, "auto") as models:
        _, engine = models.open(models.packs[0])
        assert engine.facts.name == CUDA
        assert [notice.reason for notice in models.notices(models.packs[0])] == [PROVEN_HERE_ONLY]
    assert [each.closed for each in opened] == [True]


def test_a_gpu_that_is_lost_at_the_opening_is_treated_as_one_that_is_gone(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    failing(monkeypatch, EngineError("Opening it: no answer.", GPU_LOST))
    with Models(pack.path, None, "auto") as models, pytest.raises(EngineError) as caught:
        models.open(models.packs[0])
    assert caught.value.reason is GPU_LOST
    with Models(pack.path, None, "auto", allow_slower=True) as models:
        assert models.open(models.packs[0])[1].facts.name == "onnxruntime"
        assert [notice.reason for notice in models.notices(models.packs[0])] == [GPU_LOST, GOLDEN_NOT_RUN]


def test_any_other_failure_to_open_is_no_reason_for_another_engine(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    prepared_for_gpu(pack)
    failing(monkeypatch, EngineError("Opening it: broken.", ENGINE_OPEN))
    with Models(pack.path, None, "auto", allow_slower=True) as models, pytest.raises(EngineError) as caught:
        models.open(models.packs[0])
    assert caught.value.reason is ENGINE_OPEN


@pytest.mark.skipif(bool(ENGINES["openvino"].missing()), reason="openvino is not installed")
def test_the_model_waits_until_it_is_known_how_many_scans_there_are(pack: Pack) -> None:
    write_record(record_of(pack, chosen("onnxruntime"), chosen("openvino"), many_from=5))
    for scans, engine in ((1, "onnxruntime"), (5, "openvino")):
        with Models(pack.path, None, "auto") as models:
            models.warm_up()
            assert models._opened == {}
            models.expect(scans)
            models.warm_up()
            assert [found.facts.name for _, found in models._opened.values()] == [engine]

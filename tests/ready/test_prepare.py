"""From candidates to a record: who is faster is chosen, who dies or answers wrongly is told of and passed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edge.errors import EngineError, PackError, UsageError
from edge.pack.golden import GoldenResult
from edge.pack.store import Pack, open_pack
from edge.ready.candidates import Candidate, candidates
from edge.ready.prepare import describe_record, prepare_here, prepare_pack
from edge.ready.record import Record, read_record, write_record
from edge.ready.trial import Visit
from edge.reasons import NO_ENGINE
from edge.testing import write_tiny_pack
from tests.ready.found import CUDA, MadeUpTrial, heard, model, pack_with, right, visit

ORT, OPENVINO, INT8, GPU = "fp32 on onnxruntime", "fp32 on openvino", "int8 on openvino", f"fp32 on {CUDA}"
WRONG = right(0.5)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """A pack for both engines of the CPU, in full precision and, on one, in INT8."""
    return pack_with(tmp_path, model("fp32", "onnxruntime", "openvino"), model("int8", "openvino"))


def items(pack: Pack, *engines: str) -> Sequence[Candidate]:
    return candidates(pack.manifest, engines or ("onnxruntime", "openvino"))


def prepared(pack: Pack, trial: MadeUpTrial, *engines: str, rounds: int = 3) -> Record:
    return prepare_pack(pack, items(pack, *engines), trial, say=lambda _: None, rounds=rounds, seed=0)


def trial(
    golden: dict[str, tuple[GoldenResult, ...] | str] | None = None, visits: dict[str, Visit | str] | None = None
) -> MadeUpTrial:
    """ONNX Runtime starts quickly, OpenVINO's INT8 runs quickly."""
    usual: dict[str, Visit | str] = {ORT: visit(0.4, 0.04), OPENVINO: visit(1.0, 0.04), INT8: visit(1.0, 0.01)}
    return MadeUpTrial({**usual, **(visits or {})}, golden or {})


def by_round(seconds: Mapping[str, tuple[float, ...]]) -> MadeUpTrial:
    """Opening takes as long as a scan: so many seconds in each round."""

    class Rounds(MadeUpTrial):
        def visit(self, candidate: Candidate) -> Visit:
            super().visit(candidate)
            took = seconds[candidate.name][self.done.count(("visit", candidate.name)) - 1]
            return visit(took, took)

    return Rounds(trial().visits)


def of(record: Record, name: str) -> str:
    (problem,) = [each.problem for each in record.tried if f"{each.precision} on {each.engine}" == name]
    return problem


# Who is chosen --------------------------------------------------------------------------------------------


def test_one_scan_goes_to_who_starts_fast_and_a_folder_to_who_runs_fast(pack: Pack) -> None:
    record = prepared(pack, trial())
    assert (record.one.engine, record.one.precision) == ("onnxruntime", "fp32")
    assert (record.many.engine, record.many.precision) == ("openvino", "int8")
    assert record.many_from == 21  # 0.57 s later, 0.03 s less a scan: 20 cost the same
    assert record.many.why == "10 ms for each further scan, 4.00 times as fast as fp32 on onnxruntime"


def test_one_that_is_the_fastest_at_both_is_taken_for_all(pack: Pack) -> None:
    record = prepared(pack, trial(visits={INT8: visit(0.2, 0.01)}))
    assert (record.one.engine, record.many.engine, record.many_from) == ("openvino", "openvino", 1)


def test_the_medians_decide_and_not_the_worst_round(pack: Pack) -> None:
    class Drifting(MadeUpTrial):
        def visit(self, candidate: Candidate) -> Visit:
            found = super().visit(candidate)
            rounds = self.done.count(("visit", candidate.name))
            return visit(9.0, 9.0) if rounds == 2 and candidate.name == ORT else found

    record = prepared(pack, Drifting(trial().visits))
    assert record.one.engine == "onnxruntime"
    assert record.tried[0].measured is not None
    assert record.tried[0].measured.scan_seconds == pytest.approx(0.04)


def test_candidates_are_compared_within_a_round_as_the_next_may_be_slower_for_all(pack: Pack) -> None:
    """INT8 takes four fifths of the time but in one round; the medians of all rounds would say the contrary."""
    seconds = {ORT: (1.0, 4.0, 10.0), OPENVINO: (9.0, 36.0, 90.0), INT8: (0.8, 5.2, 8.0)}
    record = prepared(pack, by_round(seconds))
    assert (record.one.precision, record.one.engine) == ("int8", "openvino")


@pytest.mark.parametrize(("faster_in", "chosen"), [(3, "fp32"), (4, "int8"), (5, "int8")])
def test_the_first_keeps_its_place_unless_another_is_faster_in_all_rounds_but_one(
    pack: Pack, faster_in: int, chosen: str
) -> None:
    int8 = (0.8,) * faster_in + (1.3,) * (5 - faster_in)
    record = prepared(pack, by_round({ORT: (1.0,) * 5, OPENVINO: (9.0,) * 5, INT8: int8}), rounds=5)
    assert (record.one.precision, record.many.precision) == (chosen, chosen)


def test_every_candidate_is_measured_once_a_round_in_an_order_drawn_anew(pack: Pack) -> None:
    made = trial()
    prepared(pack, made, rounds=6)
    visits = [name for what, name in made.done if what == "visit"]
    rounds = [tuple(visits[start : start + 3]) for start in range(0, 18, 3)]
    assert all(set(each) == {ORT, OPENVINO, INT8} for each in rounds)
    assert len(set(rounds)) > 1


def test_everything_that_was_found_is_told(pack: Pack) -> None:
    made = trial(visits={OPENVINO: visit(1.0, 0.04, peak_bytes=None)})
    record = prepared(pack, made)
    assert [each.judged for each in record.tried] == [True] * 3
    assert [each.measured.peak_bytes for each in record.tried if each.measured] == [1000, None, 1000]
    assert {each.measured.compile_seconds for each in record.tried if each.measured} == {0.5}
    assert {each.provider for each in record.tried} == {"made up"}


# Who is not -----------------------------------------------------------------------------------------------


def test_the_fastest_that_answers_wrongly_is_passed_over_with_how_far_it_was(pack: Pack) -> None:
    record = prepared(pack, trial({INT8: WRONG}))
    assert (record.many.engine, record.many.precision, record.many_from) == ("onnxruntime", "fp32", 1)
    assert of(record, INT8) == "P408: It does not give the known answers: case by 0.5000, allowed 0.0100."
    assert of(record, ORT) == ""


def test_one_who_answers_with_what_is_no_number_is_wrong(pack: Pack) -> None:
    record = prepared(pack, trial({INT8: right(float("nan"))}))
    assert record.many.engine == "onnxruntime"
    assert "P408: It does not give the known answers: case by nan" in of(record, INT8)
    write_record(record)
    assert read_record(pack.sha256) == record


def test_where_the_next_one_is_wrong_too_the_one_after_it_is_taken(pack: Pack) -> None:
    made = trial({INT8: WRONG, ORT: WRONG})
    record = prepared(pack, made)
    assert (record.one.engine, record.one.precision, record.many_from) == ("openvino", "fp32", 1)
    assert [name for what, name in made.done if what == "prove"] == [ORT, OPENVINO, INT8]


def test_known_answers_are_run_once_for_each_that_may_win_and_for_no_other(pack: Pack) -> None:
    made = trial()
    prepared(pack, made)
    assert [name for what, name in made.done if what == "prove"] == [ORT, INT8]


@pytest.mark.parametrize("stage", ["compile", "visit", "prove"])
def test_one_that_dies_is_told_with_its_words_and_the_others_go_on(pack: Pack, stage: str) -> None:
    made = trial()
    words = "it was ended by signal SIGSEGV"
    if stage == "compile":
        made.compiling = {INT8: words}
    elif stage == "visit":
        made.visits = {**made.visits, INT8: words}
    else:
        made.golden = {INT8: words}
    record = prepared(pack, made)
    assert record.one.engine == record.many.engine == "onnxruntime"
    assert of(record, INT8) == f"E502: Running openvino: {words}"
    assert [each.problem for each in record.tried].count("") == 2


def test_one_that_dies_in_a_later_round_is_not_tried_again_and_not_chosen(pack: Pack) -> None:
    class Mortal(MadeUpTrial):
        def visit(self, candidate: Candidate) -> Visit:
            if candidate.name == INT8 and self.done.count(("visit", INT8)) == 1:
                self.visits = {**self.visits, INT8: "it was ended by signal SIGKILL"}
            return super().visit(candidate)

    made = Mortal(trial().visits)
    record = prepared(pack, made, rounds=5)
    assert made.done.count(("visit", INT8)) == 2
    assert record.many.engine == "onnxruntime"
    (dead,) = [each for each in record.tried if each.precision == "int8"]
    assert dead.measured is not None
    assert dead.measured.rounds == 1


def test_where_nobody_is_left_every_reason_is_told(pack: Pack) -> None:
    with pytest.raises(EngineError) as caught:
        prepared(pack, trial({ORT: WRONG, OPENVINO: WRONG, INT8: "it hung"}))
    assert caught.value.reason is NO_ENGINE
    for words in (f"{ORT}: P408", f"{OPENVINO}: P408", f"{INT8}: E502: Running openvino: it hung"):
        assert words in caught.value.message


def test_without_a_candidate_there_is_nothing_to_prepare(pack: Pack) -> None:
    with pytest.raises(EngineError, match="Preparing tiny: there is no candidate"):
        prepare_pack(pack, (), trial(), say=lambda _: None)


# Who was never judged -------------------------------------------------------------------------------------


def gpu(golden: tuple[GoldenResult, ...]) -> MadeUpTrial:
    made = trial({GPU: golden})
    made.visits = {**made.visits, GPU: visit(0.1, 0.001)}
    return made


def test_a_gpu_that_no_gate_saw_is_taken_if_it_is_twice_as_near_as_it_must_be(pack: Pack) -> None:
    record = prepared(pack, gpu(right(0.005)), "onnxruntime", "openvino", CUDA)
    assert (record.one.engine, record.one.judged) == (CUDA, False)
    (each,) = [each for each in record.tried if each.engine == CUDA]
    assert [found.allowed for found in each.golden] == [0.005]


def test_near_enough_for_a_judged_one_is_not_near_enough_for_it(pack: Pack) -> None:
    record = prepared(pack, gpu(right(0.006)), "onnxruntime", "openvino", CUDA)
    assert record.one.engine == "onnxruntime"
    assert of(record, GPU) == "P408: It does not give the known answers: case by 0.0060, allowed 0.0050."


def test_a_judged_one_may_be_as_far_as_the_tolerance(pack: Pack) -> None:
    assert prepared(pack, trial({ORT: right(0.01)})).one.engine == "onnxruntime"


def test_one_that_is_hardly_faster_does_not_take_the_place_of_a_judged_one(pack: Pack) -> None:
    made = gpu(right())
    made.visits = {ORT: visit(0.1, 0.01), OPENVINO: visit(9.0, 9.0), INT8: visit(9.0, 9.0), GPU: visit(0.1, 0.0098)}
    record = prepared(pack, made, "onnxruntime", "openvino", CUDA)
    assert record.one.engine == record.many.engine == "onnxruntime"


def test_it_is_proven_even_if_it_is_slow_so_that_it_can_be_asked_for_by_name(pack: Pack) -> None:
    made = gpu(right())
    made.visits = {**made.visits, GPU: visit(9.0, 9.0)}
    record = prepared(pack, made, "onnxruntime", "openvino", CUDA)
    (each,) = [each for each in record.tried if each.engine == CUDA]
    assert (bool(each.golden), each.problem) == (True, "")


# The whole ------------------------------------------------------------------------------------------------


def test_how_far_it_is_can_be_heard(pack: Pack) -> None:
    words, say = heard()
    prepare_pack(pack, items(pack), trial(), say=say, rounds=2, seed=0)
    assert words[0] == f"{ORT}: compiling and loading"
    assert f"{INT8}: round 2 of 2" in words
    assert words[-1] == f"{INT8}: known answers"


def test_an_interrupt_writes_nothing(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(MadeUpTrial):
        def prove(self, _: Candidate) -> tuple[GoldenResult, ...]:
            raise KeyboardInterrupt

    monkeypatch.setattr("edge.ready.prepare.TrialApart", lambda _, **__: Interrupted(trial().visits))
    with pytest.raises(KeyboardInterrupt):
        prepare_here(pack, None, lambda _: None)
    assert read_record(pack.sha256) is None


def test_for_one_engine_alone_no_other_is_tried(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trial()
    monkeypatch.setattr("edge.ready.prepare.TrialApart", lambda _, **__: made)
    monkeypatch.setattr("edge.ready.prepare.check_available", lambda _: None)
    record = prepare_here(pack, "openvino", lambda _: None)
    assert {name for _, name in made.done} == {OPENVINO, INT8}
    assert read_record(pack.sha256) == record


def test_an_engine_that_is_not_here_or_not_known_is_refused_before_anything_runs(pack: Pack) -> None:
    with pytest.raises(UsageError, match="did you mean 'openvino'"):
        prepare_here(pack, "openvno", lambda _: None)
    with pytest.raises(EngineError) as caught:
        prepare_here(pack, "tensorrt", lambda _: None)
    assert caught.value.reason is NO_ENGINE


def test_a_pack_that_is_not_whole_is_an_error_of_the_pack(pack: Pack) -> None:
    (Path(pack.path) / "golden" / "case.png").unlink()
    with pytest.raises(PackError):
        prepare_here(open_pack(Path(pack.path)), None, lambda _: None)


def test_a_record_in_words_names_both_winners_and_who_failed(pack: Pack) -> None:
    lines = describe_record(prepared(pack, trial({OPENVINO: WRONG}, {OPENVINO: visit(0.01, 0.001)})))
    assert any(line.startswith("  one scan     fp32 on onnxruntime: 440 ms to the first result") for line in lines)
    assert "               from 21 scans on" in lines
    assert any(line.startswith("  not          fp32 on openvino: P408") for line in lines)


def test_a_record_in_words_names_one_where_it_is_one(pack: Pack) -> None:
    lines = describe_record(prepared(pack, trial(visits={INT8: visit(0.1, 0.01)})))
    assert any(line.startswith("  any scans    int8 on openvino") for line in lines)


def test_a_real_pack_is_prepared_on_the_engine_that_is_always_here(tmp_path: Path) -> None:
    """Nothing is made up but the number of candidates: one."""
    pack = open_pack(write_tiny_pack(tmp_path / "tiny"))
    record = prepare_here(pack, "onnxruntime", lambda _: None)
    (each,) = record.tried
    assert (record.one.engine, record.many_from) == ("onnxruntime", 1)
    assert each.measured is not None
    assert each.measured.rounds == 5
    assert 0 < each.measured.scan_seconds < each.measured.open_seconds
    assert read_record(pack.sha256) == record

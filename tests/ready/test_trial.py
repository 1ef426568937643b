"""A candidate in a process of its own: what it took, and whatever ends it is words and nothing more."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.engines import Progress
from edge.errors import CodedError, PackError
from edge.pack.store import Pack, open_pack
from edge.ready.candidates import Candidate
from edge.ready.prepare import prepare_pack
from edge.ready.sample import sample_of
from edge.ready.trial import TrialApart, Visit
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, MODEL_MISMATCH
from edge.testing import tiny_input, tiny_manifest, write_tiny_pack
from tests.engines.test_apart import HOSTILE
from tests.ready.found import candidate, pack_with

posix = pytest.mark.skipif(os.name != "posix", reason="signals")
OPENER, IN_STEPS = "tiny_engines:open_tiny", "tiny_engines:open_in_steps"


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pack:
    monkeypatch.syspath_prepend(str(HOSTILE))
    return pack_with(tmp_path)


def trial(pack: Pack, opener: str = OPENER, *, seconds: float = 60.0, opening_seconds: float = 60.0) -> TrialApart:
    return TrialApart(
        pack,
        opener=opener,
        preparer=opener,
        compiling_seconds=opening_seconds,
        opening_seconds=opening_seconds,
        seconds=seconds,
    )


def deed(pack: Pack, name: str) -> Candidate:
    """A candidate whose engine does something when it is opened or run, by its name."""
    return replace(candidate(pack.manifest, "onnxruntime"), engine=name)


def steps() -> tuple[list[tuple[str, int, int]], Progress]:
    """A list, and what adds to it."""
    told: list[tuple[str, int, int]] = []

    def hear(phase: str, step: int, of: int) -> bool:
        told.append((phase, step, of))
        return True

    return told, hear


def children() -> set[str]:
    """The processes that this one has started and not buried, where the system tells."""
    place = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(place.read_text(encoding="ascii").split()) if place.exists() else set()


def failure(action: Callable[[], object]) -> CodedError:
    with pytest.raises(CodedError) as caught:
        action()
    return caught.value


def test_a_visit_tells_what_it_took(pack: Pack) -> None:
    found = trial(pack).visit(deed(pack, "right"))
    assert isinstance(found, Visit)
    assert found.provider == "made up"
    assert found.open_seconds > found.scan_seconds > 0
    assert found.peak_bytes is None or found.peak_bytes > 1 << 20


def test_the_time_of_a_scan_is_that_of_all_its_windows(pack: Pack) -> None:
    here = trial(pack)
    here._sample = replace(here._sample, runs=7)
    found = here.visit(deed(pack, "slow"))
    assert 7 * 0.05 <= found.scan_seconds < 7 * 0.5
    assert found.first_seconds >= 7 * 0.05


def test_compiling_is_done_by_what_prepares(pack: Pack) -> None:
    here = TrialApart(pack, opener="tiny_engines:no_such", preparer=OPENER)
    assert here.compile(deed(pack, "right")) > 0


def test_how_far_compiling_is_comes_out_of_the_other_process(pack: Pack) -> None:
    told, hear = steps()
    here = TrialApart(pack, opener=OPENER, preparer=IN_STEPS, progress=hear)
    assert here.compile(deed(pack, "right")) > 0
    assert told == [("Compiling", 1, 2), ("Compiling", 2, 2)]
    assert here.visit(deed(pack, "right")).provider == "made up"


def test_the_steps_of_tensorrt_itself_come_out_of_the_other_process(pack: Pack) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    told, hear = steps()
    here = TrialApart(pack, opener=OPENER, preparer="tiny_engines:open_built", progress=hear)
    here.compile(deed(pack, "right"))
    assert told
    assert all(phase and 1 <= step <= steps for phase, step, steps in told)


def test_an_interrupt_while_a_model_is_compiled_ends_the_other_process(pack: Pack) -> None:
    """The interrupt comes as its first step is told, in the midst of its work."""

    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    before = children()
    with pytest.raises(KeyboardInterrupt):
        TrialApart(pack, opener=OPENER, preparer=IN_STEPS, progress=interrupt).compile(deed(pack, "right"))
    assert children() == before


def test_a_plan_for_which_there_is_no_room_ends_its_candidate_alone(pack: Pack) -> None:
    here = TrialApart(pack, opener=OPENER, preparer=IN_STEPS)
    items = [deed(pack, "full"), deed(pack, "right")]
    found = prepare_pack(pack, items, here, say=lambda _: None, rounds=1)
    assert found.one.engine == "right"
    assert found.tried[0].problem == "W801: Keeping a prepared model: found 9 bytes, expected no more than 8."


def test_known_answers_are_compared(pack: Pack) -> None:
    (found,) = trial(pack).prove(deed(pack, "right"))
    assert found.passed
    (found,) = trial(pack).prove(deed(pack, "wrong"))
    assert not found.passed


@posix
@pytest.mark.parametrize(
    ("name", "words"), [("abort", "it was ended by signal SIGABRT"), ("exit", "it ended with exit code 3")]
)
@pytest.mark.parametrize("stage", ["open", "run"])
def test_one_that_dies_is_an_error_in_words(pack: Pack, stage: str, name: str, words: str) -> None:
    error = failure(lambda: trial(pack).visit(deed(pack, f"{stage}-{name}")))
    assert error.reason is (ENGINE_OPEN if stage == "open" else ENGINE_RUN)
    assert words in error.message


def test_one_that_hangs_is_ended(pack: Pack) -> None:
    error = failure(lambda: trial(pack, seconds=0.5).visit(deed(pack, "run-hang")))
    assert "it gave no answer for 0.5 s and was ended" in error.message
    error = failure(lambda: trial(pack, opening_seconds=2.0).compile(deed(pack, "open-hang")))
    assert "it gave no answer for 2 s and was ended" in error.message


def test_one_that_has_too_little_memory_says_so(pack: Pack) -> None:
    assert "MemoryError" in failure(lambda: trial(pack).visit(deed(pack, "run-memory"))).message


def test_one_whose_graph_is_another_is_refused(tmp_path: Path) -> None:
    pack = open_pack(write_tiny_pack(tmp_path / "tiny", tiny_manifest(inputs=(tiny_input(size=5),))))
    item = candidate(pack.manifest, "onnxruntime")
    error = failure(lambda: TrialApart(pack).visit(item))
    assert isinstance(error, PackError)
    assert error.reason is MODEL_MISMATCH


@posix
def test_of_all_of_these_the_right_one_is_chosen(pack: Pack) -> None:
    names = ("open-abort", "run-abort", "run-hang", "run-memory", "wrong", "slow", "right")
    found = prepare_pack(
        pack, [deed(pack, name) for name in names], trial(pack, seconds=1.0), say=lambda _: None, rounds=1
    )
    assert found.one.engine == "right" or found.many.engine == "right"
    problems = {each.engine: each.problem for each in found.tried}
    assert [name for name, problem in problems.items() if not problem and name != "wrong"] == ["slow", "right"]
    assert {found.one.engine, found.many.engine} & {"wrong", "open-abort"} == set()


def test_without_a_golden_case_the_model_is_fed_noise_of_its_shape(tmp_path: Path) -> None:
    sample = sample_of(open_pack(write_tiny_pack(tmp_path / "tiny")))
    assert [{name: values.shape for name, values in feed.items()} for feed in sample.feeds] == [{"image": (1, 1, 4, 4)}]
    assert sample.runs == 1


def test_with_a_golden_case_it_is_fed_that_as_it_is_prepared(pack: Pack) -> None:
    (feed,) = sample_of(pack).feeds
    assert feed["image"][0, 0, 0, 0] == pytest.approx(1.0)  # bright above
    assert feed["image"][0, 0, 3, 0] == pytest.approx(25 / 255)  # and dark below

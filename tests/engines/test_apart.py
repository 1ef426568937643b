"""An engine in a process of its own: the same answers, and whatever ends or hangs it ends nothing else."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.engines import ENGINES, Engine
from edge.engines.apart import EngineApart
from edge.errors import EngineError, UsageError
from edge.pack.store import EMBEDDED
from edge.reasons import BAD_OUTPUT, ENGINE_OPEN, ENGINE_RUN, Reason
from edge.testing import tiny_model
from tests.conftest import ROOT
from tests.engines.here import open_here, why_not

HOSTILE = Path(__file__).with_name("hostile")
CHEST = EMBEDDED / "chest-pneumonia" / "model.fp32.onnx"
SILENT = 0.5
PATIENT = 60.0

posix = pytest.mark.skipif(os.name != "posix", reason="signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
Open = Callable[..., EngineApart]


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens an engine that does what it is told, and closes it after the test."""
    monkeypatch.syspath_prepend(str(HOSTILE))
    opened: list[EngineApart] = []

    def make(says: str = "", seconds: float = PATIENT, opening_seconds: float = PATIENT) -> EngineApart:
        engine = EngineApart(
            "hostile",
            says.encode(),
            precision="int8",
            threads=3,
            opening_seconds=opening_seconds,
            seconds=seconds,
            opener="hostile_engines:open_hostile",
        )
        opened.append(engine)
        return engine

    yield make
    for engine in opened:
        engine.close()


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    """Every engine that can run here."""
    if lacks := why_not(request.param):
        pytest.skip(lacks)
    return str(request.param)


def apart(name: str, model: bytes) -> EngineApart:
    return EngineApart(name, model, precision="fp32", threads=1, opener="tests.engines.here:open_here")


def rows(count: int = 2) -> dict[str, NDArray[np.float32]]:
    return {"x": np.arange(3 * count, dtype=np.float32).reshape(count, 3)}


def radiographs(batch: int, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    return {"image": np.random.default_rng(seed).random((batch, 1, 28, 28), dtype=np.float32)}


def failure(action: Callable[[], object], reason: Reason) -> str:
    with pytest.raises(EngineError) as caught:
        action()
    assert caught.value.reason is reason
    return caught.value.message


def run_fails(engine: Engine) -> str:
    return failure(lambda: engine.infer(rows()), ENGINE_RUN)


def is_gone(pid: int) -> bool:
    """Whether there is no such process, not even a dead one that nobody asked after."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def ends(pid: int, within: float = 30.0) -> bool:
    """Whether a process that is not our child ends; init may take its time to ask after it."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


# The same as in this process -------------------------------------------------------------------------------


def test_it_says_and_answers_what_the_same_engine_does_in_this_process(name: str) -> None:
    model = CHEST.read_bytes()
    here, there = open_here(name, model, precision="fp32", threads=1), apart(name, model)
    assert there.facts == here.facts
    assert (there.inputs, there.outputs) == (here.inputs, here.outputs)
    for batch in (1, 3, 1):
        fed = radiographs(batch, seed=batch)
        found, expected = there.infer(fed), here.infer(fed)
        assert list(found) == list(expected)
        for output, values in expected.items():
            assert found[output].dtype == values.dtype
            np.testing.assert_array_equal(found[output], values)
    there.close()
    here.close()


def test_an_error_of_opening_comes_through_word_for_word(name: str) -> None:
    expected = failure(lambda: open_here(name, b"no model", precision="fp32", threads=1), ENGINE_OPEN)
    assert failure(lambda: apart(name, b"no model"), ENGINE_OPEN) == expected


@posix
def test_feeds_are_refused_here_in_the_words_of_the_engine(name: str) -> None:
    here, there = open_here(name, tiny_model(), precision="fp32", threads=1), apart(name, tiny_model())
    wrong = {"image": np.zeros((1, 1, 4, 5), dtype=np.float32)}
    os.kill(there.pid, signal.SIGSTOP)  # it is not even asked
    assert failure(lambda: there.infer(wrong), ENGINE_RUN) == failure(lambda: here.infer(wrong), ENGINE_RUN)
    there.close()


def test_an_engine_that_there_is_not_is_an_error_of_usage_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"the engine 'onxruntime'.*did you mean 'onnxruntime'"):
        apart("onxruntime", tiny_model())


@pytest.mark.parametrize(
    ("says", "reason", "message"),
    [
        ("run refuse", BAD_OUTPUT, "Running hostile: found a number that is none."),
        ("run fault", ENGINE_RUN, r"Running hostile: KeyError: 'first line\nsecond line'"),
        ("run memory", ENGINE_RUN, "Running hostile: MemoryError: Unable to allocate 3.00 TiB"),
    ],
)
def test_an_error_of_running_comes_through_and_the_engine_lives_on(
    hostile: Open, says: str, reason: Reason, message: str
) -> None:
    engine = hostile(says)
    for _ in range(2):
        assert failure(lambda: engine.infer(rows()), reason) == message


def test_any_error_of_opening_has_a_code(hostile: Open) -> None:
    assert failure(lambda: hostile("open fault"), ENGINE_OPEN).startswith("Opening hostile: KeyError: ")
    assert failure(lambda: hostile("open refuse"), BAD_OUTPUT).startswith("Running hostile: found a number")


def test_a_whole_model_arrives_even_if_no_pipe_could_hold_it(hostile: Open) -> None:
    says = "\0" + "x" * (8 << 20)
    assert hostile(says).infer(rows())["bytes"] == len(says)


def test_tensors_of_any_layout_and_size_arrive_as_they_went(hostile: Open) -> None:
    engine = hostile()
    large = np.random.default_rng(0).random((300_000, 3), dtype=np.float32)
    turned = np.asfortranarray(large)
    for values in (large, turned, large[::-7], large[:0], np.full((2, 3), np.nan, dtype=np.float32)):
        found = engine.infer({"x": values})
        np.testing.assert_array_equal(found["y"], values.T)
        assert (found["bytes"].shape, found["bytes"].dtype.name) == ((), "int64")
        assert (found["none"].shape, found["none"].dtype.name) == ((0, 3), "bool")
        assert (found["swapped"].tolist(), found["swapped"].dtype.isnative) == ([0, 1, 2], True)


def test_what_was_given_out_belongs_to_the_caller(hostile: Open) -> None:
    engine = hostile()
    fed = rows()
    first = engine.infer(fed)
    first["y"] += 100
    first["bytes"][...] = 7
    np.testing.assert_array_equal(fed["x"], rows()["x"])
    np.testing.assert_array_equal(engine.infer(fed)["y"], rows()["x"].T)
    np.testing.assert_array_equal(first["y"], rows()["x"].T + 100)
    assert all(values.flags.aligned and values.flags.writeable for values in first.values())


def test_two_engines_at_once_each_give_their_own_answers(hostile: Open) -> None:
    first, second = hostile("\0first"), hostile("\0of another length")
    found: dict[str, list[int]] = {"first": [], "second": []}

    def run(engine: EngineApart, into: list[int]) -> None:
        into.extend(int(engine.infer(rows())["bytes"]) for _ in range(20))

    threads = [
        threading.Thread(target=run, args=(first, found["first"])),
        threading.Thread(target=run, args=(second, found["second"])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"first": [6] * 20, "second": [18] * 20}


# What it took ----------------------------------------------------------------------------------------------


def test_the_time_is_that_of_the_engine_alone(hostile: Open) -> None:
    engine = hostile("run slow")
    assert engine.last_seconds == 0
    started = time.perf_counter()
    engine.infer(rows())
    assert 0.2 <= engine.last_seconds <= time.perf_counter() - started


def test_an_inference_that_failed_leaves_the_time_of_the_last_one(hostile: Open) -> None:
    engine = hostile()
    engine.infer(rows())
    before = engine.last_seconds
    failure(lambda: engine.infer({}), ENGINE_RUN)
    assert engine.last_seconds == before > 0


@linux
def test_the_peak_of_memory_is_the_childs_and_not_what_this_process_once_held(hostile: Open) -> None:
    held = np.ones(256 << 20, dtype=np.uint8)
    del held
    engine = hostile()
    peak = engine.peak_bytes()
    assert peak is not None
    assert 10 << 20 < peak < 200 << 20
    engine.infer({"x": np.ones((2 << 20, 3), dtype=np.float32)})
    assert (engine.peak_bytes() or 0) > peak + (24 << 20)


# What it survives ------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (signal.SIGKILL, "it was ended by signal SIGKILL, most likely for want of memory."),
        (signal.SIGSEGV, "it was ended by signal SIGSEGV."),
    ],
)
def test_a_child_that_is_killed_is_an_error_in_words_then_and_ever_after(
    hostile: Open, sent: signal.Signals, words: str
) -> None:
    engine = hostile()
    os.kill(engine.pid, sent)
    for _ in range(3):
        assert run_fails(engine) == f"Running hostile in a process of its own: {words}"
    assert words in failure(engine.peak_bytes, ENGINE_RUN)
    engine.close()
    assert words in run_fails(engine)


@posix
@pytest.mark.parametrize(
    ("deed", "words"), [("abort", "it was ended by signal SIGABRT."), ("exit", "it ended with exit code 3.")]
)
def test_an_engine_that_ends_its_process_is_named_with_what_was_being_done(
    hostile: Open, deed: str, words: str
) -> None:
    opening = failure(lambda: hostile(f"open {deed}"), ENGINE_OPEN)
    assert opening == f"Opening hostile in a process of its own: {words}"
    assert run_fails(hostile(f"run {deed}")) == f"Running hostile in a process of its own: {words}"


@posix
def test_one_that_dies_disturbs_no_other(hostile: Open) -> None:
    well, ill = hostile(), hostile("run abort")
    run_fails(ill)
    assert well.infer(rows())["bytes"] == 0


def test_an_end_before_any_work_is_an_error_of_opening_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.engines.apart._BOOT", "raise ImportError('numpy is broken')")
    assert failure(lambda: apart("onnxruntime", tiny_model()), ENGINE_OPEN) == (
        "Opening onnxruntime in a process of its own: it ended with exit code 1; "
        "the last that it printed is 'ImportError: numpy is broken'."
    )


def test_a_process_that_cannot_be_started_is_an_error_of_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(HOSTILE / "no-python"))
    assert "no-python" in failure(lambda: apart("onnxruntime", tiny_model()), ENGINE_OPEN)


@posix
def test_the_last_words_of_the_dying_are_kept_short_and_clean(hostile: Open) -> None:
    message = run_fails(hostile("run last-words"))
    assert "SIGABRT; the last that it printed is 'terminate called [31m long long" in message
    assert message.isprintable()
    assert len(message) < 400


def test_what_an_engine_prints_reaches_neither_its_answers_nor_the_terminal(
    hostile: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    for says in ("open print", "run print"):
        engine = hostile(says)
        for count in (1, 2):
            np.testing.assert_array_equal(engine.infer(rows(count))["y"], rows(count)["x"].T)
        engine.close()
    assert capfd.readouterr() == ("", "")


@posix
@pytest.mark.parametrize("deed", ["garble", "amiss"])
def test_an_answer_that_is_none_ends_the_child(hostile: Open, monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    monkeypatch.setattr("edge.engines.apart._END_SECONDS", 1.0)
    engine = hostile(f"run {deed}")
    assert "it answered with something that is no answer" in run_fails(engine)
    assert is_gone(engine.pid)


def test_an_output_that_is_no_tensor_of_numbers_is_an_error_too(hostile: Open) -> None:
    assert "Running hostile in a process of its own: it " in run_fails(hostile("run lie"))


@posix
def test_a_silence_is_ended(hostile: Open) -> None:
    engine = hostile(seconds=SILENT)
    os.kill(engine.pid, signal.SIGSTOP)
    assert run_fails(engine) == "Running hostile in a process of its own: it gave no answer for 0.5 s and was ended."
    assert is_gone(engine.pid)


@posix
def test_a_silence_is_ended_even_if_the_child_does_not_take_what_it_is_fed(hostile: Open) -> None:
    engine = hostile(seconds=SILENT)
    os.kill(engine.pid, signal.SIGSTOP)
    large = {"x": np.zeros((1 << 20, 3), dtype=np.float32)}
    assert "gave no answer for 0.5 s" in failure(lambda: engine.infer(large), ENGINE_RUN)


@pytest.mark.parametrize("deed", ["hang", "hold"])
def test_an_engine_that_hangs_is_ended(hostile: Open, deed: str) -> None:
    assert "gave no answer for 0.5 s" in run_fails(hostile(f"run {deed}", seconds=SILENT))
    opening = failure(lambda: hostile(f"open {deed}", opening_seconds=2.0), ENGINE_OPEN)
    assert opening == "Opening hostile in a process of its own: it gave no answer for 2 s and was ended."


def test_slow_is_not_hanging(hostile: Open) -> None:
    engine = hostile("run slow")
    assert [engine.infer(rows())["y"].shape for _ in range(3)] == [(3, 2)] * 3


# What it leaves behind -------------------------------------------------------------------------------------


@posix
def test_closing_ends_and_buries_the_child_and_a_second_time_does_nothing(hostile: Open) -> None:
    before = threading.active_count()
    engine = hostile()
    engine.infer(rows())
    engine.close()
    assert is_gone(engine.pid)
    engine.close()
    assert run_fails(engine) == "Running hostile in a process of its own: it is closed."
    assert threading.active_count() == before


@linux
def test_neither_closing_nor_failing_leaves_a_pipe_or_a_process_behind(hostile: Open) -> None:
    def kept() -> tuple[set[str], str]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return set(os.listdir("/proc/self/fd")), children  # noqa: PTH208 -- they are names, not files

    hostile().close()
    before = kept()
    hostile().close()
    run_fails(hostile("run abort"))
    run_fails(hostile("run hang", seconds=SILENT))
    for says in ("open abort", "open fault"):
        with pytest.raises(EngineError):
            hostile(says)
    assert kept() == before


PROGRAM = """
import sys
import numpy as np
from edge.engines.apart import EngineApart
sys.path.insert(0, sys.argv[1])
engine = EngineApart(
    "hostile", sys.argv[2].encode(), precision="fp32", threads=1, seconds=float(sys.argv[3]),
    opener="hostile_engines:open_hostile",
)
print(engine.pid, flush=True)
engine.infer({"x": np.zeros((1, 3), dtype=np.float32)})
sys.stdin.read()
"""


def program(says: str, seconds: float = 600.0) -> tuple[subprocess.Popen[str], int]:
    """A program that runs an engine and never closes it, and the number of the engine's process."""
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(HOSTILE), says, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert started.stdout is not None
    pid = int(started.stdout.readline())
    time.sleep(0.5)
    return started, pid


@posix
def test_what_is_typed_at_the_terminal_does_not_reach_the_child(hostile: Open) -> None:
    engine = hostile()
    assert os.getsid(engine.pid) == engine.pid


@linux
@pytest.mark.parametrize("says", ["", "run hang", "run hold"])
def test_an_interrupt_ends_both_processes_and_is_told_once(says: str) -> None:
    started, child = program(says)
    os.killpg(started.pid, signal.SIGINT)
    _, words = started.communicate(timeout=60)
    assert words.count("KeyboardInterrupt") == 1
    assert ends(child)


@linux
@pytest.mark.parametrize(("says", "seconds"), [("", 600.0), ("run hang", 600.0), ("run hold", 1.0)])
def test_a_child_outlives_no_parent_that_was_killed(says: str, seconds: float) -> None:
    """One whose engine lets nothing else run has an alarm of its own."""
    started, child = program(says, seconds)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate(timeout=60)
    assert ends(child)


def test_an_interrupt_in_the_middle_ends_the_child(hostile: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = hostile()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("edge.engines.apart.read_frame", interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.infer(rows())
    assert run_fails(engine).endswith("it is closed.")


def test_an_answer_that_does_not_fit_into_memory_is_an_error_that_says_so(
    hostile: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: Any) -> None:
        raise MemoryError

    engine = hostile()
    monkeypatch.setattr("edge.engines.apart.read_tensors", exhaust)
    assert "there was not enough memory here for what it was fed or answered" in run_fails(engine)


def test_modules_in_the_current_folder_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('hostile')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    engine = apart("onnxruntime", tiny_model())
    assert engine.infer({"image": np.ones((1, 1, 4, 4), dtype=np.float32)})["scores"].tolist() == [[10.0]]
    engine.close()


@linux
def test_the_child_is_the_first_to_go_when_memory_is_scarce(hostile: Open) -> None:
    status = functools.partial(Path, f"/proc/{hostile().pid}")
    assert status("oom_score_adj").read_text() == "1000\n"
    assert "Max core file size        0                    0" in status("limits").read_text()

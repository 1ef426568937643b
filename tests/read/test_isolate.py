"""No file kills, hangs or fills the caller, and none ends a run over the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.child import start_reader
from edge.errors import EdgerunError, ReadError, UsageError
from edge.read.isolate import ScanReader
from edge.read.process import Child, default_limit_bytes
from edge.reasons import (
    BAD_HEADER,
    DECODE_TIMEOUT,
    DECODER_DIED,
    NOT_AN_IMAGE,
    NOT_READABLE,
    TOO_LARGE,
    Reason,
)
from edge.scan import Found, Scan, Series

HOSTILE = Path(__file__).with_name("hostile")
LIMIT = 64 << 20
SECONDS = 1.0

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder of files that say what is to happen to their reader."""

    def make(**says: str) -> Path:
        for name, text in says.items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return make


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScanReader]:
    """A reader whose formats misbehave."""
    monkeypatch.syspath_prepend(str(HOSTILE))
    with ScanReader(limit_bytes=LIMIT, seconds=SECONDS, readers="hostile_readers:READERS") as opened:
        yield opened


def series_of(found: Found) -> dict[str, Series]:
    return {Path(series.paths[0]).name: series for study in found.studies for series in study.series}


def reasons_of(found: Found) -> dict[str, Reason]:
    every = [*found.left_out, *(out for study in found.studies for out in study.left_out)]
    return {Path(path).name: out.reason for out in every for path in out.paths}


def outcome(reader: ScanReader, series: Series) -> Scan | Reason:
    try:
        return reader.load(series).result()
    except ReadError as error:
        return error.reason


def failure(reader: ScanReader, series: Series) -> ReadError | None:
    try:
        reader.load(series).result()
    except ReadError as error:
        return error
    return None


def test_every_good_file_is_read_beside_files_that_hang_and_kill(reader: ScanReader, folder: Folder) -> None:
    path = folder(
        a_good="good",
        b="describe hang",
        c_good="good",
        d="describe abort",
        e="load hang",
        f="load abort",
        g_good="good",
    )
    found = reader.index(path).result()
    assert reasons_of(found) == {"b": DECODE_TIMEOUT, "d": DECODER_DIED}
    outcomes = {name: outcome(reader, series) for name, series in series_of(found).items()}
    assert {name for name, scan in outcomes.items() if isinstance(scan, Scan)} == {"a_good", "c_good", "g_good"}
    assert outcomes["e"] is DECODE_TIMEOUT
    assert outcomes["f"] is DECODER_DIED


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        ("exit", DECODER_DIED),
        ("memory", TOO_LARGE),
        ("fault", DECODER_DIED),
        ("panic", DECODER_DIED),
        ("refuse", BAD_HEADER),
        ("garble", DECODER_DIED),
        ("write", NOT_READABLE),
    ],
)
@pytest.mark.parametrize("stage", ["describe", "load"])
def test_each_misdeed_has_its_reason_and_the_next_file_is_read(
    reader: ScanReader, folder: Folder, stage: str, verb: str, reason: Reason
) -> None:
    found = reader.index(folder(bad=f"{stage} {verb}", good="good")).result()
    series = series_of(found)
    if stage == "describe":
        assert reasons_of(found) == {"bad": reason}
    else:
        assert outcome(reader, series["bad"]) is reason
    assert isinstance(outcome(reader, series["good"]), Scan)


def test_memory_errors_and_refusals_cost_no_new_process(reader: ScanReader, folder: Folder) -> None:
    before = reader.child_pid
    reader.index(folder(a="describe memory", b="describe fault", c="describe refuse")).result()
    assert reader.child_pid == before


def test_a_child_that_died_of_itself_costs_no_file(reader: ScanReader, folder: Folder) -> None:
    path = folder(good="good")
    series = series_of(reader.index(path).result())["good"]
    before = reader.child_pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert isinstance(outcome(reader, series), Scan)
    assert reader.child_pid != before


def test_what_libraries_say_reaches_nobody(
    reader: ScanReader, folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    found = reader.index(folder(a="describe print", b="load print", c="describe fault", d="load panic")).result()
    said = [out.detail for out in found.left_out]
    said.extend(str(failure(reader, series)) for series in series_of(found).values())
    captured = capfd.readouterr()
    assert "PATIENT" not in captured.out + captured.err + "".join(said)


def test_a_scan_whose_parts_contradict_each_other_is_not_believed(reader: ScanReader, folder: Folder) -> None:
    series = series_of(reader.index(folder(bad="load lie", good="good")).result())
    assert outcome(reader, series["bad"]) is DECODER_DIED
    assert isinstance(outcome(reader, series["good"]), Scan)


def test_a_series_that_declares_too_much_is_left_out_with_its_size(reader: ScanReader, folder: Folder) -> None:
    found = reader.index(folder(bomb=f"good - {3 << 30}")).result()
    (out,) = found.studies[0].left_out
    assert out.reason is TOO_LARGE
    assert "3.0 GiB" in out.detail
    assert "64.0 MiB" in out.detail


def test_unknown_files_are_left_out(reader: ScanReader, folder: Folder) -> None:
    assert reasons_of(reader.index(folder(notes="unknown")).result()) == {"notes": NOT_AN_IMAGE}


def test_the_message_names_the_file_and_how_the_decoder_ended(reader: ScanReader, folder: Folder) -> None:
    series = series_of(reader.index(folder(bad="load abort")).result())["bad"]
    with pytest.raises(ReadError, match=r"'bad'.*SIGABRT"):
        reader.load(series).result()


def test_slow_is_not_hanging_as_long_as_files_go_by(reader: ScanReader, folder: Folder) -> None:
    found = reader.index(folder(**{f"slow{n}": "load slow" for n in range(4)})).result()
    parts = list(series_of(found).values())
    whole = Series(
        format="picture",
        paths=tuple(part.paths[0] for part in parts),
        identity=parts[0].identity,
        acquisition=parts[0].acquisition,
        pictures=4,
        bytes=24,
    )
    visited: list[str] = []
    reader.load(whole).result(visited.append)
    assert visited == list(whole.paths)


def test_answers_wait_for_a_caller_who_does_other_work(reader: ScanReader, folder: Folder) -> None:
    pending = reader.index(folder(good="good"))
    time.sleep(SECONDS * 1.5)
    assert len(pending.result().studies) == 1


def test_what_was_asked_for_may_be_collected_in_any_order(reader: ScanReader, folder: Folder) -> None:
    path = folder(good="good", bad="load refuse")
    series = series_of(reader.index(path).result())
    good, bad, index = reader.load(series["good"]), reader.load(series["bad"]), reader.index(path)
    assert len(index.result().studies) == 2
    with pytest.raises(ReadError):
        bad.result()
    assert good.result().voxels.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_caller_who_breaks_off_can_ask_again(reader: ScanReader, folder: Folder) -> None:
    path = folder(a="good", b="good")

    def break_off(_: str) -> None:
        raise RuntimeError("enough")

    pending = reader.index(path)
    with pytest.raises(RuntimeError, match="enough"):
        pending.result(break_off)
    assert len(reader.index(path).result().studies) == 2


def test_hundreds_of_files_go_through_one_child(reader: ScanReader, folder: Folder) -> None:
    before = reader.child_pid
    visited: list[str] = []
    found = reader.index(folder(**{f"file{n:03}": "good" for n in range(300)})).result(visited.append)
    assert [study.series[0].paths[0] for study in found.studies] == visited
    assert len(visited) == 300
    assert reader.child_pid == before


def test_names_in_any_script_survive_the_way(reader: ScanReader, tmp_path: Path) -> None:
    (tmp_path / "Größe 大きさ \N{GRINNING FACE}").write_text("good")
    ((name, series),) = series_of(reader.index(tmp_path).result()).items()
    assert reader.load(series).result().sources[0].path == str(tmp_path / name)


def test_the_child_ends_with_its_reader(reader: ScanReader) -> None:
    pid = reader.child_pid
    assert pid is not None
    reader.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_collecting_from_a_closed_reader_says_so(reader: ScanReader, folder: Folder) -> None:
    pending = reader.index(folder(good="good"))
    reader.close()
    with pytest.raises(UsageError, match="closed"):
        pending.result()


def test_a_broken_installation_is_not_blamed_on_a_file(folder: Folder) -> None:
    with ScanReader(limit_bytes=LIMIT, readers="edge.read:NO_SUCH_TABLE") as reader:
        pending = reader.index(folder(good="good"))
        with pytest.raises(EdgerunError, match="before it had seen any file"):
            pending.result()


def test_a_child_that_was_started_earlier_is_taken_over(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HOSTILE))
    process = start_reader()
    child = Child(limit_bytes=LIMIT, seconds=SECONDS, readers="hostile_readers:READERS", process=process)
    with ScanReader(limit_bytes=LIMIT, seconds=SECONDS, child=child) as reader:
        assert len(reader.index(folder(good="good")).result().studies) == 1
        assert reader.child_pid == child.pid == process.pid


def test_a_child_that_was_started_and_never_spoken_to_ends_by_itself() -> None:
    with start_reader() as process:
        pass
    assert process.returncode == 0


def test_the_child_imports_no_package_that_fetches_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Folder
) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "requests.py").write_text("import os; os._exit(77)")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.syspath_prepend(str(HOSTILE))
    with ScanReader(limit_bytes=LIMIT, seconds=SECONDS, readers="hostile_readers:READERS") as reader:
        (left_out,) = reader.index(folder(file="describe fetch") / "file").result().left_out
    assert left_out.detail == "The decoder failed with ModuleNotFoundError."


def test_modules_in_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Folder
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('hostile')")
    monkeypatch.chdir(tmp_path)
    with ScanReader(limit_bytes=LIMIT) as reader:
        assert reasons_of(reader.index(folder(notes="no image")).result())["notes"] is NOT_AN_IMAGE


@pytest.mark.parametrize("told", ["0", "-1", "2GB", ""])
def test_a_limit_that_is_no_number_of_bytes_is_refused(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_SCAN_BYTES", told)
    with pytest.raises(UsageError, match="EDGERUN_SCAN_BYTES"):
        default_limit_bytes()


def test_the_limit_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_SCAN_BYTES", "12345")
    assert default_limit_bytes() == 12345
    monkeypatch.delenv("EDGERUN_SCAN_BYTES")
    assert 0 < default_limit_bytes() <= 2 << 30


WAITS_FOR_A_HANGING_FILE = """
import sys
from edge.read.isolate import ScanReader
sys.path.insert(0, sys.argv[1])
with ScanReader(limit_bytes=1 << 20, seconds=float(sys.argv[3]), readers="hostile_readers:READERS") as reader:
    pending = reader.index(sys.argv[2])
    print(reader.child_pid, flush=True)
    pending.result()
"""


def waiting_program(path: Path, seconds: float) -> tuple[subprocess.Popen[str], int]:
    """A program that waits for a child that hangs, and the child's number."""
    program = subprocess.Popen(
        [sys.executable, "-c", WAITS_FOR_A_HANGING_FILE, str(HOSTILE), str(path), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    time.sleep(0.7)
    return program, pid


def is_gone(pid: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_interrupt_ends_both_processes_at_once(folder: Folder) -> None:
    program, child = waiting_program(folder(bad="describe hang"), seconds=60)
    os.killpg(program.pid, signal.SIGINT)
    _, words = program.communicate(timeout=10)
    assert words.count("KeyboardInterrupt") == 1
    assert is_gone(child, within=2)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_hanging_child_does_not_outlive_a_killed_parent_for_long(folder: Folder) -> None:
    program, child = waiting_program(folder(bad="describe hang"), seconds=1)
    program.kill()
    program.communicate(timeout=10)
    assert is_gone(child, within=5)

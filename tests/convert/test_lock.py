"""Two conversions into one folder: the second is told of the first, which goes on; a lock ends with its process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import convert.lock as module
from convert.lock import LOCK, locked
from edge.errors import OutputError, UsageError
from edge.pack.store import open_pack
from tests.conftest import ROOT
from tests.convert.scans import Bench, bench, brightness_net, converted

HOLDER = """
import sys
from pathlib import Path
from convert.lock import locked
with locked(Path(sys.argv[1]), "building first.onnx"):
    print("held", flush=True)
    sys.stdin.readline()
"""
COMMAND = "from convert.cli import main; main()"
posix = pytest.mark.skipif(sys.platform == "win32", reason="stops and kills processes by their signals")


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is told to end."""
    with started(HOLDER, folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        if process.poll() is None:
            process.communicate("\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench(tmp_path_factory.mktemp("bench"), brightness_net())


def test_the_second_is_told_who_is_at_work_since_when_and_what_to_do(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with held(out) as first, pytest.raises(UsageError) as caught, locked(out, "building second.onnx"):
        pytest.fail("both hold it")
    said = caught.value.message
    assert said.startswith(f"Building second.onnx into {tmp_path / 'out'}: found another edgerun-convert at work there")
    assert f"(building first.onnx, process {first.pid} on " in said
    assert ", since 20" in said
    assert said.endswith("Wait until it is done, or give another --out.")


def test_the_first_loses_nothing_by_it(tmp_path: Path) -> None:
    with held(tmp_path) as first:
        for _ in range(2):
            with pytest.raises(UsageError, match="at work there"), locked(tmp_path, "building second.onnx"):
                pytest.fail("both hold it")
        assert (tmp_path / LOCK).is_file()
        assert first.communicate("\n") == ("", "")
    assert first.returncode == 0
    with locked(tmp_path, "building second.onnx"):
        assert (tmp_path / LOCK).is_file()
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_lock_ends_with_a_process_that_was_killed(tmp_path: Path) -> None:
    with held(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / LOCK).is_file()
        with locked(tmp_path, "building second.onnx"):
            assert f"process {os.getpid()}" in (tmp_path / LOCK).read_text()
    assert list(tmp_path.iterdir()) == []


@posix
def test_of_two_builds_at_once_one_makes_the_pack_and_the_other_is_refused(made: Bench, tmp_path: Path) -> None:
    asked = [*made.arguments, "--precision", "fp32", "--out", tmp_path / "out"]
    with started(COMMAND, *asked) as first:
        while not (tmp_path / "out" / LOCK).is_file():
            assert first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        second = converted(*asked)
        first.send_signal(signal.SIGCONT)
        _, err = first.communicate()
    assert second.code == 2
    assert "found another edgerun-convert at work there (building net.onnx, process" in second.err
    assert first.returncode == 0, err
    assert open_pack(tmp_path / "out" / "workshop").manifest.name == "workshop"
    assert not (tmp_path / "out" / LOCK).exists()


def test_assembling_waits_for_nobody_either(made: Bench, tmp_path: Path) -> None:
    report = tmp_path / "conversion.json"
    told = ["--describe", made.describe, "--evaluate", made.evaluate]
    assert converted("gate", made.model, "--out", report, *told).code == 0
    with held(tmp_path / "out"):
        words = ["--describe", made.describe, "--model", made.model]
        ran = converted("assemble", report, "--out", tmp_path / "out", *words)
    assert ran.code == 2
    assert "Assembling workshop into " in ran.err
    assert not (tmp_path / "out" / "workshop").exists()


def test_a_folder_into_which_nothing_came_is_removed_again(made: Bench, tmp_path: Path) -> None:
    empty = tmp_path / "labels.csv"
    empty.write_text("path,bright\n")
    words = ["--describe", made.describe, "--calibrate", made.calibrate, "--evaluate", empty]
    ran = converted("build", made.model, *words, "--out", tmp_path / "out")
    assert ran.code == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with locked(tmp_path, "building net.onnx"):
        pass
    assert tmp_path.is_dir()


def test_a_folder_that_another_removed_meanwhile_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the first gives its lock back between our opening the file and our locking it."""
    lock, turns = module._lock, iter([True])

    def late(handle: int) -> None:
        lock(handle)
        if next(turns, False):
            (tmp_path / "out" / LOCK).unlink()
            (tmp_path / "out").rmdir()

    monkeypatch.setattr(module, "_lock", late)
    with locked(tmp_path / "out", "building net.onnx"):
        assert (tmp_path / "out" / LOCK).is_file()
    assert not (tmp_path / "out").exists()


def test_the_file_of_another_is_not_removed(tmp_path: Path) -> None:
    with locked(tmp_path, "building net.onnx"):
        (tmp_path / LOCK).unlink()
        (tmp_path / LOCK).write_text("of another")
    assert (tmp_path / LOCK).read_text() == "of another"


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(module, "_lock", none)
    said = r"its file system has no locks .* on a disk of this machine"
    with pytest.raises(UsageError, match=said), locked(tmp_path, "building net.onnx"):
        pytest.fail("nothing holds it")


def test_a_folder_that_cannot_be_made_is_an_error_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="W800"), locked(tmp_path / "file", "building net.onnx"):
        pytest.fail("nothing holds it")

"""The command as a process: interrupts while it starts end it at once, and streams may be closed."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import cli
from edge.cli.app import app
from edge.errors import ExitCode
from tests.conftest import ROOT

INTERRUPTED_WHILE_IT_STARTS = """
import sys
from edge import cli
from edge.read import process

def interrupt(*_):
    raise KeyboardInterrupt

start = cli.start_reader
started = []

def keep():
    started.append(start())
    return started[0]

cli.start_reader = keep
process.write_frame = interrupt
sys.argv = ["edgerun", "infer", "scan.dcm"]
try:
    cli.main()
except SystemExit as left:
    print(left.code, started[0].returncode is not None)
"""


def test_an_interrupt_while_the_reading_process_is_spoken_to_first_ends_both() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_IT_STARTS], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split() == ["130", "True"]
    assert ran.stderr.startswith("edgerun: interrupted.")


def test_an_interrupt_before_anything_else_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "4")
    monkeypatch.setattr(cli, "collect_seldom", lambda: None)
    monkeypatch.setattr(cli, "start_reader", interrupt)
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr(sys, "argv", ["edgerun", "infer", "scan.dcm"])
    cli.command()
    assert left == [ExitCode.INTERRUPTED]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_closed_cost_nothing(tmp_path: Path, tiny_pack: Path, closed: str) -> None:
    cv2.imwrite(str(tmp_path / "scan.png"), np.full((8, 8), 200, dtype=np.uint8) - np.eye(8, dtype=np.uint8))
    words = [sys.executable, "-m", "edge.cli", "infer", str(tmp_path / "scan.png"), "--json"]
    words += ["--pack", str(tiny_pack), "--out", str(tmp_path / "out")]
    shell = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *words]
    ran = subprocess.run(shell, check=False, capture_output=True, text=True, cwd=ROOT)
    (report,) = (tmp_path / "out").glob("*/report.json")
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["state"] != "failed"
    assert ran.returncode == 0
    assert ran.stdout == "" if ">&- 2" in closed else json.loads(ran.stdout) == told


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
def test_the_reading_process_needs_no_stderr(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no image")
    read = "import sys; from edge.read.isolate import ScanReader; reader = ScanReader(); "
    read += "print(reader.index(sys.argv[1]).result().left_out[0].reason.code); reader.close()"
    shell = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", read, str(tmp_path)]
    assert subprocess.run(shell, check=True, capture_output=True, text=True, cwd=ROOT).stdout == "R301\n"


def run_by_typer(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """The exit code of a command that Typer reads and that ends with this error."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["edgerun", "device"])
    (command,) = (item for item in app.registered_commands if item.name == "device")
    monkeypatch.setattr(command, "callback", fail)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert isinstance(left.value.code, int)
    return left.value.code


def test_an_interrupt_is_told_by_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_by_typer(monkeypatch, KeyboardInterrupt()) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err.strip().startswith("edgerun: interrupted.")


def test_output_that_nobody_reads_is_no_bug_of_any_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert run_by_typer(monkeypatch, BrokenPipeError(errno.EPIPE, "nobody reads")) == ExitCode.OUTPUT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_stdout_is_told_as_that(tmp_path: Path, tiny_pack: Path) -> None:
    cv2.imwrite(str(tmp_path / "scan.png"), np.eye(8, dtype=np.uint8) * 200)
    words = [sys.executable, "-m", "edge.cli", "infer", str(tmp_path / "scan.png"), "--json"]
    words += ["--pack", str(tiny_pack), "--out", str(tmp_path / "out")]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(words, check=False, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert ran.returncode == ExitCode.OUTPUT
    assert "W801" in ran.stderr

"""The process that cleans files: what it is told and by which way, and what becomes of one that dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from edge.deidentify.contract import Begin
from edge.deidentify.process import CleanerProcess
from edge.errors import EdgerunError, ReadError
from tests.deidentify.cleaning import SECRET, film
from tests.read.dicom_files import save

BEGIN = Begin(secret=SECRET.value.hex(), keep=(), burned_in="keep", links=False)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="The command line of a process is read from /proc.")
def test_a_file_that_ends_the_process_is_refused_and_the_next_one_is_cleaned(tmp_path: Path) -> None:
    path = save(film(), tmp_path / "1.dcm")
    with CleanerProcess(BEGIN) as process:
        numbers = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
        (child,) = {int(name) for name in numbers if _is_ours(name)}
        command = Path(f"/proc/{child}/cmdline").read_bytes() + Path(f"/proc/{child}/environ").read_bytes()
        assert BEGIN.secret.encode() not in command
        os.kill(child, signal.SIGKILL)
        with pytest.raises(ReadError, match=r"R305.*SIGKILL"):
            process.clean(path)
        cleaned, data = process.clean(path)
    assert cleaned.patient.encode() in data


def _is_ours(number: str) -> bool:
    """Whether a process is this one's child that cleans."""
    try:
        status = Path(f"/proc/{number}/stat").read_text()
        return int(status.rpartition(")")[2].split()[1]) == os.getpid() and "deidentify" in _command(number)
    except OSError:
        return False


def _command(number: str) -> str:
    return Path(f"/proc/{number}/cmdline").read_text(errors="replace")


def test_a_process_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.deidentify.process._BOOT", "raise SystemExit(3)")
    with pytest.raises(EdgerunError, match=r"Starting the process that cleans files.*exit code 3"):
        CleanerProcess(BEGIN)

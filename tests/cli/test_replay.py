"""`edgerun replay`, as its user sees it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from edge.write.report import content_sha256
from tests.conftest import Edgerun


def test_a_result_is_made_again_byte_for_byte(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    edgerun("infer", examples / "chest-pneumonia-0000.dcm", "--out", tmp_path)
    (folder,) = tmp_path.iterdir()
    ran = edgerun("replay", folder, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["same"] is True
    assert json.loads(ran.out)["exact"] is True
    assert ran.err.splitlines()[-1].startswith("THE SAME: every value, and every byte")


def test_a_refusal_is_made_again(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    edgerun("infer", examples / "brain-t1-icbm152.nii.gz", "--pack", "chest-pneumonia", "--out", tmp_path)
    (folder,) = tmp_path.iterdir()
    ran = edgerun("replay", folder / "report.json")
    assert (ran.code, ran.out) == (0, "")
    assert "THE SAME" in ran.err


def test_options_are_asked_again(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    options = ("--write", "overlay", "--confirm", "age-years=3", "--explain", "map")
    edgerun("infer", examples / "chest-pneumonia-0000.dcm", *options, "--out", tmp_path)
    (folder,) = tmp_path.iterdir()
    assert "THE SAME: every value" in edgerun("replay", folder).err


def test_another_engine_decides_alike(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    edgerun("infer", examples / "chest-pneumonia-0000.dcm", "--out", tmp_path, "--engine", "onnxruntime")
    (folder,) = tmp_path.iterdir()
    ran = edgerun("replay", folder, "--engine", "openvino")
    assert ran.code == 0
    assert "the engine's name was onnxruntime and is openvino" in ran.err
    assert "THE SAME decisions; scores differ by" in ran.err


def test_scans_that_were_moved_are_found(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "stick").mkdir()
    scan = Path(shutil.copy(examples / "chest-normal-0234.dcm", tmp_path / "in"))
    edgerun("infer", scan, "--out", tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    shutil.move(scan, tmp_path / "stick")
    gone = edgerun("replay", folder)
    assert (gone.code, "R348" in gone.err) == (3, True)
    assert edgerun("replay", folder, "--scans", tmp_path / "stick").code == 0


def test_a_report_that_was_sealed_anew_is_found_out(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    """A seal anybody can make; that the scan itself gives another answer, nobody can."""
    edgerun("infer", examples / "chest-pneumonia-0000.dcm", "--out", tmp_path)
    (folder,) = tmp_path.iterdir()
    document = json.loads((folder / "report.json").read_text("utf-8"))
    document["results"][0]["findings"]["labels"][0]["score"] = 0.01
    document["content_sha256"] = content_sha256(document)
    (folder / "report.json").write_text(json.dumps(document), "utf-8")
    ran = edgerun("replay", folder)
    assert (ran.code, "E507" in ran.err) == (5, True)
    assert "$.results[0].findings.labels[0].score: was 0.01, is 0.9" in ran.err


def test_a_file_that_is_no_report_is_told_so(edgerun: Edgerun, examples: Path) -> None:
    ran = edgerun("replay", examples / "chest-pneumonia-0000.dcm")
    assert (ran.code, "R345" in ran.err) == (3, True)

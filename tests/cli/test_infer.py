"""`edgerun infer`: every way it can go, and what each says."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import onnx
import onnx.numpy_helper
import pydicom
import pytest

from edge.pack.manifest import Accepts
from edge.testing import tiny_input, tiny_manifest, tiny_model, write_tiny_pack
from tests.conftest import ROOT, Edgerun, without_run

SCHEMA = ROOT / "edge" / "write" / "report.schema.json"


def picture(path: Path, level: int = 200) -> Path:
    """A grey PNG that is not blank: bright or dark by its level."""
    pixels = np.full((8, 8), level, dtype=np.uint8)
    pixels[0, 0] = 0
    cv2.imwrite(str(path), pixels)
    return path


def model_of_nan() -> bytes:
    """The tiny model with a gain that is no number."""
    model = onnx.load_from_string(tiny_model())
    gain = next(tensor for tensor in model.graph.initializer if tensor.name == "gain")
    gain.CopyFrom(onnx.numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "gain"))
    return bytes(model.SerializeToString())


def changed(source: Path, target: Path, **elements: object) -> Path:
    """A copy of a DICOM file with some elements set, or deleted where the value is None."""
    dataset = pydicom.dcmread(source)
    for keyword, value in elements.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(target)
    return target


@pytest.fixture
def radiograph(examples: Path) -> Path:
    return examples / "chest-pneumonia-0000.dcm"


class TestOneScan:
    def test_prints_one_json_document_alone(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        ran = edgerun("infer", radiograph, "--json", "--out", tmp_path)
        (report,) = ran.reports
        written = json.loads((tmp_path / report["folder"] / "report.json").read_text(encoding="utf-8"))
        assert report == written
        jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))

    def test_names_model_engine_precision_threshold_and_sources(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        (result,) = edgerun("infer", radiograph, "--json", "--out", tmp_path).reports[0]["results"]
        assert result["engine"]["name"] == "onnxruntime"
        assert result["engine"]["precision"] == "fp32"
        assert result["engine"]["provider"] == "CPUExecutionProvider"
        assert len(result["pack"]["sha256"]) == 64
        assert result["findings"]["labels"][0]["threshold"] > 0
        assert len(result["scan"]["sources"][0]["sha256"]) == 64

    def test_measures_every_stage(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        report = edgerun("infer", radiograph, "--json", "--out", tmp_path).reports[0]
        assert set(report["run"]["seconds"]) == {
            "open", "index", "read", "check", "prepare", "infer", "conclude", "write",
        }  # fmt: skip

    def test_says_that_it_is_not_for_diagnosis(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        ran = edgerun("infer", radiograph, "--out", tmp_path)
        assert "Not for diagnosis" in ran.err
        assert "No medical device" in ran.err
        assert ran.out == ""

    def test_gives_the_same_bytes_twice(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        first, second = (
            edgerun("infer", radiograph, "--json", "--out", tmp_path / name).reports[0] for name in ("a", "b")
        )
        assert without_run(first) == without_run(second)
        pictures = [(tmp_path / name / first["folder"] / "overlay.png").read_bytes() for name in ("a", "b")]
        assert pictures[0] == pictures[1]

    def test_is_not_examined_again(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        first = edgerun("infer", radiograph, "--json", "--out", tmp_path).reports[0]
        written = tmp_path / first["folder"] / "report.json"
        before = written.stat().st_mtime_ns
        assert edgerun("infer", radiograph, "--json", "--out", tmp_path).reports[0] == first
        assert written.stat().st_mtime_ns == before

    @pytest.mark.parametrize("lost", ["report.json", "overlay.png"])
    def test_is_examined_again_when_a_file_is_lost(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path, lost: str
    ) -> None:
        first = edgerun("infer", radiograph, "--json", "--out", tmp_path).reports[0]
        (tmp_path / first["folder"] / lost).unlink()
        edgerun("infer", radiograph, "--out", tmp_path)
        assert (tmp_path / first["folder"] / lost).exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("elements", "code"),
        [
            ({"Modality": "MR"}, "C702"),
            ({"Modality": None}, "C703"),
            ({"BodyPartExamined": "FOOT"}, "C704"),
            ({"BodyPartExamined": None}, "C705"),
            ({"ViewPosition": "LL"}, "C706"),
            ({"ViewPosition": ""}, "C707"),
            ({"PatientAge": "060Y"}, "C708"),
            ({"PixelData": b"\x40" * 784}, "C712"),
            ({"Rows": 4, "Columns": 4, "PixelData": bytes(range(16))}, "C715"),
        ],
    )
    def test_an_unfit_scan_is_refused_with_its_code(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path, elements: dict[str, object], code: str
    ) -> None:
        scan = changed(radiograph, tmp_path / "scan.dcm", **elements)
        ran = edgerun("infer", scan, "--pack", "chest-pneumonia", "--json", "--out", tmp_path / "out")
        (result,) = ran.reports[0]["results"]
        assert ran.code == 7
        assert result["state"] == "not-analysed"
        assert result["findings"] is None
        assert code in [refusal["code"] for refusal in result["refusals"]]

    def test_a_refused_scan_has_a_picture_of_it(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        scan = changed(radiograph, tmp_path / "scan.dcm", BodyPartExamined="FOOT")
        report = edgerun("infer", scan, "--pack", "chest-pneumonia", "--json", "--out", tmp_path / "out").reports[0]
        assert cv2.imread(str(tmp_path / "out" / report["folder"] / "overlay.png")) is not None

    def test_without_a_fitting_pack_the_installed_ones_are_named(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        ran = edgerun("infer", changed(radiograph, tmp_path / "scan.dcm", BodyPartExamined="FOOT"), "--out", tmp_path)
        assert ran.code == 7
        assert "C700" in ran.err
        assert "chest-pneumonia" in ran.err

    def test_several_fitting_packs_are_named(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        write_tiny_pack(tmp_path / "installed-packs" / "tiny")
        ran = edgerun("infer", radiograph, "--out", tmp_path)
        assert ran.code == 7
        assert "C701" in ran.err
        assert "chest-pneumonia, tiny" in ran.err

    def test_what_a_person_vouches_for_is_reported(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        scan = changed(radiograph, tmp_path / "scan.dcm", BodyPartExamined=None)
        told = ("--confirm", "body-part=chest", "--confirm", "modality=DX")  # the file itself says CR
        ran = edgerun("infer", scan, *told, "--json", "--out", tmp_path / "out")
        assert ran.code == 0
        assert ran.reports[0]["results"][0]["confirmed"] == {"body-part": "chest"}

    def test_nobody_can_vouch_against_the_file(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        scan = changed(radiograph, tmp_path / "scan.dcm", BodyPartExamined="FOOT")
        ran = edgerun("infer", scan, "--confirm", "body-part=CHEST", "--pack", "chest-pneumonia", "--out", tmp_path)
        assert ran.code == 7
        assert "C704" in ran.err

    def test_an_untrained_pack_gives_no_clinical_report(self, edgerun: Edgerun, tmp_path: Path) -> None:
        pack = write_tiny_pack(tmp_path / "pack", tiny_manifest(status="architecture-only"))
        ran = edgerun("infer", picture(tmp_path / "a.png"), "--pack", pack, "--json", "--out", tmp_path / "out")
        (result,) = ran.reports[0]["results"]
        assert ran.code == 7
        assert result["findings"] is None
        assert [refusal["code"] for refusal in result["refusals"]] == ["C713"]


class TestFailures:
    def test_nothing_there(self, edgerun: Edgerun, tmp_path: Path) -> None:
        ran = edgerun("infer", tmp_path / "absent.dcm", "--out", tmp_path / "out")
        assert ran.code == 3
        assert "R300" in ran.err

    def test_a_file_that_is_no_image(self, edgerun: Edgerun, tmp_path: Path) -> None:
        text = tmp_path / "letter.txt"
        text.write_text("Dear colleague, ...", encoding="utf-8")
        ran = edgerun("infer", text, "--out", tmp_path / "out")
        assert ran.code == 3
        assert "R301" in ran.err

    def test_a_damaged_file_has_a_report_that_says_failed(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        cut = tmp_path / "cut.dcm"
        cut.write_bytes(radiograph.read_bytes()[:-300])
        ran = edgerun("infer", cut, "--json", "--out", tmp_path / "out")
        (result,) = ran.reports[0]["results"]
        assert ran.code == 3
        assert result["state"] == "failed"
        assert result["failure"]["code"] == "R302"

    def test_one_bad_file_does_not_end_a_folder(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "a.dcm").write_bytes(radiograph.read_bytes()[:-300])
        (folder / "b.dcm").write_bytes(radiograph.with_name("chest-normal-0235.dcm").read_bytes())
        ran = edgerun("infer", folder, "--json", "--out", tmp_path / "out")
        assert ran.code == 6
        assert sorted(report["state"] for report in ran.reports) == ["failed", "no-finding"]

    def test_a_missing_pack(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        ran = edgerun("infer", radiograph, "--pack", "brain-tumour", "--out", tmp_path / "out")
        assert ran.code == 4
        assert "P400" in ran.err
        assert "chest-pneumonia" in ran.err

    def test_a_precision_that_the_pack_lacks(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        ran = edgerun("infer", radiograph, "--precision", "fp16", "--out", tmp_path / "out")
        assert ran.code == 4
        assert "P406" in ran.err
        assert "fp32 (reference) for onnxruntime" in ran.err

    def test_a_precision_that_is_not_proven_runs_by_name_and_says_so(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        asked = ("--precision", "int8", "--engine", "onnxruntime")
        ran = edgerun("infer", radiograph, *asked, "--json", "--out", tmp_path / "out")
        (result,) = ran.reports[0]["results"]
        assert ran.code == 0
        assert result["engine"]["precision"] == "int8"
        assert "P410" in [warning["code"] for warning in result["warnings"]]

    def test_an_engine_that_does_not_exist(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        ran = edgerun("infer", radiograph, "--engine", "onnxruntim", "--out", tmp_path / "out")
        assert ran.code == 2
        assert "did you mean 'onnxruntime'?" in ran.err

    def test_a_model_that_gives_no_number(self, edgerun: Edgerun, tmp_path: Path) -> None:
        pack = write_tiny_pack(tmp_path / "pack", model=model_of_nan())
        ran = edgerun("infer", picture(tmp_path / "a.png"), "--pack", pack, "--json", "--out", tmp_path / "out")
        assert ran.code == 5
        assert ran.reports[0]["results"][0]["failure"]["code"] == "E503"

    @pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "W801"), (errno.EROFS, "W800")])
    def test_an_output_that_cannot_be_written(
        self,
        edgerun: Edgerun,
        radiograph: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        code: str,
    ) -> None:
        def fail(_: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)
        ran = edgerun("infer", radiograph, "--out", tmp_path)
        assert ran.code == 8
        assert code in ran.err
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_an_output_folder_below_a_file(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        ran = edgerun("infer", radiograph, "--out", tmp_path / "file" / "out")
        assert ran.code == 8
        assert "W800" in ran.err

    @pytest.mark.parametrize("option", [["--precision", "fp8"], ["--confirm", "age-years=old"], ["--confirm", "x=y"]])
    def test_an_option_that_makes_no_sense_is_told_before_anything_is_read(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path, option: list[str]
    ) -> None:
        ran = edgerun("infer", radiograph, *option, "--out", tmp_path / "out")
        assert ran.code == 2
        assert "studies" not in ran.err
        assert not (tmp_path / "out").exists()

    def test_an_empty_name_of_a_pack_is_no_choice(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        ran = edgerun("infer", radiograph, "--pack", "", "--out", tmp_path / "out")
        assert ran.code == 4
        assert "its name is empty" in ran.err

    def test_a_confirmation_without_a_value(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        ran = edgerun("infer", radiograph, "--confirm", "modality", "--out", tmp_path / "out")
        assert ran.code == 2
        assert "NAME=VALUE" in ran.err

    def test_no_arguments(self, edgerun: Edgerun) -> None:
        assert edgerun("infer").code == 2


class TestFolders:
    def test_every_study_has_a_report_in_a_stable_order(self, edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
        films = sorted(examples.glob("*.dcm"))
        ran = edgerun("infer", *reversed(films), "--json", "--out", tmp_path)
        paths = [report["results"][0]["scan"]["sources"][0]["path"] for report in ran.reports]
        assert ran.code == 0
        assert paths == [str(path) for path in films]

    def test_a_folder_with_its_own_results_in_it_gives_the_same_again(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "a.dcm").write_bytes(radiograph.read_bytes())
        first = edgerun("infer", tmp_path, "--json", "--out", tmp_path / "edgerun-results")
        again = edgerun("infer", tmp_path, "--json", "--out", tmp_path / "edgerun-results")
        assert first.code == again.code == 0
        assert first.reports == again.reports

    def test_a_study_keeps_what_was_left_out_of_it(self, edgerun: Edgerun, radiograph: Path, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "a.dcm").write_bytes(radiograph.read_bytes())
        changed(radiograph, folder / "b.dcm", ViewPosition="LL", SOPInstanceUID="1.2.3", SeriesInstanceUID="1.2.4")
        ran = edgerun("infer", folder, "--json", "--out", tmp_path / "out")
        (report,) = ran.reports
        assert ran.code == 0
        assert [out["reason"]["code"] for out in report["left_out"]] == ["C706"]

    def test_an_interruption_leaves_whole_files_and_the_rest_is_done_later(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        for number in range(60):
            changed(radiograph, folder / f"{number:03}.dcm", StudyInstanceUID=f"1.2.{number}",
                    SeriesInstanceUID=f"1.3.{number}", SOPInstanceUID=f"1.4.{number}")  # fmt: skip
        out = tmp_path / "out"
        process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "infer", folder, "--out", out], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        while len(list(out.glob("*/report.json"))) < 3 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        done = {path: path.stat().st_mtime_ns for path in out.glob("*/report.json")}
        assert 3 <= len(done) < 60
        for path in done:
            json.loads(path.read_text(encoding="utf-8"))
        assert edgerun("infer", folder, "--out", out).code == 0
        assert len(list(out.glob("*/report.json"))) == 60
        assert all(path.stat().st_mtime_ns == before for path, before in done.items())
        assert list(out.rglob(".unfinished-*")) == []


class TestNothingIsLost:
    def test_another_picture_of_the_study_does_not_take_the_place_of_the_first(
        self, edgerun: Edgerun, radiograph: Path, examples: Path, tmp_path: Path
    ) -> None:
        first = pydicom.dcmread(radiograph)
        second = changed(
            examples / "chest-normal-0235.dcm", tmp_path / "b.dcm",
            StudyInstanceUID=first.StudyInstanceUID, PatientID=first.PatientID, PatientName=first.PatientName,
        )  # fmt: skip
        out = tmp_path / "out"
        reports = [edgerun("infer", scan, "--json", "--out", out).reports[0] for scan in (radiograph, second)]
        assert [report["state"] for report in reports] == ["finding", "no-finding"]
        written = [json.loads((out / report["folder"] / "report.json").read_text("utf-8")) for report in reports]
        assert written == reports

    def test_a_film_that_does_not_tell_its_view_keeps_a_study_from_no_finding(
        self, edgerun: Edgerun, radiograph: Path, examples: Path, tmp_path: Path
    ) -> None:
        normal = pydicom.dcmread(examples / "chest-normal-0235.dcm")
        folder = tmp_path / "in"
        folder.mkdir()
        normal.save_as(folder / "b.dcm")
        changed(
            radiograph, folder / "a.dcm", ViewPosition=None,
            StudyInstanceUID=normal.StudyInstanceUID, PatientID=normal.PatientID, PatientName=normal.PatientName,
        )  # fmt: skip
        ran = edgerun("infer", folder, "--json", "--out", tmp_path / "out")
        (report,) = ran.reports
        assert ran.code == 7
        assert report["state"] == "not-analysed"
        assert sorted(result["state"] for result in report["results"]) == ["no-finding", "not-analysed"]

    def test_a_picture_of_an_earlier_result_does_not_stay_beside_a_new_report(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        report = edgerun("infer", radiograph, "--json", "--out", tmp_path).reports[0]
        folder = tmp_path / report["folder"]
        (folder / "2-overlay.png").write_bytes(b"old")
        (folder / "notes.txt").write_text("mine", encoding="utf-8")
        (folder / "report.json").unlink()
        edgerun("infer", radiograph, "--out", tmp_path)
        assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "overlay.png", "report.json"]

    def test_one_broken_pack_among_several_fails_its_studies_alone(
        self, edgerun: Edgerun, radiograph: Path, tmp_path: Path
    ) -> None:
        asks = replace(tiny_input(), accepts=Accepts(stack="picture", colour="grey", modality=("MG",)))
        broken = write_tiny_pack(tmp_path / "installed-packs" / "tiny", tiny_manifest(inputs=(asks,)))
        (broken / "model.onnx").write_bytes(b"other")
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "b.dcm").write_bytes(radiograph.read_bytes())
        changed(radiograph, folder / "a.dcm", Modality="MG", StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
        ran = edgerun("infer", folder, "--json", "--out", tmp_path / "out")
        assert ran.code == 6
        assert [report["state"] for report in ran.reports] == ["failed", "finding"]
        assert ran.reports[0]["results"][0]["failure"]["code"] == "P404"


class TestOtherFormats:
    def test_a_picture_is_examined_by_a_pack_that_takes_any(
        self, edgerun: Edgerun, tiny_pack: Path, tmp_path: Path
    ) -> None:
        states = []
        for level in (250, 10):
            scan = picture(tmp_path / f"{level}.png", level)
            report = edgerun("infer", scan, "--pack", tiny_pack, "--json", "--out", tmp_path / "out").reports[0]
            states.append(report["state"])
        assert states == ["finding", "no-finding"]

    def test_a_picture_does_not_pass_for_a_radiograph(self, edgerun: Edgerun, tmp_path: Path) -> None:
        ran = edgerun("infer", picture(tmp_path / "a.png"), "--pack", "chest-pneumonia", "--out", tmp_path / "out")
        assert ran.code == 7
        assert "C703" in ran.err

    def test_a_pack_in_one_file_works(self, edgerun: Edgerun, tiny_pack: Path, tmp_path: Path) -> None:
        archive = Path(shutil.make_archive(str(tmp_path / "tiny-pack"), "zip", tiny_pack))
        packed = archive.rename(archive.with_suffix(".edgepack"))
        ran = edgerun("infer", picture(tmp_path / "a.png"), "--pack", packed, "--out", tmp_path / "out")
        assert ran.code == 0

    def test_a_grey_pack_refuses_a_colour_picture(self, edgerun: Edgerun, tiny_pack: Path, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "rgb.png"), pixels)
        ran = edgerun("infer", tmp_path / "rgb.png", "--pack", tiny_pack, "--out", tmp_path / "out")
        assert ran.code == 7
        assert "C710" in ran.err


def test_an_input_may_ask_for_a_modality_that_a_person_confirms(edgerun: Edgerun, tmp_path: Path) -> None:
    asks = replace(tiny_input(), accepts=Accepts(stack="picture", colour="grey", modality=("XC",)))
    pack = write_tiny_pack(tmp_path / "pack", tiny_manifest(inputs=(asks,)))
    scan = picture(tmp_path / "a.png")
    assert edgerun("infer", scan, "--pack", pack, "--out", tmp_path / "a").code == 7
    assert edgerun("infer", scan, "--pack", pack, "--confirm", "modality=xc", "--out", tmp_path / "b").code == 0

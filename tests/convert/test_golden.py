"""Golden cases: what travels with a pack, and what may not."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from convert.assemble import sha256_of
from convert.document import CandidateTold
from convert.golden import LARGEST_TOLERANCE, TOLERANCES, check_anonymous, golden_of
from convert.measure import Measured
from convert.radiograph import radiograph
from edge.errors import ReadError, UsageError
from edge.pack.manifest import Golden, Manifest
from edge.pack.tasks import REGISTERED
from edge.testing import tiny_input, tiny_manifest, tiny_threshold
from tests.convert.planted_sets import PAIR, centre_net, pair_files, volume
from tests.convert.scans import BRIGHT, Heard, brightness_net, pictures, write_pictures, write_table
from tests.read.files import png

MANIFEST = tiny_manifest(inputs=(tiny_input(size=8),), task=BRIGHT)
SIDES = (("fp32", "onnxruntime"), ("fp32", "openvino"), ("int8", "onnxruntime"))
FILES = {"model.fp32.onnx": brightness_net(), "model.int8.onnx": brightness_net(offsets=(-9.9,))}


def told(precision: str, engine: str) -> CandidateTold:
    data = FILES[f"model.{precision}.onnx"]
    return CandidateTold(
        name=f"{precision} on {engine}",
        precision=precision,  # type: ignore[arg-type]
        engine=engine,
        engine_version="1",
        file=f"model.{precision}.onnx",
        sha256=sha256_of(data),
        bytes=len(data),
        latency_ms=1.0,
        peak_bytes=None,
        thresholds={"bright": tiny_threshold(0.5)},
        evidence=(),
        curves=(),
        judgement=None,
    )


def cases(paths: list[Path], manifest: Manifest = MANIFEST) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    return golden_of(paths, manifest, [told("fp32", "onnxruntime"), told("int8", "onnxruntime")], FILES, Heard())


def dicom(path: Path, *, preamble: bool = True, **elements: Any) -> Path:
    """A radiograph whose header says something of a patient; None removes an element."""
    dataset = pydicom.dcmread(io.BytesIO(radiograph(pictures(1, 3)[0][0], "x")))
    for keyword in ("PatientIdentityRemoved", "PatientName", "PatientID"):
        delattr(dataset, keyword)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    if not preamble:
        path.write_bytes(path.read_bytes()[132:])
    return path


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, Measured]:
    """Stands in for what the models say."""
    measured: dict[str, Measured] = {}
    monkeypatch.setattr("convert.golden.measure", lambda *_, **__: measured)
    return measured


# Whose pictures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "Doe^Jane"),
        ("PatientID", "4711"),
        ("PatientBirthDate", "19700101"),
        ("PatientAddress", "1 High Street"),
        ("OtherPatientIDs", ["1", "2"]),
        ("OtherPatientNames", "Roe^Jane"),
        ("AccessionNumber", "A1"),
    ],
)
def test_a_file_that_says_who_the_patient_is_is_refused(tmp_path: Path, keyword: str, value: object) -> None:
    elements: dict[str, Any] = {keyword: value}
    path = dicom(tmp_path / "scan.dcm", **elements)
    with pytest.raises(UsageError, match=rf"scan\.dcm: found {keyword}, expected none") as caught:
        check_anonymous(path)
    assert str(value) not in caught.value.message


def test_a_file_without_a_preamble_is_looked_into_as_well(tmp_path: Path) -> None:
    """The runtime reads such files, so one could be chosen."""
    with pytest.raises(UsageError, match="found PatientName"):
        check_anonymous(dicom(tmp_path / "scan.dcm", preamble=False, PatientName="Doe^Jane"))


@pytest.mark.parametrize("word", ["YES", "YES "])
def test_the_word_of_whoever_removed_the_identity_counts(tmp_path: Path, word: str) -> None:
    check_anonymous(dicom(tmp_path / "scan.dcm", PatientName="Anonymous^7", PatientIdentityRemoved=word))


def test_any_other_word_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found PatientName"):
        check_anonymous(dicom(tmp_path / "scan.dcm", PatientName="Anonymous^7", PatientIdentityRemoved="NO"))


def test_empty_elements_say_nothing(tmp_path: Path) -> None:
    check_anonymous(dicom(tmp_path / "scan.dcm", PatientName="", PatientID="", OtherPatientIDsSequence=[]))
    check_anonymous(dicom(tmp_path / "scan.dcm"))


def test_a_picture_has_no_header_to_look_into(tmp_path: Path) -> None:
    check_anonymous(write_pictures(tmp_path, pictures(1, 3)[0])[0])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.dcm: No such file"):
        check_anonymous(tmp_path / "gone.dcm")


def test_nothing_is_run_before_every_file_was_looked_into(tmp_path: Path, said: Mapping[str, Measured]) -> None:
    good, bad = write_pictures(tmp_path, pictures(1, 3)[0])[0], dicom(tmp_path / "b.dcm", PatientID="4711")
    heard = Heard()
    with pytest.raises(UsageError, match="found PatientID"):
        golden_of([good, bad], MANIFEST, [told("fp32", "onnxruntime")], FILES, heard)
    assert heard.lines == []
    assert not said


# What the cases are --------------------------------------------------------------------------------------


def test_no_file_is_no_case() -> None:
    assert cases([]) == ((), {})


def test_each_precision_has_its_own_answer(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, pictures(2, 3)[0])
    found, contents = cases(paths)
    assert [case.name for case in found] == ["000", "001"]
    assert contents == {"golden/000.png": paths[0].read_bytes(), "golden/001.png": paths[1].read_bytes()}
    for case in found:
        assert case.scans == {"image": f"golden/{case.name}.png"}
        assert case.sha256 == {"image": sha256_of(contents[case.scans["image"]])}
        assert {precision: expected.tolerance for precision, expected in case.expect.items()} == {
            "fp32": TOLERANCES["fp32"],
            "int8": TOLERANCES["int8"],
        }
        assert case.expect["int8"].scores["bright"] > case.expect["fp32"].scores["bright"]


def test_a_file_is_named_as_a_manifest_can(tmp_path: Path) -> None:
    image = png(pictures(1, 3)[0][0], 0)
    names = ["Test 7 (left).PNG", "___.png"]
    for name in names:
        (tmp_path / name).write_bytes(image)
    found, contents = cases([tmp_path / name for name in names])
    assert [case.name for case in found] == ["test-7-left", "case"]
    assert list(contents) == ["golden/test-7-left.png", "golden/case.png"]


@pytest.mark.parametrize("names", [("a/x.png", "b/x.png"), ("a/x.png", "b/X.dcm"), ("a/x y.png", "a/x-y.png")])
def test_two_files_of_one_name_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    image = pictures(1, 3)[0][0]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_bytes(radiograph(image, "x") if path.suffix == ".dcm" else png(image, 0))
    with pytest.raises(UsageError, match="two files have the same name"):
        cases(paths)


def test_an_untrained_pack_has_golden_cases_too(tmp_path: Path) -> None:
    found, _ = cases(write_pictures(tmp_path, pictures(1, 3)[0]), replace(MANIFEST, status="architecture-only"))
    assert 0 < found[0].expect["fp32"].scores["bright"] < 1


def test_a_scan_that_the_pack_refuses_is_no_case(tmp_path: Path) -> None:
    strict = replace(MANIFEST.inputs[0], accepts=replace(MANIFEST.inputs[0].accepts, least_size=64))
    with pytest.raises(UsageError, match="the pack refuses this scan"):
        cases(write_pictures(tmp_path, pictures(1, 3)[0]), replace(MANIFEST, inputs=(strict,)))


def test_a_file_that_cannot_be_read_is_no_case(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ReadError, match="R301"):
        cases([tmp_path / "notes.txt"])


def test_of_several_inputs_a_table_names_the_scans_of_each_case(tmp_path: Path) -> None:
    rows = pair_files(tmp_path, 2, seed=3)
    named = write_table(tmp_path / "golden.csv", [{name: row[name] for name in ("fixed", "moving")} for row in rows])
    manifest = tiny_manifest(inputs=(volume("fixed"), volume("moving")), task=PAIR)
    model = replace(told("fp32", "onnxruntime"), thresholds={})
    found, contents = golden_of([named], manifest, [model], {"model.fp32.onnx": centre_net()}, Heard())
    assert [case.name for case in found] == ["000", "001"]
    assert dict(found[1].scans) == {"fixed": "golden/001-fixed.nii", "moving": "golden/001-moving.nii"}
    assert contents["golden/001-moving.nii"] == (tmp_path / "moving" / "001.nii").read_bytes()
    assert found[1].sha256["moving"] == sha256_of(contents["golden/001-moving.nii"])
    assert set(found[0].expect["fp32"].scores) == set(REGISTERED)
    assert found[0].expect["fp32"].scores["moved"] > 0.5


# What the answers are ------------------------------------------------------------------------------------


def expected(said: dict[str, Measured], path: Path, *scores: float) -> Any:
    said |= {
        f"{precision} on {engine}": Measured(scores={"bright": np.array([score])})
        for (precision, engine), score in zip(SIDES, scores, strict=True)
    }
    (case,), _ = golden_of([path], MANIFEST, [told(*side) for side in SIDES], FILES, Heard())
    return case.expect


def test_the_answer_is_the_middle_of_what_the_engines_said(tmp_path: Path, said: dict[str, Measured]) -> None:
    (path,) = write_pictures(tmp_path, pictures(1, 3)[0])
    found = expected(said, path, 0.5, 0.51, 0.7)
    assert found["fp32"].scores["bright"] == pytest.approx(0.505)
    assert found["fp32"].tolerance == pytest.approx(0.02)
    assert found["int8"].scores["bright"] == pytest.approx(0.7)
    assert found["int8"].tolerance == TOLERANCES["int8"]


def test_a_tolerance_is_never_wider_than_a_manifest_may_say(tmp_path: Path, said: dict[str, Measured]) -> None:
    (path,) = write_pictures(tmp_path, pictures(1, 3)[0])
    assert expected(said, path, 0.5, 0.58, 0.7)["fp32"].tolerance == LARGEST_TOLERANCE


def test_a_case_on_which_engines_part_is_refused(tmp_path: Path, said: dict[str, Measured]) -> None:
    (path,) = write_pictures(tmp_path, pictures(1, 3)[0])
    with pytest.raises(UsageError, match=r"case 1 differs by 0\.200 between engines in fp32"):
        expected(said, path, 0.5, 0.7, 0.7)


def test_a_model_that_fails_on_a_case_is_told(tmp_path: Path, said: dict[str, Measured]) -> None:
    (path,) = write_pictures(tmp_path, pictures(1, 3)[0])
    said["int8 on onnxruntime"] = Measured(problem="E502: It died.")
    with pytest.raises(UsageError, match=r"golden cases on int8 on onnxruntime: E502: It died\."):
        golden_of([path], MANIFEST, [told(*side) for side in SIDES], FILES, Heard())

"""What is examined: given scans, golden cases, phantoms, and copies of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from edge.bench import cases as module
from edge.bench.answered import RefusedError
from edge.bench.cases import Cases, copied, given, of_pack
from edge.bench.phantoms import phantom_files, vouched
from edge.errors import ReadError, UsageError
from edge.pack.store import find_pack, open_pack
from edge.read import read_study
from edge.roles import absolute
from edge.testing import tiny_input, tiny_manifest, write_tiny_pack
from tests.bench.scans import input_that_accepts, of_two, picture


def test_each_study_that_was_given_is_a_case_without_its_name(examples: Path) -> None:
    found = given([examples / "chest-normal-0234.dcm", examples / "chest-normal-0235.dcm"], {}, {})
    assert [case.name for case in found.cases] == ["scan 1", "scan 2"]
    assert [case.format for case in found.cases] == ["dicom", "dicom"]
    assert found.origin == "given"
    assert not found.by_name


def test_scans_with_roles_are_one_case(tmp_path: Path) -> None:
    files = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png", 90)]
    roles = absolute([("first", files[0]), ("second", files[1])])
    found = given(files, roles, {})
    assert [set(case.files) for case in found.cases] == [set(files)]
    assert found.by_name


def test_a_folder_with_nothing_in_it_is_an_error_with_its_code(tmp_path: Path) -> None:
    with pytest.raises(ReadError) as raised:
        given([tmp_path], {}, {})
    assert raised.value.reason.code == "R300"


def test_a_damaged_file_among_the_scans_is_an_error_with_its_code(tmp_path: Path, examples: Path) -> None:
    whole = (examples / "chest-normal-0234.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:200])
    (tmp_path / "whole.dcm").write_bytes(whole)
    with pytest.raises((ReadError, RefusedError)) as raised:
        given([tmp_path], {}, {})
    assert raised.value.reason is not None
    assert raised.value.reason.code.startswith("R3")


def test_without_scans_the_golden_cases_are_taken(tmp_path: Path) -> None:
    pack = find_pack("chest-pneumonia")
    found = of_pack(pack, tmp_path, {"view": "PA"})
    assert found.origin == "golden"
    assert [case.name for case in found.cases] == [case.name for case in pack.manifest.golden]
    assert [case.sha256 for case in found.cases] == [case.sha256["image"] for case in pack.manifest.golden]
    assert all(case.format == "dicom" for case in found.cases)
    assert found.confirmed == {"modality": "CR", "body-part": "CHEST", "view": "PA"}


def test_a_pack_without_golden_cases_gets_phantoms_that_can_be_read(tmp_path: Path) -> None:
    found = of_pack(open_pack(write_tiny_pack(tmp_path / "pack")), tmp_path, {})
    assert found.origin == "phantom"
    hashes = {case.sha256 for case in found.cases}
    assert len(hashes) == len(found.cases) == 2
    scan = read_study(found.cases[0].files[0]).scans[0]
    assert scan.grid.shape == (1, 2048, 2048)
    assert scan.voxels.std() > 10


def test_phantoms_are_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (phantom_files(tiny_manifest(), tmp_path / name, seed=3)["image"] for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_pack_of_volumes_in_hounsfield_gets_one_with_air_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.bench.phantoms.VOLUME", (12, 16, 16))
    base = input_that_accepts(stack="volume", modality=("CT",))
    item = replace(base, steps=({"step": "require_unit", "unit": "HU"}, *base.steps))
    manifest = tiny_manifest(inputs=(item,))
    path = phantom_files(manifest, tmp_path, seed=0)["image"]
    assert vouched(manifest) == {"modality": "CT", "unit": "HU"}
    scan = read_study(path).scans[0]
    assert (scan.stack, scan.grid.shape) == ("volume", (12, 16, 16))
    assert scan.voxels.min() == -1000
    assert scan.voxels.max() > -100


def test_a_colour_pack_gets_colours(tmp_path: Path) -> None:
    path = phantom_files(tiny_manifest(inputs=(tiny_input(channels=3),)), tmp_path, seed=0)["image"]
    assert read_study(path).scans[0].acquisition.photometric == "RGB"


def test_a_pack_of_frames_needs_scans_and_says_how_to_give_them(tmp_path: Path) -> None:
    manifest = tiny_manifest(inputs=(input_that_accepts(stack="frames"),))
    with pytest.raises(UsageError, match="edgerun bench PACK SCANS"):
        phantom_files(manifest, tmp_path, seed=0)


def test_a_pack_of_two_modalities_needs_scans(tmp_path: Path) -> None:
    one, two = (input_that_accepts(modality=(name,)) for name in ("CT", "MR"))
    with pytest.raises(UsageError, match="CT and MR, of which no one file can be all"):
        phantom_files(tiny_manifest(inputs=(one, two)), tmp_path, seed=0)


def test_golden_cases_of_a_pack_of_two_modalities_need_no_word_of_the_pack() -> None:
    one, two = (replace(input_that_accepts(modality=(name,)), name=name.lower()) for name in ("CT", "MR"))
    assert vouched(tiny_manifest(inputs=(one, two))) == {}


def test_a_pack_of_two_inputs_gets_a_phantom_for_each_with_its_role(tmp_path: Path) -> None:
    found = of_pack(open_pack(write_tiny_pack(tmp_path / "pack", of_two())), tmp_path, {})
    assert sorted(found.cases[0].roles.values()) == ["first", "second"]
    assert found.by_name


def test_copies_of_dicom_files_are_studies_of_their_own(tmp_path: Path, examples: Path) -> None:
    source = examples / "chest-normal-0234.dcm"
    found = copied(given([source], {}, {}), 3, tmp_path)
    made = [pydicom.dcmread(case.files[0]) for case in found]
    original = pydicom.dcmread(source)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        uids = {getattr(dataset, keyword) for dataset in made} | {getattr(original, keyword)}
        assert len(uids) == 4
        assert all(uid.is_valid for uid in uids)
    assert all(dataset.PixelData == original.PixelData for dataset in made)
    assert all(dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID for dataset in made)
    assert len(given([tmp_path], {}, {}).cases) == 3


def test_files_of_one_study_stay_together_in_every_copy(tmp_path: Path, examples: Path) -> None:
    (tmp_path / "study").mkdir()
    for number in range(2):
        dataset = pydicom.dcmread(examples / "chest-normal-0234.dcm")
        dataset.SOPInstanceUID = f"1.2.{number}"
        dataset.SeriesInstanceUID = f"1.3.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(tmp_path / "study" / f"{number}.dcm")
    before = given([tmp_path / "study"], {}, {})
    (tmp_path / "copies").mkdir()
    after = given([tmp_path / "copies"], {}, {}) if copied(before, 2, tmp_path / "copies") else None
    assert after is not None
    assert [len(case.files) for case in before.cases] == [2]
    assert [len(case.files) for case in after.cases] == [2, 2]


def test_copies_keep_the_names_and_roles_of_their_files(tmp_path: Path) -> None:
    files = [picture(tmp_path / "scans" / "t1.png"), picture(tmp_path / "scans" / "t2.png", 90)]
    found = copied(given(files, absolute([("a", files[0]), ("b", files[1])]), {}), 2, tmp_path / "copies")
    assert [sorted(path.name for path in case.files) for case in found] == [["t1.png", "t2.png"]] * 2
    assert [sorted(case.roles.values()) for case in found] == [["a", "b"]] * 2
    assert all(Path(path).is_file() for case in found for path in case.roles)
    assert not {path for case in found for path in case.files} & set(files)


def test_there_are_only_as_many_copies_as_have_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "a.png")
    cases = Cases(origin="given", cases=given([path], {}, {}).cases, confirmed={})
    monkeypatch.setattr(module, "MOST_COPIED_BYTES", 3 * path.stat().st_size)
    assert len(copied(cases, 100, tmp_path / "copies")) == 3
    monkeypatch.setattr(module, "MOST_COPIED_BYTES", 0)
    assert len(copied(cases, 100, tmp_path / "one")) == 1


def test_a_file_that_is_gone_when_it_is_to_be_copied_is_an_error_with_a_code(tmp_path: Path, examples: Path) -> None:
    source = tmp_path / "a.dcm"
    source.write_bytes((examples / "chest-normal-0234.dcm").read_bytes())
    found = given([source], {}, {})
    source.unlink()
    with pytest.raises(ReadError) as raised:
        copied(found, 1, tmp_path / "copies")
    assert raised.value.reason.code.startswith("R3")

"""Faults planted in real files, through the command: each leads to its own code, and the clean twin to a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from edge.check import confirm_scan
from edge.pack.look import Technique
from edge.pack.manifest import Accepts
from edge.read import read_study
from edge.testing import tiny_input, tiny_manifest, write_tiny_pack
from tests.check.films import LOOK, SIDE, film
from tests.conftest import Edgerun
from tests.read.dicom_files import picture, save

TOLD: dict[str, Any] = {
    "Modality": "DX", "BodyPartExamined": "CHEST", "ViewPosition": "AP", "ImageLaterality": "U", "KVP": "70",
    "LossyImageCompression": "00", "BurnedInAnnotation": "NO", "PresentationIntentType": "FOR PRESENTATION",
}  # fmt: skip
STRICT = Accepts(
    modality=("DX",),
    body_part=("CHEST",),
    view=("AP",),
    laterality=("U",),
    stack="picture",
    colour="grey",
    technique=Technique(kvp=(50.0, 90.0), presentation="FOR PRESENTATION", spacing_mm=(0.05, 0.5)),
    compression="lossless",
    burned_in="none",
    least_bits=12,
    look=LOOK,
)
Plant = Callable[[Dataset], None]


def clean() -> Dataset:
    dataset = picture(film(61), **TOLD, ImagerPixelSpacing=[0.2, 0.2], PixelSpacing=[0.2, 0.2])
    dataset.BitsStored, dataset.HighBit = 12, 11
    return dataset


def setting(**elements: Any) -> Plant:
    def plant(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return plant


def showing(change: Callable[[Any], Any]) -> Plant:
    def plant(dataset: Dataset) -> None:
        pixels = np.ascontiguousarray(change(film(61)), np.uint16)
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.PixelData = pixels.tobytes()

    return plant


PLANTED: dict[str, tuple[Plant, str]] = {
    "another machine": (setting(Modality="MR"), "C702"),
    "no body part": (setting(BodyPartExamined=None), "C705"),
    "another view": (setting(ViewPosition="LL"), "C706"),
    "another side": (setting(ImageLaterality="L"), "C735"),
    "no side": (setting(ImageLaterality=None), "C736"),
    "another voltage": (setting(KVP="120"), "C737"),
    "no voltage": (setting(KVP=None), "C738"),
    "unprocessed": (setting(PresentationIntentType="FOR PROCESSING"), "C737"),
    "coarse": (setting(ImagerPixelSpacing=[2.0, 2.0], PixelSpacing=[2.0, 2.0]), "C737"),
    "lossy": (setting(LossyImageCompression="01"), "C739"),
    "marked": (setting(BurnedInAnnotation="YES"), "C740"),
    "a screenshot": (setting(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "C714"),
    "a frame": (showing(lambda pixels: np.pad(pixels, SIDE // 2)), "C744"),
    "two films": (showing(lambda pixels: np.hstack([pixels, pixels[:, :4] * 0, pixels])), "C745"),
    "a negative": (showing(lambda pixels: 4095 - pixels), "C746"),
    "called a negative": (setting(PhotometricInterpretation="MONOCHROME1"), "C746"),
    "turned": (showing(np.rot90), "C747"),
    "plain": (showing(lambda pixels: pixels * 0 + 9), "C712"),
}


@pytest.fixture
def strict_pack(tmp_path: Path) -> Path:
    return write_tiny_pack(tmp_path / "strict", tiny_manifest(inputs=(replace(tiny_input(), accepts=STRICT),)))


def test_the_clean_twin_has_a_result(edgerun: Edgerun, strict_pack: Path, tmp_path: Path) -> None:
    ran = edgerun("infer", save(clean(), tmp_path / "a.dcm"), "--pack", strict_pack, "--out", tmp_path / "o", "--json")
    (result,) = ran.reports[0]["results"]
    assert (ran.code, result["refusals"], result["warnings"]) == (0, [], [])


@pytest.mark.parametrize(("plant", "code"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_not_analysed_and_says_why(
    edgerun: Edgerun, strict_pack: Path, tmp_path: Path, plant: Plant, code: str
) -> None:
    dataset = clean()
    plant(dataset)
    ran = edgerun("infer", save(dataset, tmp_path / "a.dcm"), "--pack", strict_pack, "--out", tmp_path / "o", "--json")
    (result,) = ran.reports[0]["results"]
    assert (ran.code, result["state"], result["findings"]) == (7, "not-analysed", None)
    assert code in [reason["code"] for reason in result["refusals"]]


def test_a_mirrored_film_has_a_result_and_a_warning(edgerun: Edgerun, strict_pack: Path, tmp_path: Path) -> None:
    dataset = clean()
    showing(lambda pixels: pixels[:, ::-1])(dataset)
    ran = edgerun("infer", save(dataset, tmp_path / "a.dcm"), "--pack", strict_pack, "--out", tmp_path / "o", "--json")
    (result,) = ran.reports[0]["results"]
    assert ([reason["code"] for reason in result["warnings"]], result["refusals"]) == (["C748"], [])


def test_what_a_person_vouches_for_stands_in_the_report(edgerun: Edgerun, strict_pack: Path, tmp_path: Path) -> None:
    dataset = clean()
    setting(ImageLaterality=None, KVP=None, LossyImageCompression=None, BurnedInAnnotation=None)(dataset)
    told = {"laterality": "u", "kvp": "70", "lossy": "no", "burned-in": "no"}
    words = [word for name, value in told.items() for word in ("--confirm", f"{name}={value}")]
    path = save(dataset, tmp_path / "a.dcm")
    ran = edgerun("infer", path, "--pack", strict_pack, "--out", tmp_path / "o", "--json", *words)
    (result,) = ran.reports[0]["results"]
    assert (ran.code, result["refusals"], result["confirmed"]) == (0, [], told)


@pytest.mark.parametrize("value", ["", "0", "-5", "loud", "inf"])
@pytest.mark.filterwarnings("ignore")
def test_a_voltage_that_is_none_tells_nothing(tmp_path: Path, value: str) -> None:
    with pydicom.config.disable_value_validation():
        dataset = clean()
        dataset.add(pydicom.DataElement("KVP", "LO", value))
    (scan,) = read_study([Path(save(dataset, tmp_path / "a.dcm"))]).scans
    assert scan.acquisition.kvp is None
    assert confirm_scan(scan, {"kvp": "70"})[1] == {"kvp": "70"}


def test_how_a_scan_was_made_is_read(tmp_path: Path) -> None:
    dataset = clean()
    setting(SliceThickness="2.5", MagneticFieldStrength="1.5")(dataset)
    (scan,) = read_study([Path(save(dataset, tmp_path / "a.dcm"))]).scans
    found = scan.acquisition
    assert (found.kvp, found.slice_thickness_mm, found.field_strength_tesla, found.bits_stored) == (70.0, 2.5, 1.5, 12)
    assert found.captured is False

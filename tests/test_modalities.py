"""One phantom of each modality the whole way: its file, the finding in its unit, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.geometry import Grid
from edge.pack.manifest import Accepts, ClassificationTask, Input, SegmentationTask, Windows
from tests.conftest import Edgerun, Ran
from tests.prepare.images import step
from tests.prepare.test_field import clip, fundus
from tests.read.dicom_files import canonical_grid, item, picture, save, save_all, series
from tests.read.files import nibabel
from tests.slides import colour_net, slide_pack, tissue, write_slide
from tests.systems import pack
from tests.tasks.models import label, volume_input
from tests.tasks.nets import threshold_net
from tests.test_systems import only

Array = NDArray[Any]
Report = dict[str, Any]
GRID = canonical_grid((12, 40, 48))
BOX = (slice(4, 8), slice(12, 20), slice(20, 30))
VOXELS = 4 * 8 * 10
ML = VOXELS * 2.5 * 1.25 * 0.75 / 1000


def volume(outside: int, body: int, lesion: int) -> Array:
    """Air around a body that is wider at the head, a little uneven, with a box in it."""
    z, y, x = (axis / size for axis, size in zip(np.indices(GRID.shape), GRID.shape, strict=True))
    voxels = np.full(GRID.shape, outside, dtype=np.float64)
    inside = ((y - 0.5) / 0.4) ** 2 + ((x - 0.5) / 0.45) ** 2 < 0.7 + 0.3 * z
    voxels[inside] = body
    voxels += np.random.default_rng(8).normal(0, max(abs(body), 40) / 40, GRID.shape) * inside
    voxels[BOX] = lesion
    return np.asarray(np.rint(voxels), dtype=np.int16)


def region_pack(folder: Path, modality: str, steps: Sequence[Mapping[str, object]], **accepts: Any) -> Path:
    """Marks what is above a half of the prepared volume, in windows."""
    task = SegmentationTask(
        kind="segmentation", output="scores", activation="sigmoid", labels=(label("bright"),), windows=Windows()
    )
    accepted = Accepts(modality=(modality,), stack="volume", colour="grey", **accepts)
    entry = volume_input(shape=(1, 8, 16, 16), steps=(step("orient"), *steps), accepts=accepted)
    return pack(folder, task, [entry], threshold_net(0.5), {"bright": 0.5})


def colour_pack(
    folder: Path, accepts: Accepts, steps: Sequence[Mapping[str, object]], weights: Sequence[float]
) -> Path:
    """Looks for a colour in pictures of 64 x 64, and shows where it is."""
    task = ClassificationTask(
        kind="classification",
        mode="binary",
        output="scores",
        activation="sigmoid",
        labels=(label("spot"),),
        map_output="map",
    )
    entry = Input(
        name="image",
        tensor="image",
        accepts=accepts,
        axes="NCHW",
        shape=(3, 64, 64),
        steps=(
            *steps,
            step("rescale", low=0.0, high=255.0),
            step("letterbox", height=64, width=64, interpolation="area"),
            step("channels", order="rgb"),
        ),
    )
    return pack(folder, task, [entry], colour_net(weights, 0.3, pooled=True), {"spot": 0.5})


def infer(edgerun: Edgerun, scan: Path | str, made: Path, *confirmed: str) -> Ran:
    vouched = [word for each in confirmed for word in ("--confirm", each)]
    return edgerun("infer", scan, "--pack", made, "--out", made.parent / "out", "--json", *vouched)


def refusals(ran: Ran) -> list[str]:
    """Codes; what was decoded has a grid, and so a picture."""
    result = only(ran, 7, "not-analysed")
    codes = [reason["code"] for reason in result["refusals"]]
    assert (result["scan"]["grid"] is None) is (codes in (["C703"], ["C705"]))
    return codes


def region(ran: Ran, unit: str) -> Report:
    """The one region of a finding whose scan is in a unit."""
    result = only(ran, 0, "finding")
    assert result["scan"]["unit"] == unit
    (found,) = result["findings"]["regions"]
    return dict(found)


def check_lesion(found: Report) -> None:
    assert found["pixels"] == VOXELS
    assert found["volume_ml"] == pytest.approx(ML, rel=1e-4)
    assert found["box"] == [12, 20, 19, 29]
    assert found["slices"] == [4, 7]


# Volumes -------------------------------------------------------------------------------------------------


def ct(folder: Path, **elements: Any) -> Path:
    """Values stored with an offset of 1024, as scanners do."""
    stored = (volume(-1000, 40, 300) + 1024).astype(np.uint16)
    told = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU", **elements}
    save_all(series(stored, GRID, "CT", **told), folder)
    return folder


CT = (step("require_unit", unit="HU"), step("window", center=200.0, width=400.0))


def test_a_lesion_in_ct_is_found_in_hounsfield_units(edgerun: Edgerun, tmp_path: Path) -> None:
    check_lesion(region(infer(edgerun, ct(tmp_path / "ct"), region_pack(tmp_path / "pack", "CT", CT)), "HU"))


def test_ct_in_unspecified_units_is_refused(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = ct(tmp_path / "ct", RescaleType="US")
    assert refusals(infer(edgerun, scan, region_pack(tmp_path / "pack", "CT", CT))) == ["C718"]


def pet(folder: Path, **elements: Any) -> Path:
    """50 kg; 200 MBq, half of which are left: 2000 Bq/ml are one gram in one."""
    told = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.128",
        "Units": "BQML",
        "CorrectedImage": ["DECY", "ATTN", "SCAT"],
        "DecayCorrection": "START",
        "PatientWeight": "50",
        **dict.fromkeys(("SeriesDate", "AcquisitionDate"), "20240301"),
        **dict.fromkeys(("SeriesTime", "AcquisitionTime"), "114000"),
        "RescaleSlope": "1",
        "RescaleIntercept": "0",
        **elements,
    }
    slices = series(volume(0, 1500, 16000), GRID, "PT", **{key: value for key, value in told.items() if value})
    agent = item(RadionuclideTotalDose="200000000", RadionuclideHalfLife="6000", RadiopharmaceuticalStartTime="100000")
    for ds in slices:
        ds.RadiopharmaceuticalInformationSequence = [agent]
    save_all(slices, folder)
    return folder


PET = (step("require_unit", unit="SUVbw"), step("rescale", low=0.0, high=8.0))


def test_uptake_in_pet_is_found_in_suv(edgerun: Edgerun, tmp_path: Path) -> None:
    """16000 Bq/ml are an SUV of 8, above the half of 8; the body's 1500 are one of 0.75."""
    check_lesion(region(infer(edgerun, pet(tmp_path / "pet"), region_pack(tmp_path / "pack", "PT", PET)), "SUVbw"))


def test_pet_without_the_patients_weight_is_refused(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = pet(tmp_path / "pet", PatientWeight=None)
    assert refusals(infer(edgerun, scan, region_pack(tmp_path / "pack", "PT", PET))) == ["C719"]


def mri(folder: Path, gain: float = 1.0, **elements: Any) -> Path:
    stored = (volume(0, 200, 600) * gain).astype(np.int16)
    save_all(series(stored, GRID, "MR", **elements), folder)
    return folder


MRI = (step("foreground_percentile", low=5.0, high=99.9),)


@pytest.mark.parametrize("gain", [1.0, 7.5])
def test_a_lesion_in_mri_is_found_whatever_the_scanners_gain(edgerun: Edgerun, tmp_path: Path, gain: float) -> None:
    scan = mri(tmp_path / "mr", gain, BodyPartExamined="BRAIN")
    made = region_pack(tmp_path / "pack", "MR", MRI, body_part=("BRAIN",))
    check_lesion(region(infer(edgerun, scan, made), "stored value"))


def test_mri_that_does_not_tell_the_part_of_the_body_is_refused(edgerun: Edgerun, tmp_path: Path) -> None:
    made = region_pack(tmp_path / "pack", "MR", MRI, body_part=("BRAIN",))
    assert refusals(infer(edgerun, mri(tmp_path / "mr"), made)) == ["C705"]
    check_lesion(region(infer(edgerun, mri(tmp_path / "mr"), made, "body-part=BRAIN"), "stored value"))


# Ultrasound ----------------------------------------------------------------------------------------------

FRAMES = 6
FAN = (30, 40, 185, 215)
"""First row and column and last ones of the region of tissue in `tests.prepare.test_field.clip`, with a margin."""


def ultrasound(path: Path, *, spot: tuple[int, int] | None, still: bool = False, regions: bool = True) -> Path:
    """A clip in colour with a red logo beside the fan, and a red spot, if any, in the frame in the middle."""
    voxels = clip(FRAMES, colour=True)
    if still:
        voxels[:] = 120
    voxels[:, 4:24, 225:250] = (255, 0, 0)
    if spot is not None:
        row, column = spot
        voxels[FRAMES // 2, row - 8 : row + 8, column - 8 : column + 8] = (255, 0, 0)
    ds = picture(voxels[0], Modality="US", PhotometricInterpretation="RGB")
    ds.SOPClassUID, ds.NumberOfFrames, ds.PixelData = "1.2.840.10008.5.1.4.1.1.3.1", FRAMES, voxels.tobytes()
    if regions:
        ds.SequenceOfUltrasoundRegions = [tissue_region()]
    return Path(save(ds, path))


def tissue_region() -> Dataset:
    top, left, bottom, right = FAN
    return item(
        RegionSpatialFormat=1,
        RegionLocationMinX0=left,
        RegionLocationMinY0=top,
        RegionLocationMaxX1=right,
        RegionLocationMaxY1=bottom,
    )


def ultrasound_pack(folder: Path) -> Path:
    accepts = Accepts(modality=("US",), stack="frames", colour="rgb")
    steps = (step("ultrasound_sector"), step("select_frame", at=0.5))
    return colour_pack(folder, accepts, steps, (1.0, -1.0, 0.0))


@pytest.mark.parametrize("regions", [True, False])
def test_flow_in_an_ultrasound_clip_is_found_in_the_frame_that_was_seen(
    edgerun: Edgerun, tmp_path: Path, *, regions: bool
) -> None:
    scan = ultrasound(tmp_path / "us.dcm", spot=(110, 130), regions=regions)
    result = only(infer(edgerun, scan, ultrasound_pack(tmp_path / "pack")), 0, "finding")
    assert result["seen"] == {"across": "frame", "index": 3, "count": FRAMES, "source": 0, "frame": 3}
    assert result["scan"]["stack"] == "frames"
    assert [warning["code"] for warning in result["warnings"]] == ["C729"]


def test_a_red_logo_beside_the_sector_is_no_flow(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = ultrasound(tmp_path / "us.dcm", spot=None)
    only(infer(edgerun, scan, ultrasound_pack(tmp_path / "pack")), 0, "no-finding")


def test_a_still_clip_that_does_not_tell_its_regions_is_refused(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = ultrasound(tmp_path / "us.dcm", spot=None, still=True, regions=False)
    assert refusals(infer(edgerun, scan, ultrasound_pack(tmp_path / "pack"))) == ["C721"]


# Photographs ---------------------------------------------------------------------------------------------

RETINA = ((240, 320), 120.0, 165.0, 100.0)


def retina(*, spot: bool) -> Array:
    """A fundus photograph, RGB, with a date in white beside the disc and perhaps a yellow spot in it."""
    pixels = np.ascontiguousarray(fundus(*RETINA)[0])
    cv2.putText(pixels, "2024", (5, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 255, 0), 1)
    if spot:
        pixels[130:146, 190:206] = (60, 255, 60)
    return pixels


def fundus_pack(folder: Path) -> Path:
    accepts = Accepts(modality=("OP", "XC"), stack="picture", colour="rgb")
    return colour_pack(folder, accepts, (step("fundus_field"),), (-0.5, 1.0, -0.5))


def fundus_dicom(path: Path, pixels: Array) -> Path:
    ds = picture(pixels, Modality="OP", PhotometricInterpretation="RGB")
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
    return Path(save(ds, path))


@pytest.mark.parametrize(("spot", "state"), [(True, "finding"), (False, "no-finding")])
def test_a_spot_in_the_field_of_a_fundus_camera_is_found(
    edgerun: Edgerun, tmp_path: Path, *, spot: bool, state: str
) -> None:
    """What the camera writes beside the field is as green as the spot, and no finding."""
    scan = fundus_dicom(tmp_path / "eye.dcm", retina(spot=spot))
    result = only(infer(edgerun, scan, fundus_pack(tmp_path / "pack")), 0, state)
    assert result["findings"]["mapped"] == ["spot"]
    assert result["scan"]["grid"]["space"] == "pixel"


def test_a_picture_without_a_field_is_no_fundus_photograph(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = fundus_dicom(tmp_path / "eye.dcm", np.full((240, 320, 3), 120, np.uint8) + tissue((240, 320)) // 8)
    assert refusals(infer(edgerun, scan, fundus_pack(tmp_path / "pack"))) == ["C720"]


def test_a_photograph_that_does_not_tell_its_camera_needs_a_persons_word(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = tmp_path / "eye.png"
    assert cv2.imwrite(str(scan), retina(spot=True)[..., ::-1])
    made = fundus_pack(tmp_path / "pack")
    assert refusals(infer(edgerun, scan, made)) == ["C703"]
    assert only(infer(edgerun, scan, made, "modality=OP"), 0, "finding")["confirmed"] == {"modality": "OP"}


# Histology -----------------------------------------------------------------------------------------------


def test_a_slide_is_found_in_square_micrometres_of_its_own(
    edgerun: Edgerun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGERUN_SCAN_BYTES", str(1 << 20))
    scan = write_slide(tmp_path / "slide.tif", tissue(blobs=[(300, 500, 339, 549)]), lossy=True, um=0.25)
    made = slide_pack(tmp_path / "pack", "segmentation")
    assert refusals(infer(edgerun, scan, made)) == ["C703"]
    result = only(infer(edgerun, scan, made, "modality=SM"), 0, "finding")
    (found,) = result["findings"]["regions"]
    assert found["pixels"] == pytest.approx(40 * 50, rel=0.1)  # JPEG blurs edges
    assert found["area_mm2"] == pytest.approx(found["pixels"] * 0.00025**2)
    assert result["scan"]["acquisition"]["lossy"] is True


# Lengths -------------------------------------------------------------------------------------------------


def nifti_without_unit(path: Path, voxels: Array, grid: Grid) -> Path:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.matrix[:, [2, 1, 0, 3]]
    made = nibabel.Nifti1Image(np.ascontiguousarray(voxels.transpose(2, 1, 0)), affine)
    made.header.set_xyzt_units("unknown")
    made.set_sform(affine, code=1)
    nibabel.save(made, path)
    return path


def test_without_a_unit_of_length_the_finding_stands_and_its_measures_do_not(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = nifti_without_unit(tmp_path / "a.nii.gz", volume(0, 200, 600), GRID)
    made = region_pack(tmp_path / "pack", "MR", MRI)
    result = only(infer(edgerun, scan, made, "modality=MR"), 0, "finding")
    (found,) = result["findings"]["regions"]
    assert found["pixels"] == VOXELS
    assert [found[name] for name in ("volume_ml", "diameter_mm", "diameter_slice")] == [None] * 3
    assert [warning["code"] for warning in result["warnings"]] == ["C733"]
    assert result["scan"]["lengths_told"] is False


def test_a_person_can_say_that_lengths_are_millimetres(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = nifti_without_unit(tmp_path / "a.nii.gz", volume(0, 200, 600), GRID)
    made = region_pack(tmp_path / "pack", "MR", MRI)
    result = only(infer(edgerun, scan, made, "modality=MR", "spacing=mm"), 0, "finding")
    check_lesion(result["findings"]["regions"][0])
    assert result["warnings"] == []
    assert result["confirmed"] == {"modality": "MR", "spacing": "mm"}

"""What candidates say of labelled scans, and what happens to those that come to grief."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.cam import TOLERANCES, insert_cam
from convert.displacement import Registrations
from convert.labels import LabelledSet
from convert.measure import Candidate, Measured, feeds_of, measure, scans_of
from convert.measured_file import dump_measured, load_measured
from convert.radiograph import radiograph
from convert.tune import LIMITS
from edge.engines import open_engine
from edge.engines.apart import EngineApart
from edge.errors import EngineError, ReadError, UsageError
from edge.pack.manifest import Accepts, Manifest, SegmentationTask
from edge.testing import tiny_input, tiny_manifest, tiny_threshold
from edge.truth.boxes import Found, average_precision, match
from tests.convert.chest import chest_pack
from tests.convert.scans import BRIGHT, Heard, blob_net, blobs, brightness_net, labels, pictures, swapped, with_weights
from tests.convert.scans import write_pictures as written
from tests.read.dicom_files import picture
from tests.read.files import png

COUNT = 8
BRIGHTNESS = brightness_net()
NOT_A_NUMBER = brightness_net(offsets=(float("nan"),))
BLOB = SegmentationTask(kind="segmentation", output="scores", activation="sigmoid", labels=labels("blob"))

posix = pytest.mark.skipif(os.name != "posix", reason="signals")
Plant = Callable[..., None]


def manifest(task: object = BRIGHT, **thresholds: float) -> Manifest:
    tiny = tiny_manifest()
    told = {name: tiny_threshold(value) for name, value in (thresholds or {"bright": 0.5}).items()}
    model = replace(tiny.models[0], thresholds=told)
    return replace(tiny, inputs=(tiny_input(size=8),), task=task, models=(model,))  # type: ignore[arg-type]


def candidate(onnx: bytes = BRIGHTNESS, precision: str = "fp32", engine: str = "onnxruntime") -> Candidate:
    return Candidate(precision=precision, engine=engine, file=f"{precision}.onnx", onnx=onnx)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    images, levels = pictures(COUNT, seed=1)
    paths = written(tmp_path_factory.mktemp("scans"), images)
    return LabelledSet(paths=tuple(paths), truths={"bright": swapped(levels > 0.5, 2)})


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    """Six pictures of which two have no blob, with their masks."""
    folder = tmp_path_factory.mktemp("masked")
    images, masks = blobs(6, seed=3)
    paths, files = written(folder / "scans", images), []
    (folder / "masks").mkdir()
    for index, mask in enumerate(masks):
        files.append(None if mask is None else folder / "masks" / f"{index}.png")
        if mask is not None:
            (folder / "masks" / f"{index}.png").write_bytes(png(mask, 0))
    return LabelledSet(paths=tuple(paths), masks={"blob": tuple(files)})


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Let engines be opened by a function of `tests.convert.openers`."""

    def planted(opener: str, seconds: float = 60.0) -> None:
        apart = functools.partial(EngineApart, opener=f"tests.convert.openers:{opener}", seconds=seconds)
        monkeypatch.setattr("convert.measure.EngineApart", apart)

    return planted


# Scores --------------------------------------------------------------------------------------------------


def test_scores_come_in_the_order_of_the_scans(scans: LabelledSet) -> None:
    order = [5, 0, 3]
    whole, some = (measure(each, manifest(), [candidate()], Heard()) for each in (scans, scans.among(order)))
    scores = whole["fp32 on onnxruntime"].scores["bright"]
    assert scores.dtype == np.float64
    assert scores.shape == (COUNT,)
    assert some["fp32 on onnxruntime"].scores["bright"].tolist() == scores[order].tolist()
    levels = [float(scan.voxels.mean()) for _, scan in scans_of(scans.paths)]
    assert np.argsort(scores).tolist() == np.argsort(levels).tolist()


def test_what_ran_is_told_with_its_time_and_memory(scans: LabelledSet) -> None:
    (said,) = measure(scans, manifest(), [candidate()], Heard()).values()
    engine = open_engine("onnxruntime", BRIGHTNESS, precision="fp32", threads=1)
    assert said.engine_version == engine.facts.version
    engine.close()
    assert 0 < said.latency_ms < 1000
    assert said.peak_bytes is None or said.peak_bytes > 10**7
    assert said.problem == ""
    assert said.maps is None


def test_every_scan_is_counted(scans: LabelledSet) -> None:
    heard = Heard()
    measure(scans, manifest(), [candidate()], heard)
    assert heard.counts == [(number, COUNT, "scans") for number in range(1, COUNT + 1)]


def test_a_map_is_checked_against_its_score(scans: LabelledSet) -> None:
    """One candidate's map is that of its score, the other's is twice as large."""
    mapped = insert_cam(BRIGHTNESS, "scores")
    doubled = with_weights(mapped, "cam_weights", lambda weights: 2 * weights)
    task = replace(BRIGHT, map_output="cam")
    said = measure(scans, manifest(task), [candidate(mapped), candidate(doubled, "fp16")], Heard())
    good, bad = (each.maps for each in said.values())
    assert good is not None
    assert bad is not None
    assert (good.scans, good.constant) == (COUNT, ())
    assert good.identity_error < TOLERANCES["fp32"]
    assert bad.identity_error > 0.1


def test_of_one_scan_alone_no_map_is_checked(scans: LabelledSet) -> None:
    mapped = candidate(insert_cam(BRIGHTNESS, "scores"))
    (said,) = measure(scans.among([0]), manifest(replace(BRIGHT, map_output="cam")), [mapped], Heard()).values()
    assert said.maps is None
    assert said.problem == ""


# Problems ------------------------------------------------------------------------------------------------


def test_a_candidate_that_is_no_model_is_told_and_the_others_go_on(scans: LabelledSet) -> None:
    bad = candidate(b"this is no model", "int8")
    said = measure(scans, manifest(), [candidate(), bad, candidate(precision="fp16")], Heard())
    assert said[bad.name].problem.startswith("E501: ")
    assert said[bad.name].scores == {}
    assert (
        said["fp16 on onnxruntime"].scores["bright"].tolist() == said["fp32 on onnxruntime"].scores["bright"].tolist()
    )


@posix
@pytest.mark.parametrize(
    ("opener", "code", "words"),
    [("open_deadly", "E501", "signal SIGKILL"), ("open_mortal", "E502", "signal SIGSEGV")],
)
def test_a_candidate_whose_engine_dies_is_told_and_the_others_go_on(
    scans: LabelledSet, plant: Plant, opener: str, code: str, words: str
) -> None:
    plant(opener)
    said = measure(scans, manifest(), [candidate(), candidate(precision="int8")], Heard())
    assert said["int8 on onnxruntime"].problem.startswith(f"{code}: ")
    assert words in said["int8 on onnxruntime"].problem
    assert said["fp32 on onnxruntime"].scores["bright"].shape == (COUNT,)


def test_a_candidate_that_hangs_is_ended_and_the_others_go_on(scans: LabelledSet, plant: Plant) -> None:
    plant("open_endless", seconds=1.0)
    said = measure(scans, manifest(), [candidate(), candidate(precision="int8")], Heard())
    assert said["int8 on onnxruntime"].problem.startswith("E502: ")
    assert said["fp32 on onnxruntime"].problem == ""


@posix
@pytest.mark.parametrize("opener", ["open_deadly", "open_mortal"])
def test_the_death_of_the_reference_is_an_error_that_names_the_scan(
    scans: LabelledSet, plant: Plant, opener: str
) -> None:
    plant(opener)
    with pytest.raises(EngineError, match=r"Measuring the reference with .*\.png: .* was ended by signal") as caught:
        measure(scans, manifest(), [candidate(precision="int8"), candidate()], Heard())
    assert caught.value.exit_code == 5


def test_a_candidate_that_gives_no_numbers_is_told_with_the_runtimes_own_code(scans: LabelledSet) -> None:
    said = measure(scans, manifest(), [candidate(), candidate(NOT_A_NUMBER, "fp16")], Heard())
    problem = said["fp16 on onnxruntime"].problem
    assert problem.startswith("E503: The model gave values that are no numbers")
    assert "found 1 values that are no numbers" in problem


def test_a_reference_that_gives_no_numbers_is_an_error(scans: LabelledSet) -> None:
    with pytest.raises(EngineError, match=r"the reference with .* found 1 values that are no numbers") as caught:
        measure(scans, manifest(), [candidate(NOT_A_NUMBER), candidate(precision="fp16")], Heard())
    assert caught.value.reason.code == "E503"


def test_another_shape_of_output_is_a_candidates_problem(scans: LabelledSet) -> None:
    wider = brightness_net((20.0, 20.0), (0.0, 0.0))
    said = measure(scans, manifest(), [candidate(), candidate(wider, "int8")], Heard())
    assert "found shape (1, 2), expected (1, 1)" in said["int8 on onnxruntime"].problem


# Masks ---------------------------------------------------------------------------------------------------


def overlaps(masked: LabelledSet, limit: float = 0.5, limits: tuple[float, ...] = ()) -> Measured:
    (said,) = measure(masked, manifest(BLOB, blob=limit), [candidate(blob_net())], Heard(), limits=limits).values()
    return said


def test_masks_are_compared_where_they_are_and_nothing_is_expected_where_there_is_none(masked: LabelledSet) -> None:
    said = overlaps(masked).overlaps["blob"]
    assert said.present.tolist() == [False, True, True, True, False, True]
    assert said.dice.min() > 0.85
    assert said.dice[0] == 1.0
    assert overlaps(masked).scores["blob"][1] == pytest.approx(36 / 256, abs=0.03)


def test_thresholds_of_a_candidate_go_before_those_of_the_manifest(masked: LabelledSet) -> None:
    told = {"fp32 on onnxruntime": {"blob": tiny_threshold(0.999)}}
    (said,) = measure(masked, manifest(BLOB, blob=0.5), [candidate(blob_net())], Heard(), thresholds=told).values()
    assert said.scores["blob"].max() < overlaps(masked).scores["blob"].max()


def test_dice_is_told_at_every_limit_and_is_what_a_threshold_there_gives(masked: LabelledSet) -> None:
    at = overlaps(masked, limits=LIMITS).dice_at["blob"]
    assert at.shape == (len(LIMITS), 6)
    assert not np.array_equal(at[2], at[-1])
    for index in (2, 18):
        assert at[index].tolist() == overlaps(masked, LIMITS[index]).overlaps["blob"].dice.tolist()


def test_a_mask_of_another_size_is_refused(masked: LabelledSet, tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(png(np.full((8, 8), 255, np.uint8), 0))
    files = (*masked.masks["blob"][:2], tmp_path / "small.png", *masked.masks["blob"][3:])
    with pytest.raises(UsageError, match=r"small\.png: found \(1, 8, 8\), expected \(1, 16, 16\) as in"):
        overlaps(replace(masked, masks={"blob": files}))


def test_a_mask_that_lies_elsewhere_in_the_patient_is_refused(tmp_path: Path) -> None:
    place = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1], "Modality": "CT"}
    image = blobs(2, seed=3)[0][1]
    for name, z in (("scan", 0), ("mask", 5)):
        dataset = picture(image, **place, ImagePositionPatient=[0, 0, z], SeriesInstanceUID=f"1.2.{z + 1}")
        dataset.SOPInstanceUID = f"1.2.3.{z + 1}"
        dataset.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
    one = LabelledSet(paths=(tmp_path / "scan.dcm",), masks={"blob": (tmp_path / "mask.dcm",)})
    with pytest.raises(UsageError, match="it lies elsewhere in the patient"):
        overlaps(one)


# Scans ---------------------------------------------------------------------------------------------------


def test_a_scan_that_is_cut_short_ends_a_measurement_with_the_readers_code(tmp_path: Path) -> None:
    scan = tmp_path / "scan.dcm"
    scan.write_bytes(radiograph(np.zeros((28, 28), dtype=np.uint8), "x")[:-100])
    with pytest.raises(ReadError, match=r"R302.*scan\.dcm") as caught:
        list(scans_of((scan,)))
    assert caught.value.exit_code == 3


def test_a_file_that_is_no_image_ends_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(ReadError, match="R301"):
        list(scans_of((tmp_path / "notes.txt",)))


def test_one_slice_of_a_series_is_no_scan_of_its_own(tmp_path: Path) -> None:
    place = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1], "Modality": "CT"}
    paths = []
    for z in range(2):
        dataset = picture(blobs(2, seed=3)[0][z], **place, ImagePositionPatient=[0, 0, z], SeriesInstanceUID="1.2.9")
        dataset.SOPInstanceUID = f"1.2.3.{z + 1}"
        paths.append(tmp_path / f"{z}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    with pytest.raises(UsageError, match="found part of a series, expected a file that holds a whole scan"):
        list(scans_of(paths))


def test_calibration_needs_scans() -> None:
    with pytest.raises(UsageError, match="there is no scan to calibrate with"):
        list(feeds_of((), manifest()))


def test_what_calibrates_is_prepared_as_for_an_examination(scans: LabelledSet) -> None:
    feeds = list(feeds_of(scans.cases, manifest()))
    assert len(feeds) == COUNT
    assert {feed["image"].shape for feed in feeds} == {(1, 1, 8, 8)}
    assert all(0 <= feed["image"].min() <= feed["image"].max() <= 1 for feed in feeds)


def test_calibration_with_another_modality_is_refused_with_the_packs_own_code(tmp_path: Path) -> None:
    data = bytearray(radiograph(np.arange(784, dtype=np.uint8).reshape(28, 28), "mr"))
    at = data.index(b"CS\x02\x00CR")
    data[at + 4 : at + 6] = b"MR"
    (tmp_path / "mr.dcm").write_bytes(bytes(data))
    with pytest.raises(UsageError, match=r"mr\.dcm: the pack refuses this scan: C702"):
        list(feeds_of(((tmp_path / "mr.dcm",),), chest_pack().manifest))


def test_of_a_file_that_tells_nothing_of_itself_it_is_said_what_to_do(scans: LabelledSet) -> None:
    tiny = manifest()
    asking = replace(tiny, inputs=(replace(tiny.inputs[0], accepts=replace(tiny.inputs[0].accepts, modality=("DX",))),))
    with pytest.raises(UsageError, match=r"\.png: the pack refuses this scan: C703: .*Give the scan as DICOM"):
        list(feeds_of(scans.cases, asking))


def test_a_scan_that_the_pack_refuses_is_measured_by_nobody(scans: LabelledSet) -> None:
    tiny = manifest()
    strict = replace(tiny, inputs=(replace(tiny.inputs[0], accepts=replace(tiny.inputs[0].accepts, least_size=32)),))
    with pytest.raises(UsageError, match=r"\.png: the pack refuses this scan: C7"):
        measure(scans, strict, [candidate()], Heard())


# As bytes ------------------------------------------------------------------------------------------------


def test_what_was_measured_comes_back_from_bytes_exactly(masked: LabelledSet, scans: LabelledSet) -> None:
    said = {"a": overlaps(masked, limits=(0.1, 0.9)), "b": Measured(problem="E501: no")}
    said |= measure(scans, manifest(), [candidate()], Heard())
    found = load_measured(dump_measured(said))
    assert dump_measured(found) == dump_measured(said)
    assert found["b"].problem == "E501: no"
    one, other = said["a"].overlaps["blob"], found["a"].overlaps["blob"]
    assert (one.unit, one.dice.tolist(), one.hd95.tolist()) == (other.unit, other.dice.tolist(), other.hd95.tolist())
    assert other.present.dtype == np.bool_
    assert found["a"].dice_at["blob"].shape == (2, 6)
    assert found["fp32 on onnxruntime"].scores["bright"].dtype == np.float64


def test_boxes_and_registrations_come_back_from_bytes_exactly() -> None:
    empty = Found(boxes=np.zeros((0, 4)), scores=np.zeros(0))
    one = Found(boxes=np.array([[1.0, 2, 3, 4]]), scores=np.array([0.3]))
    true = np.array([[1.0, 2, 3, 4.1]])
    none = np.zeros((0, 4))
    said = Measured(
        matches={"x": match([one, empty], [true, none], (0.1, 0.5)), "y": match([empty] * 2, [true, none], (0.1, 0.5))},
        registrations=Registrations(target_registration_error_mm=np.array([0.1, 1 / 3]), folded=np.zeros(2)),
    )
    found = load_measured(dump_measured({"a": said}))["a"]
    for label, before in said.matches.items():
        after = found.matches[label]
        assert after.thresholds == (0.1, 0.5)
        assert after.hits.tolist() == before.hits.tolist()
        assert after.hits.dtype == np.bool_
        assert average_precision(after).tolist() == average_precision(before).tolist()
        assert (after.scan.dtype, after.truths.dtype) == (before.scan.dtype, before.truths.dtype)
    assert found.registrations is not None
    assert found.registrations.target_registration_error_mm.tolist() == [0.1, 1 / 3]


def test_a_person_may_vouch_for_pictures_whose_files_tell_nothing(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(np.arange(64, dtype=np.uint8).reshape(8, 8), 0))
    accepts = Accepts(modality=("XC",), stack="picture", colour="grey")
    manifest = tiny_manifest(inputs=(replace(tiny_input(), accepts=accepts),))
    with pytest.raises(UsageError, match="C703"):
        list(feeds_of(((photo,),), manifest))
    assert len(list(feeds_of(((photo,),), manifest, {"modality": "xc"}))) == 1

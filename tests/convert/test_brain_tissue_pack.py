"""The subjects that the pack ``brain-tissue`` is built and judged with, as files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
for package in ("onnx", "scipy", "safetensors", "openvino"):
    pytest.importorskip(package)

from pydicom import dcmread  # noqa: E402

from convert.describe import parse_description  # noqa: E402
from convert.labels import read_labels  # noqa: E402
from convert.measure import scans_of  # noqa: E402
from convert.recipes import brain_tissue_pack as pack  # noqa: E402
from convert.recipes.brain_subjects import LABELS, Sight, load_maps, scan_of, synthesise  # noqa: E402
from convert.recipes.brain_tissue import HELD_OUT, NAME  # noqa: E402
from convert.recipes.contract import recipe_description  # noqa: E402
from convert.road import Sets  # noqa: E402
from edge.check import check_scan  # noqa: E402
from edge.errors import UsageError  # noqa: E402
from edge.geometry import Grid  # noqa: E402
from edge.pack.store import open_pack  # noqa: E402
from edge.reasons import TOO_SMALL  # noqa: E402
from edge.testing import phantom  # noqa: E402
from tests.convert.brains import wheel  # noqa: E402
from tests.convert.scans import Heard  # noqa: E402

COUNTS = pack.Counts(calibrate=1, tune=1, evaluate=2)
DESCRIPTION = parse_description(recipe_description(NAME).encode(), NAME)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Sets]]:
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        data = wheel(folder / "nilearn.whl", patch)
        patch.setattr(pack, "SEEN_MM", (50.0, 56.0, 52.0))
        patch.setattr(pack, "SIGHT", Sight(shape=(22, 24, 26), spacing_mm=(2.0, 2.0, 2.0)))
        yield folder / "scans", pack.write_scans(data, folder / "scans", Heard(), COUNTS)


def oblique() -> Grid:
    """Slices 3 mm apart, turned about the axis to the head."""
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([turn[:, 2] * 3.0, turn[:, 1] * 1.25, turn[:, 0] * 0.75], axis=1)
    matrix[:3, 3] = (-31.5, 12.25, 7.0)
    return Grid.of((5, 6, 7), matrix, "patient")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_volume_comes_back_as_it_was_written(tmp_path: Path, kind: type[np.generic]) -> None:
    voxels = (phantom((5, 6, 7)) % 250).astype(kind)
    (tmp_path / "volume.dcm").write_bytes(pack.enhanced_mr(voxels, oblique(), "one"))
    ((_, scan),) = scans_of([tmp_path / "volume.dcm"])
    assert np.array_equal(scan.voxels, voxels)
    assert scan.grid.space == "patient"
    np.testing.assert_allclose(scan.grid.matrix, oblique().matrix, atol=1e-6)
    assert scan.stack == "volume"
    assert scan.warnings == ()


def test_a_volume_says_what_it_is_and_that_there_is_no_patient() -> None:
    data = pack.enhanced_mr(np.zeros((2, 3, 4), np.uint16), oblique().cropped((0, 0, 0), (2, 3, 4)), "one")
    assert data == pack.enhanced_mr(np.zeros((2, 3, 4), np.uint16), oblique().cropped((0, 0, 0), (2, 3, 4)), "one")
    dataset = dcmread(io.BytesIO(data))
    assert (dataset.Modality, dataset.BodyPartExamined, dataset.PatientIdentityRemoved) == ("MR", "BRAIN", "YES")
    assert "Copyright (C) 1993-2004 Louis Collins" in dataset.ImageComments
    assert len(dataset.PerFrameFunctionalGroupsSequence) == dataset.NumberOfFrames == 2


def test_the_tables_name_a_scan_and_a_mask_of_each_tissue(written: tuple[Path, Sets]) -> None:
    _, sets = written
    assert sets.tune is not None
    assert sets.evaluate is not None
    for table, count in ((sets.tune, COUNTS.tune), (sets.evaluate, COUNTS.evaluate)):
        labelled = read_labels(table, DESCRIPTION.task)
        assert len(labelled.paths) == count
        assert set(labelled.masks) == set(LABELS)
        for index, (_, scan) in enumerate(scans_of(labelled.paths)):
            paths = [masks[index] for masks in labelled.masks.values()]
            masks = [mask for _, mask in scans_of([path for path in paths if path is not None])]
            assert len(masks) == len(LABELS)
            assert sum((mask.voxels != 0).astype(int) for mask in masks).max() == 1
            assert all(mask.voxels.any() for mask in masks)
            for mask in masks:
                np.testing.assert_allclose(mask.grid.matrix, scan.grid.matrix, atol=1e-3)


def test_the_pack_takes_every_scan(written: tuple[Path, Sets]) -> None:
    folder, sets = written
    paths = sorted(folder.rglob("*.dcm"))
    assert len(paths) == COUNTS.calibrate + COUNTS.tune + COUNTS.evaluate + len(sets.golden)
    for _, scan in scans_of(paths):
        refused = [note for note in check_scan(scan, DESCRIPTION.inputs[0].accepts) if note.severity == "refuse"]
        assert [note for note in refused if note.reason is not TOO_SMALL] == []  # these are of spheres


def test_no_subject_is_in_two_sets(written: tuple[Path, Sets]) -> None:
    folder, _ = written
    contents = [path.read_bytes() for path in folder.rglob("*.dcm")]
    assert len(set(contents)) == len(contents)


def test_the_words_of_evidence_say_that_subjects_are_made_up(written: tuple[Path, Sets]) -> None:
    _, sets = written
    assert sets.evaluate_words == "2 made-up subjects of the same anatomy, held out"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="it is not empty"):
        pack.write_scans(tmp_path / "nilearn.whl", tmp_path, Heard())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_subjects_that_judge_differ_in_spacing_and_are_more_strongly_deformed() -> None:
    sights = [pack.held_out_sight(HELD_OUT + index) for index in range(20)]
    assert sights[0] == pack.held_out_sight(HELD_OUT)
    assert len({sight.spacing_mm for sight in sights}) == 20
    for sight in sights:
        assert 1.25 <= sight.spacing_mm[1] == sight.spacing_mm[2] <= 2.0
        assert 1.25 <= sight.spacing_mm[0] <= 3.0
        assert sight.strength > 1.0
        seen = np.multiply(sight.shape, sight.spacing_mm)
        np.testing.assert_allclose(seen, pack.SEEN_MM, atol=2.0)


def test_a_smaller_scan_covers_the_same_place() -> None:
    scan = scan_of(np.full((9, 10, 12), 7.0, np.float32), (1.0, 1.0, 1.0), "flat")
    voxels, grid = pack.smaller(scan, 2.0)
    assert voxels.dtype == np.uint8
    assert (voxels == 7).all()
    assert grid.shape == (4, 5, 6)
    np.testing.assert_allclose(np.multiply(grid.shape, grid.steps), (9, 10, 12))


def test_stored_voxels_use_twelve_bits(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        maps = load_maps(wheel(tmp_path / "nilearn.whl", patch))
    scan = synthesise(maps, Sight(shape=(10, 12, 14), spacing_mm=(4.0, 4.0, 4.0)), 1).scan
    found = pack.stored(scan)
    assert found.dtype == np.uint16
    assert found.max() == 4095
    assert found.argmax() == scan.voxels.argmax()
    assert not pack.stored(scan_of(np.zeros((2, 2, 2), np.float32), (1.0, 1.0, 1.0), "empty")).any()


def test_the_pack_is_built_judged_and_tried_on_the_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On spheres, of which a network that learnt brains makes what it can: the road is tried here, not the figures."""
    data = wheel(tmp_path / "nilearn.whl", monkeypatch)
    monkeypatch.setattr(pack, "SEEN_MM", (90.0, 100.0, 100.0))
    monkeypatch.setattr(pack, "SIGHT", Sight(shape=(32, 48, 48), spacing_mm=(2.0, 2.0, 2.0)))
    monkeypatch.setattr(pack, "GOLDEN_MM", 1.0)
    monkeypatch.setattr(pack, "MOST_STEPS", 1)
    monkeypatch.setattr(pack.write_scans, "__defaults__", (pack.Counts(calibrate=1, tune=1, evaluate=1),))
    heard = Heard()
    pack.build_pack(data, tmp_path / "pack", tmp_path / "examples", None, heard)
    built = open_pack(tmp_path / "pack").manifest
    assert {(model.precision, model.engines) for model in built.models} >= {("fp32", ("onnxruntime",))}
    evidence = {(figure.precision, figure.metric, figure.label) for figure in built.evidence}
    assert evidence >= {("fp32", "dice", label) for label in LABELS}
    assert all("made-up subjects" in figure.data for figure in built.evidence)
    assert [dict(case.scans) for case in built.golden] == [{"image": "golden/icbm152-t1.dcm"}]
    told = [line for line in heard.lines if "Dice on the template at 1 mm" in line]
    assert len(told) == len(built.models)
    assert "whose anatomy was learnt from and whose voxels were not: grey-matter 0." in told[0]
    assert [path.name for path in (tmp_path / "examples").iterdir()] == [pack.EXAMPLE]

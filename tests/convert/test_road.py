"""`edgerun-convert init` and `build`: a model from elsewhere becomes a pack that `edgerun infer` runs."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.describe import read_description
from convert.document import Conversion
from convert.labels import LabelledSet
from convert.outputs import CARD, CARD_JSON, PAGE, REPORT, read_conversion
from convert.radiograph import radiograph
from convert.road import WORK, Sets, Ways, halves, plan_of, travel
from edge.errors import OutputError, UsageError
from edge.pack.manifest import ClassificationTask, Manifest
from edge.pack.store import open_pack
from edge.truth.true_boxes import TrueBox
from tests.conftest import Edgerun
from tests.convert.chest import CHEST, chest_description, chest_splits
from tests.convert.scans import (
    Bench,
    Converted,
    Heard,
    Impatient,
    bench,
    bright_rows,
    brightness_net,
    classification,
    converted,
    labels,
    outputs_of,
    pictures,
    quick,
    swapped,
    without_times,
    write_pictures,
    write_table,
)
from tests.read.files import png

MODEL = CHEST / "model.fp32.onnx"
FAST = Ways(precisions=("fp32", "int8"), max_steps=1)
THREE = classification("multi-class", "softmax", labels("dark", "grey", "bright", finding=False))
GRADES = classification("ordinal", "sigmoid", labels("none", "some", "much", finding=False))


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def manifest_in(folder: Path) -> Manifest:
    return open_pack(folder).manifest


@pytest.fixture(autouse=True)
def in_a_hurry(request: pytest.FixtureRequest) -> Iterator[None]:
    """All but the conversion of the embedded pack's model make do with one engine."""
    with nullcontext() if "chest" in request.fixturenames else quick():
        yield


# The embedded pack's model, its real pictures, every engine and precision --------------------------------


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a command made, and where."""

    ran: Converted
    out: Path

    @property
    def report(self) -> dict[str, Any]:
        return report_in(self.out)

    @property
    def pack(self) -> Path:
        return self.out / "again"


@pytest.fixture(scope="module")
def chest(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """80 real pictures to judge with and 24 to calibrate with; the default of everything but the search."""
    folder = tmp_path_factory.mktemp("chest")
    splits = chest_splits()
    images, truth = splits["test"]
    chosen = np.concatenate([np.flatnonzero(truth == value)[:40] for value in (False, True)])
    write_pictures(folder / "calibrate", list(splits["train"][0][:24]), dicom=True)
    paths = write_pictures(folder / "scans", list(images[chosen]), dicom=True)
    rows = [{"path": p.relative_to(folder), "pneumonia": int(truth[i])} for p, i in zip(paths, chosen, strict=True)]
    table = write_table(folder / "labels.csv", rows)
    describe = chest_description(folder / "pack.json")
    sets = ["--calibrate", folder / "calibrate", "--evaluate", table]
    cases = [word for path in (paths[0], paths[-1]) for word in ("--golden", path)]
    asked = ["build", MODEL, "--describe", describe, *sets, *cases, "--evaluate-name", "eighty pictures"]
    ran = converted(*asked, "--out", folder / "out", "--json")
    return Made(ran=ran, out=folder / "out")


def test_a_model_becomes_a_pack_that_examines(chest: Made, edgerun: Edgerun, tmp_path: Path, examples: Path) -> None:
    assert chest.ran.code == 0, chest.ran.err
    asked = ["infer", examples / "chest-pneumonia-0000.dcm", "--pack", chest.pack]
    (result,) = edgerun(*asked, "--json", "--out", tmp_path / "results").reports[0]["results"]
    assert result["state"] == "finding"
    assert result["pack"]["name"] == "again"


def test_what_is_printed_is_what_is_written(chest: Made) -> None:
    assert json.loads(chest.ran.out) == chest.report
    assert sorted(path.name for path in chest.out.iterdir()) == sorted(["again", REPORT, PAGE, CARD_JSON])


def test_every_candidate_is_told_with_its_verdict(chest: Made) -> None:
    first, *others = chest.report["candidates"]
    assert (first["precision"], first["engine"], first["judgement"]) == ("fp32", "onnxruntime", None)
    assert {item["judgement"]["verdict"] for item in others} <= {"passed", "rejected", "inconclusive"}
    engines = {item["engine"] for item in chest.report["candidates"]}
    sides = {(item["precision"], item["engine"]) for item in chest.report["candidates"]}
    assert sides == {(precision, engine) for precision in ("fp32", "fp16", "int8") for engine in engines}
    for item in chest.report["candidates"]:
        assert f"{item['name']}: " in chest.ran.err


def test_a_verdict_from_forty_scans_is_not_called_proven(chest: Made) -> None:
    for item in chest.report["candidates"][1:]:
        assert item["judgement"]["verdict"] != "passed"
        (flips,) = (row for row in item["judgement"]["comparisons"] if row["metric"] == "flips")
        assert flips["n"] == 40


def test_the_report_comes_back_as_it_was(chest: Made) -> None:
    conversion = read_conversion(chest.out / REPORT)
    assert isinstance(conversion, Conversion)
    assert conversion.pack.name == "again"
    assert [item.name for item in conversion.candidates] == [item["name"] for item in chest.report["candidates"]]
    assert conversion.sets[2].words == "the other half of eighty pictures"
    assert conversion.run.seconds["candidates and gate"] > 0


def test_the_manifest_tells_card_size_speed_and_evidence(chest: Made) -> None:
    manifest = manifest_in(chest.pack)
    assert manifest.card is not None
    assert manifest.card.file == CARD
    assert {(model.precision, model.engines[0]) for model in manifest.models} == {
        (item["precision"], item["engine"])
        for item in chest.report["candidates"]
        if item["judgement"] is None or item["judgement"]["verdict"] != "rejected"
    }
    for model in manifest.models:
        assert model.bytes == (chest.pack / model.file).stat().st_size
        assert model.speed is not None
        assert model.speed.machine == chest.report["machine"]
        assert model.thresholds["pneumonia"].chosen_on == "one half of eighty pictures"
        own = [f for f in manifest.evidence if (f.precision, f.engine) == (model.precision, model.engines[0])]
        likeness = {"unfamiliar-warned", "unfamiliar-refused"}
        assert {figure.metric for figure in own} - likeness == {"auc", "sensitivity", "specificity"}
        assert all(figure.interval is not None and figure.method is not None for figure in own)


def test_the_pack_is_checked_with_its_golden_cases(chest: Made, edgerun: Edgerun) -> None:
    checked = edgerun("pack", "check", chest.pack)
    assert checked.code == 0, checked.err
    assert len(manifest_in(chest.pack).golden) == 2


def test_the_pack_and_its_card_are_shown(chest: Made, edgerun: Edgerun) -> None:
    shown, card = edgerun("pack", "show", chest.pack), edgerun("pack", "show", chest.pack, "--card")
    assert (shown.code, card.code) == (0, 0)
    assert "again" in shown.out
    assert card.out.strip() == (chest.pack / CARD).read_text(encoding="utf-8").strip()


def test_the_page_and_the_card_speak_of_the_pack(chest: Made) -> None:
    page = (chest.out / PAGE).read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert "int8 on onnxruntime" in page
    assert json.loads((chest.out / CARD_JSON).read_text(encoding="utf-8"))


def timeless(manifest: Manifest) -> Manifest:
    """Without speeds, and without the hash of the card, in which they stand."""
    return replace(manifest, card=None, models=tuple(replace(model, speed=None) for model in manifest.models))


# Going on, and what a failure leaves ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench(tmp_path_factory.mktemp("small"), brightness_net())


@pytest.fixture(scope="module")
def whole(small: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted conversion leaves, with a golden case."""
    out = tmp_path_factory.mktemp("whole")
    with quick():
        travel(small.road(out, FAST, golden=golden(small)), Heard())
    return out


def golden(small: Bench) -> tuple[Path, ...]:
    return (small.model.parent / "scans" / "000.png",)


def models_in(pack: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_in(pack).items() if name.endswith(".onnx")}


def report_in(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / REPORT).read_text(encoding="utf-8"))
    return document


def test_two_runs_differ_in_nothing_but_times_and_memory(small: Bench, whole: Path, tmp_path: Path) -> None:
    """In the manifest: ``speed.latency_ms``, and so the card. In the report: what `without_times` leaves out."""
    travel(small.road(tmp_path, FAST, golden=golden(small)), Heard())
    assert without_times(report_in(tmp_path)) == without_times(report_in(whole))
    first, second = files_in(whole / "workshop"), files_in(tmp_path / "workshop")
    assert set(first) == set(second) == {"manifest.json", CARD, "model.fp32.onnx", "model.int8.onnx", "golden/000.png"}
    assert {name for name in first if first[name] != second[name]} <= {"manifest.json", CARD}
    assert timeless(manifest_in(whole / "workshop")) == timeless(manifest_in(tmp_path / "workshop"))


def test_an_interrupted_conversion_goes_on_and_ends_with_the_same_pack(
    small: Bench, whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        travel(small.road(tmp_path, FAST, golden=golden(small)), Impatient(at="judging"))
    assert [path.name for path in tmp_path.iterdir()] == [WORK]
    heard = Heard()
    travel(small.road(tmp_path, FAST, golden=golden(small)), heard)
    assert heard.lines[-1] == "taken from an earlier run: export, tuned, calibration"
    assert not (tmp_path / WORK).exists()
    assert timeless(manifest_in(tmp_path / "workshop")) == timeless(manifest_in(whole / "workshop"))
    assert without_times(report_in(tmp_path)) == without_times(report_in(whole))
    assert models_in(tmp_path / "workshop") == models_in(whole / "workshop")


def test_a_conversion_that_was_not_interrupted_says_nothing_of_an_earlier_one(small: Bench, tmp_path: Path) -> None:
    heard = Heard()
    travel(small.road(tmp_path, Ways(precisions=("fp32",))), heard)
    assert not any(line.startswith("taken from") for line in heard.lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["workshop", REPORT, PAGE, CARD_JSON])


def test_a_full_disk_leaves_the_old_pack_and_no_half_and_the_work_is_kept(
    small: Bench, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    before = files_in(out / "workshop")
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "model.int8.onnx":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError) as caught:
            travel(small.road(out, FAST), Heard())
    assert (caught.value.reason.code, caught.value.exit_code) == ("W801", 8)
    assert files_in(out / "workshop") == before
    assert sorted(path.name for path in out.iterdir()) == sorted(["workshop", REPORT, PAGE, CARD_JSON, WORK])
    heard = Heard()
    travel(small.road(out, FAST), heard)
    assert "judged" in heard.lines[-1]


def test_a_full_disk_at_the_first_result_leaves_nothing(
    small: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OutputError) as caught:
        travel(small.road(tmp_path, FAST), Heard())
    assert caught.value.reason.code == "W801"
    assert files_in(tmp_path) == {}


def test_a_folder_that_is_no_pack_is_not_replaced(small: Bench, tmp_path: Path) -> None:
    (tmp_path / "workshop").mkdir()
    (tmp_path / "workshop" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is there and is no pack"):
        travel(small.road(tmp_path, Ways(precisions=("fp32",))), Heard())
    assert (tmp_path / "workshop" / "thesis.txt").read_text() == "years of work"


# Classes, grades and maps --------------------------------------------------------------------------------


def class_rows(folder: Path, column: str, names: Sequence[str]) -> list[dict[str, object]]:
    """Pictures whose class is their brightness in thirds, most of them."""
    images, levels = pictures(40, seed=7)
    found = swapped(np.minimum((levels - 0.1) / 0.8 * len(names), len(names) - 1).astype(int), seed=8)
    paths = write_pictures(folder / "scans", images)
    return [{"path": path.relative_to(folder), column: names[index]} for path, index in zip(paths, found, strict=True)]


def road_of(folder: Path, onnx: bytes, task: ClassificationTask, column: str) -> Bench:
    names = [label.name for label in task.labels]
    rules = {name: {"rule": "youden"} for name in names[1:]}
    return bench(folder, onnx, task, rules, rows=class_rows(folder, column, names))


def test_a_net_of_several_classes_takes_the_road_and_gets_its_map(edgerun: Edgerun, tmp_path: Path) -> None:
    net = brightness_net((5.0, 25.0, 45.0), (0.0, -7.3, -20.3))
    made = road_of(tmp_path / "in", net, THREE, "label")
    heard = Heard()
    conversion = travel(made.road(tmp_path / "out", FAST), heard)
    assert any(
        "The class activation map of 'scores' was added as the output 'cam'" in note for note in conversion.notes
    )
    manifest = manifest_in(tmp_path / "out" / "workshop")
    assert isinstance(manifest.task, ClassificationTask)
    assert manifest.task.map_output == "cam"
    for item in conversion.candidates[1:]:
        assert item.judgement is not None
        assert not any(label in problem for problem in item.judgement.problems for label in ("grey", "bright"))
    assert {row.label for row in conversion.candidates[1].judgement.comparisons} == {"grey", "bright"}  # type: ignore[union-attr]
    bright = tmp_path / "bright.png"
    bright.write_bytes(png(np.full((16, 16), 220, np.uint8) + np.arange(16, dtype=np.uint8), 0))
    pack = tmp_path / "out" / "workshop"
    (result,) = edgerun("infer", bright, "--pack", pack, "--json", "--out", tmp_path / "r").reports[0]["results"]
    assert result["state"] == "finding"


def test_a_net_of_grades_is_judged_with_kappa(tmp_path: Path) -> None:
    net = brightness_net((30.0, 30.0), (-11.0, -19.0))
    made = road_of(tmp_path / "in", net, GRADES, "grade")
    conversion = travel(made.road(tmp_path / "out", FAST), Heard())
    judgement = conversion.candidates[1].judgement
    assert judgement is not None
    assert {(row.metric, row.label) for row in judgement.comparisons} >= {("kappa", "all"), ("auc", "much")}
    assert {figure.metric for figure in conversion.candidates[0].evidence} >= {"kappa", "auc"}
    assert set(conversion.candidates[0].thresholds) == {"some", "much"}


def test_without_a_map_on_request_the_net_stays_as_it_is(small: Bench, tmp_path: Path) -> None:
    ran = converted(*small.arguments, "--out", tmp_path, "--precision", "fp32", "--no-map")
    assert ran.code == 0, ran.err
    assert outputs_of((tmp_path / "workshop" / "model.fp32.onnx").read_bytes()) == ["scores"]
    assert json.loads((tmp_path / "workshop" / "manifest.json").read_text())["task"].get("map_output") is None


def test_with_the_map_the_score_stays_what_it_was(whole: Path) -> None:
    assert outputs_of((whole / "workshop" / "model.fp32.onnx").read_bytes()) == ["scores", "cam"]
    assert outputs_of((whole / "workshop" / "model.int8.onnx").read_bytes()) == ["scores", "cam"]


def test_a_net_that_has_no_map_is_converted_and_the_note_says_why(tmp_path: Path) -> None:
    made = bench(tmp_path / "in", brightness_net(pooled=False))
    conversion = travel(made.road(tmp_path / "out", Ways(precisions=("fp32",))), Heard())
    (note,) = (note for note in conversion.notes if note.startswith("There is no class activation map."))
    assert "expected" in note
    assert outputs_of((tmp_path / "out" / "workshop" / "model.fp32.onnx").read_bytes()) == ["scores"]


# What is refused, and in which words ---------------------------------------------------------------------


def refusal(small: Bench, tmp_path: Path, **options: object) -> Converted:
    """A build with some options in the place of others; None leaves one out."""
    sets: dict[str, object] = {"calibrate": small.calibrate, "evaluate": small.evaluate, "describe": small.describe}
    told = {name: value for name, value in {**sets, **options}.items() if value is not None}
    words = [word for name, value in told.items() for word in (f"--{name}", value)]
    ran = converted("build", small.model, *words, "--out", tmp_path / "out")
    assert ran.code != 0
    assert not (tmp_path / "out" / "workshop").exists()
    return ran


def table(small: Bench, tmp_path: Path, change: Callable[[list[dict[str, object]]], object]) -> Path:
    rows = [{**row, "path": small.evaluate.parent / str(row["path"])} for row in bright_rows(tmp_path)]  # type: ignore[union-attr]
    change(rows)
    return write_table(tmp_path / "labels.csv", rows)


def test_a_trained_model_needs_labels_and_scans_to_calibrate_with(small: Bench, tmp_path: Path) -> None:
    assert "--evaluate is missing. A trained model is judged" in refusal(small, tmp_path, evaluate=None).err
    assert "--calibrate is missing" in refusal(small, tmp_path, calibrate=None).err
    assert refusal(small, tmp_path, evaluate=None, calibrate=None).code == 2


def test_without_int8_nothing_is_calibrated(small: Bench) -> None:
    plan = plan_of(small.description, small.onnx, Sets(evaluate=small.evaluate), Ways(precisions=("fp32", "fp16")))
    assert plan.calibrate == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [row.update(bright=1) for row in rows], "all 60 scans are positive for 'bright'; both kinds"),
        (lambda rows: [row.pop("bright") for row in rows], "the column 'bright' is missing; found the columns path"),
        (lambda rows: rows[3].update(path="gone.png"), "gone.png is not there"),
        (lambda rows: rows[3].update(bright="perhaps"), "line 5: found 'perhaps' for 'bright'"),
    ],
    ids=["one class", "no column", "no scan", "no truth"],
)
def test_a_wrong_table_is_refused_before_anything_is_measured(
    small: Bench, tmp_path: Path, change: Callable[..., object], words: str
) -> None:
    ran = refusal(small, tmp_path, evaluate=table(small, tmp_path, change))
    assert ran.code == 2
    assert words in ran.err


def test_an_empty_folder_calibrates_nothing(small: Bench, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = refusal(small, tmp_path, calibrate=tmp_path / "empty")
    assert ran.code == 3
    assert "R300" in ran.err


def test_a_calibration_of_another_modality_is_refused(small: Bench, tmp_path: Path) -> None:
    """The pack is for CT, the scans are radiographs."""
    document = json.loads(small.describe.read_text(encoding="utf-8"))
    document["inputs"][0]["accepts"]["modality"] = ["CT"]
    (tmp_path / "pack.json").write_text(json.dumps(document), encoding="utf-8")
    write_pictures(tmp_path / "calibrate", pictures(2, seed=5)[0], dicom=True)
    plan = plan_of(
        read_description(tmp_path / "pack.json"),
        small.onnx,
        Sets(calibrate=tmp_path / "calibrate", evaluate=small.evaluate),
        FAST,
        engines=("onnxruntime",),
    )
    assert len(plan.calibrate) == 2
    ran = refusal(small, tmp_path, describe=tmp_path / "pack.json", calibrate=tmp_path / "calibrate")
    assert ran.code == 2
    assert "the pack refuses this scan: C70" in ran.err


def test_a_scan_that_cannot_be_read_ends_the_build_with_the_readers_code(small: Bench, tmp_path: Path) -> None:
    (tmp_path / "calibrate").mkdir()
    (tmp_path / "calibrate" / "cut.dcm").write_bytes(radiograph(pictures(1, 2)[0][0], "x")[:-50])
    ran = refusal(small, tmp_path, calibrate=tmp_path / "calibrate")
    assert ran.code == 3
    assert "R302" in ran.err
    assert "cut.dcm" in ran.err


def test_a_golden_case_that_names_a_patient_stops_before_the_pack_is_written(small: Bench, tmp_path: Path) -> None:
    data = bytearray(radiograph(pictures(1, 2)[0][0], "x"))
    data[data.index(b"YES") : data.index(b"YES") + 3] = b"NO "
    (tmp_path / "golden.dcm").write_bytes(bytes(data))
    ran = refusal(small, tmp_path, golden=tmp_path / "golden.dcm", precision="fp32")
    assert ran.code == 2
    assert "found PatientName, PatientID" in ran.err


def test_a_report_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("{")
    for name in ("a.json", "b.json"):
        with pytest.raises(UsageError, match="expected what `edgerun-convert gate` writes"):
            read_conversion(tmp_path / name)
    with pytest.raises(UsageError, match="No such file"):
        read_conversion(tmp_path / "c.json")


# Halves --------------------------------------------------------------------------------------------------


def labelled(count: int, **changes: Any) -> LabelledSet:
    scans = LabelledSet(
        paths=tuple(Path(f"{index}.dcm") for index in range(count)),
        truths={"x": np.arange(count) % 3 == 0},
        groups={"sex": ("F",) * count},
    )
    return replace(scans, **changes)


def test_the_halves_of_a_table_share_no_scan_and_have_as_many_of_each_kind() -> None:
    scans = labelled(101)
    first, second = halves(scans)
    assert set(first.paths) | set(second.paths) == set(scans.paths)
    assert set(first.paths) & set(second.paths) == set()
    assert abs(int(first.truths["x"].sum()) - int(second.truths["x"].sum())) <= 1
    assert [int(path.stem) % 3 == 0 for path in first.paths] == first.truths["x"].tolist()
    assert len(first.groups["sex"]) == len(first.paths)


def test_the_halves_keep_patients_together() -> None:
    patients = tuple(f"p{index // 4}" for index in range(80))
    first, second = halves(labelled(80, patients=patients))
    assert first.patients is not None
    assert second.patients is not None
    assert set(first.patients) & set(second.patients) == set()
    assert len(set(first.patients)) == len(set(second.patients)) == 10


def test_the_halves_do_not_depend_on_the_tables_order() -> None:
    scans = labelled(60)
    order = np.random.default_rng(4).permutation(60).tolist()
    first, turned = halves(scans)[0], halves(scans.among(order))[0]
    assert set(first.paths) == set(turned.paths)


def test_masks_are_shared_out_evenly_too() -> None:
    masks = {"blob": tuple(Path(f"m{index}.png") if index % 5 == 0 else None for index in range(50))}
    first, second = halves(labelled(50, truths={}, masks=masks))
    assert [sum(mask is not None for mask in half.masks["blob"]) for half in (first, second)] == [5, 5]


def test_boxes_are_shared_out_evenly_too() -> None:
    box = TrueBox(label="nodule", edges=(0.0, 0.0, 1.0, 1.0), where="labels.csv, line 2")
    boxes = tuple((box,) * (index % 3) if index % 5 == 0 else () for index in range(60))
    first, second = halves(labelled(60, truths={}, boxes=boxes))
    assert [sum(bool(each) for each in half.boxes) for half in (first, second)] == [4, 4]


def test_files_of_one_name_in_different_folders_are_different_scans() -> None:
    paths = tuple(Path(f"patient-{index}/scan.dcm") for index in range(20))
    first, second = halves(labelled(20, truths={}, groups={}, paths=paths))
    assert (len(first.paths), len(second.paths)) == (10, 10)


def test_the_halves_do_not_depend_on_where_the_files_lie() -> None:
    def at(folder: str) -> list[str]:
        paths = tuple(Path(folder) / f"{index // 2}" / f"{index}.dcm" for index in range(20))
        return [path.name for path in halves(labelled(20, truths={}, groups={}, paths=paths))[0].paths]

    assert at("here") == at("/somewhere/else")


def test_an_atlas_tells_no_pair_from_another() -> None:
    moving = tuple((Path(f"p{index}/moving.nii"),) for index in range(20))
    fixed = (Path("atlas.nii"),) * 20
    first, second = halves(labelled(20, truths={}, groups={}, paths=fixed, beside=moving))
    assert (len(first.cases), len(second.cases)) == (10, 10)
    assert not set(first.beside) & set(second.beside)


def test_a_table_of_one_patient_alone_is_not_halved(small: Bench, tmp_path: Path) -> None:
    ran = refusal(small, tmp_path, evaluate=table(small, tmp_path, lambda rows: [r.update(patient="p") for r in rows]))
    assert "found scans of one patient alone, expected several; or give a table with --tune" in ran.err


# A description to fill in --------------------------------------------------------------------------------


def test_init_prints_a_description_that_is_refused_until_it_is_filled_in(small: Bench, tmp_path: Path) -> None:
    drawn = converted("init", MODEL, "--name", "my-chest")
    assert drawn.code == 0
    assert 'tensor = "image"' in drawn.out
    (tmp_path / "pack.toml").write_text(drawn.out, encoding="utf-8")
    refused = refusal(small, tmp_path, describe=tmp_path / "pack.toml")
    assert refused.code == 2
    assert "still to be filled in" in refused.err
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_file_is_drawn_once_the_size_of_its_input_is_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.jit.trace(network.eval(), torch.zeros(1, 1, 8, 8)).save(str(tmp_path / "net.pt"))
    untold = converted("init", tmp_path / "net.pt")
    assert untold.code == 2
    assert "found no shape of its inputs" in untold.err
    assert "shape = [1, 8, 8]" in converted("init", tmp_path / "net.pt", "--shape", "image=1x1x8x8").out


@pytest.mark.parametrize("words", [("--method", "guess"), ("--precision", "int4"), ("--max-steps", "0")])
def test_an_option_that_makes_no_sense_is_refused(small: Bench, tmp_path: Path, words: tuple[str, str]) -> None:
    ran = converted(*small.arguments, "--out", tmp_path / "out", *words)
    assert ran.code == 2
    assert not (tmp_path / "out").exists()


def test_shares_are_told_by_name(small: Bench) -> None:
    sets = replace(small.sets, tune=small.evaluate, tune_words="here", evaluate_words="there")
    plan = plan_of(small.description, small.onnx, sets, FAST)
    assert plan.tune is not None
    assert plan.evaluate is not None
    assert (plan.tune.words, plan.evaluate.words) == ("here", "there")
    assert isinstance(plan.rules, Mapping)

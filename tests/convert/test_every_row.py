"""Every row of docs/systems.md at a small size: recipe, ONNX, FP32 and INT8, pack, `edgerun infer`, report, picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

torch = pytest.importorskip("torch")
for package in ("onnx", "onnxscript", "safetensors"):
    pytest.importorskip(package)

from convert.recipes.contract import Recipe  # noqa: E402
from convert.sources import RECIPES  # noqa: E402
from edge.pack.store import open_pack  # noqa: E402
from tests.conftest import ROOT, Edgerun  # noqa: E402
from tests.convert.recipes import recipe_of  # noqa: E402
from tests.convert.scans import quick  # noqa: E402
from tests.convert.small_packs import ELSEWHERE, built, scans_for, small_description, small_recipe  # noqa: E402

ROWS = [name for name in RECIPES if name not in ELSEWHERE]
TASKS = {
    "chest-densenet121": "classification",
    "skin-resnet50": "classification",
    "retinopathy-cnn": "classification",
    "alzheimer-cnn3d": "classification",
    "alzheimer-voxcnn": "classification",
    "alzheimer-cae": "classification",
    "organ-boxes": "detection",
    "yolov5n": "detection",
    "yolov5s": "detection",
    "yolo-anchor-free": "detection",
    "mask-rcnn": "detection",
    "unet2d": "segmentation",
    "moeskops-multiscale": "segmentation",
    "unet3d": "segmentation",
    "brats-unet3d": "segmentation",
    "vnet": "segmentation",
    "voxelmorph": "registration",
    "pix2pix": "translation",
    "pix2pix-resnet": "translation",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A recipe that became a pack, and scans for it."""

    name: str
    pack: Path
    scans: Path


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with quick():
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=ROWS)
def row(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Row:
    folder = tmp_path_factory.mktemp(request.param)
    description = small_description(small_recipe(request.param))
    return Row(
        name=request.param,
        pack=built(request.param, folder / "built"),
        scans=scans_for(description, folder / "scans"),
    )


def test_the_pack_holds_both_precisions_of_its_task(row: Row) -> None:
    manifest = open_pack(row.pack).manifest
    assert manifest.task.kind == TASKS[row.name]
    assert {model.precision: model.verdict for model in manifest.models} == {
        "fp32": "reference",
        "int8": "inconclusive",
    }
    sizes = {model.precision: (row.pack / model.file).stat().st_size for model in manifest.models}
    assert sizes["int8"] != sizes["fp32"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_scan_goes_the_whole_way_and_the_answer_is_withheld(
    row: Row, precision: str, edgerun: Edgerun, tmp_path: Path
) -> None:
    ran = edgerun("infer", row.scans, "--pack", row.pack, "--precision", precision, "--out", tmp_path, "--json")
    assert ran.code == 7, ran.err
    (report,) = ran.reports
    (result,) = report["results"]
    assert (report["state"], result["state"]) == ("not-analysed", "not-analysed")
    assert [reason["code"] for reason in result["refusals"]] == ["C713"]
    assert result["findings"] is None
    assert report["run"]["seconds"]["infer"] > 0.0
    assert report["run"]["seconds"]["conclude"] > 0.0
    scans = [result["scan"], *result["others"].values()]
    assert len(scans) == len(open_pack(row.pack).manifest.inputs)
    picture = cv2.imread(str(tmp_path / report["folder"] / "overlay.png"))
    assert picture is not None
    assert picture.std() > 5.0


def test_every_row_is_in_the_table_with_its_one_command() -> None:
    page = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert sorted(TASKS) == sorted(ROWS)
    for name in ROWS:
        (line,) = [line for line in rows if f"| `{name}` |" in line]
        assert line.endswith(f"| `edgerun-convert build {name} --precision int8 --out built` |")


@pytest.mark.parametrize("name", ROWS)
def test_a_small_recipe_is_its_recipe_but_for_its_size(name: str) -> None:
    """The same tensors in the same order, and the description that it has anyway, with other sizes."""
    whole: Recipe = recipe_of(name)
    small: Recipe = small_recipe(name)
    assert (small.name, small.outputs) == (whole.name, whole.outputs)
    assert [(tensor, len(shape), shape[:2]) for tensor, shape in small.inputs.items()] == [
        (tensor, len(shape), shape[:2]) for tensor, shape in whole.inputs.items()
    ]
    said = small_description(small)
    for item in said.inputs:
        assert item.shape[1:] == small.inputs[item.tensor][2:]

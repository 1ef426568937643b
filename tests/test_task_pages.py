"""The pages of the tasks and of the systems: every command on them is run, every picture on them is there and small."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import helper

from convert import road
from convert.cli import main, recipes
from convert.demo import write_demonstration
from convert.demo_scans import axial
from convert.sources import RECIPES
from edge.errors import ExitCode
from edge.pack.manifest import Model
from edge.testing import tiny_threshold, write_tiny_pack
from tests.conftest import ROOT, Edgerun
from tests.systems import dicom, nifti
from tests.tasks.nets import model_bytes

TASKS = ("classification", "detection", "segmentation", "volumes", "registration", "translation")
FOLDER = ROOT / "docs" / "tasks"
SYSTEMS = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
LARGEST_PICTURE_BYTES = 150_000
INSTALLS = ("pip install", ".venv/bin/pip install", "pip download")
"""What brings packages: it is not run here, and what it brings is looked up in the project's own list."""

every_page = pytest.mark.parametrize("task", TASKS)
Convert = Callable[[Sequence[str]], int]


def page_of(task: str) -> str:
    return (FOLDER / f"{task}.md").read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    """Every command of a page's shell blocks, those joined by && apart."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL))
    lines = [line.partition(" #")[0] for line in blocks.replace("\\\n", " ").splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if part.strip()]


def runnable(page: str) -> list[str]:
    """The same without those of the pack that PyTorch exports, where that is not installed."""
    torch = importlib.util.find_spec("torch") is not None
    return [command for command in commands(page) if torch or "brain-tissue" not in command]


def refused(page: str, command: str) -> bool:
    """Whether the words right before or after a command say that it ends with exit code 7."""
    before, after = page.split(command, 1)
    return "exit code 7" in before[-400:].rpartition("```sh")[0][-200:] or "exit code 7" in after[:80]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run commands in, with the examples of a clone."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def convert(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Convert:
    """Run `edgerun-convert` in this process."""

    def run(words: Sequence[str]) -> int:
        monkeypatch.setattr(sys, "argv", ["edgerun-convert", *words])
        with pytest.raises(SystemExit) as left:
            main()
        capsys.readouterr()
        return int(left.value.code or 0)

    return run


def recipe_pack(folder: Path, recipe: str, net: bytes | None = None) -> None:
    """The pack that its command takes minutes for: a recipe's description, in FP32 alone and not judged.

    Parameters
    ----------
    net : bytes, optional
        Stands in for the recipe's own network.
    """
    pytest.importorskip("torch")
    from benchmarks.nets import export, manifest_of  # noqa: PLC0415

    manifest = manifest_of(recipe)
    model = Model(
        precision="fp32",
        file="m.onnx",
        sha256="0" * 64,
        engines=("onnxruntime",),
        verdict="reference",
        thresholds={label.name: tiny_threshold(0.5) for label in manifest.task.labels if label.finding},
    )
    write_tiny_pack(folder, replace(manifest, models=(model,)), export(recipe) if net is None else net)


def several_scans(clone: Path) -> None:
    """What the page calls a.nii.gz, study-folder and so on, and packs of the two recipes with nets of one layer."""
    grid = axial((20, 128, 128), (3.0, 1.5, 1.5))
    voxels = np.random.default_rng(0).integers(1, 900, grid.shape).astype(np.int16)
    for name in ("a", "b", "c", "d", "before", "after"):
        nifti(clone / f"{name}.nii.gz", voxels, grid)
    for words in ("t1", "t1 gd", "t2", "flair"):
        dicom(
            clone / "study-folder" / words, voxels + len(words), grid, SeriesDescription=words, BodyPartExamined="BRAIN"
        )
    window, fed = (80, 80, 80), (80, 96, 80)
    conv = helper.make_node("Conv", ["image", "w"], ["logits"])
    weights = {"w": np.ones((3, 4, 1, 1, 1), np.float32)}
    sizes = {"image": [1, 4, *window], "logits": [1, 3, *window]}
    recipe_pack(clone / "built" / "brats-unet3d", "brats-unet3d", model_bytes([conv], sizes, weights))
    still = helper.make_node("Concat", ["none"] * 3, ["displacement"], axis=1)
    apart = helper.make_node("Sub", ["fixed", "moving"], ["apart"])
    nodes = [apart, helper.make_node("Mul", ["apart", "zero"], ["none"]), still]
    pair = {"fixed": [1, 1, *fed], "moving": [1, 1, *fed], "displacement": [1, 3, *fed]}
    recipe_pack(clone / "built" / "voxelmorph", "voxelmorph", model_bytes(nodes, pair, {"zero": np.float32(0)}))


# The pages of the tasks ------------------------------------------------------------------------------------


@every_page
def test_every_command_of_a_page_does_what_the_page_says(
    edgerun: Edgerun, convert: Convert, clone: Path, task: str
) -> None:
    page = page_of(task)
    for command in runnable(page):
        words = shlex.split(command.removeprefix(".venv/bin/"))
        if command == "make infer":
            ran = edgerun("infer", "examples/chest-pneumonia-0000.dcm", "--out", "results")
            assert ran.code == ExitCode.DONE
        elif words[:2] == ["edgerun-convert", "demo"]:
            assert convert(words[1:]) == ExitCode.DONE
            assert len(list((clone / "demo" / task / "results").glob("*/overlay.png"))) == 1
        elif words[:2] == ["edgerun-convert", "pack"]:
            recipe_pack(clone / words[words.index("--out") + 1], "brain-tissue")
        elif words[0] == "edgerun":
            expected = ExitCode.REFUSED if refused(page, command) else ExitCode.DONE
            assert edgerun(*words[1:]).code == expected, command
        else:
            assert command.startswith(INSTALLS), command


@every_page
def test_a_page_has_one_command_a_picture_and_what_is_refused(task: str) -> None:
    page = page_of(task)
    assert page.startswith("# ")
    assert "**For**" in page
    assert "## How to read it" in page
    assert "## What it refuses" in page
    assert f"]({task}.png)" in page
    wanted = "make infer" if task == "classification" else f"edgerun-convert demo {task} --out demo"
    assert any(wanted in command for command in commands(page))


@pytest.mark.parametrize("task", [task for task in TASKS if task != "classification"])
def test_a_picture_of_a_phantom_is_called_a_demonstration(task: str) -> None:
    page = page_of(task)
    assert "demonstration" in page
    assert "A phantom; no patient." in page


@pytest.mark.parametrize("picture", sorted(FOLDER.glob("*.png")), ids=lambda path: str(path.name))
def test_a_picture_is_small_and_shown(picture: Path) -> None:
    assert picture.stat().st_size < LARGEST_PICTURE_BYTES
    assert any(picture.name in page_of(task) for task in TASKS)


def test_make_infer_is_the_command_that_the_page_shows() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ninfer:")[2].partition("\n\n")[0]
    assert "edgerun infer examples/chest-pneumonia-0000.dcm --out results" in recipe


def test_what_is_installed_is_what_the_project_names() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    installed = {command for task in TASKS for command in commands(page_of(task)) if "pip install" in command}
    assert installed == {".venv/bin/pip install onnx", "pip install '.[convert]'"}
    assert "onnx>=" in project
    assert "\nconvert = [" in project


# The page of the systems -----------------------------------------------------------------------------------


def test_every_command_below_the_table_does_what_the_page_says(edgerun: Edgerun, clone: Path) -> None:
    """Those of one scan give an answer; those of several reach their model, whose untrained answer is withheld."""
    recipe_pack(clone / "brain-tissue", "brain-tissue")
    several_scans(clone)
    shown = write_demonstration("segmentation", clone / "shown")
    for command in commands(SYSTEMS):
        if command.startswith(INSTALLS) or command.startswith("edgerun-convert pack brain-tissue --data nilearn-"):
            continue
        given = command.replace("SCAN", str(shown.scans)).replace("built/RECIPE", str(shown.pack))
        ran = edgerun(*shlex.split(given)[1:], "--json")
        untrained = "built/" in given
        assert ran.code == (ExitCode.REFUSED if untrained else ExitCode.DONE), command
        (result,) = ran.reports[0]["results"]
        assert [reason["code"] for reason in result["refusals"]] == (["C713"] if untrained else []), command


def rows() -> list[list[str]]:
    """The cells of each row of the table."""
    table = SYSTEMS.partition("| its one command |\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_every_recipe_has_a_row_with_its_one_command_and_the_page_of_its_task() -> None:
    assert sorted(row[1].strip("`") for row in rows()) == sorted(RECIPES)
    for row in rows():
        assert re.match(r"\[(\w+)\]\(tasks/\1\.md\)", row[2]), row[2]
        assert re.fullmatch(r"`edgerun[^`]*`", row[5]), row[5]
        assert row[1].strip("`") in row[5]


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[1]))
def test_the_command_of_a_row_starts_on_that_recipe(
    row: list[str], convert: Convert, edgerun: Edgerun, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes minutes is taken as said from the first step on: the road itself has tests of its own."""
    words, asked = shlex.split(row[5].strip("`")), []
    if words[:2] == ["edgerun", "infer"]:
        assert edgerun(*words[1:]).code == ExitCode.DONE
        return
    monkeypatch.setattr(road, "travel", lambda given, _: asked.append((given.model, given.out)))
    monkeypatch.setattr("convert.verdicts.verdict_lines", lambda _: [])
    monkeypatch.setattr(recipes, "_entry", lambda _, name: lambda *given: asked.append((name, given[1])))
    assert convert(words[1:]) == ExitCode.DONE
    assert asked == [(row[1].strip("`"), Path(words[words.index("--out") + 1]))]
    assert list(clone.iterdir()) == [clone / "examples"]


def test_the_smallest_recipe_goes_the_whole_way_of_its_command(
    convert: Convert, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("openvino")
    monkeypatch.setattr("convert.phantoms.COUNT", 1)
    (command,) = [row[5].strip("`") for row in rows() if row[1] == "`yolo-anchor-free`"]
    assert convert(shlex.split(command)[1:]) == ExitCode.DONE
    assert (clone / "built" / "yolo-anchor-free" / "manifest.json").is_file()
    assert (clone / "built" / "conversion.html").is_file()

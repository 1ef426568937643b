"""The tables that the page of the workshop shows are such as the workshop reads."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from convert.cases import read_cases
from convert.describe import ThresholdRule
from convert.labels import LabelledSet, read_labels
from convert.landmarks import AXES
from edge.errors import UsageError
from edge.pack.manifest import DetectionTask, Input, RegistrationTask, Task
from edge.testing import tiny_input, tiny_segmentation
from tests.conftest import ROOT
from tests.tasks.models import classification, label, volume_input

PAGE = (ROOT / "docs" / "workshop.md").read_text(encoding="utf-8")
TABLES: list[str] = re.findall(r"```csv\n(.*?)```", PAGE, flags=re.DOTALL)
BINARY = classification("binary", [label("pneumonia")], {"pneumonia": 0.5}).task
FILE = re.compile(r"[\w/.-]+\.(?:dcm|png|csv|nii\.gz)")


def boxes(*names: str) -> DetectionTask:
    named = tuple(label(name) for name in names)
    return DetectionTask(kind="detection", layout="yolov5", output="boxes", activation="none", labels=named)


PAIR = RegistrationTask(kind="registration", output="displacement", fixed="fixed", moving="moving")
READ: tuple[tuple[str, Task, tuple[Input, ...]], ...] = (
    ("path,pneumonia", BINARY, (tiny_input(),)),
    ("path,lung", tiny_segmentation(names=("lung", "nodule")), (tiny_input(),)),
    ("path,label,x0,", boxes("nodule", "mass"), (tiny_input(),)),
    ("path,label,x0_mm", boxes("liver"), (volume_input(),)),
    ("fixed,moving,landmarks", PAIR, (volume_input("fixed"), volume_input("moving"))),
    ("t1,t2", tiny_segmentation(names=("tumour",)), (volume_input("t1"), volume_input("t2"))),
)
"""By how its header begins: the task and the inputs of a pack that a table of the page is for."""


def shown(beginning: str) -> str:
    (text,) = [text for text in TABLES if text.startswith(beginning)]
    return text


def read(folder: Path, beginning: str, task: Task, inputs: tuple[Input, ...]) -> LabelledSet:
    """A table of the page with all the files that it names beside it."""
    for name in FILE.findall(shown(beginning)):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(shown("name,fixed_x_mm") if file.suffix == ".csv" else "a scan", encoding="utf-8")
    table = folder / "labels.csv"
    table.write_text(shown(beginning), encoding="utf-8")
    return read_labels(table, task, inputs)


@pytest.mark.parametrize(("beginning", "task", "inputs"), READ, ids=[case[0] for case in READ])
def test_every_table_of_the_page_is_read(tmp_path: Path, beginning: str, task: Task, inputs: tuple[Input, ...]) -> None:
    found = read(tmp_path, beginning, task, inputs)
    assert len(found.cases) == 2
    assert all(len(case) == len(inputs) for case in found.cases)
    assert any([found.truths, found.masks, any(found.boxes), found.landmarks])


def test_no_table_of_the_page_is_left_out() -> None:
    known = [*(beginning for beginning, _, _ in READ), "name,fixed_x_mm"]
    assert all(any(text.startswith(beginning) for beginning in known) for text in TABLES)
    assert len(TABLES) == len(known)


def test_boxes_of_the_page_say_what_the_text_says(tmp_path: Path) -> None:
    _, task, inputs = READ[2]
    found = read(tmp_path, "path,label,x0,", task, inputs)
    assert [[box.label for box in each] for each in found.boxes] == [["nodule", "mass"], []]
    assert found.patients == ("p17", "p18")
    assert dict(found.groups) == {"site": ("north", "south")}


def test_the_landmarks_of_the_page_have_a_place_in_both_scans() -> None:
    rows = list(csv.DictReader(shown("name,fixed_x_mm").splitlines()))
    assert len(rows) == 2
    assert all(row[f"{name}_{axis}"] for row in rows for name in ("fixed", "moving") for axis in AXES)


def test_a_table_without_what_is_true_calibrates(tmp_path: Path) -> None:
    _, task, inputs = READ[5]
    read(tmp_path, "t1,t2", task, inputs)
    table = tmp_path / "calibrate.csv"
    table.write_text("t1,t2\np17/t1.nii.gz,p17/t2.nii.gz\n", encoding="utf-8")
    assert len(read_cases(table, inputs)) == 1
    with pytest.raises(UsageError, match="the column 'tumour' is missing"):
        read_labels(table, task, inputs)


def test_the_page_names_every_rule_for_thresholds_and_every_task_that_is_judged() -> None:
    rules = get_args(get_type_hints(ThresholdRule)["rule"])
    told = re.findall(r"^\| `([a-z0-9-]+)` \| (?:all|scores|boxes|masks)", PAGE, flags=re.MULTILINE)
    assert sorted(rules) == sorted(told)
    for name in ("classification", "ordinal", "segmentation", "detection", "registration"):
        assert re.search(rf"^\| {name} \| ", PAGE, flags=re.MULTILINE)

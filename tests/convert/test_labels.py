"""The labelled set, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert.labels import LabelledSet, read_labels
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, Task
from edge.testing import tiny_segmentation
from tests.tasks.models import Activation, Mode, classification, label


def task_of(mode: Mode, *names: str, activation: Activation = "none", normal: str = "") -> ClassificationTask:
    """With a finding for each name, and in front of them, where named, one that is none."""
    labels = [label(normal, finding=False)] if normal else []
    labels += [label(name) for name in names]
    task = classification(mode, labels, dict.fromkeys(names, 0.5), activation=activation).task
    assert isinstance(task, ClassificationTask)
    return task


BINARY = task_of("binary", "x")
BOTH = task_of("multi-label", "x", "y", normal="other")
CLASSES = task_of("multi-class", "x", "y", normal="normal")
GRADES = task_of("ordinal", "mild", "severe", normal="none")
MASKS = tiny_segmentation(names=("lung", "heart"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.dcm", "b.dcm", "c.dcm", "d.dcm", "a-lung.png", "b-lung.png", "a-heart.png"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def table(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str, task: Task = BINARY) -> LabelledSet:
    return read_labels(table(folder, text), task)


def truths(found: LabelledSet) -> dict[str, list[bool]]:
    return {name: truth.tolist() for name, truth in found.truths.items()}


def refusal(folder: Path, text: str, task: Task = BINARY) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text, task)
    assert caught.value.message.startswith(f"Reading {folder / 'labels.csv'}")
    return caught.value.message


# Scans, subgroups, patients --------------------------------------------------------------------------------


def test_truths_and_subgroups_are_read_in_the_tables_order(folder: Path) -> None:
    found = read(folder, "path,x,sex,remark\nb.dcm,1,F,\na.dcm,no,M,?\n")
    assert found.paths == (folder / "b.dcm", folder / "a.dcm")
    assert truths(found) == {"x": [True, False]}
    assert dict(found.groups) == {"sex": ("F", "M")}
    assert found.patients is None
    assert dict(found.masks) == {}


def test_every_column_of_subgroups_is_read_and_may_have_gaps(folder: Path) -> None:
    found = read(folder, "path,x,device,age_band,site\nb.dcm,1, A ,,n\na.dcm,0\n")
    assert dict(found.groups) == {"age_band": ("", ""), "site": ("n", ""), "device": ("A", "")}


def test_patients_are_read(folder: Path) -> None:
    found = read(folder, "path,patient,x\na.dcm, p1,1\nb.dcm,p1,0\nc.dcm,p2,0\n")
    assert found.patients == ("p1", "p1", "p2")


def test_a_scan_without_a_patient_is_named_by_its_line(folder: Path) -> None:
    said = refusal(folder, "path,patient,x\na.dcm,p1,1\nb.dcm, ,0\n")
    assert said.endswith("line 3: found no patient; fill the column in, or leave it out.")


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(folder: Path) -> None:
    path = folder / "labels.csv"
    path.write_bytes("\ufeffpath,x\r\na.dcm,1\r\nb.dcm,0\r\n".encode())
    assert len(read_labels(path, BINARY).paths) == 2


def test_paths_are_relative_to_the_table(folder: Path) -> None:
    (folder / "sub").mkdir()
    found = read(folder / "sub", "path,x\n../a.dcm,1\n../b.dcm,0\n")
    assert found.paths == (folder / "sub" / "../a.dcm", folder / "sub" / "../b.dcm")


def test_some_of_the_scans_keep_all_that_is_true_of_them(folder: Path) -> None:
    found = read(folder, "path,x,sex,patient\na.dcm,1,F,p\nb.dcm,0,M,q\nc.dcm,1,F,r\n").among([2, 1])
    assert found.paths == (folder / "c.dcm", folder / "b.dcm")
    assert truths(found) == {"x": [True, False]}
    assert dict(found.groups) == {"sex": ("F", "M")}
    assert found.patients == ("r", "q")
    masked = read(folder, "path,lung,heart\na.dcm,a-lung.png,a-heart.png\nb.dcm,b-lung.png,\n", MASKS).among([1])
    assert dict(masked.masks) == {"lung": (folder / "b-lung.png",), "heart": (None,)}
    assert masked.patients is None


# Binary and multi-label ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("yes", "NO"), (" True ", "false")])
def test_yes_and_no_may_be_spelled_in_several_ways(folder: Path, yes: str, no: str) -> None:
    assert truths(read(folder, f"path,x\na.dcm,{yes}\nb.dcm,{no}\n")) == {"x": [True, False]}


def test_each_finding_has_a_column_and_other_labels_need_none(folder: Path) -> None:
    found = read(folder, "y,path,x\n1,a.dcm,1\n0,b.dcm,0\n1,c.dcm,0\n", BOTH)
    assert truths(found) == {"x": [True, False, False], "y": [True, False, True]}
    assert list(found.truths) == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the column 'path' is missing; found the columns none"),
        ("path,y\na.dcm,1\n", "the column 'x' is missing; found the columns path, y"),
        (
            "path;x\na.dcm;1\n",
            "found the columns path;x. They are separated by semicolons: save the table with commas.",
        ),
        ("path\tx\na.dcm\t1\n", "They are separated by tabs: save the table with commas."),
        ("path,x\n", "names no scan"),
        ("path,x\na.dcm,1\nb.dcm,1\n", "all 2 scans are positive for 'x'; both kinds are needed"),
        ("path,x\na.dcm,0\nb.dcm,0\n", "all 2 scans are negative for 'x'; both kinds are needed"),
        ("path,x\na.dcm,maybe\nb.dcm,0\n", "line 2: found 'maybe' for 'x', expected 1 or 0"),
        ("path,x\na.dcm,1\nb.dcm\n", "line 3: found None for 'x'"),
        ("path,x\na.dcm,1\nz.dcm,0\n", "z.dcm is not there"),
        ("path,x\na.dcm,1\nz.dcm,0\ny.dcm,0\n", "z.dcm and 1 more is not there"),
        ("path,x\na.dcm,1\n,0\n", "line 3: found no path; every row needs path"),
        ("path,x\na.dcm,1\na.dcm,0\n", "a.dcm is named more than once"),
        ("path,x\na.dcm,1\n./a.dcm,0\n", "a.dcm is named more than once"),
        ('path,x\n"a.dcm,1\n', "expected a CSV file"),
        ("path,x,x\na.dcm,1,0\nb.dcm,0,1\n", "the column 'x' stands there twice; leave one out"),
        ("path,x\na.dcm,1\nb.dcm,0,?\n", "line 3: found more cells than the 2 columns"),
        ("path,y\na.dcm,1,?\n", "line 2: found more cells than the 2 columns"),
    ],
)
def test_a_wrong_table_is_refused_in_words(folder: Path, text: str, words: str) -> None:
    assert words in refusal(folder, text)


def test_empty_columns_that_a_spreadsheet_left_behind_are_passed_over(folder: Path) -> None:
    assert truths(read(folder, "path,x,,\na.dcm,1,,\nb.dcm,0,,\n")) == {"x": [True, False]}


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv: No such file or directory; expected a CSV file in UTF-8"):
        read_labels(tmp_path / "labels.csv", BINARY)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_in_another_encoding_is_refused(folder: Path, encoding: str) -> None:
    (folder / "labels.csv").write_bytes("path,x,site\na.dcm,1,Köln\n".encode(encoding))
    with pytest.raises(UsageError, match=r"expected a CSV file in UTF-8 \(of a spreadsheet: save it as CSV UTF-8\)"):
        read_labels(folder / "labels.csv", BINARY)


# Classes that exclude each other ---------------------------------------------------------------------------

BY_NAME = "path,label\na.dcm,x\nb.dcm, normal\nc.dcm,y\n"


def test_a_class_is_read_by_its_name(folder: Path) -> None:
    assert truths(read(folder, BY_NAME, CLASSES)) == {"x": [True, False, False], "y": [False, False, True]}


def test_a_column_for_each_class_says_the_same(folder: Path) -> None:
    found = read(folder, "path,x,y\na.dcm,1,0\nb.dcm,0,0\nc.dcm,0,1\n", CLASSES)
    assert truths(found) == truths(read(folder, BY_NAME, CLASSES))


def test_columns_of_the_classes_go_before_the_column_of_names(folder: Path) -> None:
    found = read(folder, "path,label,x,y\na.dcm,?,1,0\nb.dcm,?,0,0\nc.dcm,?,0,1\n", CLASSES)
    assert truths(found) == truths(read(folder, BY_NAME, CLASSES))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\na.dcm,x\nb.dcm,z\n", "line 3: found 'z' as label, expected one of normal, x, y"),
        ("path,label\na.dcm,x\nb.dcm\n", "line 3: found '' as label"),
        ("path,label\na.dcm,x\nb.dcm,normal\n", "all 2 scans are negative for 'y'"),
        ("path,x\na.dcm,1\n", "the column 'y' is missing, or 'label' with the name of the class; found the columns"),
        ("path,x,y\na.dcm,0,1\nb.dcm,1,1\n", "line 3: found x, y, which exclude each other; leave one"),
    ],
)
def test_wrong_classes_are_refused_in_words(folder: Path, text: str, words: str) -> None:
    assert words in refusal(folder, text, CLASSES)


def test_the_column_of_names_is_for_classes_that_exclude_each_other(folder: Path) -> None:
    assert "the column 'x' is missing; found" in refusal(folder, "path,label\na.dcm,x\n", BOTH)


# Grades ----------------------------------------------------------------------------------------------------


def test_a_grade_holds_for_every_milder_one(folder: Path) -> None:
    found = read(folder, "path,grade\na.dcm,none\nb.dcm,severe\nc.dcm,mild\n", GRADES)
    assert truths(found) == {"mild": [False, True, True], "severe": [False, True, False]}


def test_grades_may_be_given_by_number_and_by_name(folder: Path) -> None:
    found = read(folder, "path,grade\na.dcm,0\nb.dcm,2\nc.dcm, mild\nd.dcm,1\n", GRADES)
    assert truths(found) == {"mild": [False, True, True, True], "severe": [False, True, False, False]}


def test_of_grades_whose_names_are_numbers_the_names_count(folder: Path) -> None:
    """Were 0 let pass here as the number of the first grade, every scan would be read one grade too mild."""
    numbered = task_of("ordinal", "2", "3", normal="1")
    found = read(folder, "path,grade\na.dcm,1\nb.dcm,3\nc.dcm,2\n", numbered)
    assert truths(found) == {"2": [False, True, True], "3": [False, True, False]}
    assert "line 2: found '0' as grade, expected one of 1, 2, 3" in refusal(folder, "path,grade\na.dcm,0\n", numbered)


def test_a_grade_between_that_is_no_finding_has_no_truth_of_its_own(folder: Path) -> None:
    labels = [label("none", finding=False), label("trace", finding=False), label("severe")]
    task = classification("ordinal", labels, {"severe": 0.5}).task
    found = read(folder, "path,grade\na.dcm,none\nb.dcm,trace\nc.dcm,severe\n", task)
    assert truths(found) == {"severe": [False, False, True]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,mild,severe\na.dcm,1,0\n", "the column 'grade' is missing; found the columns path, mild, severe"),
        ("path,grade\na.dcm,none\nb.dcm,bad\n", "line 3: found 'bad' as grade, expected one of 0, 1, 2, none, mild"),
        ("path,grade\na.dcm,3\n", "line 2: found '3' as grade"),
        ("path,grade\na.dcm,1.0\n", "line 2: found '1.0' as grade"),
        ("path,grade\na.dcm,0\nb.dcm,\n", "line 3: found '' as grade"),
        ("path,grade\na.dcm,0\nb.dcm,1\n", "all 2 scans are negative for 'severe'"),
        ("path,grade\na.dcm,1\nb.dcm,2\n", "all 2 scans are positive for 'mild'"),
    ],
)
def test_wrong_grades_are_refused_in_words(folder: Path, text: str, words: str) -> None:
    assert words in refusal(folder, text, GRADES)


# Masks -----------------------------------------------------------------------------------------------------


def test_masks_are_read_and_an_empty_cell_is_a_label_that_is_nowhere(folder: Path) -> None:
    found = read(folder, "path,heart,lung\na.dcm,a-heart.png,a-lung.png\nb.dcm, ,b-lung.png\n", MASKS)
    assert dict(found.masks) == {
        "lung": (folder / "a-lung.png", folder / "b-lung.png"),
        "heart": (folder / "a-heart.png", None),
    }
    assert list(found.masks) == ["lung", "heart"]
    assert dict(found.truths) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,lung\na.dcm,a-lung.png\n", "the column 'heart' is missing; found the columns path, lung"),
        ("path,lung,heart\na.dcm,a-lung.png,\nb.dcm,b-lung.png,\n", "no scan has a mask of 'heart'; some are needed"),
        ("path,lung,heart\na.dcm,a-lung.png,a-heart.png\nb.dcm,gone.png,\n", "gone.png of 'lung' is not there"),
    ],
)
def test_wrong_masks_are_refused_in_words(folder: Path, text: str, words: str) -> None:
    assert words in refusal(folder, text, MASKS)


def test_a_mask_that_is_not_there_is_named_by_its_line(folder: Path) -> None:
    said = refusal(folder, "path,lung,heart\na.dcm,a-lung.png,a-heart.png\nb.dcm,gone.png,\n", MASKS)
    assert f"line 3: the mask {folder / 'gone.png'} of 'lung'" in said

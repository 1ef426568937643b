"""Which files belong to one examination, as a table says it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from convert.cases import atlases, hash_of, input_columns, read_cases
from convert.labels import LabelledSet, read_labels
from edge.errors import ReadError, UsageError
from edge.pack.manifest import RegistrationTask, Task
from edge.testing import tiny_input, tiny_segmentation
from tests.tasks.models import volume_input

INPUTS = (volume_input("t1"), volume_input("t2"))
MASKS = tiny_segmentation(names=("tumour",))
PAIR = RegistrationTask(kind="registration", output="displacement", fixed="t1", moving="t2")
MARKED = "t1_x_mm,t1_y_mm,t1_z_mm,t2_x_mm,t2_y_mm,t2_z_mm\n1,2,3,4,5,6\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a1.nii", "a2.nii", "b1.nii", "b2.nii", "m.nii"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "marks.csv").write_text(MARKED, encoding="utf-8")
    return tmp_path


def table(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str, task: Task = MASKS) -> LabelledSet:
    return read_labels(table(folder, text), task, INPUTS)


def refusal(folder: Path, text: str, task: Task = MASKS) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text, task)
    assert caught.value.message.startswith(f"Reading {folder / 'labels.csv'}")
    return caught.value.message


def test_a_column_for_each_input_names_its_scan(folder: Path) -> None:
    found = read(folder, "patient,t2,tumour,t1\np,a2.nii,m.nii,a1.nii\nq,b2.nii,,b1.nii\n")
    assert found.paths == (folder / "a1.nii", folder / "b1.nii")
    assert found.beside == ((folder / "a2.nii",), (folder / "b2.nii",))
    assert found.cases == ((folder / "a1.nii", folder / "a2.nii"), (folder / "b1.nii", folder / "b2.nii"))
    assert found.patients == ("p", "q")
    assert found.among([1]).cases == ((folder / "b1.nii", folder / "b2.nii"),)


def test_of_one_input_the_column_is_path() -> None:
    assert input_columns([tiny_input()]) == input_columns([]) == ["path"]
    assert input_columns(INPUTS) == ["t1", "t2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t1,tumour\na1.nii,\n", "the column 't2' is missing; found the columns t1, tumour"),
        ("path,tumour\na1.nii,\n", "the column 't1' is missing; found the columns path, tumour"),
        ("t1,t2,tumour\na1.nii,a2.nii,m.nii\nb1.nii, ,\n", "line 3: found no t2; every row needs t1, t2"),
        ("t1,t2,tumour\na1.nii,gone.nii,m.nii\n", "gone.nii is not there"),
        ("t1,t2,tumour\na1.nii,a1.nii,m.nii\n", "line 2: found the scan"),
        ("t1,t2,tumour\na1.nii,a2.nii,m.nii\na1.nii,a2.nii,\n", "a1.nii is named more than once."),
        (
            "t1,t2,tumour\na1.nii,a2.nii,m.nii\na1.nii,b2.nii,\n",
            "a1.nii is named more than once: expected examinations of one patient; say whose they are in the column",
        ),
        (
            "t1,t2,patient,tumour\na1.nii,a2.nii,p,m.nii\na1.nii,b2.nii,q,\n",
            "a1.nii is named more than once: expected examinations of one patient",
        ),
    ],
)
def test_a_wrong_table_is_refused_in_words(folder: Path, text: str, words: str) -> None:
    assert words in refusal(folder, text)


def test_one_file_as_two_inputs_is_named_with_both(folder: Path) -> None:
    said = refusal(folder, "t1,t2,tumour\na1.nii,a1.nii,m.nii\n")
    assert said.endswith(f"line 2: found the scan {folder / 'a1.nii'} as t1 and as t2.")


def test_examinations_of_one_patient_may_share_a_scan(folder: Path) -> None:
    found = read(folder, "t1,t2,patient,tumour\na1.nii,a2.nii,p,m.nii\na1.nii,b2.nii,p,\n")
    assert len(found.cases) == 2


@pytest.mark.parametrize("name", ["patient", "site", "tumour", "landmarks"])
def test_an_input_that_is_called_as_another_column_is_refused(folder: Path, name: str) -> None:
    inputs = (volume_input("t1"), volume_input(name))
    with pytest.raises(UsageError, match=f"the column '{name}' would name the scans of an input and something else"):
        read_labels(table(folder, "t1\n"), MASKS, inputs)


# An atlas ------------------------------------------------------------------------------------------------

TO_ATLAS = "t1,t2,landmarks\na1.nii,a2.nii,marks.csv\na1.nii,b2.nii,marks.csv\n"


def test_all_pairs_may_have_one_fixed_scan_which_is_nobodys_own(folder: Path) -> None:
    found = read(folder, TO_ATLAS, PAIR)
    assert atlases(found.cases) == {folder / "a1.nii"}
    assert found.own_files == (folder / "a2.nii", folder / "b2.nii")


def test_one_pair_alone_has_no_atlas(folder: Path) -> None:
    assert read(folder, TO_ATLAS, PAIR).among([0]).own_files == (folder / "a1.nii", folder / "a2.nii")


def test_a_single_scan_is_no_atlas() -> None:
    assert LabelledSet(paths=(Path("a"), Path("b"))).own_files == (Path("a"), Path("b"))


def test_a_scan_of_some_pairs_is_no_atlas(folder: Path) -> None:
    text = TO_ATLAS + "b1.nii,m.nii,marks.csv\n"
    assert "a1.nii is named more than once" in refusal(folder, text, PAIR)


# Scans to calibrate with ---------------------------------------------------------------------------------


def test_a_table_names_what_calibrates_and_nothing_more_is_asked(folder: Path) -> None:
    path = table(folder, "t1,t2,remark\na1.nii,a2.nii,?\n")
    assert read_cases(path, INPUTS) == ((folder / "a1.nii", folder / "a2.nii"),)


def test_of_one_input_a_folder_holds_what_calibrates(folder: Path) -> None:
    (folder / "marks.csv").unlink()
    assert [case[0].name for case in read_cases(folder, [tiny_input()])] == [
        "a1.nii",
        "a2.nii",
        "b1.nii",
        "b2.nii",
        "m.nii",
    ]
    with pytest.raises(ReadError, match="R300"):
        read_cases(folder / "gone", [tiny_input()])


def test_of_one_input_a_table_may_name_what_calibrates_too(folder: Path) -> None:
    path = table(folder, "path\nb1.nii\na1.nii\n")
    assert read_cases(path, [tiny_input()]) == ((folder / "b1.nii",), (folder / "a1.nii",))


def test_a_folder_of_slices_is_one_scan(folder: Path) -> None:
    (folder / "slices").mkdir()
    found = read(folder, "t1,t2,tumour\nslices,a2.nii,m.nii\n")
    assert found.paths == (folder / "slices",)


def test_a_folder_has_the_hash_of_what_is_in_it(folder: Path) -> None:
    slices = folder / "slices" / "deep"
    slices.mkdir(parents=True)
    for name in ("1.dcm", "2.dcm"):
        (slices / name).write_bytes(name.encode())
    first = hash_of(folder / "slices")
    assert first == hash_of(slices)
    assert hash_of(slices / "1.dcm") == hashlib.sha256(b"1.dcm").hexdigest()
    (slices / "2.dcm").write_bytes(b"other")
    assert hash_of(folder / "slices") != first
    with pytest.raises(UsageError, match=r"gone: No such file"):
        hash_of(folder / "gone")


def test_a_table_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.csv: No such file or directory; expected a CSV file"):
        read_cases(folder / "gone.csv", INPUTS)

"""Landmarks of two scans, and everything that can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.labels import read_labels
from convert.landmarks import check_inside, read_landmarks
from edge.errors import UsageError
from edge.geometry import Grid
from edge.pack.manifest import RegistrationTask
from tests.tasks.models import volume_input, volume_of

TASK = RegistrationTask(kind="registration", output="field", fixed="fixed", moving="follow-up")
COLUMNS = "fixed_x_mm,fixed_y_mm,fixed_z_mm,follow-up_x_mm,follow-up_y_mm,follow-up_z_mm"
GRID = Grid.of((4, 5, 6), np.array([[0, 0, 2.0, -6], [0, 2.0, 0, 10], [3.0, 0, 0, 0], [0, 0, 0, 1]]), "patient")


def file(folder: Path, text: str) -> Path:
    path = folder / "marks.csv"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_landmarks(file(folder, text), TASK)
    assert caught.value.message.startswith(f"Reading {folder / 'marks.csv'}")
    return caught.value.message


def test_landmarks_are_read_in_pairs(tmp_path: Path) -> None:
    found = read_landmarks(file(tmp_path, f"name,{COLUMNS}\ntip,1,2,3,4,5,6\n,-1.5,0,7e1,0,0,0\n"), TASK)
    assert found.fixed.tolist() == [[1.0, 2.0, 3.0], [-1.5, 0.0, 70.0]]
    assert found.moving.tolist() == [[4.0, 5.0, 6.0], [0.0, 0.0, 0.0]]
    assert found.fixed.dtype == np.float64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y,z\n1,2,3\n", "the column 'fixed_x_mm' is missing; found the columns x, y, z"),
        (f"{COLUMNS.replace('follow-up', 'moving')}\n1,2,3,4,5,6\n", "the column 'follow-up_x_mm' is missing"),
        (f"{COLUMNS}\n", "names no landmark"),
        (f"{COLUMNS}\n1,2,3,4,5,6\n1,2,3,,,\n", "line 3: found no place in 'follow-up', expected one in both scans"),
        (f"{COLUMNS}\n,,,4,5,6\n", "line 2: found no place in 'fixed', expected one in both scans"),
        (f"{COLUMNS}\n1,2,3,4,5\n", "line 2: found '' as follow-up_z_mm, expected a number"),
        (f"{COLUMNS}\n1,two,3,4,5,6\n", "line 2: found 'two' as fixed_y_mm, expected a number such as 12.5"),
        (f"{COLUMNS}\n1,2,3,4,nan,6\n", "line 2: found 'nan' as follow-up_y_mm"),
        (f"{COLUMNS}\n1,2,3,4,5,6,7\n", "line 2: found more cells than the 6 columns"),
        (f"{COLUMNS.replace(',', ';')}\n1;2;3;4;5;6\n", "They are separated by semicolons: save the table with commas"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.csv: No such file or directory"):
        read_landmarks(tmp_path / "gone.csv", TASK)


# In the table of pairs -----------------------------------------------------------------------------------

INPUTS = (volume_input("fixed"), volume_input("follow-up"))


def table(folder: Path, text: str) -> Path:
    for name in ("a.nii", "b.nii", "c.nii", "d.nii"):
        (folder / name).write_bytes(b"x")
    file(folder, f"{COLUMNS}\n1,2,3,4,5,6\n")
    (folder / "pairs.csv").write_text(text, encoding="utf-8")
    return folder / "pairs.csv"


def test_each_pair_names_its_landmarks(tmp_path: Path) -> None:
    text = "fixed,follow-up,landmarks,site\na.nii,b.nii,marks.csv,n\nc.nii,d.nii,marks.csv,s\n"
    found = read_labels(table(tmp_path, text), TASK, INPUTS)
    assert [item.fixed.tolist() for item in found.landmarks] == [[[1.0, 2.0, 3.0]]] * 2
    assert dict(found.groups) == {"site": ("n", "s")}
    assert len(found.among([1]).landmarks) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fixed,follow-up\na.nii,b.nii\n", r"pairs\.csv: the column 'landmarks' is missing"),
        ("fixed,follow-up,landmarks\na.nii,b.nii,\n", r"pairs\.csv, line 2: found no landmarks, expected a CSV file"),
        ("fixed,follow-up,landmarks\na.nii,b.nii,gone.csv\n", r"gone\.csv: No such file or directory"),
    ],
)
def test_a_pair_without_landmarks_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_labels(table(tmp_path, text), TASK, INPUTS)


# In their scan -------------------------------------------------------------------------------------------


def inside(*points: tuple[float, float, float]) -> None:
    check_inside(np.array(points), volume_of(np.zeros((4, 5, 6), np.int16), GRID), "fixed", Path("marks.csv"))


def test_landmarks_up_to_the_edge_of_the_outermost_voxels_are_inside() -> None:
    inside((-7.0, 9.0, -1.5), (5.0, 19.0, 10.5), (0.0, 12.0, 3.0))


@pytest.mark.parametrize(
    "place", [(-7.1, 12, 3), (5.1, 12, 3), (0, 8.9, 3), (0, 19.1, 3), (0, 12, -1.6), (0, 12, 10.6)]
)
def test_the_first_landmark_beyond_the_scan_is_named_by_its_line(place: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match=r"marks\.csv, line 3: the landmark at .* mm lies beyond the scan 'fixed'"):
        inside((0.0, 12.0, 3.0), place)

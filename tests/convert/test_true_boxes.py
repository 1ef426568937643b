"""True boxes: as rows of a table, and on the voxels of their scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.labels import LabelledSet, read_labels
from edge.errors import UsageError
from edge.geometry import Grid
from edge.pack.manifest import DetectionTask
from edge.testing import phantom_scan, tiny_input
from edge.truth.true_boxes import TrueBox, placed
from tests.convert.planted_sets import edges_mm
from tests.read.dicom_files import all_turns, canonical_grid, rotated
from tests.tasks.models import label, volume_input, volume_of

TASK = DetectionTask(
    kind="detection", layout="yolov5", output="o", activation="none", labels=(label("nodule"), label("mass"))
)
HEADER = "path,label,x0,y0,x1,y1"
IN_MM = "path,label,x0_mm,y0_mm,z0_mm,x1_mm,y1_mm,z1_mm"
BOTH = "a.png,nodule,1,2,5,8\na.png,mass,0,0,3.5,4\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(folder: Path, text: str, *, volume: bool = False, task: DetectionTask = TASK) -> LabelledSet:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_labels(path, task, [volume_input() if volume else tiny_input()])


def refusal(folder: Path, text: str, *, volume: bool = False, task: DetectionTask = TASK) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text, volume=volume, task=task)
    assert caught.value.message.startswith(f"Reading {folder / 'labels.csv'}")
    return caught.value.message


def edges(found: LabelledSet) -> list[list[tuple[str, tuple[float, ...]]]]:
    return [[(box.label, box.edges) for box in each] for each in found.boxes]


# The table -----------------------------------------------------------------------------------------------


def test_each_row_is_a_box_and_a_scan_without_any_says_so(folder: Path) -> None:
    found = read(folder, f"{HEADER}\n{BOTH}b.png,none,,,,\nc.png,mass,1,1,2,2\n")
    assert [path.name for path in found.paths] == ["a.png", "b.png", "c.png"]
    assert edges(found) == [
        [("nodule", (2.0, 1.0, 8.0, 5.0)), ("mass", (0.0, 0.0, 4.0, 3.5))],
        [],
        [("mass", (1.0, 1.0, 2.0, 2.0))],
    ]
    assert found.boxes[2][0].where == f"{folder / 'labels.csv'}, line 5"


def test_rows_of_a_scan_need_not_stand_together(folder: Path) -> None:
    found = read(folder, f"{HEADER}\na.png,nodule,1,2,5,8\nb.png,none,,,,\na.png,mass,0,0,3,4\n")
    assert [len(each) for each in found.boxes] == [2, 0]
    assert edges(found.among([1, 0])) == edges(found)[::-1]


def test_boxes_in_volumes_are_in_millimetres_and_the_columns_say_so(folder: Path) -> None:
    task = replace(TASK, labels=TASK.labels[:1])
    found = read(folder, f"{IN_MM}\na.png,nodule,-10.5,-20,30,-1,-2,33\n", volume=True, task=task)
    assert edges(found) == [[("nodule", (30.0, -20.0, -10.5, 33.0, -2.0, -1.0))]]
    assert found.boxes[0][0].in_mm


def test_patients_and_subgroups_are_those_of_the_scan(folder: Path) -> None:
    rows = "a.png,p,F,nodule,1,2,5,8\na.png,p,F,mass,0,0,3,4\nb.png,q,M,none,,,,\n"
    found = read(folder, f"path,patient,sex,label,x0,y0,x1,y1\n{rows}")
    assert found.patients == ("p", "q")
    assert dict(found.groups) == {"sex": ("F", "M")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,x0,y0,x1,y1\na.png,1,2,3,4\n", "the column 'label' is missing; found the columns path, x0"),
        ("path,label,x0,y0,x1\na.png,nodule,1,2,3\n", "the column 'y1' is missing"),
        (f"{HEADER}\ngone.png,nodule,1,2,3,4\n", "gone.png is not there"),
        (f"{HEADER}\na.png,noddule,1,2,3,4\n", "as label, expected one of nodule, mass, none. Did you mean 'nodule'?"),
        (f"{HEADER}\na.png,,1,2,3,4\n", "line 2: found '' as label, expected one of nodule, mass, none"),
        (f"{HEADER}\n{BOTH}b.png,nodule,1,2,x,4\n", "line 4: found 'x' as x1, expected a number such as 12.5"),
        (f"{HEADER}\na.png,nodule,1,2,,4\n", "line 2: found '' as x1, expected a number"),
        (f"{HEADER}\na.png,nodule,1,2,inf,4\n", "line 2: found 'inf' as x1, expected a number"),
        (f"{HEADER}\na.png,nodule,1,nan,3,4\n", "line 2: found 'nan' as y0, expected a number"),
        (f"{HEADER}\na.png,nodule,5,2,5,4\n", "line 2: found x0 5 and x1 5, expected a box that ends after it begins"),
        (f"{HEADER}\na.png,nodule,1,6,5,4\n", "line 2: found y0 6 and y1 4, expected a box that ends after"),
        (f"{HEADER}\na.png,none,1,,,\n", "line 2: found '1' as x0, expected nothing where the label is 'none'"),
        (f"{HEADER}\n{BOTH}a.png,none,,,,\n", "line 4: found that the scan has no box, and line 2 is about the same"),
        (f"{HEADER}\na.png,none,,,,\na.png,none,,,,\n", "line 3: found the row of line 2 again; leave one out"),
        (f"{HEADER}\n{BOTH}b.png,none,,,,\na.png,mass, 0,0,3.5,4\n", "line 5: found the row of line 3 again"),
        (f"{HEADER}\na.png,nodule,1,2,5,8\nb.png,none,,,,\n", "no scan has a box of 'mass'; some are needed"),
        (f"{IN_MM}\na.png,nodule,1,2,3,4,5,6\n", "the column 'x0' is missing; found the columns path, label, x0_mm"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_in_words(folder: Path, text: str, words: str) -> None:
    assert words in refusal(folder, text)


def test_pixels_are_refused_for_volumes(folder: Path) -> None:
    said = refusal(folder, f"{HEADER}\n{BOTH}", volume=True)
    assert "the column 'x0_mm' is missing; found the columns path, label, x0, y0, x1, y1" in said


def test_rows_that_say_different_things_of_a_scan_are_refused(folder: Path) -> None:
    text = "path,patient,label,x0,y0,x1,y1\na.png,p,nodule,1,2,5,8\na.png,q,mass,0,0,3,4\n"
    assert "line 3: found 'q' as patient, where line 2 of the same scan says 'p'" in refusal(folder, text)
    other = text.replace("patient", "site")
    assert "line 3: found 'q' as site, where line 2 of the same scan says 'p'" in refusal(folder, other)


def test_a_label_that_is_called_as_no_box_at_all_is_refused(folder: Path) -> None:
    task = replace(TASK, labels=(label("none"),))
    assert "'none' stands for a scan without a box" in refusal(folder, f"{HEADER}\na.png,none,,,,\n", task=task)


def test_boxes_on_one_slice_of_a_volume_are_not_compared(folder: Path) -> None:
    flat = replace(volume_input(), axes="NCHW", shape=(1, 4, 4))
    (folder / "labels.csv").write_text(f"{IN_MM}\na.png,nodule,1,2,3,4,5,6\n", encoding="utf-8")
    with pytest.raises(UsageError, match="the model finds boxes on one slice of a volume"):
        read_labels(folder / "labels.csv", TASK, [flat])


# On the scan ---------------------------------------------------------------------------------------------


def flat_box(*values: float) -> TrueBox:
    return TrueBox(label="nodule", edges=values, where="labels.csv, line 7")


@pytest.mark.parametrize("spacing", [None, (0.2, 0.3)])
def test_a_box_on_a_picture_is_in_its_pixels_whatever_their_size(spacing: tuple[float, float] | None) -> None:
    scan = phantom_scan((1, 20, 30), spacing_mm=spacing)
    assert placed(flat_box(2, 1, 8, 25.5), scan.grid).tolist() == [2.0, 1.0, 8.0, 25.5]


def test_a_box_may_touch_the_edges_and_reach_a_pixel_beyond() -> None:
    scan = phantom_scan((1, 20, 30))
    assert placed(flat_box(0, 0, 20, 30), scan.grid).tolist() == [0.0, 0.0, 20.0, 30.0]
    assert placed(flat_box(-0.5, -1, 20.4, 31), scan.grid).tolist() == [0.0, 0.0, 20.0, 30.0]


@pytest.mark.parametrize("values", [(0, 0, 20, 32), (-2, 0, 5, 5), (21, 3, 25, 9), (300, 300, 400, 400)])
def test_a_box_beyond_its_picture_is_refused_with_its_line(values: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv, line 7: it reaches beyond the scan of 20 x 30 voxels"):
        placed(flat_box(*values), phantom_scan((1, 20, 30)).grid)


@pytest.mark.parametrize("index", range(0, 48, 5))
def test_a_box_in_millimetres_is_found_on_the_voxels_of_any_order_of_axes(index: int) -> None:
    turn = list(all_turns())[index]
    grid = turn.apply_grid(canonical_grid((9, 10, 11)))
    told = edges_mm([1, 2, 3], 4, grid)
    values = {name: float(value) for name, value in told.items()}
    box = flat_box(*(values[f"{axis}{end}_mm"] for end in "01" for axis in "zyx"))
    found = placed(box, grid)
    assert found == pytest.approx([1, 2, 3, 5, 6, 7], abs=0.01)


def test_on_an_oblique_scan_the_least_box_around_it_counts() -> None:
    grid = rotated(canonical_grid((20, 20, 20)))
    middle = (grid.matrix @ [9.5, 9.5, 9.5, 1.0])[:3]
    low, high = (middle - 2.0)[::-1], (middle + 2.0)[::-1]
    found = placed(flat_box(*low, *high), grid)
    sizes = (found[3:] - found[:3]) * grid.steps
    assert (found[:3] + found[3:]) / 2 == pytest.approx([10, 10, 10], abs=1e-6)
    assert (sizes > 4.0).all()


def test_millimetres_in_a_scan_without_a_place_are_refused() -> None:
    scan = replace(phantom_scan((4, 5, 6)), stack="volume")
    with pytest.raises(UsageError, match="line 7: the scan has no place in the patient, and the box is in mm"):
        placed(flat_box(0, 0, 0, 2, 2, 2), scan.grid)


def test_a_box_in_ras_is_told_to_lie_beyond_the_scan() -> None:
    matrix = np.array([[0, 0, 1.0, 10], [0, 1.0, 0, 10], [1.0, 0, 0, 0], [0, 0, 0, 1]])
    scan = volume_of(np.zeros((9, 9, 9), np.int16), Grid.of((9, 9, 9), matrix, "patient"))
    assert placed(flat_box(1, 11, 11, 3, 13, 13), scan.grid).tolist() == [1.5, 1.5, 1.5, 3.5, 3.5, 3.5]
    with pytest.raises(
        UsageError, match=r"beyond the scan of 9 x 9 x 9 voxels\. Check that x, y and z are in mm in LPS"
    ):
        placed(flat_box(1, -13, -13, 3, -11, -11), scan.grid)

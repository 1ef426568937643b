"""Tables of masks and of boxes: every way to write them, and what each wrong cell is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.pack.manifest import Accepts, DetectionTask, Label, Manifest
from edge.site.case import Case, TrueMask
from edge.site.table import read_table
from edge.testing import tiny_input, tiny_manifest, tiny_segmentation

OUTLINES = tiny_manifest(task=tiny_segmentation(names=("liver", "lesion")))
BOXES = tiny_manifest(
    task=DetectionTask(
        kind="detection",
        layout="yolov5",
        output="scores",
        activation="none",
        labels=(Label(name="nodule", title="Nodule", finding=True), Label(name="Rib", title="Rib", finding=False)),
    )
)
HEAD = "file,label,x0,y0,x1,y1"
Read = Callable[[str, Manifest], tuple[Case, ...]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    for name in ("a.dcm", "b.dcm", "m.nii.gz", "n.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder").mkdir()

    def reading(text: str, manifest: Manifest) -> tuple[Case, ...]:
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return read_table(path, manifest).cases

    return reading


def test_a_mask_is_a_file_or_one_value_of_a_file_or_nowhere_or_unknown(read: Read, tmp_path: Path) -> None:
    first, second = read("file;Liver;lesion\na.dcm;m.nii.gz;m.nii.gz#2\nb.dcm;none;?\n", OUTLINES)
    path = tmp_path / "m.nii.gz"
    assert first.masks == {"liver": TrueMask(path=path), "lesion": TrueMask(path=path, value=2)}
    assert second.masks == {"liver": None}
    assert read("file,lesion\na.dcm,\n", OUTLINES)[0].masks == {"lesion": None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,spleen\na.dcm,m.nii.gz\n", "found the columns file, spleen; expected liver or lesion"),
        ("file,liver\na.dcm,x.nii.gz\n", "line 2: the mask of 'liver' is not there"),
        ("file,liver\na.dcm,folder\n", "line 2: the mask of 'liver' is a folder"),
        ("file,liver\na.dcm,m.nii.gz#0\n", "line 2: found '0' behind # as liver"),
        ("file,liver\na.dcm,m.nii.gz#x\n", "line 2: found 'x' behind # as liver"),
        ("file,liver\na.dcm,m.nii.gz\na.dcm,n.nii.gz\n", "line 3: this scan stands on line 2"),
        ("file,liver\na.dcm,?\n", "of none of its scans is it known"),
    ],
)
def test_a_wrong_table_of_masks_is_told_by_line_and_column(read: Read, text: str, words: str) -> None:
    with pytest.raises(UsageError, match="Reading") as caught:
        read(text, OUTLINES)
    assert words in str(caught.value)


def test_all_rows_of_a_scan_are_one_case(read: Read) -> None:
    text = f"{HEAD},patient\na.dcm,nodule,1,2,11,22,P\nb.dcm,none,,,,,Q\na.dcm,rib,3,4,5.5,6,P\n"
    first, second = read(text, BOXES)
    assert [(box.label, box.edges) for box in first.boxes or ()] == [
        ("nodule", (2, 1, 22, 11)),
        ("Rib", (4, 3, 6, 5.5)),
    ]
    assert (first.row, first.patient, second.row, second.boxes) == (2, "P", 3, ())


def test_without_patients_the_rows_of_a_scan_are_still_of_one(read: Read) -> None:
    (only,) = read(f"{HEAD}\na.dcm,nodule,1,2,3,4\na.dcm,nodule,5,6,7,8\na.dcm,nodule,9,9,10,10\n", BOXES)
    assert (only.patient, len(only.boxes or ())) == ("row 2", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\na.dcm,nodule\n", "found the columns file, label; expected x0"),
        (f"{HEAD}\na.dcm,nodul,1,2,3,4\n", "Did you mean 'nodule'?"),
        (f"{HEAD}\na.dcm,nodule,1,2,x,4\n", "found 'x', expected a number"),
        (f"{HEAD}\na.dcm,nodule,1,2,inf,4\n", "found 'inf', expected a number"),
        (f"{HEAD}\na.dcm,nodule,1,2,1,4\n", "found x0 1 and x1 1, expected a box that ends after it begins"),
        (f"{HEAD}\na.dcm,none,1,,,\n", "found a number where the label is 'none'"),
        (f"{HEAD}\na.dcm,none,,,,\na.dcm,nodule,1,2,3,4\n", "line 3: the scan has no box by line 2, and another row"),
        (f"{HEAD}\na.dcm,nodule,1,2,3,4\na.dcm,none,,,,\n", "line 3: the scan has no box by line 3, and another row"),
        (f"{HEAD}\na.dcm,nodule,1,2,3,4\na.dcm,nodule,1,2,3,4\n", "line 3: this box stands there already"),
        (f"{HEAD},patient\na.dcm,nodule,1,2,3,4,P\na.dcm,nodule,1,2,9,9,Q\n", "another patient, sex, age"),
        (f"{HEAD},sex\na.dcm,nodule,1,2,3,4,f\na.dcm,nodule,1,2,9,9,m\n", "another patient, sex, age"),
    ],
)
def test_a_wrong_table_of_boxes_is_told_by_line(read: Read, text: str, words: str) -> None:
    with pytest.raises(UsageError, match="Reading") as caught:
        read(text, BOXES)
    assert words in str(caught.value)


def test_boxes_in_volumes_are_in_millimetres(read: Read) -> None:
    volume = replace(tiny_input(), axes="NCDHW", shape=(1, 4, 4, 4), accepts=Accepts(stack="volume", colour="grey"))
    head = "file,label,x0_mm,y0_mm,z0_mm,x1_mm,y1_mm,z1_mm"
    (case,) = read(f"{head}\na.dcm,nodule,-1,-2,-3,4,5,6\n", replace(BOXES, inputs=(volume,)))
    assert [box.edges for box in case.boxes or ()] == [(-3, -2, -1, 6, 5, 4)]
    flat = replace(volume, axes="NCHW", shape=(1, 4, 4))
    with pytest.raises(UsageError, match="on one slice of a volume"):
        read(f"{head}\na.dcm,none,,,,,,\n", replace(BOXES, inputs=(flat,)))

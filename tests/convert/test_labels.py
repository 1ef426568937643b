"""The labelled set, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert.labels import read_labels
from edge.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def table(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_truths_and_subgroups_are_read_in_the_tables_order(folder: Path) -> None:
    found = read_labels(table(folder, "path,x,sex,remark\nb.dcm,1,F,\na.dcm,no,M,?\n"), ["x"])
    assert found.paths == (folder / "b.dcm", folder / "a.dcm")
    assert found.truths["x"].tolist() == [True, False]
    assert dict(found.groups) == {"sex": ("F", "M")}


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(folder: Path) -> None:
    path = folder / "labels.csv"
    path.write_bytes("\ufeffpath,x\r\na.dcm,1\r\nb.dcm,0\r\n".encode())
    assert len(read_labels(path, ["x"]).paths) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the column 'path' is missing; found the columns none"),
        ("path,y\na.dcm,1\n", "the column 'x' is missing; found the columns path, y"),
        ("path,x\n", "names no scan"),
        ("path,x\na.dcm,1\nb.dcm,1\n", "all 2 scans are positive for 'x'"),
        ("path,x\na.dcm,0\nb.dcm,0\n", "all 2 scans are negative for 'x'"),
        ("path,x\na.dcm,maybe\nb.dcm,0\n", "line 2: found 'maybe' for 'x', expected 1 or 0"),
        ("path,x\na.dcm,1\nb.dcm\n", "line 3: found None for 'x'"),
        ("path,x\na.dcm,1\nz.dcm,0\ny.dcm,0\n", "z.dcm and 1 more is not there"),
        ("path,x\na.dcm,1\na.dcm,0\n", "a.dcm is named more than once"),
        ('path,x\n"a.dcm,1\n', "expected a CSV file"),
    ],
)
def test_a_wrong_table_is_refused_in_words(folder: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_labels(table(folder, text), ["x"])
    assert words in str(caught.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv"):
        read_labels(tmp_path / "labels.csv", ["x"])

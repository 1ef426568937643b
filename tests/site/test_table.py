"""A clinic's table: every way in which spreadsheets write it, and what each wrong cell is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.pack.manifest import Accepts, ClassificationTask, Label, Manifest, RegistrationTask
from edge.site.case import Table
from edge.site.table import read_table
from edge.testing import tiny_input, tiny_manifest
from tests.site.cases import TASK

GRADES = ClassificationTask(
    kind="classification",
    mode="ordinal",
    output="scores",
    activation="sigmoid",
    labels=tuple(Label(name=name, title=name.title(), finding=name != "none") for name in ("none", "mild", "severe")),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def read(folder: Path, text: str, manifest: Manifest | None = None, encoding: str = "utf-8") -> Table:
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return read_table(path, manifest or tiny_manifest())


def problem(folder: Path, text: str, manifest: Manifest | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text, manifest)
    return str(caught.value)


def with_task(task: ClassificationTask) -> Manifest:
    return tiny_manifest(task=task)


@pytest.mark.parametrize(
    "text",
    [
        "file,bright\na.dcm,1\nb.dcm,0\n",
        "file;bright\na.dcm;1\nb.dcm;0\n",
        "File\tBRIGHT\na.dcm\tyes\nb.dcm\tno\n",
        "path,label\na.dcm,bright\nb.dcm,normal\n",
        "bright , file\r\n1 , a.dcm\r\n0 , b.dcm\r\n\r\n , \r\n",
        'file,bright,remark\n"a.dcm",positive,"x, y"\n"b.dcm",negative,\n',
    ],
)
def test_what_spreadsheets_write_says_the_same(folder: Path, text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        found = read(folder, text, encoding=encoding)
        assert [case.truth for case in found.cases] == [{"bright": True}, {"bright": False}]
        assert [case.path.name for case in found.cases] == ["a.dcm", "b.dcm"]
        assert [case.row for case in found.cases] == [2, 3]


def test_files_are_found_beside_the_table_whatever_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert read(folder, "file,bright\na.dcm,1\n").cases[0].path == folder / "a.dcm"


def test_an_empty_cell_is_a_truth_that_nobody_knows(folder: Path) -> None:
    assert [case.truth for case in read(folder, "file,bright\na.dcm,1\nb.dcm,\n").cases] == [{"bright": True}, {}]


def test_without_a_column_for_patients_every_row_is_another(folder: Path) -> None:
    alone = read(folder, "file,bright\na.dcm,1\nb.dcm,1\n")
    assert not alone.names_patients
    assert len({case.patient for case in alone.cases}) == 2
    together = read(folder, "file,bright,patient\na.dcm,1,x\nb.dcm,1,x\n")
    assert together.names_patients
    assert {case.patient for case in together.cases} == {"x"}


def test_what_is_told_of_a_scan_is_kept(folder: Path) -> None:
    (case,) = read(folder, 'file,bright,sex,age,device,site\na.dcm,1,F,"4,5",Ysio,Kisumu\n').cases
    assert case.told == {"sex": "F", "age": "4.5", "device": "Ysio", "site": "Kisumu"}


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("F", "F"),
        ("female", "F"),
        ("Mujer", "F"),
        ("m", "M"),
        ("Male", "M"),
        ("H", "M"),
        ("o", "O"),
        ("not asked", "not asked"),
    ],
)
def test_a_sex_is_the_same_however_it_is_written(folder: Path, written: str, term: str) -> None:
    (case,) = read(folder, f"file,bright,sex\na.dcm,1,{written}\n").cases
    assert case.told == {"sex": term}


def test_where_m_may_be_a_man_or_a_woman_nothing_is_guessed(folder: Path) -> None:
    assert "found H and M as sex" in problem(folder, "file,bright,sex\na.dcm,1,H\nb.dcm,0,m\n")
    for man in ("v", "Varón", "hombre"):
        assert f"found {man.upper()} and M as sex" in problem(folder, f"file,bright,sex\na.dcm,1,{man}\nb.dcm,0,M\n")


def test_a_pack_without_a_finding_has_nothing_to_miss(folder: Path) -> None:
    manifest = with_task(replace(TASK, labels=(replace(TASK.labels[0], finding=False),)))
    for column in ("bright", "label"):
        assert "no label of the pack is a finding" in problem(folder, f"file,{column}\na.dcm,1\n", manifest)


def test_several_labels_have_a_column_each(folder: Path) -> None:
    labels = (*TASK.labels, Label(name="round", title="Round", finding=True))
    manifest = with_task(replace(TASK, mode="multi-label", labels=labels))
    assert read(folder, "file,bright,round\na.dcm,1,0\n", manifest).cases[0].truth == {"bright": True, "round": False}
    assert read(folder, "file,bright\na.dcm,1\n", manifest).cases[0].truth == {"bright": True}
    assert "a column for each of bright, round" in problem(folder, "file,label\na.dcm,bright\n", manifest)


def test_classes_that_exclude_each_other_stand_in_one_column(folder: Path) -> None:
    labels = (Label(name="normal", title="Normal", finding=False), *TASK.labels)
    manifest = with_task(replace(TASK, mode="multi-class", labels=labels))
    found = read(folder, "file,label\na.dcm,Bright\nb.dcm,normal\n", manifest)
    assert [case.truth for case in found.cases] == [{"bright": True}, {"bright": False}]
    assert "Did you mean 'bright'?" in problem(folder, "file,label\na.dcm,brihgt\n", manifest)


def test_a_grade_counts_as_each_that_is_no_worse(folder: Path) -> None:
    found = read(folder, "file,grade\na.dcm,mild\nb.dcm,2\nc.dcm,none\n", with_task(GRADES)).cases
    assert [case.grade for case in found] == [1, 2, 0]
    assert found[0].truth == {"mild": True, "severe": False}
    assert found[1].truth == {"mild": True, "severe": True}
    assert found[2].truth == {"mild": False, "severe": False}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has no row"),
        ("file,bright\n", "it has no row"),
        ("scan,bright\na.dcm,1\n", "expected file or path"),
        ("file,dark\na.dcm,1\n", "expected label or grade or bright"),
        ("file,bright,bright\na.dcm,1,1\n", "'bright' stands there twice"),
        ("file,bright\na.dcm,1,1\n", "line 2: found more cells"),
        ("file,bright\na.dcm,2\n", "line 2: found '2' as bright, expected 1 or 0"),
        ("file,bright\na.dcm,1\nx.dcm,1\n", "line 3: the scan in the column 'file' is not there"),
        ("file,bright\n,1\n", "line 2: the scan"),
        ("file,bright\na.dcm,1\n./a.dcm,0\n", "line 3: this scan stands on line 2"),
        ("file,bright\na.dcm,\n", "of none of its scans"),
        ("file,bright,age\na.dcm,1,old\n", "line 2: found another age"),
        ("file,bright,age\na.dcm,1,250\n", "line 2: found another age"),
        ('file,bright\n"a.dcm,1\n', "expected a CSV file"),
    ],
)
def test_a_wrong_table_is_told_by_line_and_column(folder: Path, text: str, words: str) -> None:
    assert words in problem(folder, text)


def test_a_table_that_is_no_text_is_told(folder: Path) -> None:
    (folder / "labels.csv").write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(UsageError, match="save it as CSV UTF-8"):
        read_table(folder / "labels.csv", tiny_manifest())
    with pytest.raises(UsageError, match="expected a CSV file"):
        read_table(folder / "missing.csv", tiny_manifest())


def test_other_tasks_are_sent_to_the_workshop(folder: Path) -> None:
    task = RegistrationTask(kind="registration", output="field", fixed="image", moving="image")
    assert "expected one for classification, segmentation or detection" in problem(
        folder, "file,bright\na.dcm,1\n", tiny_manifest(task=task)
    )


def test_a_pack_of_several_scans_is_not_judged_by_one(folder: Path) -> None:
    second = replace(tiny_input(), name="other", accepts=Accepts(stack="picture", colour="grey"))
    message = problem(folder, "file,bright\na.dcm,1\n", tiny_manifest(inputs=(tiny_input(), second)))
    assert "several scans of a patient (image, other)" in message

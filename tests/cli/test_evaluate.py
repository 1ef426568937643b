"""`edgerun evaluate`: from a clinic's table to a page, by the way that every scan takes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pydicom
import pytest

from edge.site.evaluation import Evaluation
from edge.typed import parse
from tests.conftest import Edgerun
from tests.site.pictures import labelled

FILMS = {
    "chest-pneumonia-0000.dcm": 1,
    "chest-pneumonia-0001.dcm": 1,
    "chest-pneumonia-0002.dcm": 1,
    "chest-normal-0234.dcm": 0,
    "chest-normal-0235.dcm": 0,
    "chest-normal-0236.dcm": 0,
}


@pytest.fixture
def films(tmp_path: Path, examples: Path) -> Path:
    """The real films, one of a foot, one that is no film, in a table with semicolons; they name patients."""
    rows = ["File;Label;Patient;Device"]
    for index, (name, truth) in enumerate(FILMS.items()):
        dataset = pydicom.dcmread(examples / name)
        dataset.PatientName = "CANARY^NAME"
        dataset.PatientID = f"CANARY-{index}"
        dataset.PatientSex = "MF"[index % 2]
        dataset.save_as(tmp_path / name)
        rows.append(f"{name};{'pneumonia' if truth else 'normal'};CANARY-{index};{'ab'[index // 3]}")
    foot = pydicom.dcmread(examples / "chest-normal-0234.dcm")
    foot.BodyPartExamined = "FOOT"
    foot.StudyInstanceUID = foot.SeriesInstanceUID = foot.SOPInstanceUID = "2.25.7"
    foot.save_as(tmp_path / "foot.dcm")
    (tmp_path / "letter.dcm").write_text("no film", encoding="utf-8")
    rows += ["foot.dcm;1;CANARY-8;a", "letter.dcm;0;CANARY-9;a"]
    table = tmp_path / "films.csv"
    table.write_text("\r\n".join(rows), encoding="utf-8-sig")
    return table


def test_films_of_the_embedded_pack_are_judged_and_the_lost_are_told_apart(
    edgerun: Edgerun, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = edgerun("evaluate", "chest-pneumonia", films, "--out", out, "--json")
    assert ran.code == 6  # one of many failed
    document = json.loads(ran.out)
    assert document == json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    found = parse(Evaluation, document)
    assert (found.rows, found.answered, found.refused, found.failed, found.patients) == (8, 6, 1, 1, 8)
    assert [(each.code, each.rows) for each in found.lost] == [("C704", (8,)), ("R301", (9,))]
    (label,) = found.labels
    assert any(words.startswith("P416") for words in found.cautions)
    assert (label.positives, label.n, label.lost_positives, label.lost_negatives) == (3, 6, 1, 1)
    assert {(group.kind, group.level) for group in label.subgroups} == {
        ("sex", "F"), ("sex", "M"), ("device", "a"), ("device", "b"),
    }  # fmt: skip
    verdicts = {each.verdict for group in label.subgroups for each in group.figures.values()}
    assert verdicts == {"too few to tell"}
    assert str(out / "evaluation.html") in ran.err
    assert "refused: 1 by C704" in ran.err
    said = ran.err + ran.out + (out / "evaluation.html").read_text(encoding="utf-8")
    assert "CANARY" not in said
    assert ".dcm" not in said


def test_what_was_finished_is_not_done_again(edgerun: Edgerun, tiny_pack: Path, tmp_path: Path) -> None:
    table = labelled(tmp_path / "scans", 4, 4)
    command = ("evaluate", tiny_pack, table, "--out", tmp_path / "out", "--json")
    first = json.loads(edgerun(*command).out)
    reports = sorted((tmp_path / "out" / "results").glob("*/report.json"))
    written = [path.stat().st_mtime_ns for path in reports]
    assert len(reports) == 8
    second = json.loads(edgerun(*command).out)
    assert [path.stat().st_mtime_ns for path in reports] == written
    assert {**first, "finished_utc": ""} == {**second, "finished_utc": ""}


def test_without_the_statistics_it_says_what_to_install(
    edgerun: Edgerun, tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    ran = edgerun("evaluate", tiny_pack, tmp_path / "none.csv")
    assert ran.code == 2
    assert "scipy and scikit-learn not installed" in ran.err


@pytest.mark.usefixtures("films")
def test_where_nothing_has_an_answer_there_is_no_page(edgerun: Edgerun, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("file,pneumonia\nfoot.dcm,1\n", encoding="utf-8")
    ran = edgerun("evaluate", "chest-pneumonia", tmp_path / "one.csv", "--out", tmp_path / "out")
    assert ran.code == 2
    assert "none of them has an answer. Line 2: C704" in ran.err
    assert not (tmp_path / "out" / "evaluation.html").exists()


def test_a_missing_table_is_a_wrong_command(edgerun: Edgerun, tiny_pack: Path, tmp_path: Path) -> None:
    ran = edgerun("evaluate", tiny_pack, tmp_path / "none.csv", "--out", tmp_path / "out")
    assert ran.code == 2
    assert "expected a CSV file" in ran.err

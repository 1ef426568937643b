"""Folders are handed on whole: what is written where, what is left out and by which code, and what is told."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from edge.deidentify.contract import Cleaned, Link, Ready
from edge.deidentify.links import COLUMNS, read_links, row_of, write_links
from edge.deidentify.ocr import is_installed
from edge.deidentify.record import Tally
from edge.deidentify.run import Order, run
from edge.deidentify.told import told
from edge.deidentify.wishes import KEEPS, burned_in_of, keep_of
from edge.errors import ExitCode, ReadError, UsageError
from edge.reasons import A_DIRECTORY, BURNED_IN_RISK, DAMAGED, NOT_DICOM, Reason
from tests.conftest import Edgerun, Ran
from tests.deidentify.cleaning import film
from tests.read.dicom_files import picture, save

READY = Ready(looks=False, burned_in="refuse")


def named(number: int, **elements: Any) -> Dataset:
    return film(SOPInstanceUID=f"1.2.3.{number}", **elements)


@pytest.fixture(scope="module")
def handed_on(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str]]]:
    """Sources of every kind, and what was left out of what was handed on, by number."""
    folder = tmp_path_factory.mktemp("hospital")
    source = folder / "source"
    source.mkdir()
    save(named(1), source / "01.dcm")
    save(named(2, PatientID="=1+1", StudyInstanceUID="1.2.9"), source / "02.dcm")
    save(named(1), source / "03-the-same.dcm")
    save(named(1, BodyPartExamined="CHEST"), source / "04-another.dcm")
    (source / "05.txt").write_text("Jane Doe")
    (source / "06.dcm").write_bytes((source / "01.dcm").read_bytes()[:-10])
    report = named(7)
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.104.1")
    save(report, source / "07-pdf.dcm")
    left: list[tuple[int, str]] = []
    order = Order(paths=(source,), out=folder / "out", burned_in="keep", key=folder / "key", links=folder / "links.csv")
    run(order, left=lambda number, _path, error: left.append((number, error.reason.code)))
    return folder, left


def test_each_file_lies_below_its_new_patient_study_and_series(handed_on: tuple[Path, Any]) -> None:
    out = handed_on[0] / "out"
    files = sorted(out.rglob("*.dcm"))
    assert len(files) == 2
    for path in files:
        dataset = dcmread(path)
        names = (
            dataset.PatientID,
            dataset.StudyInstanceUID,
            dataset.SeriesInstanceUID,
            f"{dataset.SOPInstanceUID}.dcm",
        )
        assert path.relative_to(out).parts == names
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == ["deidentified.json"]


def test_what_is_left_out_is_told_by_code_and_number(handed_on: tuple[Path, list[tuple[int, str]]]) -> None:
    folder, left = handed_on
    assert left == [(3, "R321"), (4, "R358"), (5, "R357"), (6, "R302"), (7, "R350")]
    record = json.loads((folder / "out" / "deidentified.json").read_text())
    assert {item["code"]: item["files"] for item in record["left_out"]} == {code: [number] for number, code in left}
    assert (record["files"], record["written"], record["patients"], record["studies"]) == (7, 2, 2, 2)
    assert record["done"]["renumbered"] == 6
    assert {"keyword": "SOPInstanceUID", "done": "renumbered", "times": 2} in record["attributes"]


def test_the_record_names_nobody_and_no_file_of_the_source(handed_on: tuple[Path, Any]) -> None:
    text = (handed_on[0] / "out" / "deidentified.json").read_text()
    assert not [word for word in ("4711", "Phantom", "source", "01.dcm", "1.2.3") if word in text.replace("0.1.0", "")]
    assert (handed_on[0] / "key").read_text().strip() not in text


def test_the_table_of_links_leads_back_and_is_its_owner_s_alone(handed_on: tuple[Path, Any]) -> None:
    path = handed_on[0] / "links.csv"
    with path.open(encoding="utf-8", newline="") as file:
        first, *rows = csv.reader(file)
    assert tuple(first) == COLUMNS
    old = {row[1]: (row[3], row[5]) for row in rows}
    assert old["4711"][1] == "1.2.3.1"
    assert old["'=1+1"] == ("1.2.9", "1.2.3.2")
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_source_is_untouched_and_the_same_again_changes_nothing(
    handed_on: tuple[Path, Any], edgerun: Edgerun
) -> None:
    folder = handed_on[0]
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    where = ("--out", folder / "out", "--key", folder / "key", "--links", folder / "links.csv")
    ran = edgerun("deidentify", folder / "source", *where, "--burned-in", "keep", "--json", "--show-names")
    assert ran.code == ExitCode.SOME_FAILED
    assert ran.reports == [json.loads((folder / "out" / "deidentified.json").read_text())]
    assert "05.txt: R357" in ran.err
    after = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    assert after == before


def test_one_folder_holds_what_was_made_with_one_key(handed_on: tuple[Path, Any], tmp_path: Path) -> None:
    folder = handed_on[0]
    for key in (None, tmp_path / "other"):
        with pytest.raises(UsageError, match="made with another key"):
            run(Order(paths=(folder / "source",), out=folder / "out", key=key))


def usage(edgerun: Edgerun, *arguments: object) -> str:
    ran: Ran = edgerun("deidentify", *arguments)
    assert ran.code == ExitCode.USAGE
    return ran.err


def test_nothing_is_written_among_the_sources(edgerun: Edgerun, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for paths, out in ((source, source), (source, source / "out"), (source / "a.dcm", source), (source, tmp_path)):
        assert "one lies in the other" in usage(edgerun, paths, "--out", out)
    assert list(source.iterdir()) == []


@pytest.mark.parametrize("option", ["--key", "--links"])
def test_neither_the_key_nor_the_links_are_handed_on(edgerun: Edgerun, tmp_path: Path, option: str) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    assert "would be handed on" in usage(edgerun, source, "--out", out, option, out / "secret")
    assert not out.exists()


def test_what_is_kept_is_chosen_from_what_can_be(edgerun: Edgerun, tmp_path: Path) -> None:
    assert "expected dates, device" in usage(edgerun, tmp_path, "--out", tmp_path / "out", "--keep", "names")
    assert "expected blank, likely, refuse, keep" in usage(
        edgerun, tmp_path, "--out", tmp_path / "out", "--burned-in", "yes"
    )
    assert keep_of(("uids", "dates", "uids")) == ("dates", "uids")
    assert keep_of(KEEPS) == keep_of((", ".join(KEEPS),)) == KEEPS
    assert burned_in_of(None) is None


def test_a_path_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="R300"):
        run(Order(paths=(tmp_path / "nothing",), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def cleaned(number: int = 1, **fields: Any) -> Cleaned:
    """What is told of a file that was handed on."""
    told_of: dict[str, Any] = {
        "patient": "ANON-0123456789ABCDEF",
        "study": "2.25.1",
        "series": "2.25.2",
        "instance": f"2.25.{number}",
        "counts": (),
        "pictures": False,
        "looked": False,
        "frames": 0,
        "frames_with_text": 0,
        "boxes": 0,
        "face": False,
        "born": "",
        "link": None,
    }
    return Cleaned(**{**told_of, **fields})


def lines_of(tally: Tally, *, key_kept: bool = True) -> str:
    record = tally.record(version="1", keep=("uids",), ready=READY, key="00", key_kept=key_kept)
    return "\n".join(told(record, Path("out")))


@pytest.mark.parametrize(
    ("written", "reasons", "code"),
    [
        (1, [], ExitCode.DONE),
        (1, [NOT_DICOM, A_DIRECTORY], ExitCode.DONE),
        (0, [NOT_DICOM], ExitCode.READ),
        (1, [BURNED_IN_RISK], ExitCode.REFUSED),
        (0, [BURNED_IN_RISK], ExitCode.REFUSED),
        (0, [DAMAGED], ExitCode.READ),
        (1, [DAMAGED], ExitCode.SOME_FAILED),
        (0, [DAMAGED, BURNED_IN_RISK], ExitCode.SOME_FAILED),
    ],
)
def test_the_exit_code_tells_whether_all_was_handed_on(written: int, reasons: list[Reason], code: ExitCode) -> None:
    tally = Tally()
    for number in range(written):
        tally.add(cleaned(number))
    for number, reason in enumerate(reasons, start=written):
        tally.leave(number, reason)
    assert tally.record(version="1", keep=(), ready=READY, key="", key_kept=True).exit_code is code


def test_a_person_is_told_what_is_still_to_be_looked_at() -> None:
    tally = Tally()
    tally.add(cleaned(1, pictures=True, face=True, born="a"))
    tally.add(cleaned(2, pictures=True, face=True, born="b"))
    tally.add(cleaned(3, pictures=True, looked=True, frames=5, frames_with_text=2, boxes=9))
    lines = lines_of(tally, key_kept=False)
    for words in (
        "2 files with pictures in which no text was looked for",
        "2 frames with something blanked: small lesions may have been taken for letters",
        "1 series of the head",
        "1 patient with several birth dates",
        "UIDs were kept",
        "no --key was given",
        "5 frames searched; text was blanked at 9 places of 2 frames",
        "3 of 3 files handed on in out (1 patient, 1 study, 1 series)",
    ):
        assert words in lines


def test_nothing_is_warned_of_where_nothing_is_to_be_done() -> None:
    tally = Tally()
    tally.add(cleaned())
    record = tally.record(version="1", keep=(), ready=READY, key="", key_kept=True)
    assert "warning" not in "\n".join(told(record, Path("out")))


def test_links_are_kept_over_runs_each_once(tmp_path: Path) -> None:
    path = tmp_path / "links.csv"
    assert read_links(path) == []
    row = row_of(cleaned(link=Link(patient="@SUM", study="1.2", instance="1.3")))
    assert row == ("ANON-0123456789ABCDEF", "'@SUM", "2.25.1", "1.2", "2.25.1", "1.3")
    write_links(path, [row, row])
    write_links(path, [*read_links(path), row])
    assert read_links(path) == [row]


def test_another_table_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "wages.csv"
    path.write_text("name,wage\nJane,1\n")
    with pytest.raises(UsageError, match="another kind of file") as raised:
        read_links(path)
    assert "Jane" not in str(raised.value)


def test_links_that_were_not_asked_for_are_not_told() -> None:
    with pytest.raises(UsageError, match="not asked for"):
        row_of(cleaned())


def test_a_folder_of_an_interrupted_run_is_not_gone_on_with_by_another_key(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    save(named(1), source / "1.dcm")

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Order(paths=(source,), out=tmp_path / "out", burned_in="keep"), progress=interrupt)
    with pytest.raises(UsageError, match="another key"):
        run(Order(paths=(source,), out=tmp_path / "out", burned_in="keep"))


def test_text_in_a_picture_is_blanked_and_that_is_said(tmp_path: Path) -> None:
    if not is_installed():
        pytest.skip("what finds text in pictures is not installed")
    pixels = np.full((120, 320), 40, np.uint8)
    cv2.putText(pixels, "DOE JANE 4711", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2)
    source = picture(pixels, Modality="US", PatientID="4711", BurnedInAnnotation="YES")
    record = run(Order(paths=(Path(save(source, tmp_path / "us.dcm")),), out=tmp_path / "out"))
    (path,) = (tmp_path / "out").rglob("*.dcm")
    new = dcmread(path)
    assert (record.burned_in, record.frames_with_text, record.pictures_not_searched) == ("likely", 1, 0)
    assert int(new.pixel_array.max()) == 40
    assert new.BurnedInAnnotation == "NO"
    assert "113101" not in [code.CodeValue for code in new.DeidentificationMethodCodeSequence]  # not of every picture


def test_what_another_run_wrote_into_the_links_meanwhile_stays(tmp_path: Path) -> None:
    links, source = tmp_path / "links.csv", Path(save(named(1), tmp_path / "1.dcm"))
    other = row_of(cleaned(link=Link(patient="other", study="1.2", instance="1.3")))
    order = Order(paths=(source,), out=tmp_path / "out", burned_in="keep", links=links)
    run(order, progress=lambda _done, _total: write_links(links, [other]))
    assert [row[1] for row in read_links(links)] == ["other", "4711"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
def test_a_name_of_a_file_cannot_pass_itself_off_as_a_line(tmp_path: Path, edgerun: Edgerun) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a\nwarning: none\x1b[2J.txt").write_text("Jane")
    ran = edgerun("deidentify", source, "--out", tmp_path / "out", "--show-names")
    assert "a?warning: none?[2J.txt: R357" in ran.err

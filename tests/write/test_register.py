"""The register: a line for each result, which no spreadsheet runs and no second run doubles."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from edge.choose import Choice
from edge.errors import OutputError
from edge.reasons import WRONG_MODALITY
from edge.results import study_report
from edge.scan import StudyIndex
from edge.testing import phantom_scan
from edge.wanted import Wanted
from edge.write import Outcome
from edge.write.register import (
    BEFORE_PATIENTS,
    COLUMNS,
    REGISTER,
    Register,
    as_text,
    read_register,
    register_kept,
    rows_of,
    safe,
    to_csv,
)
from edge.write.report import PatientReport, StudyReport
from tests.conftest import Edgerun
from tests.write.outcomes import asked_of, classified, failed, outcome, refusal, score, segmented

SCAN = phantom_scan((1, 8, 8), spacing_mm=(0.5, 0.5))
LIST = Wanted(views=("register",))


def report(*outcomes: Outcome, folder: str = "study-one") -> StudyReport:
    """The report of a study."""
    results = [each.result for each in outcomes]
    study = StudyIndex(key="0123", series=())
    told = study_report(study, Choice(pack=None, fitting=(), refused=(), passed_over=()), results, asked_of(), {})
    return replace(told, folder=folder)


def found(title: str = "Nodule", value: float = 0.9) -> Outcome:
    """A result with one score."""
    return outcome(SCAN, classified(SCAN, score(title, value)))


def row(*outcomes: Outcome) -> dict[str, str]:
    """The one line of a study."""
    (cells,) = rows_of(report(*outcomes))
    return dict(zip(COLUMNS, cells, strict=True))


def read(folder: Path) -> list[dict[str, str]]:
    """The register as a spreadsheet reads it."""
    return list(csv.DictReader(io.StringIO((folder / REGISTER).read_bytes().decode("utf-8-sig"))))


def test_a_finding_has_its_score_its_threshold_and_its_urgency() -> None:
    said = row(found())
    assert (said["state"], said["label"], said["score"], said["threshold"], said["urgency"]) == (
        "finding",
        "Nodule",
        "0.9",
        "0.5",
        "soon",
    )
    assert (said["pack"], said["version"], said["engine"]) == ("tiny", "1.0.0", "fake 1.2.3 fp32")


def test_of_several_labels_the_line_tells_what_was_found() -> None:
    said = row(outcome(SCAN, classified(SCAN, score("One", 0.9), score("Two", 0.1), score("Three", 0.7))))
    assert (said["label"], said["score"]) == ("One; Three", "0.9; 0.7")


def test_where_nothing_was_found_the_line_tells_how_close_it_was() -> None:
    said = row(found(value=0.49))
    assert (said["state"], said["score"]) == ("no-finding", "0.49")


def test_what_a_reader_must_settle_is_told() -> None:
    unsure = replace(score("Nodule", 0.4), zone=(0.3, 0.6), uncertain=True)
    said = row(outcome(SCAN, classified(SCAN, unsure, score("Other", 0.2))))
    assert (said["state"], said["label"]) == ("uncertain", "Nodule")


def test_what_a_reader_must_settle_is_told_apart_from_what_was_found() -> None:
    unsure = replace(score("Effusion", 0.4), zone=(0.3, 0.6), uncertain=True)
    said = row(outcome(SCAN, classified(SCAN, score("Nodule", 0.9), unsure)))
    assert (said["state"], said["label"]) == ("finding", "Nodule; Effusion (uncertain: needs a reader)")


def test_a_region_is_told_by_its_size() -> None:
    mask = np.zeros((1, 8, 8), dtype=bool)
    mask[0, 2:4, 2:6] = True
    said = row(outcome(SCAN, segmented(SCAN, mask)))
    assert (said["label"], said["measured"], said["score"]) == ("Region 1", "2 mm2", "")


def test_not_analysed_and_failed_have_their_codes() -> None:
    assert (row(outcome(SCAN, refusal(WRONG_MODALITY)))["state"], row(failed())["state"]) == ("not-analysed", "failed")
    assert row(outcome(SCAN, refusal(WRONG_MODALITY)))["reasons"] == WRONG_MODALITY.code


def test_each_result_has_a_line_of_its_own() -> None:
    assert [cells[COLUMNS.index("result")] for cells in rows_of(report(found(), found()))] == ["1", "2"]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\uff1d"])
def test_no_cell_begins_as_a_formula(begin: str) -> None:
    title = f'{begin}HYPERLINK("http://x";"y")'
    written = to_csv(list(rows_of(report(found(title)))))
    (said,) = csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline=""))
    assert said["label"] == f"'{title}"
    assert safe(said["label"]) == said["label"]


@pytest.mark.parametrize("apart", [";", "; ", "\t", "\r\n"])
def test_no_part_of_a_cell_begins_as_a_formula_where_another_sign_parts_cells(apart: str) -> None:
    cell = safe(f"Doe{apart}=1+1;Jane")
    assert cell == f"Doe{apart}'=1+1;Jane"
    assert safe(cell) == cell


def test_a_hostile_name_leaves_a_register_that_the_next_run_reads(tmp_path: Path) -> None:
    names = ("Doe\0Jane", "\u00e9" * 200_000, "+" * 200_000)
    for number, name in enumerate(names):
        with Register(tmp_path) as register:
            register.add(report(named(PatientReport(name=name, number="1", birth_date=None)), folder=str(number)))
    told = [row[COLUMNS.index("patient")] for row in read_register(tmp_path / REGISTER)]
    assert told == ["DoeJane", "\u00e9" * 32_767, "'" + "+" * 32_766]


def test_quotes_and_commas_stay_in_their_cell() -> None:
    written = to_csv(list(rows_of(report(found('a "b", c\nd')))))
    (said,) = csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline=""))
    assert said["label"] == 'a "b", c\nd'


WHO = PatientReport(name="Doe^Jane^^Dr=\u91d1", number="00123", birth_date="19800131")


def named(who: PatientReport = WHO, sex: str | None = "F") -> Outcome:
    """A result whose report names the patient."""
    told = found()
    acquisition = replace(told.result.scan.acquisition, sex=sex)
    scan = replace(told.result.scan, patient=who, acquisition=acquisition)
    return replace(told, result=replace(told.result, scan=scan))


def test_the_patient_stands_in_the_last_columns_where_the_report_names_them() -> None:
    said = row(named())
    assert [said[name] for name in COLUMNS[-4:]] == ["Doe, Jane Dr", "'00123", "1980-01-31", "F"]


def test_the_columns_of_the_patient_are_there_and_empty_where_it_does_not() -> None:
    assert COLUMNS[-4:] == ("patient", "patient_id", "birth_date", "sex")
    assert [row(found())[name] for name in COLUMNS[-4:]] == [""] * 4


def test_what_the_files_do_not_tell_of_a_patient_is_empty() -> None:
    said = row(named(PatientReport(name=None, number=None, birth_date=None), sex=None))
    assert [said[name] for name in COLUMNS[-4:]] == [""] * 4


@pytest.mark.parametrize("field", ["name", "number", "birth_date"])
def test_nothing_of_a_patient_begins_as_a_formula(field: str) -> None:
    who = replace(WHO, **{field: '@SUM("a",1)'})
    (said,) = csv.reader(io.StringIO(to_csv(list(rows_of(report(named(who))))).decode("utf-8-sig").split("\r\n")[1]))
    assert '\'@SUM("a",1)' in said


CHANGED = (
    "0",
    "007",
    "123456789012",
    "1E5",
    "1.50",
    "1-2",
    "3/4",
    "12:30",
    "1,5",
    "5%",
    "(12)",
    "10 am",
    "TRUE",
    "VRAI",
)
CHANGED_WORDS = ("VRAI", "MAR-01", "sept2", "ABR-01", "d\u00e9c.1", "2out")


@pytest.mark.parametrize("number", [*CHANGED, *CHANGED_WORDS])
def test_a_number_that_a_spreadsheet_would_change_is_kept_as_text(number: str) -> None:
    assert as_text(number) == f"'{number}"
    assert as_text(as_text(number)) == as_text(number)


@pytest.mark.parametrize("number", ["", "1", "4711", "12345678901", "CHX-0001", "A1", "N\u00ba 5", "\u00e95"])
def test_a_number_that_no_spreadsheet_changes_stays_as_it_is(number: str) -> None:
    assert as_text(number) == number


@pytest.mark.parametrize("word", ["jan", "jan1", "marmay", "true", "e1"])
def test_a_hostile_number_is_looked_at_once(word: str) -> None:
    number = word * 500 + "!"
    assert as_text(number) == number


def test_the_lines_of_a_register_without_patients_are_kept(tmp_path: Path) -> None:
    old = dict.fromkeys(BEFORE_PATIENTS, "x") | {"folder": "one"}
    text = ",".join(BEFORE_PATIENTS) + "\r\n" + ",".join(f'"{cell}"' for cell in old.values()) + "\r\n"
    (tmp_path / REGISTER).write_bytes(text.encode("utf-8-sig"))
    with Register(tmp_path) as register:
        register.add(report(named(), folder="two"))
    one, two = read(tmp_path)
    assert one == old | dict.fromkeys(COLUMNS[-4:], "")
    assert (two["folder"], two["patient"]) == ("two", "Doe, Jane Dr")


def test_it_begins_with_the_mark_by_which_excel_knows_its_letters(tmp_path: Path) -> None:
    with Register(tmp_path) as register:
        register.add(report(found("Épanchement 胸水")))
    assert (tmp_path / REGISTER).read_bytes().startswith(b"\xef\xbb\xbfwhen,study,")
    assert read(tmp_path)[0]["label"] == "Épanchement 胸水"


def test_a_second_run_doubles_no_line_and_keeps_those_of_others(tmp_path: Path) -> None:
    for folder, value in (("one", 0.9), ("two", 0.8), ("one", 0.7)):
        with Register(tmp_path) as register:
            register.add(report(found(value=value), folder=folder))
    assert [(each["folder"], each["score"]) for each in read(tmp_path)] == [("two", "0.8"), ("one", "0.7")]


def test_an_interrupted_run_has_what_it_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(tmp_path)
    assert len(read(tmp_path)) == 1


def _interrupted(folder: Path) -> None:
    with Register(folder) as register:
        register.add(report(found()))
        raise KeyboardInterrupt


def test_a_register_that_a_spreadsheet_saved_with_semicolons_is_kept(tmp_path: Path) -> None:
    with Register(tmp_path) as register:
        register.add(report(found(), folder="one"))
    path = tmp_path / REGISTER
    path.write_bytes(path.read_bytes().replace(b",", b";"))
    with Register(tmp_path) as register:
        register.add(report(found(), folder="two"))
    assert [each["folder"] for each in read(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize("sign", [",", ";"])
def test_a_register_is_kept_of_which_a_spreadsheet_left_the_last_empty_cells_out(sign: str, tmp_path: Path) -> None:
    with Register(tmp_path) as register:
        register.add(report(outcome(SCAN, refusal(WRONG_MODALITY)), folder="one"))
    path = tmp_path / REGISTER
    (kept,) = read_register(path)
    shortest = kept[: COLUMNS.index("warnings")]
    names = sign.join(f'"{name}"' for name in COLUMNS)
    path.write_text(f"{names}\n{sign.join(shortest)}\n", encoding="utf-8-sig")
    assert read_register(path) == [shortest + ("",) * (len(COLUMNS) - len(shortest))]


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"\xff\xfe", b"", ",".join(COLUMNS).encode() + b"\n1,2\n"], ids=range(4)
)
def test_a_file_of_somebody_else_is_not_replaced(content: bytes, tmp_path: Path) -> None:
    (tmp_path / REGISTER).write_bytes(content)
    with pytest.raises(OutputError) as raised, Register(tmp_path):
        pass
    assert raised.value.reason.code == "W805"
    assert (tmp_path / REGISTER).read_bytes() == content


def test_no_file_is_an_empty_register(tmp_path: Path) -> None:
    assert read_register(tmp_path / REGISTER) == []


def test_it_is_kept_only_where_it_is_asked_for(tmp_path: Path) -> None:
    for wanted in (Wanted(), LIST):
        with register_kept(tmp_path, wanted) as keep:
            keep(report(found()))
        assert (tmp_path / REGISTER).exists() == (wanted == LIST)


@pytest.mark.parametrize("asked", [(), ("--identified",)], ids=["nameless", "named"])
def test_a_run_writes_it_beside_the_studies(
    asked: tuple[str, ...], edgerun: Edgerun, examples: Path, tmp_path: Path
) -> None:
    film = dcmread(examples / "chest-normal-0235.dcm")
    film.PatientName, film.PatientID = "Canary^One", "00123"
    film.save_as(tmp_path / "film.dcm")
    ran = edgerun("infer", tmp_path / "film.dcm", "--write", "register", "--out", tmp_path, *asked)
    assert ran.code == 0
    (said,) = read(tmp_path)
    assert said["state"] == "no-finding"
    assert (said["patient"], said["patient_id"]) == (("Canary, One", "'00123") if asked else ("", ""))
    assert (tmp_path / said["folder"] / "report.json").is_file()

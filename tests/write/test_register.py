"""The register: a line for each result, which no spreadsheet runs and no second run doubles."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.choose import Choice
from edge.errors import OutputError
from edge.reasons import WRONG_MODALITY
from edge.results import study_report
from edge.scan import StudyIndex
from edge.testing import phantom_scan
from edge.wanted import Wanted
from edge.write import Outcome
from edge.write.register import COLUMNS, REGISTER, Register, read_register, register_kept, rows_of, safe, to_csv
from edge.write.report import StudyReport
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


def test_quotes_and_commas_stay_in_their_cell() -> None:
    written = to_csv(list(rows_of(report(found('a "b", c\nd')))))
    (said,) = csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline=""))
    assert said["label"] == 'a "b", c\nd'


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


def test_a_run_writes_it_beside_the_studies(edgerun: Edgerun, examples: Path, tmp_path: Path) -> None:
    ran = edgerun("infer", examples / "chest-normal-0235.dcm", "--write", "register", "--out", tmp_path)
    assert ran.code == 0
    (said,) = read(tmp_path)
    assert said["state"] == "no-finding"
    assert (tmp_path / said["folder"] / "report.json").is_file()

"""The page of paper: one, whole, the same again, and in no state and no language to be misread."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("fpdf")
pytest.importorskip("uharfbuzz")
pytest.importorskip("segno")

from pypdf import PdfReader

from edge.findings import State
from edge.scan import Identity
from edge.wanted import LANGUAGES, Language
from edge.words import say, speaking
from edge.write import Outcome
from edge.write.overlay import BANNERS, NOT_NO_FINDING
from edge.write.page import BAND, PATIENT, SIGN, TEXT_END
from edge.write.page_sheet import MM_PER_POINT, Area, Sheet, Type
from edge.write.report import DISCLAIMER, PatientReport
from tests.write.outcomes import classified, not_decoded, outcome, score
from tests.write.pages import (
    PICTURE,
    crowded,
    pdf_of,
    pixels_of,
    plain,
    qr_of,
    refused_for_everything,
    states,
    tasks,
    text_of,
    written,
)

STATES = states()
TASKS = tasks()
CROWDED, EVERYTHING = crowded(), refused_for_everything()
OTHERS = LANGUAGES[1:]


def part(pdf: bytes, area: Area) -> np.ndarray:
    dots = 100 / 25.4
    rows = slice(round(area.top * dots), round((area.top + area.height) * dots))
    return pixels_of(pdf)[rows, round(area.left * dots) : round((area.left + area.width) * dots)]


def qr_at(pdf: bytes) -> float:
    """Where its middle lies, from 0 at the left to 1 at the right."""
    picture = pixels_of(pdf, 200)
    _, corners = cv2.QRCodeDetector().detect(picture)
    return float(corners[..., 0].mean() / picture.shape[1])


def strokes(pdf: bytes, area: Area) -> int:
    """How often light and dark change along the area's height."""
    dark = part(pdf, area) < 128
    return int((dark[1:] != dark[:-1]).sum(axis=0).max())


def spelt(text: str) -> str:
    """Letters alone: around Hindi's vowels that change places, readers of a PDF find signs that are not there."""
    return "".join(letter for letter in text if "\u0900" <= letter <= "\u0963")


@pytest.mark.parametrize(
    ("state", "language"),
    [
        *((state, language) for state in STATES for language in ("en", "hi", "ar")),
        *((state, language) for state in ("finding", "no-finding") for language in ("fr", "es", "pt", "sw")),
        *(("not-analysed", language) for language in ("fr", "es", "pt", "sw")),
    ],
)
def test_a_page_says_its_state_and_what_it_is_not_in_every_language(state: State, language: Language) -> None:
    of = STATES[state]
    assert of.result.state == state
    pdf = pdf_of(of, language)
    said = text_of(pdf)
    with speaking(language):
        state_words, denial, disclaimer = (plain(say(text)) for text in (BANNERS[state][0], NOT_NO_FINDING, DISCLAIMER))
    if language == "hi":
        said, state_words, denial, disclaimer = map(spelt, (said, state_words, denial, disclaimer))
    assert state_words in said
    if language != "ar":  # readers of a PDF give the marks of an Arabic sentence in either order
        assert disclaimer in said
        assert (denial in said) or state not in ("not-analysed", "failed")
        assert (denial not in said) or state not in ("finding", "uncertain", "no-finding")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_not_analysed_never_reads_as_no_finding(language: Language) -> None:
    said = text_of(pdf_of(STATES["not-analysed"], language))
    with speaking(language):
        nothing = plain(say("NO FINDING"))
    assert (spelt(nothing) not in spelt(said)) if language == "hi" else (nothing not in said)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_task_fits_on_one_page(task: str, language: Language) -> None:
    assert len(PdfReader(io.BytesIO(pdf_of(TASKS[task], language))).pages) == 1


@pytest.mark.parametrize(
    ("of", "language"), [(CROWDED, "en"), (CROWDED, "sw"), (EVERYTHING, "fr"), (EVERYTHING, "hi"), (EVERYTHING, "ar")]
)
def test_what_finds_no_room_is_counted_and_nothing_is_written_over_the_signature(
    of: Outcome, language: Language
) -> None:
    pdf = pdf_of(of, language)
    said = text_of(pdf)
    assert "report.json" in said
    between = part(pdf, Area(left=12, top=TEXT_END + 0.8, width=186, height=SIGN.top - TEXT_END - 1.2))
    assert (between > 200).all()
    with speaking(language):
        signature = plain(say("Signature"))
    assert (spelt(signature) in spelt(said)) if language == "hi" else (signature in said)


def test_a_crowd_of_findings_does_not_push_out_the_warnings() -> None:
    said = text_of(pdf_of(CROWDED))
    assert "number 0: score 0.90" in said
    assert said.count("Warning ") > 5


def test_two_long_warnings_shrink_nothing_that_has_room() -> None:
    of = outcome(PICTURE, classified(PICTURE, score("Pneumonia", 0.93)))
    assert "more: see report.json" not in text_of(pdf_of(of))


@pytest.mark.parametrize("language", ["en", "hi", "ar"])
def test_the_same_result_gives_the_same_bytes(language: Language) -> None:
    first = written(STATES["finding"], language)
    assert first == written(states()["finding"], language)
    assert b"/Creator" not in first
    assert b"D:19700101" in first


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("state", ["finding", "not-analysed", "failed"])
def test_the_qr_code_tells_the_result_s_uid_and_nothing_else(state: str, language: Language) -> None:
    of = STATES[state]
    pdf = pdf_of(of, language)
    assert qr_of(pdf) == of.result.uid
    assert of.result.uid.startswith("2.25.")
    assert of.result.uid in text_of(pdf)


def test_a_long_name_of_a_file_does_not_push_out_the_uid() -> None:
    of = STATES["finding"]
    named = replace(of.result.scan.sources[0], path=f"{'a' * 250}.dcm")
    result = replace(of.result, scan=replace(of.result.scan, sources=(named,)))
    assert f"Result {of.result.uid}" in text_of(pdf_of(replace(of, result=result)))


def test_two_results_have_two_uids_and_one_result_has_one() -> None:
    told = [of.result.uid for of in (*STATES.values(), *TASKS.values())]
    assert told == [of.result.uid for of in (*states().values(), *tasks().values())]
    assert STATES["finding"].result.uid != STATES["failed"].result.uid


def test_what_was_not_decoded_names_whom_the_report_names() -> None:
    told = not_decoded()
    who = PatientReport(name="Doe^Jane^^Dr", number="4711", birth_date="19800131")
    scan = replace(told.result.scan, patient=who, acquisition=replace(told.result.scan.acquisition, sex="F"))
    words = text_of(pdf_of(replace(told, result=replace(told.result, scan=scan))))
    assert all(word in words for word in ("Doe, Jane Dr", "4711", "1980-01-31", "female", "NOT ANALYSED"))
    assert "Doe" not in text_of(pdf_of(told))


def test_the_patient_is_named_as_people_write_names() -> None:
    said = text_of(pdf_of(STATES["finding"]))
    assert "Doe, Jane Dr" in said
    assert "4711" in said
    assert "1980-01-31" in said
    assert "2026-02-03" in said


@pytest.mark.parametrize("number", ["PNEUMONIAMNIST-TEST-0000", "4711", "12.345.678-9"])
def test_a_patient_s_number_is_not_broken(number: str) -> None:
    scan = replace(PICTURE, identity=Identity(patient_id=number))
    assert number in text_of(pdf_of(outcome(scan, classified(scan, score("Pneumonia", 0.1)))))


def test_where_nobody_is_named_there_are_lines_to_write_on() -> None:
    def rules(identity: Identity) -> int:
        scan = replace(PICTURE, identity=identity)
        pdf = pdf_of(outcome(scan, classified(scan, score("Pneumonia", 0.1))))
        foot = replace(PATIENT, left=PATIENT.left + 2, width=PATIENT.width - 4, top=PATIENT.top + 11, height=2.2)
        return int((part(pdf, foot) < 200).any(axis=0).sum())

    assert rules(Identity()) > 400
    assert rules(PICTURE.identity) < rules(Identity()) / 3


def test_a_name_in_letters_that_cannot_be_printed_leaves_a_line_to_write_on() -> None:
    scan = replace(PICTURE, identity=Identity(patient_name="山田^太郎", patient_id="1"))
    pdf = pdf_of(outcome(scan, classified(scan, score("Pneumonia", 0.1))))
    left = replace(PATIENT, left=PATIENT.left + 2, width=50, top=PATIENT.top + 11, height=2.2)
    assert (part(pdf, left) < 200).any(axis=0).mean() > 0.9


@pytest.mark.parametrize("name", ["Müller^Zoë", "Иванов^Пётр", "शर्मा^गीता", "حسن^علي", "Nguyễn^Thị"])
def test_names_in_other_scripts_are_written_on_an_english_page(name: str) -> None:
    scan = replace(PICTURE, identity=Identity(patient_name=name))
    said = text_of(pdf_of(outcome(scan, classified(scan, score("Pneumonia", 0.1)))))
    assert all(spelt(one) in spelt(said) if spelt(one) else plain(one) in said for one in name.split("^"))


def test_arabic_pages_are_mirrored_and_pictures_are_not() -> None:
    english, arabic = (pdf_of(STATES["finding"], language) for language in ("en", "ar"))
    assert qr_at(english) > 0.8
    assert qr_at(arabic) < 0.2
    picture = Area(left=14, top=60, width=80, height=60)
    there = part(english, picture), part(arabic, picture)
    assert np.corrcoef(there[0].ravel(), there[1].ravel())[0, 1] > 0.7


def test_states_differ_in_black_and_white_before_a_word_is_read() -> None:
    """Solid is a finding alone; hatched at its rim is what no model has seen, alone."""
    ink = {state: float((part(pdf_of(of), BAND) < 128).mean()) for state, of in STATES.items()}
    assert ink["finding"] > 0.7
    assert all(share < 0.5 for state, share in ink.items() if state != "finding")
    rim = replace(BAND, left=BAND.left + 1.2, width=1.0, top=BAND.top + 1, height=BAND.height - 2)
    assert {state for state, of in STATES.items() if strokes(pdf_of(of), rim) > 4} == {"not-analysed", "failed"}


def test_no_two_states_have_the_same_form() -> None:
    mark = replace(BAND, width=16)
    forms = [part(pdf_of(of), mark) for of in STATES.values()]
    for index, one in enumerate(forms):
        for other in forms[index + 1 :]:
            assert (np.abs(one.astype(int) - other.astype(int)) > 100).mean() > 0.05


def test_the_titles_of_labels_are_those_of_the_pack_in_the_language() -> None:
    of = STATES["finding"]
    assert of.result.pack is not None
    pack = replace(of.result.pack, titles={"pneumonia": "Pneumonie"})
    said = text_of(pdf_of(replace(of, result=replace(of.result, pack=pack)), "fr"))
    assert "Pneumonie" in said
    assert "Pneumonia" not in said


def test_where_the_threshold_comes_from_is_told() -> None:
    of = STATES["finding"]
    assert of.result.pack is not None
    pack = replace(of.result.pack, thresholds={"pneumonia": "sensitivity of at least 90%, on films, n = 270"})
    said = text_of(pdf_of(replace(of, result=replace(of.result, pack=pack))))
    assert "Threshold of Pneumonia: set by the pack (sensitivity of at least 90%, on films, n = 270)." in said


def test_pack_version_hash_and_engine_stand_at_the_foot() -> None:
    of = STATES["finding"]
    assert of.result.pack is not None
    said = text_of(pdf_of(of))
    assert of.result.pack.sha256 in said
    assert f"{of.result.pack.title} {of.result.pack.version}" in said
    assert "fp32 on fake 1.2.3 (fake)" in said


def test_words_that_find_no_room_even_when_small_end_in_dots() -> None:
    sheet = Sheet("a")
    area = Area(left=10, top=10, width=30, height=6 * MM_PER_POINT * 1.25)
    assert sheet.write("word " * 200, area, Type(points=9)) <= area.height
    assert text_of(sheet.file()).endswith("...")

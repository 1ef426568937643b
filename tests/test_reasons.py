"""The stable codes: each one once, in plain words, used, and on the page that is published."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import edge
from edge import reasons
from edge.errors import CodedError, EngineError, ExitCode, OutputError, PackError, ReadError
from edge.reasons import REASONS, Reason
from edge.reasons_page import FAMILIES, PAGE, page

NAMED = {name: value for name, value in vars(reasons).items() if isinstance(value, Reason)}
ROOT = Path(edge.__file__).parent.parent
every_reason = pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS.keys())


def test_no_code_and_no_name_stands_for_two_things() -> None:
    assert len({reason.code for reason in NAMED.values()}) == len(NAMED) == len(REASONS)
    assert len({reason.name for reason in NAMED.values()}) == len(NAMED)
    assert len({reason.words for reason in NAMED.values()}) == len(NAMED)


def test_the_codes_are_listed_in_rising_order_within_their_family() -> None:
    codes = list(REASONS)
    assert [code[0] for code in codes] == sorted((code[0] for code in codes), key="RPECW".index)
    for family in "RPECW":
        members = [code for code in codes if code[0] == family]
        assert members == sorted(members)


@every_reason
def test_a_code_is_a_letter_and_an_exit_code_and_two_digits(reason: Reason) -> None:
    assert re.fullmatch(r"R3\d\d|P4\d\d|E5\d\d|C7\d\d|W8\d\d", reason.code)
    assert int(reason.code[1]) in {code.value for code in ExitCode}


@pytest.mark.parametrize(
    ("error", "letter"), [(ReadError, "R"), (PackError, "P"), (EngineError, "E"), (OutputError, "W")]
)
def test_the_digit_of_a_family_is_the_exit_code_of_its_error(error: type[CodedError], letter: str) -> None:
    digits = {int(code[1]) for code in REASONS if code[0] == letter}
    assert digits == {error.exit_code}


@every_reason
def test_a_reason_is_named_in_words_joined_by_hyphens_as_its_constant_is(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason.name)
    constant = next(name for name, value in NAMED.items() if value is reason)
    assert constant == reason.name.upper().replace("-", "_")


@every_reason
def test_a_reason_speaks_in_whole_sentences(reason: Reason) -> None:
    for text in (reason.words, reason.action):
        assert text.endswith(".")
        assert text[0].isupper()
        assert text == " ".join(text.split())


@every_reason
def test_a_reason_is_given_somewhere(reason: Reason) -> None:
    constant = next(name for name, value in NAMED.items() if value is reason)
    sources = [path for folder in ("edge", "convert") for path in (ROOT / folder).rglob("*.py")]
    used = [path for path in sources if path.name != "reasons.py" and re.search(rf"\b{constant}\b", path.read_text())]
    assert used, f"nothing gives {constant}"


def test_an_error_says_its_code_its_words_what_was_found_and_what_to_do() -> None:
    said = str(PackError("Opening x: found y.", reasons.NO_PACK))
    assert said == f"P400: {reasons.NO_PACK.words} Opening x: found y. {reasons.NO_PACK.action}"


def test_what_cannot_be_trusted_is_refused_and_what_cannot_be_read_has_failed() -> None:
    assert reasons.TWO_PATIENTS.refuses
    assert reasons.WRONG_AGE.refuses
    assert not reasons.DAMAGED.refuses
    assert not reasons.ENGINE_RUN.refuses


def test_the_page_of_codes_is_the_one_that_the_code_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m edge.reasons_page"


def test_the_page_holds_every_code_once_in_a_family_of_its_own() -> None:
    assert {code[:2] for code in REASONS} == set(FAMILIES)
    rows = re.findall(r"^\| ([A-Z]\d{3}) \|", page(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(REASONS)


def test_a_bar_in_a_reason_does_not_break_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Reason(code="R399", name="odd", words="One | two.", action="None.")
    monkeypatch.setitem(REASONS, "R399", odd)
    assert "| R399 | `odd` | One \\| two. | None. |" in page()

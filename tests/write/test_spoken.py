"""A result in another language: its words change, and nothing that a program reads does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.cli.console import Console
from edge.errors import OutputError
from edge.findings import Classification, Detections, Segmentation
from edge.pack.manifest import Label
from edge.pack.tasks import Quantity, UrgencyRule
from edge.table import Entry
from edge.tasks.urgency import NAMES, urgency_of
from edge.testing import tiny_manifest
from edge.wanted import LANGUAGES, Wanted
from edge.words import kept_in_order, say, speaking, with_decimal_sign
from edge.write import LETTERS, warm_up
from edge.write import __name__ as writing
from edge.write.of_pack import pack_report
from edge.write.overlay import overlay
from edge.write.report import UNCALIBRATED
from edge.write.spoken import findings_spoken, reason_spoken, result_spoken, urgency_reason_spoken
from edge.write.words import headline, label_lines
from tests.test_uncertain import reported
from tests.write.outcomes import (
    ENGINE,
    asked_of,
    classified,
    outcome,
    pack_of,
    picture_scan,
    refusal,
    score,
    words_of,
)
from tests.write.planted import ball, detected, detection, segmented_volume, volume_scan

SCAN = picture_scan(np.arange(64, dtype=np.uint8).reshape(8, 8))
FOUND = outcome(SCAN, classified(SCAN, score("Pneumonia", 0.93, urgency="urgent")))
REFUSED = outcome(SCAN, refusal())


def titled(title: str, language: str) -> Label:
    return Label(name="bright", title=title, finding=True, urgency="soon", titles={language: "Clair"})


def test_in_english_a_result_stays_the_very_same() -> None:
    assert result_spoken(FOUND.result) is FOUND.result


def test_a_reason_keeps_code_name_and_detail() -> None:
    reason = REFUSED.result.refusals[0]
    with speaking("es"):
        said = reason_spoken(reason)
    assert (said.code, said.name, said.detail) == (reason.code, reason.name, reason.detail)
    assert said.words != reason.words
    assert said.action != reason.action


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_state_and_numbers_are_the_same_in_every_language(language: str) -> None:
    with speaking(language):
        said = result_spoken(FOUND.result)
    assert said.state == FOUND.result.state
    assert said.uid == FOUND.result.uid
    assert said.findings is not None
    assert FOUND.result.findings is not None
    assert said.findings.kind == "classification"
    assert [item.score for item in said.findings.labels] == [0.93]


def test_the_pack_s_titles_take_the_place_of_english_ones_in_every_kind_of_finding() -> None:
    volume = volume_scan()
    kinds: dict[str, Classification | Segmentation | Detections] = {
        "pneumonia": classified(SCAN, score("Pneumonia", 0.93)),
        "region-1": segmented_volume(volume, [ball((12, 16, 20), 12.0)]),
        "nodule": detected(volume, detection(volume, (8.0, 12.0, 15.0, 16.0, 20.0, 25.0), 0.9)),
    }
    for name, findings in kinds.items():
        result = outcome(SCAN if isinstance(findings, Classification) else volume, findings).result
        assert result.pack is not None
        result = replace(result, pack=replace(result.pack, titles={name: "Titre"}))
        with speaking("fr"):
            assert "Titre" in headline(result_spoken(result))
            shown = findings_spoken(findings, result)
            assert "Titre" in str(shown)
        assert "Titre" not in headline(result)


def test_the_report_holds_titles_in_the_language_that_was_asked_for_alone() -> None:
    manifest = tiny_manifest()
    task = replace(manifest.task, labels=(titled("Bright", "fr"),))
    pack = pack_of(replace(manifest, task=task))
    for language, titles in (("fr", {"bright": "Clair"}), ("es", {}), ("en", {})):
        report = pack_report(pack, language)
        assert report is not None
        assert report.titles == titles
    assert pack_report(None, "fr") is None


def test_the_report_tells_where_the_thresholds_of_what_ran_come_from() -> None:
    manifest = tiny_manifest()
    (model, *_) = manifest.models
    engine = replace(ENGINE, name=model.engines[0], precision=model.precision)
    told = pack_report(pack_of(manifest), "en", engine)
    assert told is not None
    assert list(told.thresholds) == list(model.thresholds)
    assert all(str(model.thresholds[name].n) in words for name, words in told.thresholds.items())
    other = pack_report(pack_of(manifest), "en", replace(engine, precision="int8"))
    assert other is not None
    assert other.thresholds == {}


def test_another_language_has_its_own_decimal_sign_and_common_words() -> None:
    with speaking("pt"):
        (line,), common = label_lines(result_spoken(FOUND.result))
        assert say(UNCALIBRATED) in common
    assert line.text == "Pneumonia: pontuação 0,93, atinge o limiar 0,50"


def test_the_picture_is_drawn_in_the_language_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uharfbuzz")
    pictures = {
        language: overlay(FOUND.result, FOUND.scan, FOUND.findings, Wanted(language=language))["overlay.png"]
        for language in ("en", "fr", "ar")
    }
    assert len(set(pictures.values())) == 3
    assert any("FINDING (urgent): Pneumonia" in line for line in words_of(monkeypatch, FOUND))


def test_the_console_speaks_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    with Console(json=True, out=Path("results"), language="sw") as console:
        console.found(1, [])
        console.show(reported(REFUSED))
    said = capsys.readouterr()
    assert "HAIJACHANGANULIWA" in said.err
    assert "Si kwa utambuzi wa ugonjwa." in said.err
    assert "HAIJACHANGANULIWA" not in said.out
    assert '"state": "not-analysed"' in said.out


def test_words_that_nothing_can_draw_are_refused_before_any_scan_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Entry(LETTERS.target, needs=("no_such_package_at_all",), extra="paper")
    monkeypatch.setattr(f"{writing}.LETTERS", lacking)
    with pytest.raises(OutputError, match=r"words in hi: the package no_such_package_at_all .* edgerun\[paper\]"):
        warm_up(Wanted(language="hi"))
    warm_up(Wanted())()


def test_the_uid_of_a_result_belongs_to_its_request() -> None:
    one, other = asked_of().uid_of(["a.dcm"]), asked_of(precision="fp32").uid_of(["a.dcm"])
    assert one == asked_of().uid_of(["a.dcm"])
    assert one != other
    assert one != asked_of().uid_of(["phantom"])
    assert one.startswith("2.25.")
    assert len(one) <= 64


@pytest.mark.parametrize("language", LANGUAGES[1:])
@pytest.mark.parametrize("measure", NAMES)
@pytest.mark.parametrize("value", [None, 0.2, 31.25])
def test_why_a_finding_is_urgent_is_told_in_every_language(
    language: str, measure: Quantity, value: float | None
) -> None:
    rule = UrgencyRule(measure=measure, at=0.5 if measure == "score" else 30.5, urgency="urgent")
    label = Label(name="a", title="A", finding=True, urgency="soon", urgency_from=(rule,))
    _, english = urgency_of(label, {measure: value})
    assert urgency_reason_spoken(english) == english
    with speaking(language):
        said = urgency_reason_spoken(english) or ""
        limit = kept_in_order(with_decimal_sign("0.5" if measure == "score" else f"30.5{NAMES[measure][1]}"))
        assert limit in said
        assert say("urgent") in said
        assert said.startswith(say(NAMES[measure][0]))
    assert "the pack's rule" not in said


def test_a_reason_that_is_no_known_sentence_stays_as_it_is() -> None:
    with speaking("fr"):
        assert urgency_reason_spoken("somebody said so") == "somebody said so"
        assert urgency_reason_spoken(None) is None

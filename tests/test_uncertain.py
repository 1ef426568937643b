"""A score that a reader must settle: it is never told as no finding, by no view, and is not lost among many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.choose import Choice
from edge.cli.console import WORDS, Console
from edge.findings import LabelScore
from edge.pack.manifest import Calibration, Zone
from edge.results import Tally, study_report
from edge.scan import StudyIndex
from edge.testing import tiny_manifest, write_tiny_pack
from edge.write import Outcome
from edge.write.report import CALIBRATED, NEEDS_A_READER, UNCALIBRATED, StudyReport, score_meaning, uncertain_in
from edge.write.words import headline, label_lines, probability_words
from tests.conftest import Edgerun
from tests.read.files import png
from tests.write.outcomes import asked_of, classified, drawn, outcome, picture_scan, score, words_of

SCAN = picture_scan(np.arange(64, dtype=np.uint8).reshape(8, 8))
WHERE = "films of a clinic (524 scans, 50% positive)"


def doubtful(value: float, name: str = "Pneumonia") -> LabelScore:
    """In the zone around the threshold of one half."""
    return replace(score(name, value), zone=(0.3, 0.7), uncertain=True)


def likely(item: LabelScore, probability: float, where: str = WHERE) -> LabelScore:
    return replace(item, probability=probability, calibrated_on=where)


BELOW = outcome(SCAN, classified(SCAN, doubtful(0.4)))
ABOVE = outcome(SCAN, classified(SCAN, doubtful(0.6)))
BESIDE = outcome(SCAN, classified(SCAN, score("Fracture", 0.9), doubtful(0.4)))
SURE = outcome(SCAN, classified(SCAN, score("Pneumonia", 0.1)))


def reported(of: Outcome) -> StudyReport:
    asked = asked_of()
    return study_report(StudyIndex(key=asked.study, series=()), Choice(pack=asked.pack), [of.result], asked, {})


def shown(capsys: pytest.CaptureFixture[str], *outcomes: Outcome) -> list[str]:
    with Console(json=False, out=Path("results")) as console:
        console.found(len(outcomes), [])
        for of in outcomes:
            console.show(reported(of))
    return [line.split("\r")[-1] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("of", "state", "summary"),
    [
        (BELOW, "uncertain", "Uncertain, needs a reader: Pneumonia. Looked for: Pneumonia."),
        (ABOVE, "finding", "Finding: Pneumonia (soon). Uncertain, needs a reader: Pneumonia."),
        (BESIDE, "finding", "Finding: Fracture (soon). Uncertain, needs a reader: Pneumonia."),
        (SURE, "no-finding", "No finding. Looked for: Pneumonia."),
    ],
)
def test_the_summary_says_what_a_reader_must_settle(of: Outcome, state: str, summary: str) -> None:
    assert of.result.state == state
    assert of.result.summary == summary


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (BELOW, ": needs a reader for Pneumonia"),
        (ABOVE, " (soon): Pneumonia (uncertain: needs a reader)"),
        (BESIDE, " (soon): Fracture; needs a reader for Pneumonia"),
        (SURE, ": looked for Pneumonia only"),
    ],
)
def test_the_banner_says_it_too(of: Outcome, words: str) -> None:
    assert headline(of.result) == words


def test_a_label_that_is_no_finding_is_never_what_a_reader_must_settle() -> None:
    harmless = replace(score("Normal", 0.4, threshold=None), uncertain=True)
    of = outcome(SCAN, classified(SCAN, score("Pneumonia", 0.1), harmless))
    assert of.result.state == "no-finding"
    assert of.result.findings is not None
    assert uncertain_in(of.result.findings) == ()


@pytest.mark.parametrize("of", [BELOW, ABOVE, BESIDE])
def test_no_word_of_the_picture_says_no_finding(of: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, of)
    assert not [text for text in said if "no finding" in text.lower()]
    assert [text for text in said if NEEDS_A_READER in text]


def test_the_map_of_the_doubtful_label_is_shown_before_that_of_a_likelier_one_that_is_not_there() -> None:
    doubt, higher = doubtful(0.4), replace(score("Fracture", 0.49), positive=False)
    alone = outcome(SCAN, classified(SCAN, higher, doubt, mapped=["pneumonia"]))
    assert drawn(outcome(SCAN, classified(SCAN, higher, doubt))) == drawn(alone)


def test_the_line_of_a_doubtful_label_stands_before_those_that_are_not_there() -> None:
    of = outcome(SCAN, classified(SCAN, replace(score("Fracture", 0.49), positive=False), doubtful(0.4)))
    lines, _ = label_lines(of.result)
    assert [line.text for line in lines] == [
        "Pneumonia: score 0.40, below the threshold 0.50; uncertain: needs a reader",
        "Fracture: score 0.49, below the threshold 0.50",
    ]


@pytest.mark.parametrize("of", [BELOW, ABOVE, BESIDE])
def test_the_console_says_it_of_one_study(of: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, of)
    assert said[0].startswith(WORDS[of.result.state])
    assert any(line.endswith(f", {NEEDS_A_READER}") for line in said)


def test_behind_the_bar_the_uncertain_is_kept_and_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    said = shown(capsys, SURE, BELOW, SURE)
    (kept,) = [line for line in said if line.startswith("UNCERTAIN")]
    assert NEEDS_A_READER in kept
    assert any("3 studies: 0 finding, 1 uncertain (needs a reader), 2 no finding" in line for line in said)


def test_a_tally_without_doubt_does_not_speak_of_it() -> None:
    tally = Tally()
    tally.add(reported(SURE))
    assert tally.words(1) == "1 studies: 0 finding, 1 no finding, 0 not analysed, 0 failed."


# Probabilities -------------------------------------------------------------------------------------------


def test_a_calibrated_probability_is_told_with_what_it_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    of = outcome(SCAN, classified(SCAN, likely(score("Pneumonia", 0.93), 0.87)))
    lines, common = label_lines(of.result)
    assert lines[0].text == "Pneumonia: calibrated probability 0.87, score 0.93, reaches the threshold 0.50"
    assert common == [CALIBRATED.format(WHERE)]
    assert any("Pneumonia: calibrated probability 0.87, score 0.93" in line for line in shown(capsys, of))


def test_without_a_calibration_every_score_is_called_uncalibrated() -> None:
    _, common = label_lines(SURE.result)
    assert common == [UNCALIBRATED]


def test_of_several_labels_each_source_is_told_once_and_those_without_are_told_apart() -> None:
    one, other = likely(score("A", 0.9), 0.8), likely(score("B", 0.9), 0.8)
    assert score_meaning([one, other]) == CALIBRATED.format(WHERE)
    assert score_meaning([one, score("C", 0.1)]) == f"{CALIBRATED.format(WHERE)} {UNCALIBRATED}"
    apart = likely(score("B", 0.9), 0.8, "other films (200 scans, 10% positive)")
    assert score_meaning([one, apart]).count("calibrated on") == 2


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.9999, "above 0.99"), (0.99, "0.99"), (0.871, "0.87"), (0.01, "0.01"), (1e-9, "below 0.01")],
)
def test_a_probability_is_never_told_as_a_certainty(probability: float, words: str) -> None:
    assert probability_words(likely(score("A", 0.5), probability)) == f"calibrated probability {words}"


# The whole way -------------------------------------------------------------------------------------------


def doubtful_pack(folder: Path) -> Path:
    """The tiny pack with a zone and a calibration; its score is 0.5 for a picture that is half bright."""
    (model,) = tiny_manifest().models
    zone = Zone(low=0.2, high=0.8, rule="outside, few err", chosen_on="films", n=200)
    line = Calibration(
        method="logistic", slope=1.0, intercept=2.0, rule="fit", chosen_on="films of a clinic", n=200, positives=20
    )
    model = replace(model, uncertain={"bright": zone}, calibration={"bright": line})
    return write_tiny_pack(folder, tiny_manifest(models=(model,)))


@pytest.mark.parametrize(("white", "state"), [(19, "uncertain"), (21, "finding"), (5, "no-finding"), (35, "finding")])
def test_a_scan_is_told_as_uncertain_by_the_command(white: int, state: str, edgerun: Edgerun, tmp_path: Path) -> None:
    pixels = np.zeros((40, 40), np.uint8)
    pixels[:white] = 255
    (tmp_path / "a.png").write_bytes(png(pixels, 0))
    ran = edgerun(
        "infer", tmp_path / "a.png", "--pack", doubtful_pack(tmp_path / "pack"), "--json", "--out", tmp_path / "out"
    )
    (report,) = ran.reports
    (said,) = report["results"][0]["findings"]["labels"]
    assert (ran.code, report["state"], report["results"][0]["state"]) == (0, state, state)
    assert said["uncertain"] is (white in (19, 21))
    assert said["zone"] == [0.2, 0.8]
    assert said["probability"] > said["score"]
    assert said["calibrated_on"] == "films of a clinic (200 scans, 10% positive)"
    assert (NEEDS_A_READER in ran.err) is said["uncertain"]
    assert "calibrated probability" in ran.err
    assert "films of a clinic (200 scans, 10% positive)" in report["results"][0]["findings"]["score_meaning"]

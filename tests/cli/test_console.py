"""What a run says to a person of each kind of result: calm, complete, and never more than was looked for."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from edge.choose import Choice
from edge.cli.console import WORDS, Console
from edge.findings import State
from edge.results import study_report
from edge.scan import StudyIndex
from edge.write import Outcome
from edge.write.report import DISCLAIMER, StudyReport
from tests.write.outcomes import asked_of, classified, outcome, picture_scan, score, segmented
from tests.write.planted import (
    ball,
    detected,
    detection,
    registration,
    segmented_volume,
    translation,
    volume_scan,
)

PICTURE = picture_scan(np.zeros((40, 60), np.uint8), spacing_mm=(0.5, 0.5))
VOLUME = volume_scan()
BALL = ball((12, 20, 24), 9)  # of voxels of 4 x 2.5 x 2 mm
OUTCOMES: dict[str, Outcome] = {
    "classification": outcome(PICTURE, classified(PICTURE, score("Pneumonia", 0.9))),
    "outlines": outcome(PICTURE, segmented(PICTURE, np.ones((1, 40, 60), np.bool_))),
    "volume": outcome(VOLUME, segmented_volume(VOLUME, [BALL])),
    "boxes": outcome(PICTURE, detected(PICTURE, detection(PICTURE, (10, 20, 30, 50), 0.9))),
    "no-box": outcome(PICTURE, detected(PICTURE, names=("nodule", "mass"))),
    "registration": outcome(VOLUME, registration(VOLUME)),
    "translation": outcome(PICTURE, translation(PICTURE.grid, PICTURE.voxels)),
}
SAID = {
    "classification": "Pneumonia: score 0.90 (threshold 0.50), soon",
    "outlines": "Region 1: 2400 pixels, 600 mm2",
    "volume": f"Region 1: {BALL.sum() * 20 / 1000:.2f} mL, longest diameter",
    "boxes": "Nodule: score 0.90 (threshold 0.30), 15.0 x 10.0 mm, soon",
    "no-box": "no box; looked for Nodule, Mass",
    "registration": "The moving scan was moved by 8.0 mm on average, 8.0 mm at most.",
    "translation": "SYNTHETIC T2-weighted MR: made by a model, not by a scanner.",
}


def reported(of: Outcome) -> StudyReport:
    asked = asked_of()
    study = StudyIndex(key=asked.study, series=())
    return study_report(study, Choice(pack=asked.pack), [of.result], asked, {})


def said_of(capsys: pytest.CaptureFixture[str], *outcomes: Outcome) -> str:
    with Console(json=False, out=Path("results")) as console:
        console.found(len(outcomes), [])
        for of in outcomes:
            console.show(reported(of))
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_every_state_has_its_word_and_no_two_share_one() -> None:
    assert set(WORDS) == set(get_args(State))
    assert len(set(WORDS.values())) == len(WORDS)


@pytest.mark.parametrize("name", OUTCOMES)
def test_one_study_is_told_in_full(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys, OUTCOMES[name])
    assert said.startswith(WORDS[OUTCOMES[name].result.state])
    assert SAID[name] in said
    assert DISCLAIMER in said


def test_of_several_studies_each_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys, *OUTCOMES.values())
    for name, of in OUTCOMES.items():
        line = next(line for line in said.splitlines() if SAID[name] in line)
        assert line.startswith(WORDS[of.result.state])
    assert "4 finding, 1 no finding, 2 done (nothing was looked for), 0 not analysed, 0 failed." in said


@pytest.mark.parametrize("name", ["registration", "translation"])
def test_what_was_made_is_never_called_no_finding(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys, OUTCOMES[name])
    assert said.startswith("DONE ")
    assert "Nothing was looked for: this is not 'no finding'." in said
    assert "no finding" not in said.replace("this is not 'no finding'", "")


def test_a_volume_is_told_as_its_picture_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "slices 11 to 15 of 24" in said_of(capsys, OUTCOMES["volume"])

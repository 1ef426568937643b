"""What a run says to a person of each kind of result: calm, complete, and never more than was looked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from edge.choose import Choice
from edge.cli.console import MOST_WARNED, WORDS, Console
from edge.findings import Notice, State
from edge.reasons import PART_SEEN, UNKNOWN_AGE
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
    "outlines": "Region 1: 2400 pixels, 600 mm2, urgent",
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
        assert line.endswith(f" (in {reported(of).folder})")
    assert "4 finding, 1 no finding, 2 done (nothing was looked for), 0 not analysed, 0 failed." in said


@pytest.mark.parametrize("name", ["registration", "translation"])
def test_what_was_made_is_never_called_no_finding(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys, OUTCOMES[name])
    assert said.startswith("DONE ")
    assert "Nothing was looked for: this is not 'no finding'." in said
    assert "no finding" not in said.replace("this is not 'no finding'", "")


def test_a_volume_is_told_as_its_picture_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "slices 11 to 15 of 24" in said_of(capsys, OUTCOMES["volume"])


def test_a_region_that_is_not_there_is_told_as_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = segmented(PICTURE, np.zeros((1, 40, 60), np.bool_))
    assert "Region 1: not found" in said_of(capsys, outcome(PICTURE, nowhere))
    few = replace(nowhere, regions=(replace(nowhere.regions[0], pixels=3, area_mm2=0.75),))
    assert "Region 1: not found" in said_of(capsys, outcome(PICTURE, few))
    empty = segmented_volume(VOLUME, [np.zeros_like(BALL)])
    assert "Region 1: not found" in said_of(capsys, outcome(VOLUME, empty))


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *outcomes: Outcome) -> list[str]:
    """The lines that stay when the bar is gone."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    return [line.split("\r")[-1] for line in said_of(capsys, *outcomes).splitlines()]


NOTHING = outcome(PICTURE, classified(PICTURE, score("Pneumonia", 0.1)))
AGE = Notice(reason=UNKNOWN_AGE, severity="warn", detail="Found no age.")
PART = Notice(reason=PART_SEEN, severity="warn", detail="The model saw 50% of the scan.")


def warned(*notices: Notice) -> Outcome:
    return outcome(PICTURE, classified(PICTURE, score("Pneumonia", 0.1)), warnings=notices)


def test_of_several_studies_those_without_finding_and_warning_stay_behind_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = on_a_terminal(monkeypatch, capsys, NOTHING, NOTHING)
    assert not any(line.startswith("no finding") for line in lines)


def test_a_warning_of_no_finding_is_told_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = on_a_terminal(monkeypatch, capsys, NOTHING, warned(PART))
    (told,) = [line for line in lines if line.startswith("no finding")]
    assert "; warning C729 (in " in told


def test_of_many_warnings_the_first_are_told_and_the_rest_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [warned(PART, AGE), *[warned(AGE)] * (MOST_WARNED + 2), warned(PART)]
    lines = [line for line in on_a_terminal(monkeypatch, capsys, *many) if line.startswith("no finding")]
    assert len(lines) == MOST_WARNED + 1
    assert lines[-1].endswith("4 more studies with warnings: C709 in 3, C729 in 1")


def test_the_slice_that_was_seen_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    grid = VOLUME.grid.cropped((6, 0, 0), (1, *VOLUME.grid.shape[1:]))
    scan = replace(VOLUME, places=tuple((0, z) for z in range(VOLUME.grid.shape[0])))
    found = replace(classified(scan, score("Tumour", 0.9)), grid=grid)
    assert "Seen: slice 7 of 24, and nothing else of the scan." in said_of(capsys, outcome(scan, found))

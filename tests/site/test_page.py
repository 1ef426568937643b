"""The page stands alone, is well-formed, shows what was found, and names nobody."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from edge.site import resampled
from edge.site.evaluate import evaluation
from edge.site.evaluation import Evaluation, to_json
from edge.site.examine import Examined
from edge.site.files import PAGE, TRUTH, write_evaluation
from edge.site.page import page
from edge.site.words import NOT_TO_CONCLUDE, p_words, rows_words, terminal
from tests.site.cases import FAILED, case, cases, drawn, table, tiny


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampled, "SHUFFLES", 499)
    monkeypatch.setattr(resampled, "DRAWS", 200)


@pytest.fixture
def examined() -> list[Examined]:
    """Two sites, of which the second is served worse; names of patients and files that nobody must see."""
    scores, truth = drawn(160, seed=1)
    other = np.arange(160) % 4 == 0
    scores = np.where(other & truth, scores * 0.3, scores)
    told = [{"site": "Kisumu <b>" if each else "Nairobi"} for each in other]
    found = cases(scores, truth, told=told, patients=[f"CANARY-{index // 2}" for index in range(160)])
    return [*found, case(300, None, truth=True, patient="CANARY-X"), case(301, None, truth=True, reason=FAILED)]


def judged(folder: Path, examined: list[Examined]) -> Evaluation:
    hidden = [replace(each, case=replace(each.case, path=Path("/CANARY-FOLDER/CANARY.dcm"))) for each in examined]
    return evaluation(tiny(folder / "tiny"), table(hidden), hidden)


def text_of(found: Evaluation) -> str:
    """What a reader sees, without tags."""
    root = ET.fromstring(page(found).removeprefix("<!DOCTYPE html>\n"))
    return " ".join(" ".join(root.itertext()).split())


def test_it_is_well_formed_and_needs_nothing_else(tmp_path: Path, examined: list[Examined]) -> None:
    found = page(judged(tmp_path, examined))
    root = ET.fromstring(found.removeprefix("<!DOCTYPE html>\n"))
    assert {element.tag for element in root.iter()} & {"script", "link", "img", "iframe", "object"} == set()
    assert "default-src &#x27;none&#x27;" in found
    assert re.findall(r"""(?:src|href)=|url\(|https?://|@import""", found) == []
    assert 'name="viewport"' in found
    assert "@page { size: A4" in found


def test_it_names_no_patient_and_no_file(tmp_path: Path, examined: list[Examined]) -> None:
    found = judged(tmp_path, examined)
    assert "CANARY" not in page(found)
    assert "CANARY" not in to_json(found)
    assert "CANARY" not in "\n".join(terminal(found))


def test_words_of_the_table_are_text_and_never_markup(tmp_path: Path, examined: list[Examined]) -> None:
    found = page(judged(tmp_path, examined))
    assert "Kisumu &lt;b&gt;" in found
    assert "Kisumu <b>" not in found


def test_it_draws_the_three_curves_and_every_number_lies_in_its_drawing(
    tmp_path: Path, examined: list[Examined]
) -> None:
    root = ET.fromstring(page(judged(tmp_path, examined)).removeprefix("<!DOCTYPE html>\n"))
    drawings = list(root.iter("svg"))
    assert [each.get("aria-label") for each in drawings] == [
        "ROC curve of Bright",
        "Reliability of Bright",
        "Scores of Bright",
    ]
    for drawing in drawings:
        _, _, width, height = map(float, (drawing.get("viewBox") or "").split())
        places = [(name, float(value)) for part in drawing.iter() for name, value in part.items() if name in PLACES]
        assert len(places) > 20
        assert all(0 <= value <= (width if "x" in name else height) for name, value in places)


PLACES = ("x", "y", "cx", "cy", "x1", "x2", "y1", "y2")


def test_the_curve_passes_through_the_threshold(tmp_path: Path, examined: list[Examined]) -> None:
    found = judged(tmp_path, examined)
    root = ET.fromstring(page(found).removeprefix("<!DOCTYPE html>\n"))
    drawing = next(iter(root.iter("svg")))
    circle = next(drawing.iter("circle"))
    line = next(drawing.iter("polyline")).get("points") or ""
    points = [tuple(map(float, each.split(","))) for each in line.split()]
    at = float(circle.get("cx") or 0), float(circle.get("cy") or 0)
    assert any(abs(x - at[0]) <= 0.06 or abs(y - at[1]) <= 0.06 for x, y in points)


def test_who_is_served_worse_stands_first_and_in_the_table(tmp_path: Path, examined: list[Examined]) -> None:
    found = judged(tmp_path, examined)
    assert "WORSE for: site Kisumu <b> (sensitivity" in text_of(found)
    assert 'class="worse"' in page(found)
    assert "WORSE for: site Kisumu" in "\n".join(terminal(found))


def test_what_has_no_answer_is_listed_with_its_code_and_lines(tmp_path: Path, examined: list[Examined]) -> None:
    said = text_of(judged(tmp_path, examined))
    assert "C704 refused Another part. row 300 1" in said
    assert "E502 failed It failed. row 301 1" in said
    assert "1 were refused and 1 failed" in said
    assert all(words in said for words in NOT_TO_CONCLUDE)


def test_without_groups_it_warns_that_nobody_knows(tmp_path: Path) -> None:
    scores, truth = drawn(80, seed=2)
    said = text_of(judged(tmp_path, cases(scores, truth)))
    assert "Whether some patients are served worse is not known" in said
    assert "None: every row of the table has an answer." in said


def test_one_class_alone_leaves_no_number_that_is_not_defined(tmp_path: Path) -> None:
    said = text_of(judged(tmp_path, cases([0.2, 0.8, 0.9], [True, True, True])))
    assert "AUC how often a scan with it has a higher score than one without not defined 3" in said
    assert "nan" not in said.lower()


def test_it_is_written_beside_its_document(tmp_path: Path, examined: list[Examined]) -> None:
    found = judged(tmp_path, examined)
    place = write_evaluation(tmp_path / "out", found)
    assert place == tmp_path / "out" / PAGE
    assert place.read_text(encoding="utf-8") == page(found)
    assert (tmp_path / "out" / TRUTH).read_text(encoding="utf-8") == to_json(found, indent=1) + "\n"


def test_words_for_numbers() -> None:
    assert [p_words(p) for p in (0.0001, 0.0123, 0.5)] == ["p < 0.001", "p = 0.012", "p = 0.50"]
    assert rows_words([7]) == "row 7"

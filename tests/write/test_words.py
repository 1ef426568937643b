"""The words of a result: as exact as what is known, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.findings import Region
from edge.write.report import RegistrationReport, TranslationReport
from edge.write.words import file_words, headline, label_lines, region_words, registration_words, translation_words
from tests.write.outcomes import classified, failed, not_decoded, outcome, picture_scan, score
from tests.write.planted import SHAPE, ball, detected, detection, segmented_volume, upright_grid, volume_scan

VOLUME = volume_scan()
PICTURE = picture_scan(np.zeros((20, 30), np.uint8))
GRID = upright_grid()


def region(**changes: object) -> Region:
    found = segmented_volume(VOLUME, [ball((12, 20, 24), 9)]).regions[0]
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("volume_ml", "words"),
    [(1234.5, "1234 mL"), (123.45, "123 mL"), (12.345, "12.3 mL"), (1.2345, "1.23 mL"), (0.0123, "0.012 mL")],
)
def test_a_volume_has_three_digits(volume_ml: float, words: str) -> None:
    assert f": {words}, " in region_words(region(volume_ml=volume_ml), GRID)


def test_a_volume_that_is_unknown_is_told_in_voxels() -> None:
    said = region_words(region(volume_ml=None, diameter_mm=None, diameter_slice=None), GRID)
    assert said == f"Region 1: {int(ball((12, 20, 24), 9).sum())} voxels, slices 11 to 15 of 24"


def test_pieces_are_told_where_there_are_several() -> None:
    assert "pieces" not in region_words(region(components=1), GRID)
    assert region_words(region(components=3), GRID).endswith(", 3 pieces")


def test_slices_are_counted_from_one_as_a_viewer_counts_them() -> None:
    everywhere = segmented_volume(VOLUME, [np.ones(SHAPE, np.bool_)]).regions[0]
    said = region_words(everywhere, GRID)
    assert "(slice 1)" in said
    assert "slices 1 to 24 of 24" in said


def test_what_was_not_found_is_told_without_numbers() -> None:
    assert region_words(region(positive=False), GRID) == "Region 1: not found"


def test_a_box_within_one_slice_names_it() -> None:
    of = outcome(VOLUME, detected(VOLUME, detection(VOLUME, (7, 5, 5, 8, 20, 20), 0.9)))
    (line,) = label_lines(of.result)[0]
    assert line.text.endswith(", slice 8 of 24")


def test_the_colour_of_a_line_is_that_of_its_label() -> None:
    boxes = [detection(PICTURE, (1, 1, 9, 9), 0.9, name="mass"), detection(PICTURE, (1, 1, 9, 9), 0.8)]
    of = outcome(PICTURE, detected(PICTURE, *boxes, names=("nodule", "mass")))
    assert [line.label for line in label_lines(of.result)[0]] == [1, 0]


def test_the_most_urgent_finding_gives_its_urgency() -> None:
    boxes = [detection(PICTURE, (1, 1, 9, 9), 0.9), detection(PICTURE, (1, 1, 9, 9), 0.8, name="mass")]
    urgent = (boxes[0], replace(boxes[1], urgency="urgent"))
    assert headline(outcome(PICTURE, detected(PICTURE, *urgent, names=("nodule", "mass"))).result) == (
        " (urgent): Nodule, Mass"
    )


def test_where_nothing_was_examined_there_is_nothing_to_say_but_the_code() -> None:
    assert headline(failed().result) == ": R302"
    assert label_lines(not_decoded().result) == ([], [])


def test_every_scan_of_an_examination_is_named() -> None:
    of = outcome(PICTURE, classified(PICTURE, score("A", 0.9)))
    both = replace(of.result, others={"moving": replace(of.result.scan, sources=of.result.scan.sources * 3)})
    assert file_words(both) == "phantom. phantom and 2 more. "


def test_a_share_that_rounds_to_nothing_is_not_told_as_nothing() -> None:
    folded = [
        registration_words(RegistrationReport(mean_mm=1.0, largest_mm=2.0, folded_share=share))[1]
        for share in (0.0, 1e-7, 0.1)
    ]
    assert folded[0] == "Space is folded nowhere."
    assert "less than 0.01% of the voxels" in folded[1]
    assert "10.00% of the voxels" in folded[2]


def test_what_a_model_made_is_never_told_without_the_word() -> None:
    made = TranslationReport(makes="CT", unit="HU", range=(-1000.0, 2000.0))
    assert translation_words(made)[0].startswith("SYNTHETIC CT: made by a model, not by a scanner.")
    assert translation_words(made)[1] == "Values from -1000 to 2000 (HU)."
    assert translation_words(replace(made, unit="none"))[1] == "Values from -1000 to 2000."

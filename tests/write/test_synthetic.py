"""Synthetic images: no picture, no file and no part of a picture goes without the word."""

from __future__ import annotations

import gzip
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Findings
from edge.testing import phantom_scan
from edge.write.canvas import YELLOW
from edge.write.panels import TWO
from edge.write.synthetic import burn, synthetic
from tests.write.outcomes import classified, failed, outcome, picture_scan, pixels, score, words_of
from tests.write.planted import TURNS, body, translation, volume_scan

Array = NDArray[Any]
RAMP = np.tile(np.linspace(0, 200, 300, dtype=np.float32), (240, 1))
PICTURE = picture_scan(RAMP.astype(np.uint8), spacing_mm=(0.5, 0.5))
MADE = translation(PICTURE.grid, RAMP[np.newaxis, :, ::-1])
VOLUME = volume_scan()


def files_of(findings: Findings) -> dict[str, bytes]:
    of = outcome(PICTURE, findings)
    return synthetic(of.result, of.scan, of.findings)


def decoded(data: bytes) -> Array:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture)


def test_the_picture_has_bands_of_the_word_at_both_ends() -> None:
    picture = decoded(files_of(MADE)["synthetic.png"])
    for rows in (picture[:20], picture[-20:]):
        yellow = (rows == YELLOW).all(axis=-1)
        assert yellow.mean() > 0.5
        assert yellow.mean() < 0.99  # there are letters in it


def test_the_word_runs_through_the_middle_and_the_picture_can_be_seen_below_it() -> None:
    flat = np.full((400, 400, 3), 120, np.uint8)
    middle = burn(flat, "MR")[150:250]
    marked = (middle != 120).any(axis=-1)
    columns = np.flatnonzero(marked.any(axis=0))
    assert np.ptp(columns) > 0.7 * 400
    assert 0.05 < marked.mean() < 0.5
    other = flat.copy()
    other[:, 200:] = 20
    assert (burn(other, "MR")[150:250, 210:] != middle[:, 210:]).all()  # not even the letters hide what lies below


@pytest.mark.parametrize("shape", [(8, 8), (1, 300), (300, 1), (64, 40), (1200, 900)])
def test_a_picture_of_any_size_is_marked(shape: tuple[int, int]) -> None:
    grid = picture_scan(np.zeros(shape, np.uint8)).grid
    picture = decoded(files_of(translation(grid, np.zeros((1, *shape))))["synthetic.png"])
    assert max(picture.shape[:2]) >= 512
    assert picture.shape[0] % shape[0] == 0
    assert picture.shape[1] % shape[1] == 0
    assert (picture == YELLOW).all(axis=-1).any()


def test_a_quarter_of_the_picture_still_holds_a_part_of_the_word() -> None:
    """Whichever half is cut away, top or bottom, left or right."""
    grey = translation(PICTURE.grid, np.full((1, 240, 300), 7.0))
    picture = decoded(files_of(grey)["synthetic.png"])
    plain = picture[picture.shape[0] // 4, picture.shape[1] // 2]
    rows, columns = picture.shape[0] // 2, picture.shape[1] // 2
    for quarter in (
        picture[:rows, :columns],
        picture[rows:, :columns],
        picture[:rows, columns:],
        picture[rows:, columns:],
    ):
        assert (quarter != plain).any(axis=-1).mean() > 0.05


def test_colours_keep_their_order() -> None:
    red = np.zeros((1, 100, 100, 3))
    red[..., 0], red[0, 0, 0] = 1.0, (1.0, 1.0, 1.0)
    grid = picture_scan(np.zeros((100, 100, 3), np.uint8)).grid
    picture = decoded(files_of(translation(grid, red))["synthetic.png"])
    assert picture[picture.shape[0] // 4, picture.shape[1] // 2].tolist() == [0, 0, 255]


def test_a_picture_has_no_volume() -> None:
    assert list(files_of(MADE)) == ["synthetic.png"]


def test_a_volume_is_written_with_the_word_in_its_header() -> None:
    made = translation(VOLUME.grid, -VOLUME.voxels.astype(np.float32))
    files = files_of(made)
    assert list(files) == ["synthetic.png", "synthetic.nii.gz"]
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(files["synthetic.nii.gz"]))
    assert bytes(image.header["descrip"].tobytes()).startswith(b"SYNTHETIC T2-weighted MR, arbitrary unit")
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), made.values)


def test_frames_without_a_place_in_the_patient_make_no_volume() -> None:
    frames = phantom_scan((5, 30, 40))
    made = translation(frames.grid, frames.voxels)
    assert list(files_of(made)) == ["synthetic.png"]
    assert pixels(outcome(frames, made)).shape == (768, 1024, 3)


@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn.axes[0] == 0], ids=str)
def test_however_a_volume_is_stored_its_pictures_are_the_same(turn: Any) -> None:
    at = 12  # the middle slice, from whichever end
    voxels = body()
    voxels[at - 1] = voxels[at]
    one, other = volume_scan(voxels=voxels), volume_scan(turn, voxels=voxels)
    made = [translation(scan.grid, -scan.voxels.astype(np.float32)) for scan in (one, other)]
    assert files_of(made[0])["synthetic.png"] == files_of(made[1])["synthetic.png"]
    drawn = [pixels(outcome(scan, found))[104:544] for scan, found in zip((one, other), made, strict=True)]
    assert np.array_equal(drawn[0], drawn[1])


def test_what_is_no_translation_has_no_files() -> None:
    assert files_of(classified(PICTURE, score("A", 0.5))) == {}
    assert synthetic(failed().result, None, None) == {}


def test_the_same_image_gives_the_same_bytes() -> None:
    assert files_of(MADE) == files_of(MADE)


# The overlay ---------------------------------------------------------------------------------------------


def test_the_source_is_on_the_left_and_the_marked_image_on_the_right() -> None:
    picture = pixels(outcome(PICTURE, MADE))
    left, right = (picture[box.top : box.top + box.height, box.left : box.left + box.width] for box in TWO.panels)
    yellow = [(part == YELLOW).all(axis=-1).sum() for part in (left, right)]
    assert yellow[0] == 0
    assert yellow[1] > 2 * 20 * 300
    quarter = left.shape[0] // 3
    assert int(left[quarter, 30, 0]) < int(left[quarter, -30, 0])
    assert int(right[quarter, 30, 0]) > int(right[quarter, -30, 0])


@pytest.mark.parametrize("findings", [MADE, translation(VOLUME.grid, VOLUME.voxels)], ids=["picture", "volume"])
def test_the_words_say_what_was_made_and_that_nothing_was_looked_for(
    findings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = outcome(PICTURE if findings is MADE else VOLUME, findings)
    said = words_of(monkeypatch, of)
    assert said[0] == "DONE: SYNTHETIC T2-weighted MR. Nothing was looked for"
    assert said.count("SYNTHETIC T2-weighted MR") == 2  # the bands
    assert "SYNTHETIC, made by the model: T2-weighted MR" in said
    assert "Nothing was looked for: this is not 'no finding'." in said
    assert not any("NO FINDING" in text.upper() and "NOT 'NO FINDING'" not in text.upper() for text in said)
    assert of.result.summary == "Made a SYNTHETIC image: T2-weighted MR. Nothing was looked for."

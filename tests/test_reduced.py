"""From a film in JPEG 2000 to the report: read smaller where the pack was proven so, said so, and whole where asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.choose import Choice
from edge.geometry import Grid
from edge.options import DRAWN_SMALL, Options
from edge.pack.store import find_pack
from edge.pipeline import Request, run
from edge.read.halved import halved_grid
from edge.replay.again import replay
from edge.replay.given import given, read_report
from edge.scan import Acquisition, Identity, Series
from edge.testing import tiny_manifest, write_tiny_pack
from edge.wanted import Wanted
from edge.write import WRITERS
from edge.write.report import StudyReport
from tests.reduced import LEAST_SIDE, SIDE, film, reduced_manifest, write_film

SERIES = Series(format="dicom", paths=("a.dcm",), identity=Identity(), acquisition=Acquisition(), pictures=1, bytes=8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film, a pack that may read it smaller, and one that may not."""
    folder = tmp_path_factory.mktemp("reduced")
    write_film(folder / "film.dcm", film())
    write_tiny_pack(folder / "allowed", reduced_manifest())
    write_tiny_pack(folder / "plain", tiny_manifest())
    return folder


def examined(place: Path, pack: str = "allowed", **options: Any) -> tuple[StudyReport, Path]:
    out = place / f"{pack}-{len(list(place.iterdir()))}"
    request = Request(paths=(place / "film.dcm",), out=out, pack=str(place / pack), options=Options(**options))
    (report,) = run(request)
    return report, out / report.folder


def score(report: StudyReport) -> float:
    findings = report.results[0].findings
    assert findings is not None
    assert findings.kind == "classification"
    return findings.labels[0].score


@pytest.fixture(scope="module")
def read_smaller(place: Path) -> tuple[StudyReport, Path]:
    return examined(place)


def test_the_finding_is_that_of_the_whole_picture(place: Path, read_smaller: tuple[StudyReport, Path]) -> None:
    small, (whole, _) = read_smaller[0], examined(place, full_resolution=True)
    assert small.state == whole.state == "finding"
    assert score(small) == pytest.approx(score(whole), abs=0.001)
    assert small.request_sha256 != whole.request_sha256


def test_the_report_tells_what_the_file_has_and_what_was_seen_of_it(read_smaller: tuple[StudyReport, Path]) -> None:
    (result,) = read_smaller[0].results
    stored = Grid.of_picture(SIDE, SIDE, (0.1, 0.1))
    assert (result.scan.grid, result.scan.decoded) == (stored, halved_grid(stored, 1))
    assert any("decoded at 1/2 of its size, 515 x 515 pixels" in note for note in result.notes)
    document = json.loads((read_smaller[1] / "report.json").read_text(encoding="utf-8"))
    assert document["results"][0]["scan"]["decoded"]["shape"] == [1, 515, 515]


def test_the_picture_is_not_passed_off_as_all_that_the_file_has(read_smaller: tuple[StudyReport, Path]) -> None:
    """The caption above the picture is longer by what was decoded; it is compared with that of a whole picture."""
    picture = cv2.imread(str(read_smaller[1] / "overlay.png"))
    assert picture is not None
    caption = np.flatnonzero((picture[72:104, 16:504] > 128).any(axis=(0, 2)))
    assert np.ptp(caption) > 300


def test_replay_reads_it_as_it_was_read(place: Path, read_smaller: tuple[StudyReport, Path]) -> None:
    report = read_report(read_smaller[1])
    assert replay(given(report, pack=str(place / "allowed"))).same


@pytest.mark.parametrize(
    "how", [{"full_resolution": True}, {"explain": "occlusion"}, {"wanted": Wanted(views=("overlay", "sr"))}]
)
def test_what_was_not_proven_is_read_whole(place: Path, how: dict[str, Any]) -> None:
    choice = Choice(pack=find_pack(str(place / "allowed")), fitting=({"image": SERIES},))
    assert Options().reading(choice)[0]["image"].least_side == LEAST_SIDE
    assert Options(**how).reading(choice) == choice.fitting


def test_without_permission_it_is_read_whole(place: Path) -> None:
    choice = Choice(pack=find_pack(str(place / "plain")), fitting=({"image": SERIES},))
    assert Options().reading(choice) == choice.fitting
    assert Options().reading(Choice(pack=None)) == ()


def test_a_plain_request_is_told_as_it_always_was() -> None:
    assert Options(full_resolution=True).told() == [None, "auto", [], {"full_resolution": True}]
    assert Options().told() == [None, "auto", []]


def test_no_view_that_is_placed_on_pixels_of_the_file_is_drawn_from_a_smaller_one() -> None:
    assert set(WRITERS) - DRAWN_SMALL == {"sr", "seg", "sc", "gsps", "pdf"}

"""Boxes below the threshold draw the curve, and come into nothing that is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from convert.demo import detection
from convert.demo_scans import Series, block, radiograph, stored
from edge.geometry import Grid
from edge.options import Options
from edge.site.evaluate import evaluated
from edge.site.evaluation import Evaluation
from edge.site.faint import lowered
from edge.site.page import page
from edge.testing import tiny_threshold, write_tiny_pack
from edge.truth.boxes import FLOOR

SIDE = 256
SQUARES = {"clear": (100, 60, 1.0), "faint": (41, 160, 1.0), "empty": None}


def written(folder: Path) -> Path:
    """A film with a square, one where it lies between the pixels of the model and so scores less, and one with none."""
    rows = ["file,label,x0,y0,x1,y1,patient,device"]
    for number, (name, square) in enumerate(SQUARES.items()):
        values = block((1, SIDE, SIDE), 0.08, [])[0]
        if square is not None:
            y, x, level = square
            values[y : y + 12, x : x + 12] = level
        grid = Grid.of_picture(SIDE, SIDE, (0.5, 0.5))
        series = Series(name=name, study=name, description="squares", grid=grid)
        (folder / name).mkdir(parents=True)
        for file, data in radiograph(stored(values, number), series, 0.5).items():
            (folder / name / Path(file).name).write_bytes(data)
        edges = "none,,,," if square is None else f"small-square,{x},{y},{x + 12},{y + 12}"
        rows.append(f"{name},{edges},{number},phantom")
    table = folder / "labels.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    return table


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faint")


@pytest.fixture(scope="module")
def found(place: Path) -> Evaluation:
    demo = detection()
    pack = write_tiny_pack(place / "pack", demo.manifest, demo.model)
    return evaluated(str(pack), written(place), place / "out", Options())


def test_the_faint_square_is_missed_at_the_threshold_and_found_by_the_curve(found: Evaluation) -> None:
    small, _ = found.boxes
    assert (small.boxes, small.found, small.missed_rows, small.false_alarms) == (2, 1, (3,), 0)
    assert (small.threshold, small.curve_from) == (0.5, FLOOR)
    assert [point.sensitivity for point in small.froc[:2]] == [0.5, 1.0]
    assert small.froc[0].threshold >= 0.5 > small.froc[1].threshold >= FLOOR
    assert "of all boxes from a score of 0.05 on" in page(found)


def test_nothing_below_the_threshold_is_kept(found: Evaluation, place: Path) -> None:
    assert [[(each.label, each.reported) for each in case.boxes] for case in found.cases] == [
        [("small-square", 1), ("large-square", 0)],
        [("small-square", 0), ("large-square", 0)],
        [("small-square", 0), ("large-square", 0)],
    ]
    assert len(list((place / "out").rglob("report.json"))) == len(SQUARES)


def test_thresholds_become_as_low_as_the_floor_and_never_higher() -> None:
    manifest = detection().manifest
    (model, *_) = manifest.models
    limits = [limit.value for limit in lowered(manifest).models[0].thresholds.values()]
    assert limits == [FLOOR] * len(model.thresholds)
    low = replace(model, thresholds=dict.fromkeys(model.thresholds, tiny_threshold(0.01)))
    limits = [limit.value for limit in lowered(replace(manifest, models=(low,))).models[0].thresholds.values()]
    assert limits == [0.01] * len(model.thresholds)

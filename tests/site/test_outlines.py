"""True masks of every kind beside what a pack outlined in volumes: by the way that a clinic's table takes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from convert.demo import volumes
from convert.demo_scans import Ellipsoid, Series, axial, block, mr_series, stored
from edge.geometry import Grid
from edge.options import Options
from edge.schemas import generate
from edge.site.evaluate import evaluated
from edge.site.evaluation import Evaluation
from edge.site.files import PAGE, TRUTH, write_evaluation
from edge.site.words import terminal
from edge.testing import write_tiny_pack
from edge.typed import parse
from edge.write.nifti import nifti

GRID = axial((16, 32, 32), (5.0, 4.0, 4.0))
BRIGHT = Ellipsoid(centre=(8, 12, 12), radii=(4, 6, 8), level=0.95)
TRUE = block(GRID.shape, 0.0, [BRIGHT]) > 0.5
ROWS = {
    "same": "2 bright-body",
    "turned": "in another order of axes",
    "shifted": "elsewhere",
    "letter": "no mask",
    "chances": "no labels",
    "nowhere": "",
}


def written(folder: Path) -> Path:
    """A table of one phantom, six times, each with another mask."""
    upside = GRID.matrix
    upside[:, 3] += upside[:, 0] * (GRID.shape[0] - 1)
    upside[:, 0] *= -1
    turned = Grid.of(GRID.shape[::-1], upside[:, [2, 1, 0, 3]], "patient")
    away = GRID.matrix
    away[0, 3] += 4
    masks = {
        "same": nifti(TRUE * np.uint8(7) + (np.indices(GRID.shape)[0] == 0), GRID, "several"),
        "turned": nifti(np.ascontiguousarray(TRUE[::-1].transpose(2, 1, 0)).astype(np.uint8), turned, "turned"),
        "shifted": nifti(TRUE.astype(np.uint8), Grid.of(GRID.shape, away, "patient"), "shifted"),
        "letter": b"no mask",
        "chances": nifti((TRUE * 0.5).astype(np.float32), GRID, "chances"),
    }
    rows = ["file,bright-body,dark-body,patient"]
    for number, name in enumerate(ROWS):
        series = Series(name=name, study=name, description="phantom", grid=GRID)
        for file, data in mr_series(stored(block(GRID.shape, 0.5, [BRIGHT]), number), series).items():
            (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / file).write_bytes(data)
        (folder / f"{name}.nii.gz").write_bytes(masks.get(name, b""))
        mask = {"same": "same.nii.gz#7", "nowhere": ""}.get(name, f"{name}.nii.gz")
        rows.append(f"{name},{mask},?,{number}")
    table = folder / "labels.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    return table


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("outlined")
    demo = volumes()
    pack = write_tiny_pack(folder / "pack", demo.manifest, demo.model)
    return evaluated(str(pack), written(folder), folder / "out", Options())


def test_a_mask_in_any_order_of_axes_is_compared_and_one_that_lies_elsewhere_is_not(found: Evaluation) -> None:
    state = {name: each.code or each.state for name, each in zip(ROWS, found.cases, strict=True)}
    assert state == {
        "same": "answered",
        "turned": "answered",
        "nowhere": "answered",
        "shifted": "C760",
        "letter": "C765",
        "chances": "C761",
    }
    assert (found.answered, found.refused, found.failed) == (3, 3, 0)


def test_each_scan_tells_how_its_outline_meets_the_truth(found: Evaluation) -> None:
    same, turned = (found.cases[index].outlines for index in (0, 1))
    assert same == turned
    (outline,) = same
    true_ml = TRUE.sum() * 5.0 * 4.0 * 4.0 / 1000
    assert (outline.label, outline.present, outline.said, outline.unit) == ("bright-body", True, True, "ml")
    assert outline.true_size == pytest.approx(true_ml)
    assert outline.dice > 0.95
    (nowhere,) = found.cases[5].outlines
    assert (nowhere.present, nowhere.said, nowhere.dice, nowhere.true_size) == (False, True, 0.0, 0.0)


def test_the_structure_that_nobody_outlined_is_not_judged(found: Evaluation) -> None:
    (structure,) = found.structures
    assert (found.task, structure.name, structure.n, structure.present) == ("segmentation", "bright-body", 3, 2)
    assert (structure.false_alarms, structure.false_alarm_rows) == (1, (7,))


def test_its_page_its_document_and_its_words_say_the_same(found: Evaluation, tmp_path: Path) -> None:
    page = write_evaluation(tmp_path, found).read_text(encoding="utf-8")
    document = json.loads((tmp_path / TRUTH).read_text(encoding="utf-8"))
    assert parse(Evaluation, document) == found
    jsonschema.Draft202012Validator(generate("site/evaluation.schema.json")).validate(document)
    assert (tmp_path / PAGE).is_file()
    said = "\n".join(terminal(found))
    assert "Said to be there on 2 of 2 scans that have it and on 1 of 1 that do not." in said
    for words in ("Dice", "distance of outlines (HD95), median", "true size, ml", "C760", "Worst outlines"):
        assert words in page

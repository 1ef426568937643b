"""What the study of refusals makes of films and counts, and the page of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.refusals_page import PAGE, page
from benchmarks.refusals_study import (
    NOISE,
    SPOILED,
    counted,
    examine_folder,
    examine_pictures,
    large,
    of_films,
    of_noise,
    read_results,
)
from edge.pipeline import Request, run
from edge.reasons import REASONS
from tests.conftest import ROOT

FILMS = [np.random.default_rng(seed).integers(40, 200, (28, 28)).astype(np.uint8) for seed in range(3)]
PACK = "chest-pneumonia"


def test_the_page_is_the_one_that_the_results_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(read_results()), "run: python -m benchmarks.refusals_page"


def test_every_kind_was_examined_and_every_code_exists() -> None:
    rows = read_results().rows
    assert {row.kind for row in rows} >= {*SPOILED, *NOISE}
    assert {code for row in rows for code in (*row.codes, *row.warned)} <= set(REASONS)
    assert all(row.low <= row.refused / row.n <= row.high for row in rows)
    assert all(row.n == 468 for row in rows if row.group in ("good", "spoiled", "cut"))


def test_good_films_pass_and_negatives_turned_films_and_everything_else_do_not() -> None:
    shares = {row.kind: row.refused / row.n for row in read_results().rows}
    assert shares["as they are"] < 0.05
    assert all(share > 0.95 for kind, share in shares.items() if kind == "negatives" or kind.startswith("turned"))
    assert all(row.refused == row.n for row in read_results().rows if row.group == "other")


@pytest.mark.parametrize("kind", SPOILED)
def test_every_film_is_made_into_one_of_another_kind(kind: str) -> None:
    made = list(of_films(FILMS, SPOILED[kind][1]))
    assert len(made) == len(FILMS)
    assert all(each.dtype == np.uint8 and min(each.shape) >= 28 for each in made)
    assert any(each.shape != film.shape or (each != film).any() for each, film in zip(made, FILMS, strict=True)) == (
        kind != "as they are"
    )


def test_two_films_are_two_different_ones() -> None:
    (first, *_) = of_films(FILMS, SPOILED["two films side by side"][1])
    assert np.array_equal(first[:, :112], large(FILMS[0]))
    assert np.array_equal(first[:, -112:], large(FILMS[1]))


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_seeded_and_never_twice_the_same(kind: str) -> None:
    made, again = (list(of_noise(FILMS, NOISE[kind], 4)) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=True))
    assert len({each.tobytes() for each in made}) == 4


def test_what_is_examined_is_counted_from_its_reports() -> None:
    row = examine_folder("good", "examples", ROOT / "examples" / "chest-normal-0235.dcm", PACK)
    assert (row.n, row.refused, row.unreadable, row.codes) == (1, 0, 0, {})
    assert row.warned["C709"] == 1
    blank = examine_pictures("noise", "blank", iter([np.full((28, 28), 9, np.uint8)]), PACK)
    assert (blank.n, blank.refused, blank.codes["C712"]) == (1, 1, 1)
    assert (blank.low, blank.high) == (0.025, 1.0)


def test_what_cannot_be_read_shows_nothing_of_any_check(tmp_path: Path) -> None:
    whole = (ROOT / "examples" / "chest-normal-0235.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-100])
    (tmp_path / "whole.dcm").write_bytes((ROOT / "examples" / "chest-normal-0234.dcm").read_bytes())
    reports = run(Request(paths=(tmp_path,), out=tmp_path / "out", pack=PACK))
    row = counted("other", "cut", [result for report in reports for result in report.results])
    assert (row.n, row.refused, row.unreadable) == (1, 0, 1)

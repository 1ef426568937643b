"""What the benchmark of volumes finds, on one so small that it takes no time; no time is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("scipy")

from benchmarks.volumes import Organs, beside_monai, beside_scipy, growth, whole_way

SMALL = (24, 20, 28)


def test_the_way_of_windows_ends_in_labels_on_the_source(tmp_path: Path) -> None:
    took, peak = whole_way(Organs.of(SMALL), tmp_path)
    assert took.what.endswith(" -> labels in a file, 28 x 20 x 24, 14 classes")
    assert (peak.unit, peak.at_most) == ("GB", 1.5)
    assert (tmp_path / "whole.npy").is_file()


def test_labels_are_those_of_scipys_linear_zoom(tmp_path: Path) -> None:
    found = {figure.what: figure for figure in beside_scipy(Organs.of(SMALL), tmp_path)}
    assert found["voxels labelled as by scipy's linear zoom"].outcome() == "met"
    assert len(found) == 5


def test_every_size_has_a_figure_and_the_deepest_is_compared_with_the_flattest(tmp_path: Path) -> None:
    *sizes, compared = growth(SMALL, tmp_path)
    assert [figure.what.rpartition(", ")[2] for figure in sizes] == [
        "28 x 20 x 6", "28 x 20 x 12", "28 x 20 x 24", "14 x 10 x 12",
    ]  # fmt: skip
    assert compared.found == pytest.approx(sizes[2].found / sizes[0].found)


def test_blended_scores_are_those_of_monai() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("monai")
    _, difference = beside_monai(24)
    assert difference.outcome() == "met"

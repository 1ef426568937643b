"""The benchmark of JPEG 2000: its films are real to edgerun, its findings are compared, its figures add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.films import Coding, codestream, film, write_films
from benchmarks.jpeg2000 import SMALL, TRAINED, WHOLE, Findings, commands, compared, figures_of, read_in_turn
from benchmarks.paired import Paired
from edge.options import Options
from edge.pipeline import Request, run
from edge.read import read_study
from edge.read.dicom.codestream import read_codestream
from edge.testing import write_tiny_pack
from tests.reduced import reduced_manifest

SIDE = 1030


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "lossless"
    write_films(folder, range(2), SIDE, "lossless")
    return folder


def test_a_film_is_its_own_and_of_12_bits() -> None:
    first, second = film(0, 256), film(6, 256)  # of one example
    assert not np.array_equal(first, second)
    assert np.array_equal(first, film(0, 256))
    assert 0 <= first.min() < first.max() < 4096


def test_a_film_comes_back_from_its_file_as_it_was_drawn(films: Path) -> None:
    assert np.array_equal(read_study(films / "00001.dcm").scans[0].voxels[0], film(1, SIDE))


@pytest.mark.parametrize("coding", ["lossless", "lossy"])
def test_a_codestream_has_as_many_bits_as_the_film(coding: Coding) -> None:
    assert read_codestream(codestream(film(0, 128), coding), "jpeg-2000").precision == 12


@pytest.fixture(scope="module")
def results(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One round, both ways, in this process."""
    folder = tmp_path_factory.mktemp("results")
    pack = write_tiny_pack(folder / "pack", reduced_manifest())
    for name, whole in ((WHOLE, True), (SMALL, False)):
        asked = Request(paths=(films,), out=folder / f"{name}0", pack=str(pack), options=Options(full_resolution=whole))
        assert len(list(run(asked))) == 2
    return folder


def test_findings_of_both_ways_are_compared_film_by_film(results: Path) -> None:
    found = compared(results, 0)
    assert (found.studies, found.changed) == (2, 0)
    assert 0 < found.largest_difference < 0.01


def test_films_that_were_decoded_whole_are_no_proof(results: Path, tmp_path: Path) -> None:
    for name in (WHOLE, SMALL):
        (tmp_path / f"{name}0").symlink_to(results / f"{WHOLE}0")
    with pytest.raises(ValueError, match="decoded whole"):
        compared(tmp_path, 0)


def test_the_reader_takes_each_film_both_ways(films: Path) -> None:
    seconds = read_in_turn(films, 512).seconds
    assert {name: len(values) for name, values in seconds.items()} == {WHOLE: 2, SMALL: 2}


def test_both_ways_differ_by_one_word_alone(films: Path, tmp_path: Path) -> None:
    whole, small = (command(7) for command in commands(films, tmp_path / "pack", tmp_path).values())
    assert [word for word in whole if word not in small] == [str(tmp_path / "whole7"), "--full-resolution"]
    assert [word for word in small if word not in whole] == [str(tmp_path / "smaller7")]


def test_figures_tell_the_aim_and_what_was_decided_otherwise() -> None:
    folder = Paired(seconds={WHOLE: [12.0, 12.0, 12.0], SMALL: [2.0, 2.0, 2.0]})
    found = Findings(studies=9, changed=1, largest_difference=0.002)
    first, second, *_ = figures_of(TRAINED, "lossy", folder, folder, found, 9)
    assert (first.found, first.at_least, first.outcome()) == (6.0, 5.0, "met")
    assert first.why == "1 of 9 films decided otherwise, scores differ by at most 0.0020"
    assert second.outcome() is None

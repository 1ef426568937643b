"""`edgerun infer --explain`: the whole way, from a picture to the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.conftest import Edgerun
from tests.read.files import png


def half_bright(path: Path) -> Path:
    pixels = np.zeros((40, 40), np.uint8)
    pixels[:, 20:] = 250
    path.write_bytes(png(pixels, 0))
    return path


def test_a_score_is_explained_where_that_is_asked_for(edgerun: Edgerun, tiny_pack: Path, tmp_path: Path) -> None:
    scan, out = half_bright(tmp_path / "a.png"), tmp_path / "out"
    ran = edgerun("infer", scan, "--pack", tiny_pack, "--explain", "occlusion", "--json", "--out", out)
    (result,) = ran.reports[0]["results"]
    found = result["findings"]
    assert ran.code == 0
    assert found["map_rule"].startswith("occlusion: 16 patches of 1 x 1 out of 4 x 4 points")
    assert found["mapped"] == ["bright"]
    (tested,) = found["faithfulness"]
    assert (tested["label"], tested["orders"], tested["holds"]) == ("bright", 19, True)
    assert "Deletion test of the map of Bright: passed, it beats all 19 random orders." in ran.err


def test_a_pack_without_a_map_says_so_and_gives_its_score(edgerun: Edgerun, tiny_pack: Path, tmp_path: Path) -> None:
    scan = half_bright(tmp_path / "a.png")
    ran = edgerun("infer", scan, "--pack", tiny_pack, "--explain", "map", "--json", "--out", tmp_path / "out")
    (result,) = ran.reports[0]["results"]
    assert ran.code == 0
    assert [warning["code"] for warning in result["warnings"]] == ["C755"]
    assert result["findings"]["labels"][0]["score"] > 0.0


def test_a_way_that_is_none_is_told_before_anything_is_read(edgerun: Edgerun, tiny_pack: Path, tmp_path: Path) -> None:
    ran = edgerun("infer", tmp_path / "no.png", "--pack", tiny_pack, "--explain", "lime", "--out", tmp_path / "out")
    assert ran.code == 2
    assert "Reading --explain 'lime': expected one of map, occlusion." in ran.err

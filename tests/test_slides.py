"""Slides of histology the whole way: a pyramid on the disk, `edgerun infer`, scores and labels on its pixels."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from edge.detect.planted import DETECTIONS, painted, yolov5_net
from edge.pack.manifest import Accepts, DetectionTask, Windows
from edge.testing import tiny_input, tiny_manifest
from tests.conftest import Edgerun, Ran
from tests.prepare.images import step
from tests.read.tiled_files import tiff
from tests.slides import SIZE, SMALL_BYTES, WINDOW, green_net, slide_pack, slide_pages, tissue, write_slide
from tests.systems import pack
from tests.tasks.models import label
from tests.test_systems import only

BLOBS = [(300, 500, 319, 529), (450, 800, 452, 803)]
PIXELS = 20 * 30 + 3 * 4


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoded scan may take less than the slide does."""
    monkeypatch.setenv("EDGERUN_SCAN_BYTES", str(SMALL_BYTES))


def examined(edgerun: Edgerun, scan: Path, made: Path, *more: str) -> Ran:
    out = scan.parent / "out"
    return edgerun("infer", scan, "--pack", made, "--out", out, "--json", "--confirm", "modality=SM", *more)


def file_of(folder: Path, name: str) -> Path:
    (found,) = (folder / "out").glob(f"*/{name}")
    return found


@pytest.mark.parametrize("lossy", [False, True])
def test_a_slide_has_the_score_of_its_best_window_and_tells_where_that_lies(
    edgerun: Edgerun, tmp_path: Path, *, lossy: bool
) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS), lossy=lossy)
    result = only(examined(edgerun, scan, slide_pack(tmp_path / "pack", "classification")), 0, "finding")
    found = result["findings"]
    assert found["tilewise"]["rule"] == "maximum"
    assert found["tilewise"]["tiles"] == -(-SIZE[0] // WINDOW) * -(-SIZE[1] // WINDOW)
    (best,) = found["tilewise"]["best"]
    assert best["score"] == found["labels"][0]["score"]
    top, left, bottom, right = best["box"]
    assert (bottom - top + 1, right - left + 1) == (WINDOW, WINDOW)
    assert any(top <= y1 and y0 <= bottom and left <= x1 and x0 <= right for y0, x0, y1, x1 in BLOBS)
    assert found["mapped"] == ["green"]
    assert result["scan"]["grid"]["shape"] == [1, *SIZE]
    assert any("read region by region" in note for note in result["notes"])


def test_a_slide_without_anything_green_is_no_finding(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue())
    ran = examined(edgerun, scan, slide_pack(tmp_path / "pack", "classification"))
    assert only(ran, 0, "no-finding")["findings"]["labels"][0]["score"] < 0.1


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_labels_of_a_slide_land_on_their_pixels(edgerun: Edgerun, tmp_path: Path, overlap: float) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS))
    made = slide_pack(tmp_path / "pack", "segmentation", overlap=overlap)
    (region,) = only(examined(edgerun, scan, made), 0, "finding")["findings"]["regions"]
    assert region["pixels"] == PIXELS
    assert region["box"] == [300, 500, 452, 803]
    assert region["area_mm2"] == pytest.approx(PIXELS * 0.0005**2)
    expected = np.zeros(SIZE, np.uint8)
    for top, left, bottom, right in BLOBS:
        expected[top : bottom + 1, left : right + 1] = 255
    written = imagecodecs.tiff_decode(file_of(tmp_path, "mask-green.tif").read_bytes())
    np.testing.assert_array_equal(written, expected)


def test_labels_are_those_of_the_resolution_that_the_pack_asks_for(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS))
    coarser = step("resample", spacing_mm=[1.0, 0.001, 0.001])
    made = slide_pack(tmp_path / "pack", "segmentation", steps=[coarser])
    found = only(examined(edgerun, scan, made), 0, "finding")["findings"]
    assert found["grid"]["shape"] == [1, SIZE[0] // 2, SIZE[1] // 2]
    (region,) = found["regions"]
    assert region["area_mm2"] == pytest.approx(PIXELS * 0.0005**2, rel=0.02)
    top, left, bottom, right = region["box"]
    assert (top, left) == (150, 250)
    assert abs(bottom - 226) <= 1
    assert abs(right - 401) <= 1


def test_a_slide_of_unknown_resolution_is_not_brought_to_another(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS), um=None)
    made = slide_pack(tmp_path / "pack", "classification", steps=[step("resample", spacing_mm=[1.0, 0.001, 0.001])])
    result = only(examined(edgerun, scan, made), 7, "not-analysed")
    assert [reason["code"] for reason in result["refusals"]] == ["C727"]


def test_no_area_is_told_of_a_slide_of_unknown_resolution(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS), um=352.8)  # 72 to the inch: that of a print
    made = slide_pack(tmp_path / "pack", "segmentation")
    (region,) = only(examined(edgerun, scan, made), 0, "finding")["findings"]["regions"]
    assert (region["pixels"], region["area_mm2"]) == (PIXELS, None)


def test_a_picture_that_fits_in_memory_is_seen_in_the_same_windows(
    edgerun: Edgerun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = slide_pack(tmp_path / "pack", "classification")
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS))
    apart = only(examined(edgerun, scan, made), 0, "finding")["findings"]
    monkeypatch.setenv("EDGERUN_SCAN_BYTES", str(1 << 30))
    whole = only(examined(edgerun, scan, made, "--engine", "onnxruntime"), 0, "finding")["findings"]
    assert whole == apart


def test_a_model_that_sees_a_picture_at_once_is_not_shown_a_slide(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS))
    item = tiny_input(channels=3)
    made = pack(tmp_path / "pack", tiny_manifest().task, [item], green_net(pooled=True), {"bright": 0.5})
    result = only(examined(edgerun, scan, made), 7, "not-analysed")
    assert [reason["code"] for reason in result["refusals"]] == ["C731"]
    assert file_of(tmp_path, "overlay.png").is_file()


def test_a_slide_needs_a_persons_word_for_what_it_is(edgerun: Edgerun, tmp_path: Path) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS))
    made = slide_pack(tmp_path / "pack", "classification")
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    assert [reason["code"] for reason in only(ran, 7, "not-analysed")["refusals"]] == ["C703"]


def test_boxes_on_a_slide_are_each_told_once_on_their_pixels(edgerun: Edgerun, tmp_path: Path) -> None:
    """Grey, with squares in the middle of windows, across their borders and in the corners of the slide."""
    corners = [(0, 0), (61, 200), (63, 63), (400, 640), (1195, 1295)]
    boxes = [(y, x, y + 5, x + 5) for y, x in corners]
    scan = write_slide(tmp_path / "a.tif", painted((1200, 1300), boxes), levels=1)
    task = DetectionTask(
        kind="detection",
        layout="yolov5",
        output=DETECTIONS,
        activation="none",
        labels=(label("square"),),
        windows=Windows(overlap=0.25),
    )
    accepts = Accepts(modality=("SM",), stack="picture", colour="grey")
    item = replace(tiny_input(size=64, steps=[step("rescale", low=0.0, high=255.0)]), accepts=accepts)
    made = pack(tmp_path / "pack", task, [item], yolov5_net((64, 64), (5,)), {"square": 0.5})
    found = only(examined(edgerun, scan, made), 0, "finding")["findings"]
    assert sorted(box["edges"] for box in found["boxes"]) == [[0, *box[:2], 1, *box[2:]] for box in boxes]
    assert all(box["size_mm"] == pytest.approx([None, 0.0025, 0.0025]) for box in found["boxes"])
    assert file_of(tmp_path, "overlay.png").is_file()


# Hostile files -------------------------------------------------------------------------------------------


def damaged(data: bytes, marker: bytes, replacement: bytes) -> bytes:
    assert data.count(marker) >= 1
    return data.replace(marker, replacement, 1)


def far_place(data: bytes) -> bytes:
    """The first tile lies beyond the end of the file."""
    first = struct.pack("<HHQ", 324, 16, 88)
    at = data.index(first) + len(first)
    (table,) = struct.unpack("<Q", data[at : at + 8])
    return data[:table] + struct.pack("<Q", len(data) + 1) + data[table + 8 :]


def spoilt_tile(data: bytes) -> bytes:
    """A tile in the middle of the slide is no deflate stream: what only shows when the model is to see it."""
    first = struct.pack("<HHQ", 324, 16, 88)
    at = data.index(first) + len(first)
    (table,) = struct.unpack("<Q", data[at : at + 8])
    (place,) = struct.unpack("<Q", data[table + 40 * 8 : table + 41 * 8])
    return data[:place] + b"\xff" * 64 + data[place + 64 :]


def huge(data: bytes) -> bytes:
    """It declares a thousand times as many rows as it has tiles for."""
    rows = struct.pack("<HHQI", 257, 4, 1, SIZE[0])
    return damaged(data, rows, struct.pack("<HHQI", 257, 4, 1, SIZE[0] * 1000))


@pytest.mark.parametrize(("spoil", "codes"), [(far_place, {"R302"}), (spoilt_tile, {"R302"}), (huge, {"R302", "R303"})])
def test_a_slide_that_lies_is_no_slide(edgerun: Edgerun, tmp_path: Path, spoil: Any, codes: set[str]) -> None:
    scan = tmp_path / "a.tif"
    scan.write_bytes(spoil(tiff(slide_pages(tissue(blobs=BLOBS)), big=True)))
    ran = examined(edgerun, scan, slide_pack(tmp_path / "pack", "classification"))
    assert ran.code == 3
    (report,) = ran.reports
    assert report["state"] == "failed"
    assert report["results"][0]["failure"]["code"] in codes


def test_a_bomb_in_a_tile_is_not_inflated(edgerun: Edgerun, tmp_path: Path) -> None:
    """Tiles that inflate to a gigabyte stop at the size that the directory declares."""
    pages = slide_pages(tissue(blobs=BLOBS), levels=1)
    bomb = zlib.compress(bytes(1 << 24), 9)
    scan = tmp_path / "a.tif"
    scan.write_bytes(tiff([replace(pages[0], tiles=(bomb,) * len(pages[0].tiles))], big=True))
    ran = examined(edgerun, scan, slide_pack(tmp_path / "pack", "classification"))
    assert ran.code == 3
    assert ran.reports[0]["results"][0]["failure"]["code"] == "R302"

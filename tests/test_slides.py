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
from edge.pack.manifest import Accepts, DetectionTask, SegmentationTask, Windows
from edge.testing import tiny_input, tiny_manifest
from tests.conftest import Edgerun, Ran
from tests.prepare.images import step
from tests.read.slide_files import JPEG_2000, NATIVE, level, write
from tests.read.tiled_files import tiff
from tests.slides import (
    SIZE,
    SMALL_BYTES,
    WINDOW,
    green_net,
    halved,
    slide_input,
    slide_pack,
    slide_pages,
    tissue,
    write_slide,
)
from tests.systems import pack
from tests.tasks.models import label
from tests.tasks.nets import GAIN, conv_net
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


# Both formats, and bare glass ----------------------------------------------------------------------------


def write_dicom_slide(folder: Path, syntax: str = JPEG_2000) -> Path:
    """The levels of a slide as files of one series, and a picture of its label."""
    pixels = tissue(blobs=BLOBS)
    levels = [level(halved(pixels, times), tile=(128, 128), syntax=syntax) for times in range(3)]
    glass_label = level(pixels[:60, :60], ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"], SOPInstanceUID="1.2.3")
    return write(folder, [glass_label, *levels[::-1]])


@pytest.mark.parametrize("syntax", [JPEG_2000, NATIVE])
def test_labels_of_a_dicom_slide_land_on_the_same_pixels_as_those_of_a_tiff(
    edgerun: Edgerun, tmp_path: Path, syntax: str
) -> None:
    """Its files say themselves what it is: nothing is to be confirmed."""
    made = slide_pack(tmp_path / "pack", "segmentation")
    ran = edgerun(
        "infer", write_dicom_slide(tmp_path / "s", syntax), "--pack", made, "--out", tmp_path / "out", "--json"
    )
    result = only(ran, 0, "finding")
    (region,) = result["findings"]["regions"]
    assert (region["pixels"], region["box"]) == (PIXELS, [300, 500, 452, 803])
    assert region["area_mm2"] == pytest.approx(PIXELS * 0.0005**2)
    found = imagecodecs.tiff_decode(file_of(tmp_path, "mask-green.tif").read_bytes())
    other = edgerun(
        "infer", write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS)), "--pack", made, "--out", tmp_path / "tiff",
        "--json", "--confirm", "modality=SM",
    )  # fmt: skip
    assert only(other, 0, "finding")["findings"]["regions"] == result["findings"]["regions"]
    (again,) = (tmp_path / "tiff").glob("*/mask-green.tif")
    np.testing.assert_array_equal(found, imagecodecs.tiff_decode(again.read_bytes()))
    assert len(result["scan"]["sources"]) == 3
    assert [left["reason"]["code"] for left in ran.reports[0]["left_out"]] == []


@pytest.mark.parametrize("kind", ["classification", "segmentation"])
def test_windows_of_bare_glass_are_skipped_where_the_pack_says_so(edgerun: Edgerun, tmp_path: Path, kind: Any) -> None:
    scan = write_slide(tmp_path / "a.tif", tissue(blobs=BLOBS))
    found = {}
    for name, skip in (("all", False), ("some", True)):
        made = slide_pack(tmp_path / name, kind, skip_glass=skip)
        out = tmp_path / f"out-{name}"
        ran = edgerun("infer", scan, "--pack", made, "--out", out, "--json", "--confirm", "modality=SM")
        found[name] = only(ran, 0, "finding")
    assert [warning["code"] for warning in found["all"]["warnings"]] == []
    (warning,) = found["some"]["warnings"]
    windows = -(-SIZE[0] // WINDOW) * -(-SIZE[1] // WINDOW)
    skipped, of = (int(word) for word in warning["detail"].removesuffix(" windows.").split(" of "))
    assert (warning["code"], of) == ("C763", windows)
    assert 0.25 * windows < skipped < 0.6 * windows  # the disc of tissue covers half of the slide
    if kind == "segmentation":
        assert found["some"]["findings"]["regions"] == found["all"]["findings"]["regions"]
    else:
        some, every = (found[name]["findings"] for name in ("some", "all"))
        assert some["labels"] == every["labels"]
        assert some["tilewise"]["best"] == every["tilewise"]["best"]
        assert some["tilewise"]["tiles"] == windows - skipped


def test_where_classes_exclude_each_other_bare_glass_has_none(edgerun: Edgerun, tmp_path: Path) -> None:
    """The background's score of a window that was not fed is 1, whatever the model would have said of it."""
    task = SegmentationTask(
        kind="segmentation", output="scores", activation="softmax", labels=(label("bright"),),
        windows=Windows(overlap=0.5, skip_glass=True),
    )  # fmt: skip
    net = conv_net(np.array([[0.0, 0, 0], [1, 1, 1]]).reshape(2, 3, 1, 1) * GAIN, [0.0, -0.6 * GAIN])
    made = pack(tmp_path / "pack", task, [slide_input()], net)
    scan = write_slide(tmp_path / "a.tif", tissue())
    result = only(examined(edgerun, scan, made), 0, "finding")
    (region,) = result["findings"]["regions"]
    labels = imagecodecs.tiff_decode(file_of(tmp_path, "labels.tif").read_bytes())
    assert labels[0, 0] == 0  # glass, brighter than tissue
    assert labels[450, 650] == 1
    assert region["pixels"] == int((labels == 1).sum())
    assert region["share"] < 0.85


def test_boxes_are_found_though_bare_glass_is_skipped(edgerun: Edgerun, tmp_path: Path) -> None:
    """What is dark is tissue, with white squares in it: across borders of windows, and beside the glass."""
    boxes = [(y, x, y + 5, x + 5) for y, x in [(61, 300), (63, 63), (500, 320)]]
    pixels = painted((640, 1300), boxes)
    pixels[:, 400:] = 240
    task = DetectionTask(
        kind="detection",
        layout="yolov5",
        output=DETECTIONS,
        activation="none",
        labels=(label("square"),),
        windows=Windows(overlap=0.25, skip_glass=True),
    )
    accepts = Accepts(modality=("SM",), stack="picture", colour="grey")
    item = replace(tiny_input(size=64, steps=[step("rescale", low=0.0, high=255.0)]), accepts=accepts)
    made = pack(tmp_path / "pack", task, [item], yolov5_net((64, 64), (5,)), {"square": 0.5})
    result = only(examined(edgerun, write_slide(tmp_path / "a.tif", pixels, levels=1), made), 0, "finding")
    assert sorted(box["edges"] for box in result["findings"]["boxes"]) == [[0, *box[:2], 1, *box[2:]] for box in boxes]
    (warning,) = result["warnings"]
    assert warning["code"] == "C763"


def test_a_slide_of_glass_alone_is_seen_whole(edgerun: Edgerun, tmp_path: Path) -> None:
    """No tissue to tell glass from: nothing is skipped, and nothing is said of it."""
    noise = np.random.default_rng(3).integers(-5, 6, (*SIZE, 1))
    scan = write_slide(tmp_path / "a.tif", (np.full((*SIZE, 3), 240) + noise).astype(np.uint8))
    made = slide_pack(tmp_path / "pack", "classification", skip_glass=True)
    result = only(examined(edgerun, scan, made), 0, "no-finding")
    assert result["warnings"] == []

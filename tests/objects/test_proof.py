"""Every voxel of a segmentation lies where it was found; whatever lies elsewhere is withheld."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.geometry import Grid, Turn, resample
from edge.objects import OBJECTS
from edge.objects.build import Builder
from edge.objects.finish import encoded
from edge.objects.proof import prove_seg
from edge.objects.reread import frames_in
from edge.objects.subject import Subject
from edge.reasons import WRONG_PLACE
from edge.scan import Scan
from tests.objects.cases import blob, files_of, outlined, request_of, scan_of, subject_of
from tests.read.dicom_files import all_turns, canonical_grid, enhanced, phantom, rotated, series

pytest.importorskip("highdicom")

Array = NDArray[Any]
SHAPE = (6, 5, 7)
STRAIGHT = canonical_grid(SHAPE)
GRIDS = {"straight": STRAIGHT, "oblique": rotated(STRAIGHT)}


def places(mask: Array, grid: Grid) -> set[tuple[float, ...]]:
    """Where the voxels of a mask lie, in hundredths of a millimetre."""
    indices = np.argwhere(mask)
    placed = np.c_[indices, np.ones(len(indices))] @ grid.matrix.T
    return {tuple(point) for point in np.rint(placed[:, :3] * 100).tolist()}


def places_in(files: Mapping[str, bytes]) -> dict[str, set[tuple[float, ...]]]:
    """The same of each segment of a segmentation, by its label."""
    found: dict[str, set[tuple[float, ...]]] = {}
    for frame in frames_in(files):
        assert frame.grid is not None
        found.setdefault(frame.label, set()).update(places(frame.pixels[np.newaxis], frame.grid))
    return found


def body_of(grid: Grid) -> tuple[Array, dict[str, set[tuple[float, ...]]]]:
    """Labels planted in a body, and where each lies."""
    codes = blob(SHAPE)
    names = {1: "Lesion", 2: "Liver", 3: "Spleen"}
    return codes, {name: places(codes == number, grid) for number, name in names.items()}


def seen_in(codes: Array, grid: Grid, scan: Scan) -> Array:
    """The labels of a body on the grid of a scan of it."""
    return resample(codes, grid, scan.grid, interpolation="nearest")


@pytest.mark.parametrize("body", GRIDS)
@pytest.mark.parametrize("turn", list(all_turns()), ids=lambda turn: f"{turn.axes}{turn.flips}".replace(" ", ""))
def test_a_body_scanned_in_any_orientation_has_its_outlines_in_the_same_place(
    turn: Turn, body: str, tmp_path: Path
) -> None:
    grid = GRIDS[body]
    codes, expected = body_of(grid)
    voxels = np.ascontiguousarray(turn.apply(phantom(SHAPE)))
    scan = scan_of(series(voxels, turn.apply_grid(grid)), tmp_path)
    files = files_of("seg", scan, outlined(seen_in(codes, grid, scan), scan.grid))
    assert places_in(files) == expected


@pytest.mark.parametrize("body", GRIDS)
def test_an_enhanced_multi_frame_scan_has_its_outlines_in_place(body: str, tmp_path: Path) -> None:
    grid = GRIDS[body]
    codes, expected = body_of(grid)
    scan = scan_of([enhanced(phantom(SHAPE), grid)], tmp_path)
    assert places_in(files_of("seg", scan, outlined(seen_in(codes, grid, scan), scan.grid))) == expected


def test_frames_that_are_stored_head_first_are_referred_to_by_their_own_numbers(tmp_path: Path) -> None:
    grid = Turn(axes=(0, 1, 2), flips=(True, False, False)).apply_grid(STRAIGHT)
    scan = scan_of([enhanced(phantom(SHAPE), grid)], tmp_path)
    codes = np.zeros(scan.grid.shape, np.uint8)
    codes[0, 1, 2] = 1
    (frame,) = frames_in(files_of("seg", scan, outlined(codes, scan.grid)))
    assert scan.places[0] == (0, SHAPE[0] - 1)
    assert frame.refers == (str(dcmread(tmp_path / "000.dcm").SOPInstanceUID), SHAPE[0])


def test_slices_that_lie_a_little_beside_an_even_stack_stay_where_they_are(tmp_path: Path) -> None:
    datasets = series(phantom(SHAPE), STRAIGHT)
    datasets[2].ImagePositionPatient[2] += 0.1
    scan = scan_of(datasets, tmp_path)
    codes = np.zeros(SHAPE, np.uint8)
    codes[2] = 1
    (frame,) = frames_in(files_of("seg", scan, outlined(codes, scan.grid)))
    assert frame.grid is not None
    assert frame.grid.matrix[2, 3] == pytest.approx(-300.5 + 2 * 2.5 + 0.1, abs=1e-9)


def mirrored(dataset: Dataset) -> None:
    """Columns run backwards, as a writer does that mistakes LPS for RAS."""
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    count = dataset.NumberOfFrames * dataset.Rows * dataset.Columns
    frames = bits[:count].reshape(dataset.NumberOfFrames, dataset.Rows, dataset.Columns)
    packed = np.packbits(frames[:, :, ::-1].reshape(-1), bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)


def turned_left(dataset: Dataset) -> None:
    """The row direction points the other way."""
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [-value for value in orientation.ImageOrientationPatient[:3]] + list(
        orientation.ImageOrientationPatient[3:]
    )


def one_pixel_off(dataset: Dataset) -> None:
    """Every frame lies one column further."""
    for group in dataset.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0]
        position.ImagePositionPatient = [position.ImagePositionPatient[0] + 0.75, *position.ImagePositionPatient[1:]]


def a_tenth_off(dataset: Dataset) -> None:
    """Every frame lies a tenth of a pixel further than the source says."""
    for group in dataset.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0]
        position.ImagePositionPatient = [position.ImagePositionPatient[0] + 0.075, *position.ImagePositionPatient[1:]]


def spacing_swapped(dataset: Dataset) -> None:
    """Columns are as far apart as rows are."""
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = list(measures.PixelSpacing)[::-1]


def slices_swapped(dataset: Dataset) -> None:
    """Two frames have each other's place."""
    first, second = dataset.PerFrameFunctionalGroupsSequence[:2]
    one, two = first.PlanePositionSequence, second.PlanePositionSequence
    first.PlanePositionSequence, second.PlanePositionSequence = two, one


def segments_swapped(dataset: Dataset) -> None:
    """Two segments have each other's name."""
    first, second = dataset.SegmentSequence[:2]
    first.SegmentLabel, second.SegmentLabel = second.SegmentLabel, first.SegmentLabel


def a_frame_short(dataset: Dataset) -> None:
    """The last frame is left out."""
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:-1]
    dataset.NumberOfFrames -= 1


def a_frame_twice(dataset: Dataset) -> None:
    """The first frame's place, segment and pixels are there twice."""
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    dataset.PerFrameFunctionalGroupsSequence = [*groups, groups[0]]
    dataset.NumberOfFrames += 1
    count = dataset.Rows * dataset.Columns
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    bits = np.concatenate([bits[: count * len(groups)], bits[:count]])
    dataset.PixelData = np.packbits(bits, bitorder="little").tobytes() + b"\0\0"


def cut_short(dataset: Dataset) -> None:
    """The pixels end before the last frame does."""
    dataset.PixelData = dataset.PixelData[:4]


def placeless(dataset: Dataset) -> None:
    """It does not say where it lies."""
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def misreferred(dataset: Dataset) -> None:
    """A frame refers to the source of another."""
    first, second = dataset.PerFrameFunctionalGroupsSequence[:2]
    first.DerivationImageSequence = second.DerivationImageSequence


def unreferred(dataset: Dataset) -> None:
    """A frame refers to no source."""
    del dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence


FAULTS: Mapping[Callable[[Dataset], None], str] = {
    mirrored: "other pixels",
    turned_left: "voxels along z, y and x from where it was found",
    one_pixel_off: "0.00, 0.00, 1.00 voxels along z, y and x",
    a_tenth_off: "0.10 pixels from where the source's header puts it",
    spacing_swapped: "voxels along z, y and x",
    slices_swapped: "other pixels|refers to another",
    segments_swapped: "the name of another",
    a_frame_short: "1 slices of segments are missing",
    a_frame_twice: "is there twice",
    cut_short: r"\(0, 0\) pixels",
    placeless: "does not say where it lies",
    misreferred: "refers to another",
    unreferred: "refers to another",
}


def made(folder: Path) -> tuple[Subject, Dataset]:
    """A segmentation that is right, and what it was made of."""
    scan = scan_of(series(phantom(SHAPE), STRAIGHT), folder)
    findings = outlined(blob(SHAPE), scan.grid)
    (data,) = files_of("seg", scan, findings).values()
    return subject_of("seg", scan, findings), dcmread(io.BytesIO(data))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_caught(fault: Callable[[Dataset], None], tmp_path: Path) -> None:
    subject, dataset = made(tmp_path)
    prove_seg(subject, {"seg.dcm": encoded(dataset)})
    fault(dataset)
    with pytest.raises(OutputError, match=FAULTS[fault]) as caught:
        prove_seg(subject, {"seg.dcm": encoded(dataset)})
    assert caught.value.reason is WRONG_PLACE


def test_a_writer_that_mirrors_gives_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = scan_of(series(phantom(SHAPE), STRAIGHT), tmp_path)
    request, arrays = request_of("seg", scan, outlined(blob(SHAPE), scan.grid))
    build = OBJECTS["seg"].load()

    def mirroring(subject: Subject) -> list[Dataset]:
        datasets: list[Dataset] = build(subject)
        for dataset in datasets:
            mirrored(dataset)
        return datasets

    monkeypatch.setattr("edge.objects.seg.build", mirroring)
    with pytest.raises(OutputError, match="other pixels"):
        Builder(OBJECTS).files(request, arrays)


def test_rows_that_do_not_fill_bytes_are_read_bit_by_bit(tmp_path: Path) -> None:
    shape = (3, 3, 5)
    scan = scan_of(series(phantom(shape), canonical_grid(shape)), tmp_path)
    codes = np.ones(shape, np.uint8)
    codes[1, 1, 2] = 0
    frames = list(frames_in(files_of("seg", scan, outlined(codes, scan.grid))))
    assert [int(frame.pixels.sum()) for frame in frames] == [15, 14, 15]
    assert not frames[1].pixels[1, 2]

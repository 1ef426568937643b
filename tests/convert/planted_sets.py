"""Small workshops of every other task: squares to be found, volumes to be brought together, two scans to be outlined.

What is true is planted: the nets have weights set by hand, and the tables are what a person would have written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, load_from_string, numpy_helper

from edge.detect.planted import DETECTIONS, IMAGE, one_per_label_net, yolov5_net
from edge.geometry import Grid
from edge.pack.manifest import DetectionTask, Input, RegistrationTask, SegmentationTask, Task
from edge.testing import tiny_input
from edge.typed import dump
from tests.convert.scans import Bench, describe, labels, write_pictures, write_table
from tests.prepare.images import step
from tests.systems import nifti
from tests.tasks.models import volume_input
from tests.tasks.nets import model_bytes

Array = NDArray[Any]
Row = dict[str, object]
Rule = Mapping[str, object]

SIDE, SQUARE = 24, 5
EDGES = ("x0", "y0", "x1", "y1")
COUNT = 88
"""Of pictures: 22 with and 22 without a square on either side, enough to pass."""
SQUARES = DetectionTask(
    kind="detection", layout="yolov5", output=DETECTIONS, activation="none", labels=labels("square"), overlap=0.2
)
CUBES = DetectionTask(
    kind="detection", layout="one-per-label", output=DETECTIONS, activation="none", labels=labels("cube")
)
PAIR = RegistrationTask(kind="registration", output="displacement", fixed="fixed", moving="moving")
OUTLINE = SegmentationTask(kind="segmentation", output="scores", activation="sigmoid", labels=labels("blob"))

SHAPE = (6, 8, 10)
GRID = Grid.of(SHAPE, np.array([[0, 0, -1.5, 20.0], [0, 2.0, 0, -30.0], [3.0, 0, 0, 5.0], [0, 0, 0, 1]]), "patient")
"""x falls with its index, so that no order of axes or sign could be mistaken."""


def workshop(
    folder: Path,
    onnx: bytes,
    task: Task,
    rules: Mapping[str, Rule],
    inputs: Sequence[Input],
    rows: Sequence[Row],
    calibrate: Path,
) -> Bench:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.onnx").write_bytes(onnx)
    return Bench(
        model=folder / "net.onnx",
        describe=describe(folder / "pack.json", task, rules, inputs=dump(tuple(inputs))),
        calibrate=calibrate,
        evaluate=write_table(folder / "labels.csv", rows),
    )


# Squares in pictures -------------------------------------------------------------------------------------


def square_net() -> bytes:
    """The planted detector behind a layer that passes its picture on: one that can be quantised, or broken."""
    model = load_from_string(yolov5_net((SIDE, SIDE), (SQUARE,)))
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == IMAGE:
                node.input[index] = "passed_on"
    weights = np.zeros((1, 1, 3, 3), np.float32)
    weights[0, 0, 1, 1] = 1.0
    model.graph.initializer.append(numpy_helper.from_array(weights, "passing"))
    first = helper.make_node("Conv", [IMAGE, "passing"], ["passed_on"], name="first", pads=[1] * 4)
    model.graph.node.insert(0, first)
    return bytes(model.SerializeToString())


def square_pictures(count: int, seed: int) -> tuple[list[Array], list[list[tuple[int, int, int, int]]]]:
    """Pictures of which every other one has one or two squares, and where they are: x0, y0, x1, y1.

    Some have another below that nobody calls a square: what it costs to find the faint ones.
    """
    generator = np.random.default_rng(seed)
    images, truths = [], []
    for index in range(count):
        image = generator.normal(20, 3, (SIDE, SIDE))
        boxes = []
        for half in range((0, 1, 0, 2)[index % 4]):
            row = int(generator.integers(1, SIDE // 2 - SQUARE))
            column = int(generator.integers(1, SIDE // 2 - SQUARE - 1)) + half * SIDE // 2
            image[row : row + SQUARE, column : column + SQUARE] += generator.uniform(140, 225)
            boxes.append((column, row, column + SQUARE, row + SQUARE))
        if index % 5 == 0:
            image[SIDE // 2 + 2 : SIDE // 2 + 2 + SQUARE, 4 : 4 + SQUARE] += generator.uniform(130, 200)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
        truths.append(boxes)
    return images, truths


def square_rows(folder: Path, more: Mapping[str, Sequence[object]] | None = None) -> list[Row]:
    """A row for each square, and one that says that there is none; `more` has a value for each picture."""
    images, truths = square_pictures(COUNT, seed=11)
    paths = write_pictures(folder / "scans", images)
    rows: list[Row] = []
    for index, (path, boxes) in enumerate(zip(paths, truths, strict=True)):
        known: Row = {
            "path": path.relative_to(folder),
            **{name: values[index] for name, values in (more or {}).items()},
        }
        rows += [{**known, "label": "square", **dict(zip(EDGES, box, strict=True))} for box in boxes]
        if not boxes:
            rows.append({**known, "label": "none", **dict.fromkeys(EDGES, "")})
    return rows


def squares(folder: Path, rule: Rule | None = None, onnx: bytes | None = None, **more: Sequence[object]) -> Bench:
    write_pictures(folder / "calibrate", square_pictures(9, seed=12)[0])
    return workshop(
        folder,
        square_net() if onnx is None else onnx,
        SQUARES,
        {"square": rule or {"rule": "sensitivity", "at_least": 0.9}},
        [tiny_input(size=SIDE)],
        square_rows(folder, more),
        folder / "calibrate",
    )


# Cubes in volumes ----------------------------------------------------------------------------------------


def cubes(folder: Path, count: int = 24) -> Bench:
    """A cube of 3 voxels in most volumes; the table says where in mm."""
    shape = (8, 9, 10)
    grid = replace(GRID, shape=shape)
    generator = np.random.default_rng(5)
    rows: list[Row] = []
    for index in range(count):
        voxels = generator.normal(30, 2, shape)
        corner = [int(generator.integers(1, n - 4)) for n in shape]
        edges = dict.fromkeys(("x0_mm", "y0_mm", "z0_mm", "x1_mm", "y1_mm", "z1_mm"), "")
        if index % 3:
            voxels[tuple(slice(at, at + 3) for at in corner)] += 200
            edges = edges_mm(corner, 3, grid)
        path = nifti(folder / "scans" / f"{index:03}.nii", voxels.astype(np.int16), grid)
        rows.append({"path": path.relative_to(folder), "label": "cube" if index % 3 else "none", **edges})
    return workshop(
        folder,
        one_per_label_net(shape, (3,)),
        CUBES,
        {"cube": {"rule": "fixed", "value": 0.5}},
        [volume_input(steps=(step("rescale", low=0.0, high=255.0),), shape=(1, *shape))],
        rows,
        folder / "scans",
    )


def edges_mm(corner: Sequence[int], size: int, grid: Grid) -> dict[str, str]:
    """The edges of a cube of voxels in the patient."""
    ends = np.array([[*np.array(corner) - 0.5, 1.0], [*np.array(corner) + size - 0.5, 1.0]]) @ grid.matrix.T
    low, high = ends[:, :3].min(axis=0), ends[:, :3].max(axis=0)
    names = ("x0_mm", "y0_mm", "z0_mm", "x1_mm", "y1_mm", "z1_mm")
    return {name: f"{value:.3f}" for name, value in zip(names, (*low, *high), strict=True)}


# Two volumes, one brought onto the other -----------------------------------------------------------------


def centre_net() -> bytes:
    """Moves everything by what lies between the middles of what is bright in both scans, in voxels."""
    index = np.indices(SHAPE).reshape(3, -1).T
    smooth = np.zeros((2, 1, 3, 3, 3), np.float32)
    smooth[:, :, 1, 1, 1] = 1.0
    constants: dict[str, Array] = {
        "smooth": smooth,
        "places": np.hstack([index, np.ones((len(index), 1))]).astype(np.float32) / 16,
        "rows": np.array([1, 2, -1]),
        "first": np.array([0]),
        "middle": np.array([1]),
        "second": np.array([2]),
        "axes": np.array([1]),
        "weight": np.array([2]),
        "three": np.array([3]),
        "four": np.array([4]),
        "as_field": np.array([1, 3, 1, 1, 1]),
        "field": np.array([1, 3, *SHAPE]),
    }
    nodes = [
        helper.make_node("Concat", ["fixed", "moving"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "smooth"], ["smoothed"], name="smoothing", pads=[1] * 6, group=2),
        helper.make_node("Reshape", ["smoothed", "rows"], ["flat"]),
        helper.make_node("MatMul", ["flat", "places"], ["sums"], name="sums"),
        helper.make_node("Slice", ["sums", "first", "three", "weight"], ["moments"]),
        helper.make_node("Slice", ["sums", "three", "four", "weight"], ["mass"]),
        helper.make_node("Div", ["moments", "mass"], ["centres"]),
        helper.make_node("Slice", ["centres", "first", "middle", "axes"], ["from"]),
        helper.make_node("Slice", ["centres", "middle", "second", "axes"], ["to"]),
        helper.make_node("Sub", ["to", "from"], ["shift"]),
        helper.make_node("Reshape", ["shift", "as_field"], ["everywhere"]),
        helper.make_node("Expand", ["everywhere", "field"], ["displacement"]),
    ]
    shapes = {"fixed": [1, 1, *SHAPE], "moving": [1, 1, *SHAPE], "displacement": [1, 3, *SHAPE]}
    return model_bytes(nodes, shapes, constants)


def bump(at: Array, generator: np.random.Generator) -> Array:
    """A bright bump around an index, on black with a little noise."""
    distance = ((np.indices(SHAPE) - at.reshape(3, 1, 1, 1)) ** 2).sum(axis=0)
    bright = 1000 * np.exp(-distance / 2.0) + generator.normal(0, 0.5, SHAPE)
    return np.asarray(np.clip(bright, 0, 1000), dtype=np.int16)


def pair_files(folder: Path, count: int, seed: int) -> list[Row]:
    """Pairs of scans with landmarks around the bump, each off by some hundredths of a millimetre."""
    generator = np.random.default_rng(seed)
    rows: list[Row] = []
    for index in range(count):
        fixed = np.array([2.5, 3.5, 4.5]) + generator.uniform(-0.4, 0.4, 3)
        moving = fixed + generator.uniform(-1.0, 1.0, 3)
        row: Row = {}
        for name, at in (("fixed", fixed), ("moving", moving)):
            path = nifti(folder / name / f"{index:03}.nii", bump(at, generator), GRID)
            row[name] = path.relative_to(folder)
        row["landmarks"] = landmark_file(folder, index, fixed, moving, generator)
        rows.append(row)
    return rows


def landmark_file(folder: Path, index: int, fixed: Array, moving: Array, generator: np.random.Generator) -> Path:
    spread = generator.uniform(-0.8, 0.8, (4, 3))
    marked: list[Row] = []
    for one in spread:
        row: Row = {"name": f"mark {len(marked)}"}
        for name, at in (("fixed", fixed + one), ("moving", moving + one)):
            place = (GRID.matrix @ [*at, 1.0])[:3] + generator.normal(0, 0.05, 3)
            row |= {f"{name}_{axis}_mm": f"{value:.3f}" for axis, value in zip("xyz", place, strict=True)}
        marked.append(row)
    (folder / "landmarks").mkdir(exist_ok=True)
    return write_table(folder / "landmarks" / f"{index:03}.csv", marked).relative_to(folder)


def volume(name: str, *, tensor: str = "", high: float = 1000.0) -> Input:
    return volume_input(name, tensor=tensor, steps=(step("rescale", low=0.0, high=high),), shape=(1, *SHAPE))


def pairs(folder: Path, count: int = 48, onnx: bytes | None = None) -> Bench:
    folder.mkdir(parents=True, exist_ok=True)
    rows = pair_files(folder, count, seed=21)
    shown = pair_files(folder / "seen", 4, seed=22)
    calibrate = write_table(
        folder / "seen" / "calibrate.csv", [{key: row[key] for key in ("fixed", "moving")} for row in shown]
    )
    inputs = [volume("fixed"), volume("moving")]
    return workshop(folder, centre_net() if onnx is None else onnx, PAIR, {}, inputs, rows, calibrate)


# Two scans of one patient, outlined together -------------------------------------------------------------


def both_net() -> bytes:
    """A blob is where the first scan is bright and the second is dark."""
    weights = np.zeros((4, 2, 3, 3, 3), np.float32)
    weights[:, 0, 1, 1, 1], weights[:, 1, 1, 1, 1] = 1.0, -1.0
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["compared"], name="comparing", pads=[1] * 6),
        helper.make_node("Relu", ["compared"], ["above"]),
        helper.make_node("Conv", ["above", "gains", "offset"], ["scores"], name="deciding"),
    ]
    constants = {
        "weights": weights,
        "gains": np.full((1, 4, 1, 1, 1), 5.0, np.float32),
        "offset": np.array([-10.0], np.float32),
    }
    return model_bytes(nodes, {"image": [1, 2, *SHAPE], "scores": [1, 1, *SHAPE]}, constants)


def two_scans(folder: Path, count: int, seed: int) -> list[Row]:
    """T1 and T2 of each patient with a mask; T2 has more slices and begins elsewhere. Every fourth has no blob."""
    generator = np.random.default_rng(seed)
    taller = GRID.cropped((-1, 0, 0), (SHAPE[0] + 2, *SHAPE[1:]))
    rows: list[Row] = []
    for index in range(count):
        z, y, x = (int(generator.integers(1, n - 3)) for n in SHAPE)
        blob = np.zeros(SHAPE, np.uint8)
        blob[z : z + 2, y : y + 3, x : x + 3] = 1 if index % 4 else 0
        bright = np.zeros(SHAPE)
        bright[z : z + 2, y : y + 3, x : x + 3] = 1  # bright in both where there is none
        t1 = 800 * bright + generator.normal(100, 20, SHAPE)
        t2 = np.pad(800 * (bright - blob) + generator.normal(100, 20, SHAPE), ((1, 1), (0, 0), (0, 0)), mode="edge")
        row: Row = {}
        for name, voxels, grid in (("t1", t1, GRID), ("t2", t2, taller)):
            path = nifti(folder / name / f"{index:03}.nii", np.clip(voxels, 0, 1000).astype(np.int16), grid)
            row[name] = path.relative_to(folder)
        mask = nifti(folder / "masks" / f"{index:03}.nii", blob, GRID) if index % 4 else None
        rows.append({**row, "blob": mask.relative_to(folder) if mask else "", "patient": f"p{index}"})
    return rows


def outlined(folder: Path, count: int = 24) -> Bench:
    folder.mkdir(parents=True, exist_ok=True)
    rows = two_scans(folder, count, seed=31)
    shown = two_scans(folder / "seen", 4, seed=32)
    calibrate = write_table(
        folder / "seen" / "calibrate.csv", [{key: row[key] for key in ("t1", "t2")} for row in shown]
    )
    inputs = [volume("t1", tensor="image"), volume("t2", tensor="image")]
    return workshop(folder, both_net(), OUTLINE, {"blob": {"rule": "dice"}}, inputs, rows, calibrate)

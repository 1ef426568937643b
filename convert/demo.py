"""Demonstrations: for each task that has no trained pack, a phantom whose truth is known and a pack that finds it.

The networks are set by hand and learnt nothing. They find bright spots in the phantoms that are written beside them,
which is true and can be checked; their packs take scans of phantoms alone (`convert.demo_scans.BODY_PART`), so that the
scan of a patient is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.demo_nets import (
    FIELD,
    FIXED,
    IMAGE,
    LOGITS,
    MADE,
    MOVING,
    above_net,
    curve_net,
    nearest_level_net,
    shift_net,
)
from convert.demo_scans import BODY_PART, LARGEST, Ellipsoid, Series, axial, block, mr_series, radiograph, stored
from edge.detect.planted import DETECTIONS, yolov5_net
from edge.geometry import Grid
from edge.pack.manifest import (
    Accepts,
    DetectionTask,
    Input,
    Label,
    Licence,
    Manifest,
    Model,
    RegistrationTask,
    Role,
    SegmentationTask,
    Task,
    TranslationTask,
    Windows,
)
from edge.testing import tiny_threshold, write_tiny_pack
from edge.write.files import make_folder, mapped, write_whole

PACK, SCANS, RESULTS = "pack", "scans", "results"
INTENDED = "DEMONSTRATION of the task {} on a phantom. No medical device; never for a patient."
LIMITS = (
    "DEMONSTRATION. The weights were set by hand; nothing was learnt from any patient. It {}, in the phantoms that"
    " `edgerun-convert demo` writes, and knows nothing else."
)
SCALED: Mapping[str, object] = {"step": "rescale", "low": 0.0, "high": float(LARGEST)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """A pack, its model, the scans that it is shown with, and what lies in those.

    Parameters
    ----------
    scans : mapping
        Bytes by path below the folder of scans.
    truth : str
        What was put into the phantom, in a sentence.
    """

    manifest: Manifest
    model: bytes
    scans: Mapping[str, bytes]
    truth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a demonstration lies, and what is true of its scans."""

    pack: Path
    scans: Path
    results: Path
    truth: str


def detection() -> Demonstration:
    """Bright squares of two sizes in a picture."""
    side, scale = 128, 2
    squares = {(40, 60, 6): 1.0, (150, 90, 10): 0.95, (70, 170, 10): 0.9, (180, 200, 6): 0.5}
    values = block((1, side * scale, side * scale), 0.08, [])[0]
    for (y, x, size), level in squares.items():
        values[y : y + size * scale, x : x + size * scale] = level
    steps = ({"step": "monochrome2"}, {"step": "voi_window"}, _letterbox(side))
    labels = tuple(Label(name=name, title=title, finding=True, urgency="soon") for name, title in _SQUARES)
    task = DetectionTask(kind="detection", layout="yolov5", output=DETECTIONS, activation="none", labels=labels)
    item = _input("NCHW", (1, side, side), steps, stack="picture", modality="CR")
    grid = Grid.of_picture(side * scale, side * scale, (0.5, 0.5))
    series = Series(name="squares", study="detection", description="Demonstration squares", grid=grid)
    return Demonstration(
        manifest=_manifest("detection", "bright squares", "finds bright squares of 6 and of 10 mm", (item,), task),
        model=yolov5_net((side, side), (6, 10)),
        scans=radiograph(stored(values, 1), series, 0.5),
        truth=(
            "Four squares: one of 6 mm and two of 10 mm that stand out from the dark, and one of 6 mm that is too faint"
            " for the threshold."
        ),
    )


_SQUARES = (("small-square", "Square of 6 mm"), ("large-square", "Square of 10 mm"))


def segmentation() -> Demonstration:
    """Bright ellipses in one slice."""
    side = 256
    things = [
        Ellipsoid(centre=(0, 96, 90), radii=(1, 20, 32), level=0.9),
        Ellipsoid(centre=(0, 160, 170), radii=(1, 16, 16), level=0.85),
    ]
    grid = axial((1, side, side), (4.0, 0.8, 0.8))
    task = SegmentationTask(
        kind="segmentation",
        output=LOGITS,
        activation="sigmoid",
        labels=(Label(name="bright-spot", title="Bright spot", finding=True, urgency="soon"),),
    )
    item = _input("NCHW", (1, side, side), (SCALED, _letterbox(side)), stack="picture")
    series = Series(name="spots", study="segmentation", description="Demonstration spots", grid=grid)
    return Demonstration(
        manifest=_manifest("segmentation", "bright spots in a slice", "outlines what is bright", (item,), task),
        model=above_net((side, side), 0.6),
        scans=mr_series(stored(block(grid.shape, 0.3, things), 2), series),
        truth="An ellipse of 51.2 x 32 mm and a disc of 25.6 mm across: 1287 and 515 mm2, 1802 mm2 together.",
    )


def volumes() -> Demonstration:
    """A bright and a dark ellipsoid in a volume, seen in windows."""
    grid = axial((48, 96, 96), (2.5, 2.0, 2.0))
    things = [
        Ellipsoid(centre=(22, 40, 36), radii=(8, 12, 16), level=0.95),
        Ellipsoid(centre=(24, 62, 66), radii=(6, 9, 9), level=0.05),
    ]
    labels = (
        Label(name="bright-body", title="Bright body", finding=True, urgency="soon"),
        Label(name="dark-body", title="Dark body", finding=False),
    )
    task = SegmentationTask(
        kind="segmentation", output=LOGITS, activation="softmax", labels=labels, windows=Windows(overlap=0.5)
    )
    steps = ({"step": "orient"}, {"step": "resample", "spacing_mm": [2.0, 2.0, 2.0]}, SCALED)
    item = _input("NCDHW", (1, 48, 48, 48), steps, stack="volume")
    series = Series(name="bodies", study="volumes", description="Demonstration bodies", grid=grid)
    return Demonstration(
        manifest=_manifest(
            "volumes",
            "a bright and a dark body",
            "tells what is brighter or darker than its surroundings",
            (item,),
            task,
        ),
        model=nearest_level_net((48, 48, 48), (0.5, 0.95, 0.05)),
        scans=mr_series(stored(block(grid.shape, 0.5, things), 3), series),
        truth=(
            "A bright ellipsoid of 64 x 48 x 40 mm, 64.3 mL, and a dark one of 36 x 36 x 30 mm, 20.4 mL; the longest"
            " diameters within a slice are 64 and 36 mm."
        ),
    )


def registration() -> Demonstration:
    """The same things twice, the second time somewhere else."""
    shape, shift = (40, 64, 64), (2.0, -4.0, 6.0)
    grid = axial(shape, (3.0, 2.5, 2.5))
    things = [
        Ellipsoid(centre=(20, 32, 30), radii=(12, 20, 18), level=0.5),
        Ellipsoid(centre=(19, 28, 24), radii=(6, 7, 5), level=0.95),
        Ellipsoid(centre=(22, 38, 36), radii=(5, 4, 7), level=0.1),
    ]
    task = RegistrationTask(kind="registration", output=FIELD, fixed=FIXED, moving=MOVING)
    steps = ({"step": "orient"}, SCALED)
    items = tuple(
        _input("NCDHW", (1, *shape), steps, stack="volume", name=name, role=Role(words=(name,)))
        for name in (FIXED, MOVING)
    )
    scans: dict[str, bytes] = {}
    for seed, (name, by) in enumerate({FIXED: (0.0, 0.0, 0.0), MOVING: shift}.items(), start=4):
        series = Series(name=name, study="registration", description=f"Demonstration {name}", grid=grid)
        files = mr_series(stored(block(shape, 0.2, [thing.moved(by) for thing in things]), seed), series)
        scans |= {f"{name}/{file}": data for file, data in files.items()}
    return Demonstration(
        manifest=_manifest("registration", "one phantom moved", "lays one bright spot on the other", items, task),
        model=shift_net(shape, 0.75),
        scans=scans,
        truth="The second scan lies 6 mm to the head, 10 mm to the front and 15 mm to the left: 19 mm in all.",
    )


def translation() -> Demonstration:
    """Another contrast of the same materials."""
    side = 256
    given, made = (0.1, 0.35, 0.6, 0.9), (0.1, 0.9, 0.5, 0.2)
    things = [
        Ellipsoid(centre=(0, 128, 128), radii=(1, 100, 84), level=given[1]),
        Ellipsoid(centre=(0, 100, 104), radii=(1, 36, 28), level=given[2]),
        Ellipsoid(centre=(0, 164, 148), radii=(1, 24, 40), level=given[3]),
    ]
    grid = axial((1, side, side), (4.0, 0.9, 0.9))
    task = TranslationTask(kind="translation", output=MADE, range=(0.0, 1.0), unit="none", makes="other contrast")
    item = _input("NCHW", (1, side, side), (SCALED, _letterbox(side)), stack="picture")
    series = Series(name="materials", study="translation", description="Demonstration materials", grid=grid)
    words = "gives each of four materials another brightness"
    return Demonstration(
        manifest=_manifest("translation", "another contrast of four materials", words, (item,), task),
        model=curve_net((side, side), given, made),
        scans=mr_series(stored(block(grid.shape, given[0], things), 6), series),
        truth="Four materials of 100, 350, 600 and 900; they are to become 0.1, 0.9, 0.5 and 0.2.",
    )


def _letterbox(side: int) -> Mapping[str, object]:
    return {"step": "letterbox", "height": side, "width": side, "interpolation": "area"}


def _input(
    axes: str,
    shape: tuple[int, ...],
    steps: tuple[Mapping[str, object], ...],
    *,
    stack: str,
    modality: str = "MR",
    name: str = IMAGE,
    role: Role | None = None,
) -> Input:
    accepts = Accepts(modality=(modality,), body_part=(BODY_PART,), stack=stack, colour="grey")  # type: ignore[arg-type]
    return Input(name=name, tensor=name, accepts=accepts, axes=axes, shape=shape, steps=steps, role=role)  # type: ignore[arg-type]


def _manifest(name: str, shown: str, does: str, inputs: tuple[Input, ...], task: Task) -> Manifest:
    """What every demonstration says of itself."""
    softmax = isinstance(task, SegmentationTask) and task.activation == "softmax"
    limits = {label.name: tiny_threshold(0.5) for label in task.labels if label.finding and not softmax}
    model = Model(
        precision="fp32",
        file="model.onnx",
        sha256="0" * 64,
        engines=("onnxruntime",),
        verdict="reference",
        thresholds=limits,
    )
    return Manifest(
        format="edgerun-pack",
        format_version=1,
        name=f"demo-{name}",
        version="1.0.0",
        title=f"DEMONSTRATION: {shown}",
        status="trained",
        intended_use=INTENDED.format(name),
        limits=LIMITS.format(does),
        licence=Licence(spdx="Apache-2.0", credits=()),
        inputs=inputs,
        task=task,
        models=(model,),
    )


TASKS: Mapping[str, Callable[[], Demonstration]] = {
    "detection": detection,
    "segmentation": segmentation,
    "volumes": volumes,
    "registration": registration,
    "translation": translation,
}


def write_demonstration(task: str, out: Path) -> Written:
    """Write pack and scans of a task to a folder of its name below `out`; the same bytes every time.

    Parameters
    ----------
    task : str
        Of `TASKS`.

    Raises
    ------
    edge.errors.OutputError
        ``W800`` or ``W801``.
    """
    made, folder = TASKS[task](), out / task
    with mapped(folder):
        for place in sorted({(folder / SCANS / name).parent for name in made.scans}):
            make_folder(place)
        write_tiny_pack(folder / PACK, made.manifest, made.model)
    for name, data in made.scans.items():
        write_whole(folder / SCANS / name, data)
    return Written(pack=folder / PACK, scans=folder / SCANS, results=folder / RESULTS, truth=made.truth)

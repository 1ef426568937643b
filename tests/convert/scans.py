"""Small workshops: nets that tell bright from dark, pictures for them, their tables and descriptions, seeded."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import load_from_string, numpy_helper

from convert.build import Plan
from convert.cli import main
from convert.describe import Description, read_description
from convert.radiograph import radiograph
from convert.road import Road, Sets, Ways, plan_of
from edge.pack.manifest import ClassificationTask, Label, Task
from edge.testing import tiny_input, tiny_manifest
from edge.typed import dump
from tests.convert.graphs import SIZE, Builder, graph_of
from tests.read.files import png

OUT_OF_TURN = 0.1
"""Share of the scans whose truth is not what their brightness says."""
SIDE = 16
BLOB = 6

Pixels = NDArray[np.uint8]
SENSITIVE = {"rule": "sensitivity", "at_least": 0.9}


# Who listens ---------------------------------------------------------------------------------------------


@dataclass
class Heard:
    """Remembers what is said; fulfils `convert.measure.Progress`."""

    lines: list[str] = field(default_factory=list)
    counts: list[tuple[int, int, str]] = field(default_factory=list)

    def __call__(self, words: str) -> None:
        self.lines.append(words)

    def count(self, done: int, total: int, what: str) -> None:
        self.counts.append((done, total, what))


@dataclass
class Impatient(Heard):
    """Presses Ctrl-C at the first line that begins so."""

    at: str = ""

    def __call__(self, words: str) -> None:
        super().__call__(words)
        if words.startswith(self.at):
            raise KeyboardInterrupt


# The command ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What `edgerun-convert` left behind."""

    code: int
    out: str
    err: str


def converted(*arguments: object) -> Converted:
    """Run the command in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = ["edgerun-convert", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
    return Converted(code=code, out=out.getvalue(), err=err.getvalue())


@contextmanager
def quick() -> Iterator[None]:
    """One engine, and a tenth of the resamples: for statements that are about neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convert.road.available_engines", lambda: ("onnxruntime",))
        patch.setattr("convert.gate.judge.RESAMPLES", 200)
        yield


# Nets ----------------------------------------------------------------------------------------------------


def brightness_net(
    slopes: Sequence[float] = (20.0,), offsets: Sequence[float] = (-10.0,), *, loud: float = 1.0, pooled: bool = True
) -> bytes:
    """Two convolutions and a head: about slope x mean + offset for each value, over pictures of 8 x 8.

    One of the channels is `loud`, and what follows does not listen to it: in INT8, it drowns the others. Without
    pooling, the head reads every feature of its own, and there is no class activation map.
    """
    net = Builder(channels=1)
    first = net.node("Relu", net.node("Conv", "image", _means(net, 4, 1), output="first", pads=[1] * 4))
    volume = np.array([1, 1, 1, loud], np.float32).reshape(1, 4, 1, 1)
    second = _means(net, 4, 4, deaf_to=3)
    value = net.node("Mul", first, net.constant(volume))
    value = net.node("Relu", net.node("Conv", value, second, output="second", pads=[1] * 4))
    if pooled:
        value = net.node("ReduceMean", value, net.constant(np.array([2, 3])), keepdims=0)
    else:
        value = net.node("Flatten", value)
    each = 4 if pooled else 4 * SIZE * SIZE
    weights = np.repeat(np.array(slopes, np.float32)[:, np.newaxis] / each, each, axis=1)
    net.node(
        "Gemm", value, net.constant(weights), net.constant(np.array(offsets, np.float32)), output="scores", transB=1
    )
    return net.model({"scores": ["batch", len(slopes)]})


def _means(net: Builder, after: int, before: int, deaf_to: int | None = None) -> str:
    """Weights of 3 x 3 that average over place and channels, but for one channel."""
    weights = np.full((after, before, 3, 3), 1.0 / (9 * before), np.float32)
    weights *= np.linspace(0.9, 1.1, after, dtype=np.float32).reshape(-1, 1, 1, 1)
    if deaf_to is not None:
        weights *= before / (before - 1)
        weights[:, deaf_to] = 0
    return net.constant(weights)


def blob_net(labels: int = 1, *, background: bool = False) -> bytes:
    """Two convolutions: each label's logit is 20 x (value - 0.5); with `background`, a channel of 0 in front."""
    net = Builder(channels=1)
    middle = np.zeros((4, 1, 3, 3), np.float32)
    middle[:, :, 1, 1] = 0.8
    middle += np.random.default_rng(2).uniform(0, 0.05, middle.shape).astype(np.float32)
    value = net.node("Relu", net.node("Conv", "image", net.constant(middle), output="first", pads=[1] * 4))
    channels = labels + background
    weights = np.full((channels, 4, 1, 1), 5.0, np.float32)
    offsets = np.full(channels, -10.0, np.float32)
    if background:
        weights[0], offsets[0] = 0, 0
    net.node("Conv", value, net.constant(weights), net.constant(offsets), output="scores")
    return net.model({"scores": ["batch", channels, SIZE, SIZE]})


def with_weights(model: bytes, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> bytes:
    """The net with one of its constants changed."""
    proto = load_from_string(model)
    tensor = next(item for item in proto.graph.initializer if item.name == name)
    changed = np.ascontiguousarray(change(numpy_helper.to_array(tensor)))
    tensor.CopyFrom(numpy_helper.from_array(changed, name))
    return bytes(proto.SerializeToString(deterministic=True))


def turned(model: bytes) -> bytes:
    """The net with the weights of one convolution in the middle in the reverse order of channels."""
    names = [tensor.name for tensor in graph_of(model).initializer if len(tensor.dims) == 4]
    return with_weights(model, names[len(names) // 2], lambda weights: weights[::-1])


def outputs_of(model: bytes) -> list[str]:
    return [item.name for item in graph_of(model).output]


# Pictures and tables -------------------------------------------------------------------------------------


def pictures(count: int, seed: int) -> tuple[list[Pixels], NDArray[np.float64]]:
    """Grey pictures of 16 x 16 with noise, and how bright each is: 0.1 to 0.9, in no order."""
    generator = np.random.default_rng(seed)
    levels = generator.permutation(np.linspace(0.1, 0.9, count))
    noisy = [level * 255 + generator.normal(0, 8, (SIDE, SIDE)) for level in levels]
    return [np.clip(each, 0, 255).astype(np.uint8) for each in noisy], levels


def blobs(count: int, seed: int) -> tuple[list[Pixels], list[Pixels | None]]:
    """Pictures of a bright square on a dark ground, and its mask; every fourth has none."""
    generator = np.random.default_rng(seed)
    images: list[Pixels] = []
    masks: list[Pixels | None] = []
    for index in range(count):
        row, column = generator.integers(0, SIDE - BLOB, 2)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        if index % 4:
            mask[row : row + BLOB, column : column + BLOB] = 255
        noise = generator.normal(0, 12, mask.shape)
        images.append(np.clip(60 + 0.5 * mask + noise, 0, 255).astype(np.uint8))
        masks.append(mask if index % 4 else None)
    return images, masks


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_pictures(folder: Path, images: Sequence[Pixels], *, dicom: bool = False) -> list[Path]:
    """PNG files, or radiographs, by number."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:03}.{'dcm' if dicom else 'png'}" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        name = "-".join(path.parts[-3:])
        path.write_bytes(radiograph(image, name) if dicom else png(image, 0))
    return paths


def swapped(truth: NDArray[Any], seed: int) -> NDArray[Any]:
    """The truths with a few of them given to each other's scans, so that no model is always right."""
    generator = np.random.default_rng(seed)
    chosen = generator.choice(truth.size, max(2, round(truth.size * OUT_OF_TURN)), replace=False)
    changed: NDArray[Any] = truth.copy()
    changed[chosen] = truth[generator.permutation(chosen)]
    return changed


# Descriptions --------------------------------------------------------------------------------------------


def labels(*names: str, finding: bool = True) -> tuple[Label, ...]:
    """Labels of which the first is a finding or not, and all others are."""
    return tuple(
        Label(name=name, title=name.title(), finding=finding or index > 0, urgency="soon")
        for index, name in enumerate(names)
    )


def classification(mode: str, activation: str, found: tuple[Label, ...], map_output: str | None = None) -> Any:
    return ClassificationTask(
        kind="classification",
        mode=mode,  # type: ignore[arg-type]
        output="scores",
        activation=activation,  # type: ignore[arg-type]
        labels=found,
        map_output=map_output,
    )


BRIGHT = classification("binary", "sigmoid", labels("bright"))


def describe(path: Path, task: Task, rules: Mapping[str, Mapping[str, object]], **changes: Any) -> Path:
    """Write a description for pictures that are resized to 8 x 8."""
    size = changes.pop("size", SIZE)
    document = dump(replace(tiny_manifest(), inputs=(tiny_input(size=size),), task=task))
    for key in ("format", "format_version", "models", "golden", "evidence", "card", "reduced"):
        document.pop(key, None)
    path.write_text(json.dumps({**document, "name": "workshop", "thresholds": rules, **changes}), encoding="utf-8")
    return path


# Whole workshops -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All that one conversion needs, as files."""

    model: Path
    describe: Path
    calibrate: Path | None
    evaluate: Path | None

    @property
    def onnx(self) -> bytes:
        return self.model.read_bytes()

    @property
    def description(self) -> Description:
        return read_description(self.describe)

    @property
    def sets(self) -> Sets:
        return Sets(calibrate=self.calibrate, evaluate=self.evaluate)

    def plan(self, **changes: Any) -> Plan:
        """A plan for INT8 on ONNX Runtime without search."""
        ways = Ways(precisions=("fp32", "int8"), max_steps=1)
        plan = plan_of(self.description, self.onnx, self.sets, ways, engines=("onnxruntime",))
        return replace(plan, **changes)

    def road(self, out: Path, ways: Ways | None = None, **sets: Any) -> Road:
        return Road(
            model=str(self.model),
            weights=None,
            description=self.description,
            sets=replace(self.sets, **sets),
            out=out,
            ways=ways or Ways(precisions=("fp32", "int8"), max_steps=1),
        )

    @property
    def arguments(self) -> list[object]:
        """For `edgerun-convert build`, but for --out."""
        sets = {"--calibrate": self.calibrate, "--evaluate": self.evaluate}
        told = [word for option, path in sets.items() if path is not None for word in (option, path)]
        return ["build", self.model, "--describe", self.describe, *told]


def bench(
    folder: Path,
    model: bytes,
    task: Task = BRIGHT,
    rules: Mapping[str, Mapping[str, object]] | None = None,
    *,
    rows: Sequence[Mapping[str, object]] | None = None,
    **changes: Any,
) -> Bench:
    """Write a workshop whose table tells bright from dark, or holds `rows`; the calibration has 12 other pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.onnx").write_bytes(model)
    write_pictures(folder / "calibrate", pictures(12, seed=101)[0])
    told = bright_rows(folder) if rows is None else rows
    return Bench(
        model=folder / "net.onnx",
        describe=describe(folder / "pack.json", task, {"bright": SENSITIVE} if rules is None else rules, **changes),
        calibrate=folder / "calibrate",
        evaluate=write_table(folder / "labels.csv", told),
    )


def bright_rows(folder: Path, count: int = 60) -> list[dict[str, object]]:
    """Pictures of which the bright ones are positive, most of them."""
    images, levels = pictures(count, seed=7)
    truth = swapped(levels > 0.5, seed=8)
    paths = write_pictures(folder / "scans", images)
    return [{"path": path.relative_to(folder), "bright": int(value)} for path, value in zip(paths, truth, strict=True)]


def blob_rows(folder: Path, count: int = 24, names: Sequence[str] = ("blob",)) -> list[dict[str, object]]:
    """Pictures with a mask for the first label where they have a blob; other labels have the mirrored picture's."""
    images, masks = blobs(count, seed=9)
    paths = write_pictures(folder / "scans", images)
    (folder / "masks").mkdir()
    rows = []
    for index, (path, mask) in enumerate(zip(paths, masks, strict=True)):
        row: dict[str, object] = {"path": path.relative_to(folder)}
        for name in names:
            file = Path("masks") / f"{name}-{index:03}.png"
            if mask is not None:
                (folder / file).write_bytes(png(mask, 0))
            row[name] = "" if mask is None else file
        rows.append(row)
    return rows


# Reports -------------------------------------------------------------------------------------------------


def without_times(document: Mapping[str, Any]) -> dict[str, Any]:
    """A conversion report, as JSON, without the keys that two runs of the same conversion may differ in.

    ``run`` (date, seconds, memory), and of each candidate and each step of a trail the latency and the memory.
    """
    same = {key: value for key, value in document.items() if key != "run"}
    measured = ("latency_ms", "peak_bytes")
    same["candidates"] = [{k: v for k, v in item.items() if k not in measured} for item in document["candidates"]]
    same["trails"] = [
        {**trail, "steps": [{k: v for k, v in step.items() if k not in measured} for step in trail["steps"]]}
        for trail in document["trails"]
    ]
    return same

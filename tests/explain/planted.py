"""Models whose truth is known: they look at bright places, at one place, at the whole, or at nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.explain.ask import explain
from edge.explain.probe import Probe
from edge.explain.told import Explain
from edge.findings import Classification, InfluenceMap, Notice
from edge.geometry import Grid, resample
from edge.pack.manifest import Manifest
from edge.pipeline import examine
from edge.scan import Scan
from edge.testing import FakeEngine, phantom_scan
from tests.prepare.images import step
from tests.tasks.models import classification, label, model_of

Array = NDArray[Any]
Box = tuple[int, int, int, int]
Net = Callable[[Array], Sequence[float]]
"""From what is fed, (channel, y, x) or (channel, z, y, x), to a logit for each label."""

BRIGHT = label("bright")
SQUARE: Box = (30, 40, 41, 51)
"""On the pixels of the scan: first row, first column, last row, last column."""


def looks_at_what_is_bright(image: Array) -> list[float]:
    """Hiding anything but bright pixels changes nothing: what hides is darker than the half from which they count."""
    return [float(200.0 * np.clip(image - 0.5, 0.0, None).mean() - 2.0)]


def looks_at_nothing(_image: Array) -> list[float]:
    return [1.5]


def looks_at(box: Box) -> Net:
    """At one place of what it is fed, whatever is there."""
    top, left, bottom, right = box
    return lambda image: [float(8.0 * image[0, top : bottom + 1, left : right + 1].mean() - 2.0)]


def engine_of(net: Net, *maps: Array, outputs: Sequence[str] = ("scores",)) -> FakeEngine:
    """An engine that counts its runs, and gives the same maps each time."""

    def answer(feeds: Mapping[str, Array]) -> dict[str, Array]:
        counted.append(1)
        given = {"scores": np.array([net(feeds["image"][0])], np.float32)}
        return given | ({"cam": np.stack(maps)[np.newaxis].astype(np.float32)} if maps else {})

    counted: list[int] = []
    engine = FakeEngine(answer, outputs=outputs)
    engine.runs = counted  # type: ignore[attr-defined]
    return engine


def manifest_of(*steps: Mapping[str, object], size: int = 28, cam: bool = False) -> Manifest:
    """One label, whose logit the model gives."""
    named = {"map_output": "cam"} if cam else {}
    return classification(
        "binary",
        [BRIGHT],
        {"bright": 0.5},
        activation="sigmoid",
        steps=[step("voi_window"), *steps],
        size=size,
        **named,
    )


def with_square(shape: tuple[int, int], box: Box, *, value: int = 255) -> Scan:
    """A dark picture with faint stripes and a bright square."""
    scan = phantom_scan((1, *shape))
    voxels = np.zeros((1, *shape), np.uint8)
    voxels[0, ::3] = 10
    voxels[0, box[0] : box[2] + 1, box[1] : box[3] + 1] = value
    return replace(scan, voxels=voxels, value_range=(0.0, 255.0))


def probe_of(scan: Scan, manifest: Manifest, net: Net) -> Probe:
    return Probe.of({"image": scan}, manifest, engine_of(net))


def explained(
    how: Explain,
    scan: Scan,
    manifest: Manifest,
    engine: FakeEngine,
    ran: Callable[[int, int], None] | None = None,
) -> tuple[Classification, tuple[Notice, ...]]:
    """What was found by the whole pipeline, explained."""
    found = examine({"image": scan}, manifest, model_of(manifest), engine)
    findings, warnings = explain(how, (found.findings, found.warnings), {"image": scan}, manifest, engine, ran)
    assert isinstance(findings, Classification)
    return findings, warnings


def on_scan(shown: InfluenceMap, grid: Grid) -> Array:
    """The map on the scan's own pixels, 0 where the model did not look."""
    return np.asarray(resample(shown.values, shown.grid, grid, interpolation="nearest"))

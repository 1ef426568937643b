"""A recipe as a pack, so that what needs one can be measured: every file of a network, for every engine of the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarks.nets import Net, manifest_of
from convert.assemble import sha256_of, write_pack
from edge.engines import ENGINES, available_engines
from edge.pack.manifest import Model, Threshold
from edge.pack.store import Pack, open_pack


def recipe_pack(net: Net, folder: Path) -> Pack:
    """Write a network's FP32 and INT8 below `folder` and return the pack.

    It is ``architecture-only``, as its weights are random; that each file passed is said so that it is measured.
    """
    engines = tuple(name for name in available_engines() if not ENGINES[name].device)
    files = {"model.fp32.onnx": net.fp32} | {f"model.int8.{name}.onnx": net.lowered[name] for name in engines}
    manifest = manifest_of(net.name)
    labels = [label.name for label in manifest.task.labels if label.finding]
    full = _model(("fp32", "model.fp32.onnx"), net.fp32, engines, labels)
    small = (_model(("int8", f"model.int8.{name}.onnx"), net.lowered[name], (name,), labels) for name in engines)
    write_pack(folder / net.name, replace(manifest, models=(full, *small)), files)
    return open_pack(folder / net.name)


def _model(
    named: tuple[Literal["fp32", "int8"], str], data: bytes, engines: tuple[str, ...], labels: Sequence[str]
) -> Model:
    undecided = Threshold(value=0.5, rule="none", chosen_on="nothing", n=1)
    return Model(
        precision=named[0],
        file=named[1],
        sha256=sha256_of(data),
        engines=engines,
        verdict="reference" if named[0] == "fp32" else "passed",
        thresholds=dict.fromkeys(labels, undecided),
    )

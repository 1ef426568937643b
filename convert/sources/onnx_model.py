"""An ONNX file from anywhere: read whole, repaired where this is safe, and shown to answer as it did before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from convert.sources.contract import Request, Source, first_line
from convert.sources.external import LARGEST, merge_external
from convert.sources.finite import refuse_not_finite
from convert.sources.precision import HALVES_TOLERANCE, has_halves, refuse_quantised, widen_halves
from convert.sources.repair import (
    constants_are_no_inputs,
    drop_training,
    drop_unused_domains,
    freed_batch,
    graph_inputs,
    inline_functions,
    lay_out_scores,
    lower_ir,
    reach_versions,
    refuse_foreign_operators,
    strip_words,
    takes_float32,
)
from convert.sources.trial import CannotRun, Runner, Tensor, largest_difference, seeded_feeds, shapes_to_try
from edge.engines import open_engine
from edge.errors import PackError, UsageError
from edge.pack.onnx_file import NEWEST_IR, inspect_onnx

TOLERANCE = 1e-5
"""Largest difference between the answers before and after a repair, relative to the largest value, at least 1."""

_ORT_FORMAT = b"ORTM"
_POINTER = b"version https://git-lfs"

Shapes = Mapping[str, tuple[int, ...]]
Feeds = dict[str, NDArray[Any]]


def load_onnx(request: Request) -> Source:
    """Return the ONNX file at `request.spec`, as a pack may hold it; see `convert.sources.load_source`."""
    path = Path(request.spec)
    model = read_model(path)
    beside = merge_external(model, path)
    notes = [f"The numbers beside it were read into it: {', '.join(beside)}."] if beside else []
    origin = f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"
    refuse_foreign_operators(model, path.name)
    refuse_quantised(model, path.name)
    refuse_not_finite(model, path.name)
    inputs, halves = graph_inputs(model, path.name), has_halves(model)
    before = as_bytes(_runnable(model), path.name)
    repaired, said, converted = _repair(model, path.name)
    after = as_bytes(repaired, path.name)
    check_onnx(after, path.name)
    feeds, compared = _compare(before, after, inputs, request, halves=halves)
    if converted and feeds is None:
        told = " ".join([*converted, *compared])
        raise UsageError(f"Repairing {path.name}: {told} Give a shape for each input, or export it with opset 18.")
    freed, batch = _free_batch(repaired, feeds, path.name)
    return Source(onnx=freed or after, origin=origin, notes=(*notes, *said, *compared, *batch))


def read_model(path: Path) -> ModelProto:
    """Return the message in a file, without what lies beside it.

    Raises
    ------
    UsageError
        It is no ONNX file.
    """
    if path.stat().st_size > LARGEST:
        raise UsageError(f"Reading {path.name}: found more than 2 GiB, expected an ONNX file of less.")
    data = path.read_bytes()
    if data[4:8] == _ORT_FORMAT:
        raise UsageError(f"Reading {path.name}: it is in ONNX Runtime's own format. Give the ONNX file it was made of.")
    if data.startswith(_POINTER):
        raise UsageError(f"Reading {path.name}: it is a pointer of Git LFS, not the file. Run `git lfs pull`.")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, which it hides
        raise UsageError(f"Reading {path.name}: it is no ONNX file, or it is cut off. Download it again.") from error
    if not model.graph.node:
        raise UsageError(f"Reading {path.name}: found no operator in it, expected an ONNX model. Export it again.")
    return model


def as_bytes(model: ModelProto, name: str) -> bytes:
    """Return a model as a file, the same bytes for the same model.

    Raises
    ------
    UsageError
        It is too large for one file.
    """
    if model.ByteSize() > LARGEST:
        raise UsageError(f"Reading {name}: with all its numbers it has more than 2 GiB, expected less.")
    return bytes(model.SerializeToString(deterministic=True))


def check_onnx(data: bytes, name: str) -> None:
    """Refuse what a pack may not hold, what is no valid ONNX, and what ONNX Runtime does not load.

    Raises
    ------
    UsageError
        It may not stand in a pack, or contradicts itself.
    edge.errors.EngineError
        ``E501``.
    """
    try:
        inspect_onnx(data, name)
        onnx.checker.check_model(data)
    except PackError as error:  # its action is for a clinic that was handed such a pack
        raise UsageError(f"{error.message} Export the model again as plain ONNX, opset 18.") from error
    except Exception as error:  # the checker's errors have no common base but Exception
        raise UsageError(f"Checking {name}: {first_line(error)}. Export the model again.") from error
    open_engine("onnxruntime", data, precision="fp32", threads=1).close()


def laid_out(source: Source, name: str) -> Source:
    """Return the model with its scores as the runtime reads them; see `convert.sources.repair.lay_out_scores`."""
    model = onnx.load_model_from_string(source.onnx)
    notes = lay_out_scores(model)
    if not notes:
        return source
    data = as_bytes(model, name)
    check_onnx(data, name)
    return replace(source, onnx=data, notes=(*source.notes, *notes))


def _runnable(model: ModelProto) -> ModelProto:
    """The model as it came, but for an IR version above those that ONNX Runtime loads."""
    copy = ModelProto()
    copy.CopyFrom(model)
    if copy.ir_version > NEWEST_IR:
        lower_ir(copy)
    return copy


def _repair(model: ModelProto, name: str) -> tuple[ModelProto, list[str], list[str]]:
    """The model with what was done to it, and that part of this which needs proof that it still answers alike."""
    notes = drop_training(model) + constants_are_no_inputs(model)
    model, inlined = inline_functions(model, name)
    model, reached = reach_versions(model, name)
    converted = inlined + reached + widen_halves(model) + takes_float32(model)
    notes += converted + strip_words(model)
    drop_unused_domains(model)
    return model, notes, converted


def _compare(
    before: bytes, after: bytes, inputs: Mapping[str, Tensor], request: Request, *, halves: bool
) -> tuple[Feeds | None, list[str]]:
    """The inputs, with a batch of 1, on which both gave the same answer; None where no made-up ones are taken."""
    name = Path(request.spec).name
    try:
        original = Runner(before)
    except CannotRun as error:
        return None, [f"Its answers before the repairs were not compared, as ONNX Runtime does not load it: {error}."]
    repaired, problem = Runner(after), ""
    allowed = HALVES_TOLERANCE if halves else TOLERANCE
    for feeds in _feeds(inputs, request.example_shapes, name):
        try:
            expected = original.run(feeds)
        except CannotRun as error:
            problem = problem or str(error)
            continue
        if largest_difference(expected, original.run(feeds)) > TOLERANCE:
            raise UsageError(
                f"Trying {name}: the same input gave two answers, expected one. It draws random numbers:"
                " export it in evaluation mode."
            )
        fed = as_fed(feeds)
        difference = largest_difference(expected, repaired.run(fed))
        if not difference <= allowed:
            advice = "Give the FP32 model" if halves else "Export it again with opset_version=18"
            raise UsageError(
                f"Repairing {name}: its answers changed by {difference:.2g}, expected at most {allowed:g}. {advice}."
            )
        return fed, [f"Its answers to made-up inputs are as before, within {allowed:g} (found {difference:.2g})."]
    return None, [f"Its answers before and after were not compared, as it takes no made-up inputs: {problem}."]


def _feeds(inputs: Mapping[str, Tensor], given: Shapes | None, name: str) -> Iterator[Feeds]:
    dtypes = {key: tensor.dtype for key, tensor in inputs.items()}
    for shapes in shapes_to_try(inputs, given, name):
        yield seeded_feeds(shapes, dtypes)


def as_fed(feeds: Feeds) -> Feeds:
    """Return inputs as the runtime gives them: pictures in float32."""
    return {
        name: value.astype(np.float32)
        if value.dtype == np.float16 or (value.ndim >= 3 and value.dtype.kind != "b")
        else value
        for name, value in feeds.items()
    }


def _free_batch(model: ModelProto, feeds: Feeds | None, name: str) -> tuple[bytes | None, list[str]]:
    """The model with an open batch, where three inputs at once give what each gives alone."""
    free = freed_batch(model)
    if free is None:
        return None, []
    fixed = ["Its batch stays fixed at 1."]
    if feeds is None:
        return None, fixed
    data = as_bytes(free, name)
    shapes = {key: (3, *value.shape[1:]) for key, value in feeds.items()}
    three = seeded_feeds(shapes, {key: value.dtype for key, value in feeds.items()})
    try:
        runner = Runner(data)
        alone = [runner.run({key: value[at : at + 1] for key, value in three.items()}) for at in range(3)]
        together = runner.run(three)
        joined = {key: np.concatenate([part[key] for part in alone]) for key in runner.outputs}
    except (CannotRun, ValueError):
        return None, fixed
    difference = largest_difference(joined, together)
    if not difference <= TOLERANCE:
        return None, fixed
    check_onnx(data, name)
    return data, [f"Its batch, fixed at 1, was opened: three at once answer as each alone, within {TOLERANCE:g}."]

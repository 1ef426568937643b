"""A first ``pack.toml`` from a model itself: what the graph tells is written down, the rest is marked as unfilled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto

from convert.hints import Hints, InputHint
from edge.errors import UsageError
from edge.typed import signature_schema

PLACEHOLDER = "FILL IN"

HEAD = f"""\
# The description of a pack: what the model sees, what it says, and what it is fit for.
# Every value that begins with "{PLACEHOLDER}" must be replaced; edgerun-convert refuses the file until then.
"""

STEPS = """\
# From the scan to the tensor, in this order, exactly as in training. A step is one of, with its options (in brackets:
# may be left out):
{names}
# For example:
#   {{ step = "monochrome2" }},                                    high values are bright
#   {{ step = "voi_window" }},                                     to 0..1 by the window of the file
#   {{ step = "window", center = 40.0, width = 400.0 }},           to 0..1 by a fixed window, in HU
#   {{ step = "resize", height = {height}, width = {width}, interpolation = "area" }},
#   {{ step = "channels", order = "{channels}" }},
#   {{ step = "normalise", mean = [0.5], std = [0.25] }},
"""

_ACTIVATIONS = ("Sigmoid", "Softmax")
_PASSES_ON = ("Identity", "Cast", "Reshape", "Flatten", "Squeeze")


Sizes = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    """An input or an output."""

    name: str
    sizes: Sizes


def draft(onnx_file: bytes, name: str, hints: Hints | None = None) -> str:
    """Return the text of a ``pack.toml`` for a model; `convert.describe.read_description` refuses it until filled.

    Parameters
    ----------
    onnx_file : bytes
        Checked, as in `convert.sources.Source.onnx`.
    name : str
        Of the pack; put into the form of a pack's name.
    hints : Hints, optional
        What the model's makers say, as of `convert.sources.bundle.bundle_hints`; quoted, never taken for true.

    Raises
    ------
    UsageError
        The model has no input of the shape of a picture.
    """
    model = onnx.load_model_from_string(onnx_file)
    inputs, outputs = ([_Tensor(name=key, sizes=sizes) for key, sizes in side.items()] for side in sizes_of(onnx_file))
    pictures = [item for item in inputs if len(item.sizes) in (4, 5)]
    if len(pictures) < len(inputs) or not inputs:
        odd = next((item for item in inputs if item not in pictures), None)
        found = f"the input {odd.name!r} with {len(odd.sizes)} axes" if odd else "no input"
        raise UsageError(f"Drafting a description of {name}: found {found}, expected pictures: 4 axes, or 5.")
    told = hints or Hints()
    parts = [HEAD, *_head(name, told)]
    for item in inputs:
        parts += _input(item, next((hint for hint in told.inputs if hint.name == item.name), InputHint(name="")))
    parts += _task(model, outputs, told)
    return "\n".join(parts) + "\n"


def sizes_of(onnx_file: bytes) -> tuple[dict[str, Sizes], dict[str, Sizes]]:
    """Return the sizes of the inputs and of the outputs of a graph, by name; None stands for an open axis."""
    graph = onnx.load_model_from_string(onnx_file).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {item.name: _sizes(item) for item in graph.input if item.name not in constants}
    return inputs, {item.name: _sizes(item) for item in graph.output}


def _sizes(item: ValueInfoProto) -> Sizes:
    dims = item.type.tensor_type.shape.dim
    return tuple(int(dim.dim_value) if dim.dim_value > 0 else None for dim in dims)


def show_sizes(sizes: Sizes) -> str:
    """Return sizes as a text.

    Examples
    --------
    >>> show_sizes((None, 3, 224, 224))
    '? x 3 x 224 x 224'
    """
    return " x ".join("?" if size is None else str(size) for size in sizes)


def _head(name: str, told: Hints) -> Iterator[str]:
    """What stands before the first table."""
    version = told.version if re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", told.version) else "1.0.0"
    yield f"name = {_toml(_slug(name))}"
    yield f"version = {_toml(version)}"
    yield f"title = {_unfilled('what it finds in what, for people', told.title)}"
    yield f"status = {_unfilled('trained, or architecture-only: for tests of speed, never for a report')}"
    yield f"intended_use = {_unfilled('for whom and what it may be used', told.intended_use)}"
    yield f"limits = {_unfilled('what it was not made for, and where it is known to be wrong', told.limits)}"
    yield "\n[licence]"
    yield f"spdx = {_unfilled('the licence of model and weights, such as Apache-2.0')}"
    credit = _unfilled("whom to credit for model and data", "; ".join(told.credits))
    yield f"credits = [{credit}]"


def _input(item: _Tensor, hint: InputHint) -> Iterator[str]:
    axes, sizes = _axes(item), item.sizes[1:]
    channels = sizes[-1] if axes.endswith("C") else sizes[0]
    spatial = sizes[:-1] if axes.endswith("C") else sizes[1:]
    modality = "DICOM's word, such as CR, DX, CT, MR, MG, US; an empty list asks nothing"
    yield f"\n# The graph's input {item.name}: {show_sizes(item.sizes)}, N first."
    if hint.channel_names:
        yield f"# Its makers call its channels: {_comment(', '.join(hint.channel_names))}."
    if hint.value_range:
        yield f"# Its makers say that it is fed values from {hint.value_range[0]:g} to {hint.value_range[1]:g}."
    yield "[[inputs]]"
    yield f"name = {_toml(_slug(item.name))}"
    yield f"tensor = {_toml(item.name)}"
    yield f"axes = {_toml(axes)}  # a guess from the sizes: check it"
    shape = [
        _unfilled(f"size of axis {axis}") if size is None else str(size)
        for axis, size in zip(axes[1:], sizes, strict=True)
    ]
    yield f"shape = [{', '.join(shape)}]"
    yield _steps(spatial, channels)
    yield f"steps = [{{ step = {_unfilled('see above')} }}]"
    yield "\n[inputs.accepts]"
    yield f"modality = [{_unfilled(modality, hint.modality)}]"
    yield f"body_part = [{_unfilled('DICOM word, such as CHEST; an empty list asks nothing')}]"
    yield f"view = [{_unfilled('DICOM word, such as AP, PA, LL; an empty list asks nothing')}]"
    yield f"stack = {_toml('volume') if len(spatial) == 3 else _unfilled('picture, frames or volume')}"
    yield f"colour = {_toml('grey') if channels == 1 else _unfilled('grey or rgb')}"
    yield f"age_years = [{_unfilled('youngest patient')}, {_unfilled('oldest patient')}]  # or leave the line out"


def _steps(spatial: tuple[int | None, ...], channels: int | None) -> str:
    from edge.prepare import STEPS as TABLE  # noqa: PLC0415 - opencv waits until it is needed

    height, width = spatial[-2:]
    order = "grey" if channels == 1 else "rgb"
    names = "\n".join(f"#   {name}{_options(entry.load())}" for name, entry in sorted(TABLE.items()))
    return STEPS.format(names=names, height=height or 224, width=width or 224, channels=order).rstrip("\n")


def _options(step: Callable[..., Any]) -> str:
    """What a step is told beside its name; brackets around what has a default."""
    told = signature_schema(step)
    needed = told.get("required", [])
    names = [name if name in needed else f"[{name}]" for name in told["properties"]]
    return f": {', '.join(names)}" if names else ""


def _task(model: ModelProto, outputs: list[_Tensor], told: Hints) -> Iterator[str]:
    """The task that the outputs look like: scores for a scan, or maps as large as one."""
    scores = [item for item in outputs if len(item.sizes) == 2]
    maps = [item for item in outputs if len(item.sizes) in (4, 5) and set(item.sizes[2:]) != {1}]
    if not scores and not maps:
        found = ", ".join(f"{item.name} ({show_sizes(item.sizes)})" for item in outputs)
        raise UsageError(
            f"Drafting a description: found the outputs {found}, expected scores, N x values, or maps as large as the"
            " picture. Export the model with such an output."
        )
    chosen = (scores or maps)[0]
    makers = next((item.channel_names for item in told.outputs if item.name == chosen.name), ())
    others = [f"{item.name} ({show_sizes(item.sizes)})" for item in outputs if item is not chosen]
    yield f"\n# The graph's output {chosen.name}: {show_sizes(chosen.sizes)}, N first."
    if others:
        yield f"# Its other outputs: {_comment(', '.join(others))}."
    yield "[task]"
    segments = chosen in maps
    count = chosen.sizes[1] if len(chosen.sizes) > 1 else None
    activation = _activation(model, chosen.name)
    if segments:
        yield from _segmentation(chosen, activation)
    else:
        yield from _classification(chosen, count, activation)
        same = [item.name for item in maps if item.sizes[1] == count]
        yield f"# map_output = {_toml(same[0])}  # if it is a class activation map" if same else ""
    names = _labels(makers, count, softmax=segments and activation == "Softmax")
    for label in names:
        yield from _label(label, makers)
    yield "\n# From which score on a label is found: one for each that can be a finding, none for softmax segmentation."
    yield from _thresholds(names, segments=segments)


def _thresholds(names: Sequence[str], *, segments: bool) -> Iterator[str]:
    """The rules that thresholds may be chosen by: of masks, others than of scores."""
    if segments:
        yield "# rule: dice (where the mean Dice is largest), or fixed with value."
    else:
        yield "# rule: sensitivity or specificity with at_least, youden, or fixed with value."
    for label in names:
        yield f"[thresholds.{label}]"
        yield f"rule = {_unfilled('dice or fixed' if segments else 'sensitivity, specificity, youden or fixed')}"
        if not segments:
            yield f"at_least = {_unfilled('such as 0.9')}  # leave it out for youden and fixed"


def _classification(output: _Tensor, count: int | None, activation: str) -> Iterator[str]:
    yield 'kind = "classification"'
    choices = "multi-class (one of them), multi-label (any of them) or ordinal (grades in rising severity)"
    yield f"mode = {_toml('binary') if count == 1 else _unfilled(choices)}"
    yield f"output = {_toml(output.name)}"
    known = f"{_toml('none')}  # the graph ends in {activation}"
    yield f"activation = {known if activation else _unfilled('sigmoid, softmax or none')}"


def _segmentation(output: _Tensor, activation: str) -> Iterator[str]:
    yield 'kind = "segmentation"'
    yield f"output = {_toml(output.name)}"
    words = "softmax (channel 0 is background and gets no label), sigmoid (a label for each channel), or none after one"
    yield f"activation = {_unfilled(words)}"
    if activation:
        meant = "none" if activation == "Sigmoid" else "softmax"
        yield f"# The graph ends in an activation of its own ({activation}): '{meant}' fits it."


def _label(name: str, makers: tuple[str, ...]) -> Iterator[str]:
    said = next((title for title in makers if _slug(title) == name), "")
    yield "\n[[task.labels]]"
    yield f"name = {_toml(name)}  # renamed here, it must be renamed under thresholds too"
    yield f"title = {_unfilled('for people', said)}"
    yield f"finding = {_unfilled('true, or false for such as normal')}"
    yield f"urgency = {_unfilled('routine, soon or urgent')}"
    yield '# code = { scheme = "SCT", value = "...", meaning = "..." }  # SNOMED CT (SCT), RadLex (RADLEX), DCM'


def _labels(makers: tuple[str, ...], count: int | None, *, softmax: bool) -> list[str]:
    """Names of the labels: the makers' where these are as many as the values, else numbers."""
    slugs = [_slug(title) for title in makers]
    if count == len(slugs) and len(set(slugs)) == len(slugs):
        return [slug for slug in slugs if slug != "background"]
    return [f"label-{index}" for index in range(1 if softmax else 0, count or 1)]


def _activation(model: ModelProto, output: str) -> str:
    """The activation that the graph itself ends in, or an empty text."""
    producers: Mapping[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
    node = producers.get(output)
    while node is not None and node.op_type in _PASSES_ON:
        node = producers.get(node.input[0])
    return node.op_type if node is not None and node.op_type in _ACTIVATIONS else ""


def _axes(item: _Tensor) -> str:
    """Where the channels stand: last where only the last size is small, else first."""
    few = (1, 2, 3, 4)
    last = item.sizes[-1] in few and item.sizes[1] not in few
    spatial = "HW" if len(item.sizes) == 4 else "DHW"
    return f"N{spatial}C" if last else f"NC{spatial}"


def _unfilled(what: str, makers: str = "") -> str:
    return _toml(f"{PLACEHOLDER}: {what}" + (f". Its makers say: {makers}" if makers else ""))


def _slug(text: str) -> str:
    """The text in the form of a name: lower-case words joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", text.lower())) or "unnamed"


def _toml(text: str) -> str:
    """A basic string (https://toml.io/en/v1.0.0#string), which is JSON's but for DEL and halves of characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return " ".join(text.split()).translate(dict.fromkeys([*range(32), 127]))

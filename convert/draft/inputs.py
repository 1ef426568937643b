"""The inputs of a draft: a table for each scan that the graph needs, of which several may share a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from onnx import ModelProto

from convert.draft.graph import Sizes, Tensor, axes_of, channels_of, show_sizes, spatial_of, values_asked
from convert.draft.words import comment, slug, toml, unfilled
from convert.hints import Hints, InputHint
from edge.errors import UsageError
from edge.typed import signature_schema

MOST_INPUTS = 16
"""As many as a manifest takes."""

STEPS = """\
# From the scan to the tensor, in this order, exactly as in training. A step is one of, with its options (in brackets:
# may be left out):
{names}
# For example:
{examples}"""

FLAT = """\
#   {{ step = "monochrome2" }},                                    high values are bright
#   {{ step = "voi_window" }},                                     to 0..1 by the window of the file
#   {{ step = "window", center = 40.0, width = 400.0 }},           to 0..1 by a fixed window, in HU
#   {{ step = "resize", height = {height}, width = {width}, interpolation = "area" }},
#   {{ step = "channels", order = "{channels}" }},
#   {{ step = "normalise", mean = [0.5], std = [0.25] }},"""

DEEP = """\
#   {{ step = "require_unit", unit = "HU" }},                      of CT; leave it out for MR
#   {{ step = "orient" }},                                         axes along head, back and left of the patient
#   {{ step = "resample", spacing_mm = [1.0, 1.0, 1.0] }},         millimetres between voxels, as z, y, x
#   {{ step = "rescale", low = -500.0, high = 400.0 }},            to 0..1 by fixed values, of CT
#   {{ step = "foreground_z_score" }},                             mean 0 and deviation 1 of what is no air, of MR
#   {{ step = "pad_or_crop_volume", shape = {shape} }},   or resize_volume; neither where windows are used"""

SEVERAL = """\
# Which scan is which is told by the words of its series description (0008,103E); a person's word counts before that."""

ROLE = """\
[inputs.role]
words = [{words}]
without = [{without}]
# contrast = true  # if (0018,0010) Contrast/Bolus Agent must name one, false if it must name none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One scan of those that the graph needs.

    Parameters
    ----------
    name : str
        In the draft.
    tensor : Tensor
        Which several scans may share, as its channels.
    channels : int, optional
        Of the tensor, that are this scan's; None where the graph leaves them open.
    hint : InputHint
    makers : str
        What its makers call this channel.
    """

    name: str
    tensor: Tensor
    axes: str
    channels: int | None
    hint: InputHint
    makers: str = ""


def wanted_of(tensors: Sequence[Tensor], told: Hints, name: str) -> tuple[Wanted, ...]:
    """Return the scans that a graph needs, in the order of its tensors and their channels.

    Raises
    ------
    UsageError
        The runtime cannot feed one of them: it is no picture or volume, or has a fixed batch.
    """
    for item in tensors:
        _check(item, f"Drafting a description of {name}: the input {item.name!r}, {show_sizes(item.sizes)}")
    told_of = {hint.name: hint for hint in told.inputs}
    found = [scan for item in tensors for scan in _scans(item, told_of.get(item.name, InputHint(name="")))]
    if not 0 < len(found) <= MOST_INPUTS:
        raise UsageError(
            f"Drafting a description of {name}: its inputs take {len(found)} scans of a patient, expected 1 to"
            f" {MOST_INPUTS}: a channel beyond grey and RGB is a scan of its own."
        )
    names = [scan.name for scan in found]
    if len(set(names)) == len(names):
        return tuple(found)
    return tuple(replace(scan, name=f"{scan.name}-{index}") for index, scan in enumerate(found, start=1))


def input_lines(model: ModelProto, wanted: Sequence[Wanted]) -> Iterator[str]:
    """Yield the lines of every input: the steps are listed once for pictures and once for volumes."""
    listed: set[int] = set()
    for tensor, group in groupby(wanted, key=lambda scan: scan.tensor):
        scans = list(group)
        yield from _head(model, tensor, scans)
        if len(tensor.sizes) not in listed:
            yield _steps(spatial_of(tensor, scans[0].axes), scans[0].channels)
        if len(wanted) > 1 and not listed:
            yield SEVERAL
        listed.add(len(tensor.sizes))
        for scan in scans:
            yield from _table(scan, alone=len(wanted) == 1)


def _check(item: Tensor, doing: str) -> None:
    axes = len(item.sizes)
    if axes < 3:
        raise UsageError(
            f"{doing}: found {axes} axes, expected a picture (4) or a volume (5). The runtime feeds scans alone, and no"
            " other values such as age or sex: export the model with that value fixed inside, or without it."
        )
    if axes == 3:
        raise UsageError(
            f"{doing}: found 3 axes, expected 4, or 5 of a volume: batch, channels, and the sizes of the scan. Export"
            " the model with an axis of channels, such as N x 1 x 224 x 224."
        )
    if axes > 5:
        raise UsageError(
            f"{doing}: found {axes} axes, expected a picture (4) or a volume (5). A series in time cannot be fed."
        )
    if item.sizes[0] not in (None, 1):
        raise UsageError(
            f"{doing}: found a batch of {item.sizes[0]}, expected an open one, or 1: scans are examined one by one."
            " Export the model again with a dynamic batch."
        )


def _scans(item: Tensor, hint: InputHint) -> list[Wanted]:
    """The scans that a tensor holds: one, or one for each channel where no single scan has so many."""
    axes = axes_of(item)
    count = channels_of(item, axes)
    colour = (1, 3) if len(item.sizes) == 4 else (1,)
    if count is None or count in colour:
        return [Wanted(name=slug(item.name), tensor=item, axes=axes, channels=count, hint=hint)]
    makers = hint.channel_names if len(hint.channel_names) == count else ("",) * count
    return [
        Wanted(
            name=slug(said) if said else f"{slug(item.name)}-{index}",
            tensor=item,
            axes=axes,
            channels=1,
            hint=hint,
            makers=said,
        )
        for index, said in enumerate(makers, start=1)
    ]


def _head(model: ModelProto, item: Tensor, scans: Sequence[Wanted]) -> Iterator[str]:
    hint = scans[0].hint
    yield f"\n# The graph's input {comment(item.name)}: {show_sizes(item.sizes)}, N first."
    if hint.channel_names:
        yield f"# Its makers call its channels: {comment(', '.join(hint.channel_names))}."
    if hint.value_range:
        low, high = hint.value_range
        yield f"# Its makers say that it is fed values from {low:g} to {high:g}: that is what the steps must leave."
    if asked := values_asked(model, item.name):
        yield f"# {asked}"
    if any(word in asked for word in ("0 to 255", "0 to 65535")):
        high = 65535 if "0 to 65535" in asked else 255
        yield f'# After a window: {{ step = "rescale", low = 0.0, high = 1.0, to_low = 0.0, to_high = {high}.0 }}'
    if len(scans) > 1:
        yield f"# No single scan has {len(scans)} channels: each is taken for a scan of its own, in this order. Where"
        yield "# they are neighbouring slices or phases of one scan, the runtime cannot feed this model."


def _table(scan: Wanted, *, alone: bool) -> Iterator[str]:
    deep = len(scan.axes) == 5
    modality = "DICOM's word, such as CR, DX, CT, MR, MG, US; an empty list asks nothing"
    yield "[[inputs]]" if alone else "\n[[inputs]]"
    yield f"name = {toml(scan.name)}"
    yield f"tensor = {toml(scan.tensor.name)}"
    yield f"axes = {toml(scan.axes)}  # a guess from the sizes: check it"
    yield f"shape = [{', '.join(_shape(scan))}]"
    yield f"steps = [{{ step = {unfilled('see above')} }}]"
    if not alone:
        words = unfilled("any of these words tells it, such as t1; an empty list asks nothing", scan.makers)
        yield "\n" + ROLE.format(words=words, without=unfilled("none of these, such as flair; or an empty list"))
    yield "\n[inputs.accepts]"
    yield f"modality = [{unfilled(modality, scan.hint.modality)}]"
    yield f"body_part = [{unfilled('DICOM word, such as CHEST; an empty list asks nothing')}]"
    if not deep:
        yield f"view = [{unfilled('DICOM word, such as AP, PA, LL; an empty list asks nothing')}]"
    yield f"stack = {toml('volume') if deep else unfilled('picture, frames or volume')}"
    yield f"colour = {toml('grey') if deep or scan.channels == 1 else unfilled('grey or rgb')}"
    yield f"age_years = [{unfilled('youngest patient')}, {unfilled('oldest patient')}]  # or leave the line out"


def _shape(scan: Wanted) -> list[str]:
    sizes = [scan.channels if axis == "C" else size for axis, size in zip(scan.axes, scan.tensor.sizes, strict=True)]
    return [
        unfilled(f"size of axis {axis}") if size is None else str(size)
        for axis, size in zip(scan.axes[1:], sizes[1:], strict=True)
    ]


def _steps(spatial: Sizes, channels: int | None) -> str:
    from edge.prepare import STEPS as TABLE  # noqa: PLC0415 - opencv waits until it is needed

    names = "\n".join(f"#   {name}{_options(entry.load())}" for name, entry in sorted(TABLE.items()))
    if len(spatial) == 3:
        shape = ", ".join(str(size or 96) for size in spatial)
        return STEPS.format(names=names, examples=DEEP.format(shape=f"[{shape}]"))
    height, width = spatial
    order = "grey" if channels == 1 else "rgb"
    return STEPS.format(names=names, examples=FLAT.format(height=height or 224, width=width or 224, channels=order))


def _options(step: Callable[..., Any]) -> str:
    """What a step is told beside its name; brackets around what has a default."""
    told = signature_schema(step)
    needed = told.get("required", [])
    names = [name if name in needed else f"[{name}]" for name in told["properties"]]
    return f": {', '.join(names)}" if names else ""

"""The task of a draft: what the outputs of a graph look like, its labels, and how their thresholds come to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from onnx import ModelProto

from convert.draft.graph import Sizes, Tensor, activation_of, axes_of, show_sizes, spatial_of
from convert.draft.words import comment, slug, toml, unfilled
from convert.hints import Hints
from edge.errors import UsageError

MOST_LABELS = 1000
"""As many as a manifest takes of a detector."""
FEWEST_BOXES = 100
"""A detector that decodes its boxes in the graph gives more than these."""

RULES_OF_SCORES = "sensitivity or specificity with at_least, youden, or fixed with value"
RULES_OF_MASKS = "dice (where the mean Dice is largest), or fixed with value"
RULES_OF_BOXES = (
    "sensitivity with at_least, f1 (where it is largest), false-positives with at_most, or fixed with value"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """What the outputs are judged by.

    Parameters
    ----------
    inputs : tuple of str
        The scans' names in the draft.
    """

    model: ModelProto
    inputs: tuple[str, ...]
    tensors: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def deep(self) -> bool:
        """Whether it sees volumes."""
        return all(len(item.sizes) == 5 for item in self.tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """A kind of task, and the output that looks like it."""

    output: Tensor
    lines: Callable[[_Graph, Tensor, Sequence[str]], Iterator[str]]


def task_of(
    model: ModelProto, inputs: Sequence[str], tensors: Sequence[Tensor], outputs: Sequence[Tensor], told: Hints
) -> Iterator[str]:
    """Yield the lines of the task that the outputs look like, with its labels and thresholds.

    Parameters
    ----------
    inputs : sequence of str
        Names of the scans in the draft.
    tensors, outputs : sequence of Tensor
        Of the graph.

    Raises
    ------
    UsageError
        They look like nothing that the runtime can read.
    """
    graph = _Graph(model=model, inputs=tuple(inputs), tensors=tuple(tensors), outputs=tuple(outputs))
    meant = _meant(graph)
    makers = next((item.channel_names for item in told.outputs if item.name == meant.output.name), ())
    others = [f"{item.name} ({show_sizes(item.sizes)})" for item in outputs if item is not meant.output]
    yield f"\n# The graph's output {comment(meant.output.name)}: {show_sizes(meant.output.sizes)}, N first."
    if others:
        yield f"# Its other outputs: {comment(', '.join(others))}."
    yield "[task]"
    yield from meant.lines(graph, meant.output, makers)


def _meant(graph: _Graph) -> _Meant:
    """The likeliest task: a guess that the draft's comments tell."""
    if (boxes := _separate_boxes(graph)) is not None:
        return _Meant(output=boxes, lines=_detection)
    if scores := [item for item in graph.outputs if len(item.sizes) == 2]:
        return _Meant(output=scores[0], lines=_classification)
    if detected := [item for item in graph.outputs if _layout(item, deep=graph.deep)]:
        return _Meant(output=detected[0], lines=_detection)
    maps = _maps(graph.outputs)
    if maps and len(graph.tensors) == 2 and _moves(graph, maps[0]):
        return _Meant(output=maps[0], lines=_registration)
    if maps and axes_of(maps[0]).endswith("C"):
        raise UsageError(
            f"Drafting a description: the output {maps[0].name!r}, {show_sizes(maps[0].sizes)}, has its channels last,"
            " expected them behind the batch, N x channels x height x width. Export the model with channels first."
        )
    if maps:
        return _Meant(output=maps[0], lines=_segmentation)
    found = ", ".join(f"{item.name} ({show_sizes(item.sizes)})" for item in graph.outputs)
    raise UsageError(
        f"Drafting a description: found the outputs {found}, expected scores, N x values; maps as large as the scan,"
        " N x labels x its sizes; or decoded boxes, N x boxes x (5 + labels) or N x (4 + labels) x boxes. Export the"
        " model with such an output."
    )


def _moves(graph: _Graph, output: Tensor) -> bool:
    """Whether it may be how far, along three directions, one of two volumes is to be moved."""
    return graph.deep and len(graph.inputs) == 2 and len(output.sizes) == 5 and output.sizes[1] == 3


def _maps(outputs: Sequence[Tensor]) -> list[Tensor]:
    return [item for item in outputs if len(item.sizes) in (4, 5) and set(item.sizes[2:]) != {1}]


# Classification ------------------------------------------------------------------------------------------


def _classification(graph: _Graph, output: Tensor, makers: Sequence[str]) -> Iterator[str]:
    count = output.sizes[1]
    choices = "multi-class (one of them), multi-label (any of them) or ordinal (grades in rising severity)"
    activation = activation_of(graph.model, output.name)
    yield 'kind = "classification"'
    yield f"mode = {toml('binary') if count == 1 else unfilled(choices)}"
    yield f"output = {toml(output.name)}"
    known = f"{toml('none')}  # the graph ends in {activation}"
    yield f"activation = {known if activation else unfilled('sigmoid, softmax or none')}"
    same = [item.name for item in _maps(graph.outputs) if item.sizes[1] == count]
    yield f"# map_output = {toml(same[0])}  # if it is a class activation map" if same else ""
    if not graph.deep:
        yield from _windows(graph, "the score of a label is the highest of all pieces (not of multi-class)")
    names = _labels(makers, count)
    yield from _labelled(names, makers)
    yield from _thresholds(names, RULES_OF_SCORES, "sensitivity, specificity, youden or fixed", share=True)


# Segmentation --------------------------------------------------------------------------------------------


def _segmentation(graph: _Graph, output: Tensor, makers: Sequence[str]) -> Iterator[str]:
    activation = activation_of(graph.model, output.name)
    words = "softmax (channel 0 is background and gets no label), sigmoid (a label for each channel), or none after one"
    yield 'kind = "segmentation"'
    yield f"output = {toml(output.name)}"
    yield f"activation = {unfilled(words)}"
    if activation:
        meant = "none" if activation == "Sigmoid" else "softmax"
        yield f"# The graph ends in an activation of its own ({activation}): '{meant}' fits it."
    if output.sizes[1] in ((1,) if graph.deep else (1, 3)):
        yield "# Is it no mask but an image that is made from the scan? Then, without labels: kind = 'translation',"
        yield "# output, range = [lowest, highest], unit = 'what a value is', makes = 'what the image is'"
    if _moves(graph, output):
        yield "# Is it how far the second scan is to be moved? Then, without labels: kind = 'registration', output,"
        yield f"# fixed = {toml(graph.inputs[0])}, moving = {toml(graph.inputs[1])}."
    yield from _windows(graph, "outlines come on its pixels")
    names = _labels(makers, output.sizes[1], first=1 if activation == "Softmax" else 0)
    yield from _labelled(names, makers)
    yield from _thresholds(names, RULES_OF_MASKS, "dice or fixed", share=False)


def _windows(graph: _Graph, comes: str, *, mirrored: bool = True) -> Iterator[str]:
    """What lets the runtime see piece by piece: of volumes masks alone, of one picture everything.

    Parameters
    ----------
    comes : str
        What becomes of the pieces of a picture.
    mirrored : bool
        Whether there is a mean of what is seen in the mirror.
    """
    tensor, *others = graph.tensors
    flat = not graph.deep
    if flat and (others or len(graph.inputs) > 1 or axes_of(tensor) != "NCHW"):
        return
    sizes = show_sizes(spatial_of(tensor, axes_of(tensor)))
    yield f"# Without what follows the steps must bring a whole scan to {sizes}; with it, a larger one is seen piece by"
    yield f"# piece, each of that size, {'as in training with patches' if graph.deep else 'such as a slide'}:"
    yield "# [task.windows]"
    yield "# overlap = 0.5    # share of a window that its neighbour sees, too"
    if mirrored:
        yield '# mirror = []      # or axes, such as ["x"]: every window is seen in the mirror as well'
    if flat:
        yield "# skip_glass = true    # of a slide: what shows bare glass is not looked at, and that is said"
        yield f"# Then {comes}, and of the steps those that need the whole picture (resize, z_score) cannot be"
        yield "# used: a resample that stands first brings it to the millimetres between pixels of the training."


# Detection -----------------------------------------------------------------------------------------------


def _separate_boxes(graph: _Graph) -> Tensor | None:
    """The boxes of a detector that gives them one by one, with scores and labels beside."""
    flat = [item for item in graph.outputs if len(item.sizes) == 1]
    boxes = [item for item in graph.outputs if len(item.sizes) == 2 and item.sizes[1] == 4]
    return boxes[0] if len(boxes) == 1 and len(flat) == 2 and not graph.deep else None


def _layout(item: Tensor, *, deep: bool) -> str:
    """The layout that an output of three axes can be read in, or an empty text."""
    if len(item.sizes) != 3:
        return ""
    _, middle, last = item.sizes
    if deep:
        return "one-per-label" if last == 7 and middle is not None else ""
    if _many(middle, last) and last is not None and 5 < last <= 5 + MOST_LABELS:
        return "yolov5"
    if _many(last, middle) and middle is not None and 4 < middle <= 4 + MOST_LABELS:
        return "anchor-free"
    return ""


def _many(boxes: int | None, values: int | None) -> bool:
    return boxes is None or (boxes >= FEWEST_BOXES and values is not None and boxes > values)


def _detection(graph: _Graph, output: Tensor, makers: Sequence[str]) -> Iterator[str]:
    layout = _layout(output, deep=graph.deep) or "boxes"
    yield 'kind = "detection"'
    yield f"layout = {toml(layout)}  # a guess from the sizes: yolov5, anchor-free, boxes or one-per-label"
    yield f"output = {toml(output.name)}"
    if layout == "boxes":
        yield from _beside(graph)
    else:
        yield f"activation = {unfilled('sigmoid, or none where the graph has applied it')}"
    yield "# overlap = 0.45   # of two boxes of one label that overlap more, the one with the lower score is dropped"
    yield "# most = 300       # boxes that are kept"
    if not graph.deep and layout != "one-per-label":
        yield from _windows(graph, "boxes are put together over the borders of pieces", mirrored=False)
    names = _labels(makers, _labels_of(layout, output.sizes))
    yield from _labelled(names, makers)
    yield from _thresholds(names, RULES_OF_BOXES, "sensitivity, f1, false-positives or fixed", share=False)


def _beside(graph: _Graph) -> Iterator[str]:
    flat = [item.name for item in graph.outputs if len(item.sizes) == 1]
    scores = next((name for name in flat if "score" in name.lower()), flat[0])
    labels = next(name for name in flat if name != scores)
    masks = next((item.name for item in graph.outputs if len(item.sizes) == 4), None)
    yield f"scores_output = {toml(scores)}  # a guess: check it"
    yield f"labels_output = {toml(labels)}  # whole numbers from 1, in the order below"
    yield from [f"masks_output = {toml(masks)}"] if masks else []
    yield 'activation = "none"'


def _labels_of(layout: str, sizes: Sizes) -> int | None:
    if layout == "boxes":
        return None
    size = sizes[1] if layout in ("anchor-free", "one-per-label") else sizes[2]
    return (size or 0) - {"yolov5": 5, "anchor-free": 4, "one-per-label": 0}[layout] or None


# Registration --------------------------------------------------------------------------------------------


def _registration(graph: _Graph, output: Tensor, _makers: Sequence[str]) -> Iterator[str]:
    fixed, moving = graph.inputs
    yield "# A guess from two volumes and three values a voxel: how far along z, y, x the second scan is to be moved."
    yield '# If it outlines instead, write kind = "segmentation", output, activation, labels and thresholds.'
    yield 'kind = "registration"'
    yield f"output = {toml(output.name)}"
    yield f"fixed = {toml(fixed)}  # stays, and gives the grid: its [[inputs]] must be the first"
    yield f"moving = {toml(moving)}"
    yield "\n[thresholds]"


# Labels and thresholds -----------------------------------------------------------------------------------


def _labelled(names: Sequence[str], makers: Sequence[str]) -> Iterator[str]:
    for name in names:
        said = next((title for title in makers if slug(title) == name), "")
        yield "\n[[task.labels]]"
        yield f"name = {toml(name)}  # renamed here, it must be renamed under thresholds too"
        yield f"title = {unfilled('for people', said)}"
        yield f"finding = {unfilled('true, or false for such as normal')}"
        yield f"urgency = {unfilled('routine, soon or urgent')}"
        yield '# code = { scheme = "SCT", value = "...", meaning = "..." }  # SNOMED CT (SCT), RadLex (RADLEX), DCM'


def _thresholds(names: Sequence[str], rules: str, choices: str, *, share: bool) -> Iterator[str]:
    """The rules that thresholds may be chosen by; `share`: whether some of them need ``at_least``."""
    yield "\n# From which score on a label is found: one for each that can be a finding, none for softmax segmentation."
    yield f"# rule: {rules}."
    for label in names:
        yield f"[thresholds.{label}]"
        yield f"rule = {unfilled(choices)}"
        if share:
            yield f"at_least = {unfilled('such as 0.9')}  # leave it out for youden, f1, false-positives and fixed"


def _labels(makers: Sequence[str], count: int | None, *, first: int = 0) -> list[str]:
    """Names of the labels: the makers' where these are as many as the values, else numbers."""
    slugs = [slug(title) for title in makers]
    if count == len(slugs) and len(set(slugs)) == len(slugs):
        return [each for each in slugs if each != "background"]
    return [f"label-{index}" for index in range(first, count or first + 1)]

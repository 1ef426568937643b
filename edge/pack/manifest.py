"""The manifest: everything between the file and the finding, as frozen types. Version 1.

The types are the format: `edge.typed` reads a ``manifest.json`` strictly against them, and the published schema
(``manifest.schema.json`` beside this file) is generated from them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from edge.errors import PackError
from edge.reasons import BAD_MANIFEST, WRONG_VERSION
from edge.scan import Stack
from edge.typed import Between, Matches, TypedError, parse

VERSION = 1

Name = Annotated[str, Matches(r"[a-z0-9]+([-_][a-z0-9]+)*", "lower-case words joined by hyphens")]
Text = Annotated[str, Matches(r"[\s\S]*\S[\s\S]*", "a text that is not empty")]
Sha256 = Annotated[str, Matches(r"[0-9a-f]{64}", "64 hexadecimal digits")]
File = Annotated[
    str,
    Matches(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", "a plain relative path with /"),
]
Share = Annotated[float, Between(0.0, 1.0)]
Size = Annotated[int, Between(1, 65536)]
Precision = Literal["fp32", "fp16", "int8"]
Urgency = Literal["routine", "soon", "urgent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """Under what terms the pack may be used, and whom to credit for data and model."""

    spdx: Text
    credits: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A coded concept, as in DICOM's code sequences (PS3.3 table 8.8-1): SCT, RADLEX or DCM."""

    scheme: Literal["SCT", "RADLEX", "DCM", "LN"]
    value: Text
    meaning: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepts:
    """What kind of scan an input takes. A scan that does not say what it is does not match.

    Parameters
    ----------
    modality, body_part, view : tuple of str
        DICOM terms, any of which fits: (0008,0060), (0018,0015), (0018,5101). Empty: not asked.
    stack : {"picture", "volume", "frames"}
    colour : {"grey", "rgb"}
    age_years : tuple of float, optional
        Youngest and oldest patient that the model was made for, both included.
    least_size : int
        Rows and columns that the picture must have at least.
    """

    modality: tuple[Text, ...] = ()
    body_part: tuple[Text, ...] = ()
    view: tuple[Text, ...] = ()
    stack: Stack
    colour: Literal["grey", "rgb"]
    age_years: tuple[float, float] | None = None
    least_size: Size = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One named scan that the model needs, and how it becomes the model's tensor.

    Parameters
    ----------
    name : str
        The scan's role, such as ``image``, ``fixed``, ``t1``.
    tensor : str
        The input of the ONNX graph.
    axes : {"NCHW", "NHWC", "NCDHW", "NDHWC"}
        Order of the tensor's axes; N is the batch.
    shape : tuple of int
        Size along each axis but N.
    steps : tuple of objects
        Each names its step in ``step`` and gives that step's options; see `edge.prepare.STEPS`.
    """

    name: Name
    tensor: Text
    accepts: Accepts
    axes: Literal["NCHW", "NHWC", "NCDHW", "NDHWC"]
    shape: tuple[Size, ...]
    steps: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One thing that a model can say.

    Parameters
    ----------
    name : str
        Stable identifier.
    title : str
        For people.
    code : Code, optional
    finding : bool
        Whether saying it is a finding; ``normal`` is not.
    urgency : {"routine", "soon", "urgent"}
        How soon a clinician should look when it is found.
    """

    name: Name
    title: Text
    code: Code | None = None
    finding: bool
    urgency: Urgency = "routine"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationTask:
    """The whole scan gets one or several labels.

    Parameters
    ----------
    mode : {"binary", "multi-class", "multi-label", "ordinal"}
        ``binary`` has one label and one output. ``ordinal`` has labels in rising severity, the first being no
        finding.
    output : str
        Tensor of shape (N, values): one per label; for ordinal with ``sigmoid``, one per label but the first,
        each the score of that grade or worse.
    activation : {"sigmoid", "softmax", "none"}
        What turns the output into scores from 0 to 1; ``none`` where the graph has done it.
    map_output : str, optional
        Tensor of shape (N, values, h, w): the class activation map of each output value.
    """

    kind: Literal["classification"]
    mode: Literal["binary", "multi-class", "multi-label", "ordinal"]
    output: Text
    activation: Literal["sigmoid", "softmax", "none"]
    labels: Annotated[tuple[Label, ...], Between(1, 10000)]
    map_output: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationTask:
    """Every pixel gets a label.

    Parameters
    ----------
    output : str
        Tensor of shape (N, channels, h, w). With ``softmax`` channel 0 is background and channel i is label i - 1;
        with ``sigmoid`` channel i is label i, the labels may overlap, and each has its threshold.
    least_pixels : int
        A label with fewer pixels on the source picture is not said to be there.
    """

    kind: Literal["segmentation"]
    output: Text
    activation: Literal["sigmoid", "softmax"]
    labels: Annotated[tuple[Label, ...], Between(1, 254)]
    least_pixels: Annotated[int, Between(1, 10**9)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From which score on a label is said to be there, and where that number comes from."""

    value: Share
    rule: Text
    chosen_on: Text
    n: Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One ONNX file of the pack, in one precision, for the engines that were proven with it.

    Parameters
    ----------
    verdict : {"reference", "passed", "rejected", "inconclusive"}
        What the gate said when it was compared with the reference. Only the first two are ever chosen; what is
        inconclusive runs when it is asked for by name, and every result then says so; what is rejected never runs.
    thresholds : mapping
        By name of label: a threshold belongs to a precision, not to a pack.
    """

    precision: Precision
    file: File
    sha256: Sha256
    engines: Annotated[tuple[Name, ...], Between(1, 20)]
    verdict: Literal["reference", "passed", "rejected", "inconclusive"]
    thresholds: Mapping[str, Threshold]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The known answer of one precision.

    Parameters
    ----------
    scores : mapping
        By name of label: its score (classification) or its share of the picture (segmentation).
    tolerance : float
        Largest absolute difference that passes, on any engine.
    """

    scores: Mapping[str, Share]
    tolerance: Annotated[float, Between(0.0, 0.1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A scan with a known answer, to prove the whole path on a device.

    Parameters
    ----------
    scans : mapping
        By name of input: a file of the pack.
    sha256 : mapping
        By name of input: that file's hash.
    expect : mapping
        By precision, for every precision that the pack has.
    """

    name: Name
    scans: Mapping[str, File]
    sha256: Mapping[str, Sha256]
    expect: Mapping[str, Expected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A measured figure.

    Parameters
    ----------
    metric : str
        ``auc``, ``sensitivity``, ``specificity``, ``dice`` ...
    interval : tuple of float, optional
        Of 95%, by `method`.
    """

    precision: Precision
    engine: Name
    label: Name
    data: Text
    metric: Name
    value: float
    interval: tuple[float, float] | None = None
    method: Text | None = None
    n: Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A model pack's description. ``format`` and ``format_version`` come first so that any reader can tell."""

    format: Literal["edgerun-pack"]
    format_version: Literal[1]
    name: Name
    version: Annotated[str, Matches(r"[0-9]+\.[0-9]+\.[0-9]+", "a version such as 1.0.0")]
    title: Text
    status: Literal["trained", "architecture-only"]
    intended_use: Text
    limits: Text
    licence: Licence
    inputs: Annotated[tuple[Input, ...], Between(1, 16)]
    task: ClassificationTask | SegmentationTask
    models: Annotated[tuple[Model, ...], Between(1, 64)]
    golden: tuple[Golden, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def parse_manifest(data: bytes, name: str) -> Manifest:
    """Return the manifest in `data`, fully checked.

    Parameters
    ----------
    data : bytes
        UTF-8 JSON.
    name : str
        What to call it in messages.

    Raises
    ------
    PackError
        ``P401`` with the path of the key, or ``P402``.
    """
    try:
        document = json.loads(data, object_pairs_hook=_no_repeats, parse_float=_finite, parse_constant=_finite)
        _check_version(document, name)
        manifest = parse(Manifest, document)
        _check_consistent(manifest)
    except RecursionError as error:
        raise PackError(f"Reading {name}: it is nested too deeply.", BAD_MANIFEST) from error
    except ValueError as error:  # JSON, UTF-8 and TypedError are all of this kind
        raise PackError(f"Reading {name}: {error}.", BAD_MANIFEST) from error
    return manifest


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keyed = dict(pairs)
    if len(keyed) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise TypedError(f"$..{twice}", "the key stands twice in one object")
    return keyed


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"found {text}, expected a finite number")
    return value


def _check_version(document: object, name: str) -> None:
    """Tell a pack for another edgerun from a wrong one, before its unknown keys are complained of."""
    found = document.get("format_version") if isinstance(document, dict) else None
    if type(found) is int and found != VERSION:
        raise PackError(f"Reading {name}: found format_version {found}, expected {VERSION}.", WRONG_VERSION)


def _check_consistent(manifest: Manifest) -> None:
    """Refuse what no single key shows: names that do not meet."""
    labels = [label.name for label in manifest.task.labels]
    _check_unique(labels, "$.task.labels")
    _check_unique([item.name for item in manifest.inputs], "$.inputs")
    _check_unique([f"{m.precision} on {name}" for m in manifest.models for name in m.engines], "$.models")
    _check_task(manifest.task)
    for index, model in enumerate(manifest.models):
        _check_thresholds(manifest, model, f"$.models[{index}].thresholds")
    for index, item in enumerate(manifest.inputs):
        if len(item.shape) != len(item.axes) - 1:
            wanted = len(item.axes) - 1
            raise TypedError(f"$.inputs[{index}].shape", f"found {len(item.shape)} sizes, expected {wanted}")
        for number, step in enumerate(item.steps):
            _check_step(step, f"$.inputs[{index}].steps[{number}]")
    for index, case in enumerate(manifest.golden):
        _check_names(case.scans, [item.name for item in manifest.inputs], f"$.golden[{index}].scans")
        _check_names(case.sha256, list(case.scans), f"$.golden[{index}].sha256")
        _check_names(case.expect, sorted({model.precision for model in manifest.models}), f"$.golden[{index}].expect")
        for precision, expected in case.expect.items():
            _check_names(expected.scores, labels, f"$.golden[{index}].expect.{precision}.scores")
    for index, figure in enumerate(manifest.evidence):
        _check_names([figure.label], labels, f"$.evidence[{index}].label", all_of_them=False)


def _check_task(task: ClassificationTask | SegmentationTask) -> None:
    if not isinstance(task, ClassificationTask):
        return
    if task.mode == "binary" and len(task.labels) != 1:
        raise TypedError("$.task.labels", f"found {len(task.labels)}, expected the one positive label of a binary task")
    if task.mode == "ordinal" and (len(task.labels) < 2 or task.labels[0].finding):
        raise TypedError("$.task.labels", "expected grades in rising severity, the first being no finding")
    if task.mode in ("binary", "multi-label") and task.activation == "softmax":
        raise TypedError("$.task.activation", f"found 'softmax', expected 'sigmoid' or 'none' for mode {task.mode!r}")
    if task.mode == "multi-class" and task.activation == "sigmoid":
        raise TypedError("$.task.activation", "found 'sigmoid', expected 'softmax' or 'none' for mode 'multi-class'")


def _check_thresholds(manifest: Manifest, model: Model, path: str) -> None:
    """Every label that can be a finding needs the score from which it is one."""
    softmax = isinstance(manifest.task, SegmentationTask) and manifest.task.activation == "softmax"
    needed = [] if softmax else [label.name for label in manifest.task.labels if label.finding]
    for name in needed:
        if name not in model.thresholds:
            raise TypedError(f"{path}.{name}", "missing: the label can be a finding")
    _check_names(model.thresholds, needed, path)


def _check_step(step: Mapping[str, object], path: str) -> None:
    """Which steps there are and what they take, `edge.prepare` knows; here, only that nothing is nested."""
    for name, value in step.items():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, (str, int, float)):
                raise TypedError(f"{path}.{name}", "expected a text, a number, true, false, or a list of these")


def _check_unique(names: list[str], path: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise TypedError(path, f"{name!r} stands there twice")


def _check_names(found: Iterable[str], expected: Iterable[str], path: str, *, all_of_them: bool = True) -> None:
    unknown = sorted(set(found) - set(expected))
    absent = sorted(set(expected) - set(found)) if all_of_them else []
    if unknown or absent:
        raise TypedError(
            path, f"found {', '.join(sorted(found)) or 'nothing'}, expected {', '.join(expected) or 'nothing'}"
        )

"""The manifest: everything between the file and the finding, as frozen types. Version 1.

The types are the format: `edge.typed` reads a ``manifest.json`` strictly against them, and the published schema
(``manifest.schema.json`` beside this file) is generated from them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from edge.errors import PackError
from edge.pack.consistency import check_consistent
from edge.pack.familiar import Familiar
from edge.pack.look import Look, Technique
from edge.pack.reduced import Reduced
from edge.pack.tasks import (
    ClassificationTask,
    Code,
    DetectionTask,
    Label,
    RegistrationTask,
    SegmentationTask,
    Task,
    TranslationTask,
    UrgencyRule,
    Windows,
)
from edge.pack.trust import Calibration, Zone
from edge.pack.words import ALL, File, Name, Precision, Sha256, Share, Size, Text, Urgency
from edge.reasons import BAD_MANIFEST, WRONG_VERSION
from edge.scan import Stack
from edge.typed import Between, Matches, TypedError, parse

__all__ = [
    "ALL",
    "Accepts",
    "Attached",
    "Calibration",
    "ClassificationTask",
    "Code",
    "DetectionTask",
    "Evidence",
    "Expected",
    "Familiar",
    "File",
    "Golden",
    "Input",
    "Label",
    "Licence",
    "Look",
    "Manifest",
    "Model",
    "Name",
    "Precision",
    "Reduced",
    "RegistrationTask",
    "Role",
    "SegmentationTask",
    "Sha256",
    "Share",
    "Size",
    "Speed",
    "Task",
    "Technique",
    "Text",
    "Threshold",
    "TranslationTask",
    "Urgency",
    "UrgencyRule",
    "Windows",
    "Zone",
    "parse_manifest",
    "tensor_shapes",
]

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """Under what terms the pack may be used, and whom to credit for data and model."""

    spdx: Text
    credits: tuple[Text, ...]


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
    laterality : tuple of str
        Any of ``L``, ``R``, ``B``, ``U`` fits: (0020,0062), else (0020,0060). Empty: not asked.
    technique : Technique, optional
    compression : {"lossless", "any"}, optional
        What is or was compressed lossily is refused, or accepted; None: warned of. Where only ``lossless`` fits, a scan
        that does not tell does not.
    burned_in : {"none", "any"}, optional
        A scan with text burned into its picture is refused, or accepted; None: warned of. Where only ``none`` fits, a
        scan that does not tell does not.
    least_bits : int
        Bits stored for each point, at least.
    look : Look, optional
        What the pictures look like, measured.
    """

    modality: tuple[Text, ...] = ()
    body_part: tuple[Text, ...] = ()
    view: tuple[Text, ...] = ()
    stack: Stack
    colour: Literal["grey", "rgb"]
    age_years: tuple[float, float] | None = None
    least_size: Size = 1
    laterality: tuple[Text, ...] = ()
    technique: Technique | None = None
    compression: Literal["lossless", "any"] | None = None
    burned_in: Literal["none", "any"] | None = None
    least_bits: Annotated[int, Between(1, 64)] = 1
    look: Look | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """By what one of several scans of a patient is known to be this input; file order never tells.

    Parameters
    ----------
    words, without : tuple of str
        Any of the former and none of the latter is a word of (0008,103E) Series Description; case does not count, and
        whatever is no letter, digit or * parts words: ``T2*`` is another word than ``T2``.
    contrast : bool, optional
        Whether (0018,0010) Contrast/Bolus Agent names one; None: not asked.
    """

    words: tuple[Text, ...] = ()
    without: tuple[Text, ...] = ()
    contrast: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One named scan that the model needs, and how it becomes the model's tensor.

    Parameters
    ----------
    name : str
        The scan's role, such as ``image``, ``fixed``, ``t1``.
    tensor : str
        The input of the ONNX graph. Inputs that name the same one are its channels, in their order, and are brought to
        the grid of the first.
    axes : {"NCHW", "NHWC", "NCDHW", "NDHWC"}
        Order of the tensor's axes; N is the batch.
    shape : tuple of int
        Size along each axis but N.
    role : Role, optional
        Where the pack has several inputs.
    steps : tuple of objects
        Each names its step in ``step`` and gives that step's options; see `edge.prepare.STEPS`.
    """

    name: Name
    tensor: Text
    accepts: Accepts
    axes: Literal["NCHW", "NHWC", "NCDHW", "NDHWC"]
    shape: tuple[Size, ...]
    steps: tuple[Mapping[str, object], ...]
    role: Role | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From which score on a label is said to be there, and where that number comes from."""

    value: Share
    rule: Text
    chosen_on: Text
    n: Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What a model took where its maker measured it; it says little of another machine.

    Parameters
    ----------
    latency_ms : float
        Median time of the engine alone for one scan.
    machine : str
    """

    latency_ms: Annotated[float, Between(0.0, 1e9)]
    machine: Text


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
    bytes : int, optional
        Size of the file.
    speed : Speed, optional
    calibration : mapping
        By name of label, of a classification: what turns a score of this precision into a probability.
    uncertain : mapping
        By name of label with a threshold, of a classification: the scores that a reader must settle.
    familiar : Familiar, optional
        From where on a scan is not like those that the model learnt from; None: that is not looked at.
    """

    precision: Precision
    file: File
    sha256: Sha256
    engines: Annotated[tuple[Name, ...], Between(1, 20)]
    verdict: Literal["reference", "passed", "rejected", "inconclusive"]
    thresholds: Mapping[str, Threshold]
    bytes: Annotated[int, Between(1, 2**31)] | None = None
    speed: Speed | None = None
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    uncertain: Mapping[str, Zone] = field(default_factory=dict)
    familiar: Familiar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The known answer of one precision.

    Parameters
    ----------
    scores : mapping
        By name of label: its score (classification, the best box of a detection) or its share of the scan
        (segmentation); for registration and translation, by the names of `edge.pack.tasks.answers_of`.
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
    label : str
        Of the manifest, or ``all`` for all of them together.
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
class Attached:
    """A file for people to read that travels with the pack."""

    file: File
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A model pack's description. ``format`` and ``format_version`` come first so that any reader can tell.

    Parameters
    ----------
    card : Attached, optional
        The model card, Markdown.
    reduced : Reduced, optional
        How small pictures in JPEG 2000 may be decoded; None: whole.
    """

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
    task: ClassificationTask | SegmentationTask | DetectionTask | RegistrationTask | TranslationTask
    models: Annotated[tuple[Model, ...], Between(1, 64)]
    golden: tuple[Golden, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    card: Attached | None = None
    reduced: Reduced | None = None


def tensor_shapes(inputs: Sequence[Input]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor without its batch: inputs that name the same one are its channels."""
    shapes: dict[str, tuple[int, ...]] = {}
    for item in inputs:
        channel = item.axes.index("C") - 1
        before = shapes.get(item.tensor)
        size = item.shape[channel] + (before[channel] if before else 0)
        shapes[item.tensor] = (*item.shape[:channel], size, *item.shape[channel + 1 :])
    return shapes


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
        check_consistent(manifest)
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

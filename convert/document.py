"""The conversion report as data: what was made of what, every verdict with what it rests on. Written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from convert.gate.judge import Judgement
from edge.pack.familiar import Familiar
from edge.pack.manifest import Calibration, Evidence, Precision, Threshold, Zone

FORMAT: Literal["edgerun-conversion"] = "edgerun-conversion"
VERSION: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PackNamed:
    """The pack that came of it."""

    name: str
    version: str
    title: str
    status: Literal["trained", "architecture-only"]
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUsed:
    """A set of scans.

    Parameters
    ----------
    use : {"calibrate", "tune", "evaluate"}
        Show INT8 its ranges; choose thresholds and layers; judge.
    words : str
        What it is called in evidence.
    n : int
    positives : mapping
        By label: the scans of which it is true; empty where nothing is counted.
    sha256 : str
        Of the hashes of its files, in their order.
    """

    use: Literal["calibrate", "tune", "evaluate"]
    words: str
    n: int
    positives: Mapping[str, int]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RocPoint:
    """A point of the receiver operating characteristic."""

    false_positive_rate: float
    sensitivity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Scans whose scores lie close together: their mean score, and the share of them that are positive."""

    mean_score: float
    positive_share: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What one candidate's scores of one label look like on the set that judges.

    Parameters
    ----------
    roc : tuple of RocPoint
        From (0, 0) to (1, 1).
    reliability : tuple of ReliabilityBin
        Ten bins of equal width; empty ones are left out.
    """

    label: str
    auc: float
    roc: tuple[RocPoint, ...]
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrocPoint:
    """A point of the free-response curve: false boxes per scan, and the share of the true ones that are found."""

    false_positives: float
    sensitivity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrocCurve:
    """What one candidate's boxes of one label look like on the set that judges.

    Parameters
    ----------
    froc : float
        See `edge.truth.boxes.froc`.
    points : tuple of FrocPoint
        From the surest box on; none where it drew no box.
    """

    label: str
    froc: float
    points: tuple[FrocPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTold:
    """One file on one engine.

    Parameters
    ----------
    name : str
        Such as ``int8 on onnxruntime``.
    bytes : int
        Of the file.
    latency_ms : float
        Median of the engine alone for one scan, all candidates taking turns, each in a process of its own; 0 where it
        could not be run.
    peak_bytes : int, optional
        Most resident memory of that process.
    calibration, uncertain : mapping
        Of a classification, as in `edge.pack.manifest.Model`.
    curves : tuple of Curves
        Of a classification.
    free_response : tuple of FrocCurve
        Of a detection.
    judgement : Judgement, optional
        None for the reference.
    familiar : Familiar, optional
        Where its graph gives the distance of a scan's features.
    """

    name: str
    precision: Precision
    engine: str
    engine_version: str
    file: str
    sha256: str
    bytes: int
    latency_ms: float
    peak_bytes: int | None
    thresholds: Mapping[str, Threshold]
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    uncertain: Mapping[str, Zone] = field(default_factory=dict)
    evidence: tuple[Evidence, ...]
    curves: tuple[Curves, ...]
    free_response: tuple[FrocCurve, ...] = ()
    judgement: Judgement | None
    familiar: Familiar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailStep:
    """One INT8 model that the search tried.

    Parameters
    ----------
    given_back : tuple of str
        The layers in float that the first model had in INT8, the worst first.
    bytes : int
    metric, label : str
        Of the comparison with the least room, on the set that tunes.
    difference : float
        Of that metric, candidate less reference.
    higher_is_better : bool
    margin : float
    latency_ms : float
    accepted : bool
    """

    given_back: tuple[str, ...]
    bytes: int
    metric: str
    label: str
    difference: float
    higher_is_better: bool
    margin: float
    latency_ms: float
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What the search for one engine's INT8 model tried, in order."""

    engine: str
    steps: tuple[TrailStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTold:
    """What INT8 does to one layer: power of its output over that of the error, in decibels; None where nothing."""

    node: str
    operator: str
    snr_db: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What differs between two conversions of the same model: when, how long, how much memory.

    Parameters
    ----------
    date : str
        ISO 8601.
    seconds : mapping
        By step.
    peak_bytes : int, optional
        Most resident memory of the conversion's own process.
    """

    date: str
    seconds: Mapping[str, float]
    peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The conversion report.

    Parameters
    ----------
    origin : str
        Where the model is from, in words.
    notes : tuple of str
        What was changed, compared, left undone.
    machine : str
        That measured.
    versions : mapping
        By package.
    """

    format: Literal["edgerun-conversion"]
    format_version: Literal[1]
    pack: PackNamed
    origin: str
    notes: tuple[str, ...]
    machine: str
    versions: Mapping[str, str]
    sets: tuple[SetUsed, ...]
    candidates: tuple[CandidateTold, ...]
    layers: tuple[LayerTold, ...]
    trails: tuple[Trail, ...]
    run: Run

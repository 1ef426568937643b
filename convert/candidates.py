"""The files to be judged: FP16, and INT8 that gives layers back to float until the set to tune is content with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from convert.assemble import sha256_of
from convert.document import LayerTold, Trail, TrailStep
from convert.familiar import familiar_nodes
from convert.gate.judge import ALL, Comparison
from convert.half import to_fp16
from convert.lower import lower_for_onnxruntime, lower_for_openvino
from convert.measure import Candidate, Feed
from convert.quantise import Calibration, Method, calibrate, dump_calibration, head_nodes, load_calibration
from convert.search import LayerError, int8_steps, rank_layers
from convert.work import Work
from edge.errors import UsageError
from edge.pack.manifest import Manifest
from edge.pack.tasks import outputs_of

FP32, FP16, INT8 = "model.fp32.onnx", "model.fp16.onnx", "model.int8.onnx"
SHOWN_LAYERS = 200
LOWERED: dict[str, Callable[[bytes], bytes]] = {
    "onnxruntime": lower_for_onnxruntime,
    "openvino": lower_for_openvino,
    "tensorrt": bytes,
}
"""By engine: TensorRT takes the signed graph as it is."""

Feeds = Callable[[], Iterable[Feed]]
"""Prepares the scans that calibrate, when they are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a candidate came to on the set that tunes.

    Parameters
    ----------
    worst : Comparison, optional
        The one with the least room; None where the candidate could not be run.
    latency_ms : float
    """

    worst: Comparison | None
    latency_ms: float

    @property
    def accepted(self) -> bool:
        """Whether every figure itself, its interval aside, is within its margin."""
        return self.worst is not None and self.worst.room >= 0


Try = Callable[[Sequence[Candidate]], Sequence[Trial]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """INT8 candidates, one for each engine, and how they came about."""

    candidates: tuple[Candidate, ...]
    trails: tuple[Trail, ...]
    layers: tuple[LayerTold, ...]


def fp16_of(onnx: bytes, engines: Sequence[str]) -> tuple[tuple[Candidate, ...], str]:
    """Return the FP16 candidates, or none and why."""
    try:
        half = to_fp16(onnx, keep_float=familiar_nodes(onnx))
    except UsageError as error:
        return (), f"There is no FP16 model. {error.message}"
    return tuple(Candidate(precision="fp16", engine=name, file=FP16, onnx=half) for name in engines), ""


def calibration_of(onnx: bytes, feeds: Feeds, calibrated_on: str, method: Method, work: Work) -> Calibration:
    """Return the ranges of every layer, from an earlier run where it was the same.

    Parameters
    ----------
    calibrated_on : str
        Hash of the scans that `feeds` prepares, and of how.
    """
    key = {"model": sha256_of(onnx), "set": calibrated_on, "method": method}
    kept = work.kept("calibration", key, lambda: dump_calibration(calibrate(onnx, feeds(), method=method)))
    return load_calibration(kept)


def find_int8(
    onnx: bytes,
    manifest: Manifest,
    feeds: Feeds,
    calibration: Calibration,
    engines: Sequence[str],
    *,
    try_out: Try,
    max_steps: int,
) -> Found:
    """Return the INT8 model for each engine: the first of the search that is content, else the last that was tried.

    The graph is lowered for each engine: ONNX Runtime's kernels need unsigned activations to be fast, and OpenVINO to
    be right (its answers to some signed graphs are wrong without a word). Where both come to the same, it is one file.

    Parameters
    ----------
    try_out : callable
        Tries candidates on the set that tunes; the set that judges is never looked at here.
    max_steps : int
        Models that may be tried.
    """
    head = (*head_nodes(onnx, outputs_of(manifest.task)), *familiar_nodes(onnx))
    ranked = rank_layers(calibration, feeds(), keep_float=head) if max_steps > 1 else ()
    chosen: dict[str, Candidate] = {}
    trails: dict[str, list[TrailStep]] = {name: [] for name in engines}
    for step in int8_steps(calibration, ranked, max_steps=max_steps, keep_float=head):
        pending = [name for name in engines if not (trails[name] and trails[name][-1].accepted)]
        tried = [_lowered(step.model, name, len(step.given_back)) for name in pending]
        for item, trial in zip(tried, try_out(tried), strict=True):
            chosen[item.engine] = item
            trails[item.engine].append(_told(step.given_back, item, trial))
        if all(steps[-1].accepted for steps in trails.values()):
            break
    return Found(
        candidates=tuple(chosen[name] for name in engines),
        trails=tuple(Trail(engine=name, steps=tuple(steps)) for name, steps in trails.items()),
        layers=tuple(_layer(item) for item in ranked[:SHOWN_LAYERS]),
    )


def worst_of(comparisons: Sequence[Comparison]) -> Comparison | None:
    """Return the comparison over all scans with the least room, as a share of its margin."""
    whole = [row for row in comparisons if row.group == ALL]
    return min(whole, key=lambda row: row.room / (row.margin or 1.0), default=None)


def _lowered(model: bytes, engine: str, given_back: int) -> Candidate:
    """A file of its own only where an engine's lowering makes a difference."""
    plain = lower_for_onnxruntime(model)
    onnx = LOWERED[engine](model)
    words = [*([f"{given_back}-float"] if given_back else []), *([engine] if onnx != plain else [])]
    file = INT8.replace(".onnx", "".join(f"-{word}" for word in words) + ".onnx")
    return Candidate(precision="int8", engine=engine, file=file, onnx=onnx)


def _told(given_back: tuple[str, ...], item: Candidate, trial: Trial) -> TrailStep:
    worst = trial.worst
    return TrailStep(
        given_back=given_back,
        bytes=len(item.onnx),
        metric="none" if worst is None else worst.metric,
        label="none" if worst is None else worst.label,
        difference=0.0 if worst is None else worst.candidate - worst.reference,
        higher_is_better=worst is None or worst.higher_is_better,
        margin=0.0 if worst is None else worst.margin,
        latency_ms=round(trial.latency_ms, 4),
        accepted=trial.accepted,
    )


def _layer(item: LayerError) -> LayerTold:
    finite = abs(item.snr_db) != float("inf")
    return LayerTold(node=item.node, operator=item.operator, snr_db=round(item.snr_db, 3) if finite else None)

"""A candidate, and what it said of labelled scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from convert.cam import MapCheck
from convert.displacement import Registrations
from convert.metrics import Scores
from edge.pack.manifest import Precision
from edge.truth.boxes import Matches
from edge.truth.overlap import Overlaps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One ONNX file on one engine.

    Parameters
    ----------
    file : str
        Its name in the pack.
    onnx : bytes
    """

    precision: Precision
    engine: str
    file: str
    onnx: bytes

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.precision} on {self.engine}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What a candidate said.

    Parameters
    ----------
    scores : mapping
        By label: ndarray of float64, shape (n,), in the order of the scans: its score; of a segmentation, its share.
        See `edge.pack.golden.answers`.
    overlaps : mapping
        Segmentation, by label: how its masks meet the true ones.
    dice_at : mapping
        Segmentation, by label: Dice at each of the limits that were asked for, float64 (limits, n).
    matches : mapping
        Detection, by label: its boxes, from scores far below its threshold on, and which of them found something.
    registrations : Registrations, optional
        Registration: how near it brings landmarks, and how much it folds.
    latency_ms : float
        Median time of the engine alone for one scan, all candidates taking turns, each in its own process.
    peak_bytes : int, optional
        Most resident memory of that process.
    likeness : mapping
        ``distance`` and ``energy``, as far as they are measured: ndarray of float64, shape (n,); see
        `edge.check.familiar.Likeness`.
    maps : MapCheck, optional
        Where the task has an influence map.
    problem : str
        Why it stopped before the last scan; empty where it did not.
    """

    scores: Mapping[str, Scores] = field(default_factory=dict)
    overlaps: Mapping[str, Overlaps] = field(default_factory=dict)
    dice_at: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    matches: Mapping[str, Matches] = field(default_factory=dict)
    registrations: Registrations | None = None
    likeness: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    engine_version: str = ""
    latency_ms: float = 0.0
    peak_bytes: int | None = None
    maps: MapCheck | None = None
    problem: str = ""

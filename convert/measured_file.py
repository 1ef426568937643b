"""What was measured as bytes, and back: so that an interrupted conversion need not measure again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from convert.cam import MapCheck
from convert.displacement import Registrations
from convert.measured import Measured
from edge.truth.boxes import Matches
from edge.truth.overlap import Overlaps


def dump_measured(measured: Mapping[str, Measured]) -> bytes:
    """Return JSON that `load_measured` reads; every number comes back exactly."""
    return json.dumps({name: _plain(asdict(each)) for name, each in measured.items()}).encode()


def load_measured(data: bytes) -> dict[str, Measured]:
    """Return what `dump_measured` was given."""
    return {name: _measured(each) for name, each in json.loads(data).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _measured(document: dict[str, Any]) -> Measured:
    maps, registrations = document.pop("maps"), document.pop("registrations")
    arrays: dict[str, Any] = {
        key: {label: np.array(values) for label, values in document.pop(key).items()}
        for key in ("scores", "dice_at", "likeness")
    }
    told: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in (maps or {}).items()
    }
    return Measured(
        overlaps={label: _overlaps(values) for label, values in document.pop("overlaps").items()},
        matches={label: _matches(values) for label, values in document.pop("matches").items()},
        registrations=_registrations(registrations) if registrations else None,
        maps=MapCheck(**told) if maps else None,
        **document,
        **arrays,
    )


def _overlaps(document: dict[str, Any]) -> Overlaps:
    values: dict[str, Any] = {item.name: document[item.name] for item in fields(Overlaps)}
    arrays: dict[str, Any] = {n: np.array(value) if isinstance(value, list) else value for n, value in values.items()}
    return Overlaps(**arrays)


def _matches(document: dict[str, Any]) -> Matches:
    """The types are said: there may be no box at all."""
    limits = tuple(document["thresholds"])
    return Matches(
        thresholds=limits,
        scan=np.array(document["scan"], dtype=np.intp),
        scores=np.array(document["scores"], dtype=np.float64),
        hits=np.array(document["hits"], dtype=np.bool_).reshape(len(limits), -1),
        truths=np.array(document["truths"], dtype=np.int64),
    )


def _registrations(document: dict[str, Any]) -> Registrations:
    return Registrations(**{name: np.array(values, dtype=np.float64) for name, values in document.items()})

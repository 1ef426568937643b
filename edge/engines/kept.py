"""What an engine made of a model and may open in its place, if that is faster: the same engine, the same answers.

Nothing depends on it: where nothing was kept, or what was is not to be trusted (`edge.engines.cache`), an engine opens
the model as it came.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.device import installed_version, machine_name
from edge.engines.cache import Conditions, cache_folder, open_store
from edge.errors import EdgerunError
from edge.write.files import write_whole

TRIES = 3
GAIN = 0.1
"""Of the time to open: what saves less is not worth its place on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artefact:
    """What an engine makes of a model.

    Parameters
    ----------
    kind : str
        What it is, such as ``openvino-blob``.
    engine, version : str
    model : bytes
        ONNX, which it is made of.
    precision : str
    settings : mapping
        Threads, and whatever else it was made for.
    """

    kind: str
    engine: str
    version: str
    model: bytes
    precision: str
    settings: Mapping[str, str]

    @property
    def sign(self) -> Path:
        """A file that is there where something was kept for a model of this size: hashing one takes long."""
        return cache_folder() / f"{self.kind}-{len(self.model)}.kept"

    def conditions(self) -> Conditions:
        """Return what it is bound to: the model, this processor with all that it can do, and the versions."""
        return Conditions(
            kind=self.kind,
            engine=self.engine,
            model_sha256=hashlib.sha256(self.model).hexdigest(),
            precision=self.precision,
            versions={self.engine: self.version, "edgerun": installed_version("edgerun") or "unknown"},
            machine={"processor": machine_name(), "kind": platform.machine(), "features": _features()},
            settings=self.settings,
        )


class Closing(Protocol):
    """Anything that can be closed."""

    def close(self) -> None:
        """Close it."""


def kept(artefact: Artefact) -> bytes | None:
    """Return what was kept, every byte of it authentic; None where there is no such. Makes no store."""
    if not artefact.sign.is_file():
        return None
    try:
        return open_store().get(artefact.conditions()).payload
    except (EdgerunError, OSError):  # a folder that is not the user's own, or cannot be read: as if there were none
        return None


def keep_if_faster(
    artefact: Artefact,
    make: Callable[[], bytes],
    opened: Callable[[], Closing],
    clock: Callable[[], float] = time.perf_counter,
) -> bool:
    """Make an artefact, and keep it if opening the engine is faster with it; return whether it is kept.

    Parameters
    ----------
    make : callable
        Returns it; where that fails, nothing is kept.
    opened : callable
        Opens the engine, with what is kept if it is.
    clock : callable
        Seconds; for tests.
    """

    def seconds() -> float:
        started = clock()
        opened().close()
        return clock() - started

    if kept(artefact) is not None:
        return True
    plain = min(seconds() for _ in range(TRIES))
    try:
        payload = make()
    except Exception:  # noqa: BLE001 -- engines' errors have no common base; this one runs without
        return False
    with contextlib.suppress(EdgerunError):  # no place for it: nothing depends on it
        store, conditions = open_store(), artefact.conditions()
        store.put(conditions, payload)
        write_whole(artefact.sign, b"")
        if min(seconds() for _ in range(TRIES)) <= (1 - GAIN) * plain:
            return True
        store.drop(conditions)
        artefact.sign.unlink(missing_ok=True)  # where it was another model's, too, that is kept once more
    return False


def _features() -> str:
    """A short name for all that the processor can do, where Linux tells it: code for another may not run here."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
        told = next((line for line in file if line.startswith(("flags", "Features"))), "")
        return hashlib.sha256(told.encode()).hexdigest()[:16]
    return ""

"""Which engines can run on this machine, and opening one as a machine that was prepared would."""

from __future__ import annotations

import functools

from edge.engines import ENGINES, Engine, open_engine, open_prepared
from edge.errors import EngineError
from edge.testing import tiny_model


def open_here(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """An engine for a GPU is prepared first: some never compile when they are opened."""
    opener = open_prepared if name in ENGINES and ENGINES[name].device else open_engine
    return opener(name, model, precision=precision, threads=threads)


@functools.cache
def why_not(name: str) -> str:
    """Why an engine cannot run here; empty if it can."""
    if missing := ENGINES[name].missing():
        return f"{name} needs {missing}"
    if not ENGINES[name].device:
        return ""
    try:
        open_here(name, tiny_model(), precision="fp32", threads=1).close()
    except EngineError as error:
        if "does not load here" not in error.message and "intel-opencl-icd" not in error.message:
            raise
        return error.message  # its runtime does not serve this GPU, or the GPU's driver lacks
    return ""

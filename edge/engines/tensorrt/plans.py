"""Plans of this machine: what each is bound to, where it is kept, and the one way in which it comes to be."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace

from edge.engines import Progress
from edge.engines.cache import Conditions, Store, open_store
from edge.engines.tensorrt.build import (
    LARGEST_BATCH,
    LARGEST_INPUT,
    OTHERWISE,
    build_plan,
    workspace_limit,
)
from edge.engines.tensorrt.library import Library, has_timing_cache, load_library
from edge.engines.tensorrt.memory import Reached, open_memory
from edge.errors import EngineError
from edge.jetson import gpu_id, power_mode
from edge.reasons import ENGINE_NOT_PREPARED, ENGINE_OPEN

RECIPE = "1"
"""Goes up with every change in how plans are built: those built otherwise are then built anew."""


def prepare(model: bytes, *, name: str, precision: str, threads: int, progress: Progress | None = None) -> None:
    """Build the plan of a model for this machine and keep it; returns at once where that was done before.

    Parameters
    ----------
    model : bytes
        ONNX whose bytes have been checked.
    name : str
        ``tensorrt`` or ``tensorrt-rtx``.
    precision : str
        Of the model; the plan keeps the types of the file.
    threads : int
        As given to `edge.engines.open_engine`; a plan is the same for any number.
    progress : callable, optional
        Called from another thread with a phase, a step from 1 and the number of steps; False stops the build.

    Raises
    ------
    EngineError
        ``E500`` a package is not there, ``E501`` TensorRT does not take the model or does not serve this GPU, ``E504``
        no GPU answers, ``E505`` `progress` stopped it, ``E506`` the folder for plans is not safe.
    OutputError
        ``W800`` or ``W801``: the plan cannot be written.
    """
    _ = threads
    library, store = load_library(name), open_store()
    with closing(open_memory()) as memory:
        conditions = conditions_of(library, memory.reached, model, precision)
        if store.get(conditions).payload is not None:
            return
        learnt = _timing(conditions)
        built = build_plan(
            library,
            model,
            workspace_bytes=workspace_limit(memory.room(), integrated=memory.reached.integrated),
            timing=(store.get(learnt).payload or b"") if has_timing_cache(library) else b"",
            progress=progress,
        )
        if built.timing:
            store.put(learnt, built.timing)
        _check_loads(library, built.plan)
    store.put(conditions, built.plan)


def _check_loads(library: Library, plan: bytes) -> None:
    """A plan can be built for a GPU that its own runtime does not serve: then preparing again would change nothing."""
    library.lines.clear()
    runtime = library.trt.Runtime(library.logger)
    if runtime.deserialize_cuda_engine(plan) is None:
        found = f"what was built does not load here ({library.words()})"
        raise EngineError(f"Preparing {library.name}: {found}. {OTHERWISE}", ENGINE_OPEN)


def prepared(model: bytes, *, name: str, precision: str) -> bool:
    """Return whether a plan of this model for this machine is there, with nothing wrong with it.

    Raises
    ------
    EngineError
        ``E500``, ``E504``, ``E506``, as of `prepare`.
    """
    library, store = load_library(name), open_store()
    with closing(open_memory()) as memory:
        return store.get(conditions_of(library, memory.reached, model, precision)).payload is not None


def plan_of(library: Library, store: Store, conditions: Conditions) -> bytes:
    """Return the plan, which is never built here.

    Raises
    ------
    EngineError
        ``E505``: there is none, or none that may be trusted.
    """
    found = store.get(conditions)
    if found.payload is None:
        raise EngineError(f"Opening {library.name}: {found.why}.", ENGINE_NOT_PREPARED)
    return found.payload


def conditions_of(library: Library, reached: Reached, model: bytes, precision: str) -> Conditions:
    """Return all that a plan is bound to: model, library, driver, this GPU and its power mode, and how it is built."""
    gpu = reached.gpu
    return Conditions(
        kind="tensorrt-plan",
        engine=library.engine,
        model_sha256=hashlib.sha256(model).hexdigest(),
        precision=precision,
        versions={library.engine: library.version, "cuda": reached.cuda, "driver": gpu.driver},
        machine={
            "gpu": gpu.name,
            "uuid": gpu.uuid,
            "sm": gpu.capability,
            "board": gpu_id(),
            "power mode": power_mode(),
        },
        settings={"recipe": RECIPE, "batch": f"1 to {LARGEST_BATCH}", "input": f"up to {LARGEST_INPUT}"},
    )


def _timing(conditions: Conditions) -> Conditions:
    """What was learnt of kernels serves every model."""
    return replace(conditions, kind="tensorrt-timing", model_sha256="", precision="", settings={})

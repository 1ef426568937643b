"""What is checked of an engine on a GPU: its answers, its speed, batches, threads, and what it leaves behind."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu_check_child import OPENINGS, RUNS, THREAD_RUNS
from benchmarks.gpu_check_memory import SLACK_BYTES, Check, Verdict
from benchmarks.gpu_check_models import Subject, error_of, feeds_for, takes_batches
from benchmarks.paired import Paired
from edge.engines import ENGINES
from edge.engines.apart import EngineApart
from edge.errors import EngineError
from edge.reasons import ENGINE_OPEN, NO_ENGINE

GPU_ENGINES = tuple(name for name, entry in ENGINES.items() if entry.device == "NVIDIA GPU")
CPU = "onnxruntime"
PREPARED = "benchmarks.gpu_check_child:open_prepared"
WORN = "benchmarks.gpu_check_child:open_worn"

LARGEST_ERRORS: Mapping[str, float] = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.1}
"""Relative, to ONNX Runtime's FP32 on the CPU. INT8 that is right was found at 0.03 to 0.08 (`benchmarks.engines`)."""
FARTHER = 1.1
"""How many times as far from FP32 as the same file is on the CPU an engine may be, where that is more than the limit:
what a file loses on feeds that it was not calibrated with is not the engine's fault."""
BATCHES = (1, 2, 4, 8)
SEEDS = 3
OPENING_SECONDS = 1800.0
"""Building a plan may take minutes."""
WEAR_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How an engine and a model are checked.

    Parameters
    ----------
    threads : int
        Of the CPU.
    rounds : int
        How often each is timed.
    wear : bool
        Whether to look for leaks, which takes `OPENINGS` openings.
    opener, worn, base : str
        ``module:function`` of what opens the engine, wears it out, and opens the CPU's; others in tests.
    """

    threads: int
    rounds: int = 30
    wear: bool = True
    opener: str = PREPARED
    worn: str = WORN
    base: str = "edge.engines:open_engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One engine with one file.

    Parameters
    ----------
    engine, subject, precision, sha256 : str
        Which.
    version, provider : str
        Read back from the engine; nothing where it was not opened.
    checks : tuple of Check
    """

    engine: str
    subject: str
    precision: str
    sha256: str
    version: str = ""
    provider: str = ""
    checks: tuple[Check, ...]


def why_not(engine: str) -> str:
    """Return what the engine lacks here, or nothing."""
    lacks = ENGINES[engine].missing()
    return f"{lacks[0]} is not here" if lacks else ""


def check_engine(engine: str, subject: Subject, precision: str, trial: Trial) -> Ran:
    """Return every check of one engine with one file; nothing that the engine does ends this process."""
    head = {
        "engine": engine,
        "subject": subject.name,
        "precision": precision,
        "sha256": subject.sha256()[precision],
    }
    if words := why_not(engine):
        return Ran(**head, checks=(Check(name="opening", verdict="not run", words=words),))
    model = subject.files[precision]
    try:
        with ExitStack() as stack:
            base = stack.enter_context(closing(_opened(CPU, subject.files["fp32"], "fp32", trial, trial.base)))
            started = time.perf_counter()
            found = stack.enter_context(closing(_opened(engine, model, precision, trial, trial.opener)))
            seconds = time.perf_counter() - started
            opened = Check(name="opening", verdict="measured", numbers={"opening_s": seconds})
            allowed = LARGEST_ERRORS[precision] if precision == "fp32" else _allowed(base, model, precision, trial)
            checks = (opened, *_checks(found, base, allowed, trial))
            facts = found.facts
    except EngineError as error:
        return Ran(**head, checks=(_not_opened(error),))
    if trial.wear:
        checks += (*_wear(engine, model, precision, trial),)
    return Ran(**head, version=facts.version, provider=facts.provider, checks=checks)


def _opened(name: str, model: bytes, precision: str, trial: Trial, opener: str) -> EngineApart:
    return EngineApart(
        name,
        model,
        precision=precision,
        threads=trial.threads,
        opening_seconds=OPENING_SECONDS,
        seconds=WEAR_SECONDS,
        opener=opener,
    )


def _allowed(base: EngineApart, model: bytes, precision: str, trial: Trial) -> float:
    """How far from FP32 this file may be; the limit alone where the CPU does not run the file."""
    limit = LARGEST_ERRORS[precision]
    try:
        with closing(_opened(CPU, model, precision, trial, trial.base)) as same:
            own = _errors(same, base) if feeds_for(base.inputs, batch=1) else []
    except EngineError:
        return limit
    return max([limit, *(FARTHER * error for error in own if np.isfinite(error))])


def _not_opened(error: EngineError) -> Check:
    """A file that an engine says it cannot load is refused; anything else that is installed is a failure."""
    if error.reason is NO_ENGINE:
        return Check(name="opening", verdict="not run", words=error.message)
    died = "in a process of its own" in error.message
    verdict: Verdict = "refused" if error.reason is ENGINE_OPEN and not died else "failed"
    return Check(name="opening", verdict=verdict, words=f"{error.reason.code}: {error.message}")


def _checks(engine: EngineApart, base: EngineApart, allowed: float, trial: Trial) -> Iterator[Check]:
    feeds = feeds_for(base.inputs, batch=1)
    if feeds is None:
        words = "an axis of an input may have any size, and nobody told which"
        yield Check(name="parity", verdict="not run", words=words)
        return
    yield _attempt("parity", lambda: _within(max(_errors(engine, base)), allowed, {}))
    yield _attempt("the same feeds give the same bytes", lambda: _repeats(engine, feeds))
    yield _attempt("speed", lambda: _speed(engine, base, feeds, trial.rounds))
    for batch in BATCHES[1:]:
        name = f"batch {batch}"
        if takes_batches(base.inputs):
            yield _attempt(name, lambda size=batch: _batch(engine, base, allowed, size))
        else:
            yield Check(name=name, verdict="not run", words="the model takes batches of one size")


def _attempt(name: str, check: Any) -> Check:
    try:
        found: Check = check()
    except EngineError as error:
        return Check(name=name, verdict="failed", words=f"{error.reason.code}: {error.message}")
    return Check(name=name, verdict=found.verdict, words=found.words, numbers=found.numbers)


def _within(error: float, allowed: float, numbers: dict[str, float]) -> Check:
    verdict: Verdict = "passed" if error <= allowed else "failed"
    shown = {"relative_error": error} if np.isfinite(error) else {}
    return Check(
        name="", verdict=verdict, words=f"found {error:.2e}, up to {allowed:.2g}", numbers={**shown, **numbers}
    )


def _fed(inputs: Any, batch: int, seed: int) -> dict[str, NDArray[Any]]:
    return feeds_for(inputs, batch=batch, seed=seed) or {}


def _errors(engine: EngineApart, base: EngineApart) -> list[float]:
    """Of single scans, by seed."""
    return [
        error_of(engine.infer(_as_asked(engine, feeds)), base.infer(feeds))
        for feeds in (_fed(base.inputs, 1, seed) for seed in range(SEEDS))
    ]


def _as_asked(engine: EngineApart, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same values in the dtypes that this file takes."""
    return {item.name: feeds[item.name].astype(item.dtype) for item in engine.inputs}


def _repeats(engine: EngineApart, feeds: Mapping[str, NDArray[Any]]) -> Check:
    fed = _as_asked(engine, feeds)
    answers = [engine.infer(fed) for _ in range(4)]
    wrong = sum(any(not np.array_equal(item[name], answers[0][name]) for name in item) for item in answers[1:])
    return Check(name="", verdict="failed" if wrong else "passed", words=f"{wrong} of 3 repetitions differ")


def _speed(engine: EngineApart, base: EngineApart, feeds: Mapping[str, NDArray[Any]], rounds: int) -> Check:
    timed = _in_turn({"gpu": (engine, _as_asked(engine, feeds)), "cpu": (base, dict(feeds))}, rounds)
    middle, low, high = timed.ratio("cpu", "gpu")
    numbers = {
        "gpu_ms": timed.median("gpu") * 1000,
        "cpu_ms": timed.median("cpu") * 1000,
        "times_as_fast": middle,
        "times_as_fast_low": low,
        "times_as_fast_high": high,
    }
    words = f"medians of {rounds} paired rounds in turn, 95% interval; inside the child, copies to and from the GPU too"
    return Check(name="", verdict="measured", words=words, numbers=numbers)


def _in_turn(engines: Mapping[str, tuple[EngineApart, dict[str, NDArray[Any]]]], rounds: int) -> Paired:
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    generator = np.random.default_rng(0)
    for index in range(-3, rounds):
        for name in generator.permutation(list(engines)):
            engine, feeds = engines[name]
            engine.infer(feeds)
            if index >= 0:
                seconds[name].append(engine.last_seconds)
    return Paired(seconds=seconds)


def _batch(engine: EngineApart, base: EngineApart, allowed: float, batch: int) -> Check:
    feeds = _fed(base.inputs, batch, seed=batch)
    fed = _as_asked(engine, feeds)
    found, seconds = engine.infer(fed), []
    for _ in range(5):
        engine.infer(fed)
        seconds.append(engine.last_seconds)
    return _within(error_of(found, base.infer(feeds)), allowed, {"ms_each": float(np.median(seconds)) * 1000 / batch})


def _wear(engine: str, model: bytes, precision: str, trial: Trial) -> Iterator[Check]:
    names = (f"{RUNS} runs leave no memory behind", f"{OPENINGS} openings leave no memory behind", "two threads")
    try:
        with closing(_opened(engine, model, precision, trial, trial.worn)) as found:
            feeds = feeds_for(found.inputs, batch=1)
            if feeds is None:
                yield from (Check(name=name, verdict="not run", words="an axis may have any size") for name in names)
                return
            told = found.infer(feeds)
    except EngineError as error:
        verdict: Verdict = "not run" if error.reason is NO_ENGINE else "failed"  # nothing that tells the free memory
        yield from (Check(name=name, verdict=verdict, words=error.message) for name in names)
        return
    yield _leak(names[0], told["free_bytes"])
    yield _leak(names[1], told["reopened_free_bytes"])
    wrong = int(told["wrong_runs"])
    words = f"{wrong} of {2 * THREAD_RUNS} runs differ from those of one thread"
    yield Check(name=names[2], verdict="failed" if wrong else "passed", words=words)


def _leak(name: str, free: NDArray[np.int64]) -> Check:
    gone = int(free[0] - free[-1])
    verdict: Verdict = "passed" if gone <= SLACK_BYTES else "failed"
    words = f"{gone} bytes less are free at the end; up to {SLACK_BYTES} may be"
    return Check(name=name, verdict=verdict, words=words, numbers={"gone_bytes": float(gone)})

"""What is checked of the way to a GPU's memory: every byte arrives, graphs replay, nothing stays behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.engines.tensorrt.memory import Block, Memory, Pinned
from edge.errors import EngineError

SIZES = (1, 4097, (16 << 20) + 3)
"""Bytes: the least, one that is no multiple of anything, one that takes a while."""
ROUNDS = 8
REPLAYS = 5
WEAR = 200
OPENINGS = 20
SLACK_BYTES = 4 << 20
"""What may be gone afterwards: the driver keeps pages of its own, in parts of 2 MiB."""
SPEED_BYTES = 64 << 20
SPEED_ROUNDS = 20

Bytes = NDArray[np.uint8]
Verdict = Literal["passed", "failed", "measured", "refused", "not run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
    verdict : str
        ``measured``: a number that no bound is set for; ``refused``: the engine says that it cannot run this file;
        ``not run``: there was nothing to try it on.
    words : str
        Why, or what was found.
    numbers : mapping
        What was measured, the unit in the name.
    """

    name: str
    verdict: Verdict
    words: str = ""
    numbers: dict[str, float] = field(default_factory=dict)


def check_memory(memory: Memory, *, sizes: Sequence[int] = SIZES, wear: int = WEAR) -> tuple[Check, ...]:
    """Return every check of one adapter; what fails fails alone.

    Parameters
    ----------
    memory : Memory
        An adapter that is open.
    sizes : sequence of int
        Bytes that are copied.
    wear : int
        How often everything is allocated and freed.
    """
    checks: dict[str, Callable[[], Check]] = {
        "copies through pinned memory on two streams are exact": lambda: _copies(memory, sizes),
        "one stream waits for another": lambda: _follows(memory, max(sizes)),
        "two threads copy at once": lambda: _threads(memory, max(sizes)),
        "a CUDA graph replays": lambda: _replays(memory, max(sizes)),
        "nothing stays allocated": lambda: _leaks(memory, max(sizes), wear),
        "speed of copies": lambda: _speed(memory),
    }
    return tuple(_attempt(name, check) for name, check in checks.items())


def _attempt(name: str, check: Callable[[], Check]) -> Check:
    try:
        found = check()
    except EngineError as error:
        return Check(name=name, verdict="failed", words=error.message)
    return Check(name=name, verdict=found.verdict, words=found.words, numbers=found.numbers)


def _judged(wrong: list[str], words: str) -> Check:
    return Check(name="", verdict="failed" if wrong else "passed", words="; ".join(wrong) or words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """From pinned memory to the GPU and back to other pinned memory."""

    source: Pinned
    block: Block
    target: Pinned


def _way(memory: Memory, size: int, stack: ExitStack) -> _Way:
    return _Way(
        source=stack.enter_context(closing(memory.pin(size))),
        block=stack.enter_context(closing(memory.allocate(size))),
        target=stack.enter_context(closing(memory.pin(size))),
    )


def _noise(size: int, seed: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def _fill(way: _Way, seed: int) -> Bytes:
    """Put noise at the start and its opposite at the end, so that bytes that never arrive are seen."""
    noise = _noise(way.source.values.size, seed)
    way.source.values[:] = noise
    way.target.values[:] = ~noise
    return noise


def _copies(memory: Memory, sizes: Sequence[int]) -> Check:
    wrong = []
    for size in sizes:
        with ExitStack() as stack:
            ways = [_way(memory, size, stack) for _ in range(2)]
            streams = [stack.enter_context(closing(memory.stream())) for _ in range(2)]
            for index in range(ROUNDS):
                noises = [_fill(way, 2 * index + lane) for lane, way in enumerate(ways)]
                for way, stream in zip(ways, streams, strict=True):
                    stream.upload(way.block.address, way.source.values)
                    stream.download(way.target.values, way.block.address)
                for stream in streams:
                    stream.synchronise()
                same = [np.array_equal(way.target.values, noise) for way, noise in zip(ways, noises, strict=True)]
                wrong += [f"{size} bytes, round {index}"] * (not all(same))
    return _judged(wrong, f"{ROUNDS} rounds of {', '.join(map(str, sizes))} bytes")


def _follows(memory: Memory, size: int) -> Check:
    wrong = []
    with ExitStack() as stack:
        way = _way(memory, size, stack)
        there, back = (stack.enter_context(closing(memory.stream())) for _ in range(2))
        for index in range(ROUNDS):
            noise = _fill(way, index)
            there.upload(way.block.address, way.source.values)
            back.follow(there)
            back.download(way.target.values, way.block.address)
            back.synchronise()
            wrong += [f"round {index}"] * (not np.array_equal(way.target.values, noise))
    return _judged(wrong, f"{ROUNDS} rounds of {size} bytes")


def _threads(memory: Memory, size: int) -> Check:
    wrong: list[str] = []

    def work(lane: int) -> None:
        try:
            with ExitStack() as stack:
                way, stream = _way(memory, size, stack), stack.enter_context(closing(memory.stream()))
                for index in range(ROUNDS):
                    noise = _fill(way, 100 * lane + index)
                    stream.upload(way.block.address, way.source.values)
                    stream.download(way.target.values, way.block.address)
                    stream.synchronise()
                    wrong.extend([f"thread {lane}, round {index}"] * (not np.array_equal(way.target.values, noise)))
        except EngineError as error:
            wrong.append(error.message)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _judged(wrong, f"{ROUNDS} rounds of {size} bytes each")


def _replays(memory: Memory, size: int) -> Check:
    if not memory.reached.graphs:
        return Check(name="", verdict="not run", words=f"{memory.reached.adapter} captures no graphs")
    wrong = []
    with ExitStack() as stack:
        way, stream = _way(memory, size, stack), stack.enter_context(closing(memory.stream()))
        before = _fill(way, 0)

        def there_and_back() -> None:
            stream.upload(way.block.address, way.source.values)
            stream.download(way.target.values, way.block.address)

        graph = stack.enter_context(closing(stream.capture(there_and_back)))
        stream.synchronise()
        wrong += ["capturing did the work already"] * np.array_equal(way.target.values, before)
        for index in range(REPLAYS):
            noise = _fill(way, index + 1)
            graph.launch()
            stream.synchronise()
            wrong += [f"replay {index}"] * (not np.array_equal(way.target.values, noise))
    return _judged(wrong, f"{REPLAYS} replays of {size} bytes there and back")


def _leaks(memory: Memory, size: int, wear: int) -> Check:
    def once() -> None:
        with ExitStack() as stack:
            way, stream = _way(memory, size, stack), stack.enter_context(closing(memory.stream()))
            stream.upload(way.block.address, way.source.values)
            if memory.reached.graphs:
                stack.enter_context(
                    closing(stream.capture(lambda: stream.download(way.target.values, way.block.address)))
                )
            stream.synchronise()

    once()  # what the driver keeps from the first time on is no leak
    before = memory.room().free_bytes
    for _ in range(wear):
        once()
    gone = before - memory.room().free_bytes
    verdict: Verdict = "passed" if gone <= SLACK_BYTES else "failed"
    words = f"{gone} bytes less are free after {wear} rounds of {size} bytes; up to {SLACK_BYTES} may be"
    return Check(name="", verdict=verdict, words=words, numbers={"gone_bytes": float(gone)})


def _speed(memory: Memory) -> Check:
    with ExitStack() as stack:
        way, stream = _way(memory, SPEED_BYTES, stack), stack.enter_context(closing(memory.stream()))

        def seconds(copy: Callable[[], None]) -> Iterator[float]:
            for _ in range(SPEED_ROUNDS):
                started = time.perf_counter()
                copy()
                stream.synchronise()
                yield time.perf_counter() - started

        there = np.median([*seconds(lambda: stream.upload(way.block.address, way.source.values))])
        back = np.median([*seconds(lambda: stream.download(way.target.values, way.block.address))])
    numbers = {"to_gpu_gb_per_s": SPEED_BYTES / there / 1e9, "from_gpu_gb_per_s": SPEED_BYTES / back / 1e9}
    return Check(name="", verdict="measured", words=f"{SPEED_BYTES} bytes, median of {SPEED_ROUNDS}", numbers=numbers)

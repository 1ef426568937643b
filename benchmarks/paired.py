"""Whole processes timed in turn, so that a machine whose speed drifts slows both sides alike."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from edge.bench.paired import Paired

__all__ = ["Command", "Paired", "run_in_turn"]

Command = Callable[[int], Sequence[str]]
"""Gives the arguments for the n-th run, so that each run can have an output of its own."""


def run_in_turn(commands: Mapping[str, Command], *, rounds: int, warm_up: int = 2) -> Paired:
    """Return the wall time of each command in each round; the first `warm_up` rounds are not counted.

    Raises
    ------
    subprocess.CalledProcessError
        A command failed: its time would mean nothing.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    # An installed program has its bytecode; from a checkout the warm-up writes it, unless the environment forbids.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for index in range(-warm_up, rounds):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command(index), check=True, capture_output=True, env=environment)
            if index >= 0:
                seconds[name].append(time.perf_counter() - started)
    return Paired(seconds=seconds)

"""Whole processes timed in turn, so that a machine whose speed drifts slows both sides alike."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Command = Callable[[int], Sequence[str]]
"""Gives the arguments for the n-th run, so that each run can have an output of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Wall seconds of commands run in turn, A B C A B C ...

    Parameters
    ----------
    seconds : mapping
        By name of command, one value a round.
    """

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Return the median of one command, in seconds."""
        return float(np.median(self.seconds[name]))

    def ratio(self, name: str, base: str, *, seed: int = 0) -> tuple[float, float, float]:
        """Return the median of the paired ratios name / base, with its 95% bootstrap interval."""
        ratios = np.array(self.seconds[name]) / np.array(self.seconds[base])
        draws = np.random.default_rng(seed).choice(ratios, (2000, ratios.size))
        low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
        return float(np.median(ratios)), float(low), float(high)


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

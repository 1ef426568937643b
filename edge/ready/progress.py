"""How far a preparation is, on stderr: a line for each thing done; on a terminal, a bar while a model is compiled."""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

WIDTH = 30
"""Of the bar, in characters."""


class Progress:
    """Tells of one pack; see `edge.ready.prepare.Say` and, for `step`, `edge.engines.Progress`.

    Parameters
    ----------
    pack : str
        Its name.
    stream : file, optional
        stderr by default.

    Attributes
    ----------
    doing : str
        What was told last.
    """

    def __init__(self, pack: str, stream: TextIO | None = None) -> None:
        self._pack = pack
        self._stream = sys.stderr if stream is None else stream
        self._wide = 0
        self.doing = "looking for engines"

    def __call__(self, words: str) -> None:
        """Tell what is done next."""
        self.end()
        self.doing = words
        print(f"{self._pack}: {words}", file=self._stream, flush=True)

    def step(self, phase: str, step: int, steps: int) -> bool:
        """Draw how far a phase of compiling is, on a terminal; returns that it may go on."""
        if self._stream.isatty():
            room = max(shutil.get_terminal_size().columns - 1, 1)
            line = f"  {bar(step, steps)} {phase}"[:room]
            print(f"\r{line:{self._wide}}", end="", file=self._stream, flush=True)
            self._wide = len(line)
        return True

    def end(self) -> None:
        """End the line of the bar, if there is one."""
        if self._wide:
            print(file=self._stream, flush=True)
        self._wide = 0


def bar(step: int, steps: int) -> str:
    """Return how far something is, drawn; where nobody knows of how many steps it is, they are counted.

    Examples
    --------
    >>> bar(15, 30)
    '[###############...............]  50%'
    >>> bar(7, 0)
    '7 steps'
    """
    if steps < 1:
        return f"{step} steps"
    share = min(step / steps, 1.0)
    full = int(WIDTH * share)
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%}"

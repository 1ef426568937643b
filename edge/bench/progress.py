"""How far a bench is, on stderr: a line for each scenario, and on a terminal the number of its queries."""

from __future__ import annotations

import sys
import time
from typing import TextIO

SECONDS = 0.2
"""Between two changes of the line."""


class Progress:
    """Tells in words; see `edge.bench.measured.Tell`. What ends with a colon begins a new line.

    Parameters
    ----------
    stream : file, optional
        stderr by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._title = ""
        self._told = 0.0

    def __call__(self, words: str) -> None:
        """Tell how far it is."""
        if words.endswith(": "):
            self.end()
            self._title = words
            self._put(words if self._stream.isatty() else f"{words.rstrip(': ')}\n")
        elif self._stream.isatty() and time.monotonic() - self._told >= SECONDS:
            self._told = time.monotonic()
            self._put(f"\r{self._title}{words:32}")

    @property
    def doing(self) -> str:
        """What the line that is being written is about."""
        return self._title.rstrip(": ") or "getting ready"

    def end(self) -> None:
        """End the line that is being written, if any."""
        if self._title and self._stream.isatty():
            self._put("\n")
        self._title = ""

    def _put(self, words: str) -> None:
        print(words, end="", file=self._stream, flush=True)

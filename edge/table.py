"""How a name becomes code: literal tables of `Entry`, imported on use and nowhere else."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table.

    Parameters
    ----------
    target : str
        ``"module:name"``, where the code stands.
    needs : tuple of str
        Import names of the packages it needs beyond edgerun's core, in the order in which to try them.
    extra : str
        The extra of the distribution that brings these packages.
    """

    target: str
    needs: tuple[str, ...] = ()
    extra: str = ""

    def missing(self) -> tuple[str, ...]:
        """Return those of `needs` that are not installed here, importing none of them."""
        return tuple(name for name in self.needs if importlib.util.find_spec(name) is None)

    def load(self) -> Callable[..., Any]:
        """Import the module and return the named function or class."""
        module, _, name = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return loaded


def lookup(table: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """Return the row called `name`.

    Raises
    ------
    UsageError
        There is no such row; the message lists those that there are.

    Examples
    --------
    >>> lookup({"resize": Entry("m:resize")}, "resise", "step")
    Traceback (most recent call last):
    ...
    edge.errors.UsageError: Looking up the step 'resise': there is none by that name, did you mean 'resize'? \
There are: resize.
    """
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name, table, n=1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    raise UsageError(
        f"Looking up the {kind} {name!r}: there is none by that name{hint} There are: {', '.join(sorted(table))}."
    )

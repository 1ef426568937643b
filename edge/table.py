"""How a name becomes code: literal tables of `Entry`, imported on use and nowhere else."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.device import DEVICES
from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Build:
    """Which of the distributions that share an import name is needed.

    Parameters
    ----------
    distribution : str
        What installers call it.
    file : str
        A pattern below the package's folder; only this distribution has such a file.
    """

    distribution: str
    file: str


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
    device : str
        What the machine must have, of `edge.device.DEVICES`; nothing beyond a processor by default.
    build : Build, optional
        Of the first of `needs`.
    """

    target: str
    needs: tuple[str, ...] = ()
    extra: str = ""
    device: str = ""
    build: Build | None = None

    def missing(self) -> tuple[str, ...]:
        """Return those of `needs` that are not installed here, importing none of them, then the device if it lacks."""
        packages = tuple(name for name in self.needs if importlib.util.find_spec(name) is None)
        if self.build is not None and not _is_installed(self.needs[0], self.build):
            packages = (self.build.distribution,)
        return packages + ((self.device,) if self.device and not DEVICES[self.device]() else ())

    def load(self) -> Callable[..., Any]:
        """Import the module and return the named function or class."""
        module, _, name = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return loaded


def _is_installed(package: str, build: Build) -> bool:
    """Whether the package that would be imported is this build of it."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return any(any(Path(folder).glob(build.file)) for folder in folders)


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

"""Builders that do what a builder must not, for the process that they run in."""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import NoReturn

import numpy as np
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.objects.subject import Subject
from edge.objects.unfit import UnfitError
from edge.reasons import WRONG_PLACE
from edge.table import Entry

SECRET = "SECRET^NAME"


def dying(_: Subject) -> NoReturn:
    """End the process, as a library with a bug in C does."""
    os._exit(3)


def hanging(_: Subject) -> list[Dataset]:
    """Never come back."""
    time.sleep(600)
    return []


def quoting(_: Subject) -> list[Dataset]:
    """Print, warn and raise with the patient's name."""
    print(SECRET)  # noqa: T201
    print(SECRET, file=sys.stderr)  # noqa: T201
    warnings.warn(SECRET, stacklevel=1)
    raise ValueError(SECRET)


def greedy(_: Subject) -> list[Dataset]:
    """Take more memory than any machine that tests run on lets a child have."""
    np.ones(1 << 36, np.uint8)
    return []


def unfit(_: Subject) -> list[Dataset]:
    """Have nothing to show."""
    raise UnfitError("there is nothing to show")


def misplaced(_: Subject) -> list[Dataset]:
    """Be found to lie elsewhere."""
    raise OutputError("Reading it back: it lies elsewhere.", WRONG_PLACE)


def named(kind: str) -> dict[str, Entry]:
    """A table in which every view is made by one of these."""
    return {view: Entry(f"tests.objects.builders:{kind}") for view in ("sr", "seg", "sc", "gsps", "pdf")}


DYING, HANGING, QUOTING, GREEDY = named("dying"), named("hanging"), named("quoting"), named("greedy")
UNFIT, MISPLACED = named("unfit"), named("misplaced")

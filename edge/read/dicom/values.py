"""Single values of a dataset: absent is None, malformed is refused or, where nothing hangs on it, None too."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.read.dicom.boundary import guarded
from edge.reasons import BAD_HEADER


def element_name(keyword: str) -> str:
    """Return an element as messages write it.

    Examples
    --------
    >>> element_name("BitsAllocated")
    '(0028,0100) Bits Allocated'
    """
    tag = tag_for_keyword(keyword) or 0
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {dictionary_description(tag)}"


def bad_value(keyword: str, found: str, expected: str) -> ReadError:
    """Return the error for an element whose value cannot be used; `found` must hold no patient data."""
    return ReadError(f"Reading {element_name(keyword)}: found {found}, expected {expected}.", BAD_HEADER)


def raw(dataset: Dataset, keyword: str) -> Any:
    """Return pydicom's value of an element, or None where it is absent or empty."""
    with guarded(f"Reading {element_name(keyword)}", BAD_HEADER):
        value = dataset.get(keyword)
        return None if hasattr(value, "__len__") and len(value) == 0 else value


def whole(dataset: Dataset, keyword: str) -> int | None:
    """Return a whole number, or None where it is absent or empty."""
    value = raw(dataset, keyword)
    if value is None:
        return None
    with guarded(f"Reading {element_name(keyword)}", BAD_HEADER):
        return int(value)


def numbers(dataset: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """Return finite numbers, `count` of them if given, or None where the element is absent or empty."""
    value = raw(dataset, keyword)
    if value is None:
        return None
    several = isinstance(value, Iterable) and not isinstance(value, (str, bytes))
    with guarded(f"Reading {element_name(keyword)}", BAD_HEADER):
        found = tuple(float(item) for item in (value if several else (value,)))
    if not all(math.isfinite(item) for item in found):
        raise bad_value(keyword, "a value that is not finite", "numbers")
    if count is not None and len(found) != count:
        raise bad_value(keyword, f"{len(found)} values", f"{count}")
    return found


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first of an element's finite numbers, or None where it is absent or empty."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def text(dataset: Dataset, keyword: str) -> str | None:
    """Return a trimmed string (of several values the first), or None where it is absent, empty or malformed."""
    texts_found = texts(dataset, keyword)
    return texts_found[0] or None if texts_found else None


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return all values as trimmed strings; empty where the element is absent or malformed."""
    try:
        value = raw(dataset, keyword)
        if value is None:
            return ()
        several = isinstance(value, Iterable) and not hasattr(value, "strip") and not hasattr(value, "components")
        with guarded(f"Reading {element_name(keyword)}", BAD_HEADER):
            return tuple(str(item).strip(" \0") for item in (value if several else (value,)))
    except ReadError:
        return ()


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence; empty where it is absent."""
    value = raw(dataset, keyword)
    if value is None:
        return ()
    with guarded(f"Reading {element_name(keyword)}", BAD_HEADER):
        found = tuple(value)
    if not all(isinstance(item, Dataset) for item in found):
        raise bad_value(keyword, "values", "items of a sequence")
    return found


def first_item(dataset: Dataset, keyword: str) -> Dataset | None:
    """Return the first item of a sequence, or None where it is absent or empty."""
    found = items(dataset, keyword)
    return found[0] if found else None

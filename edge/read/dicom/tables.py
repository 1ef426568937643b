"""Lookup tables: descriptor and data -> the value for each stored value (PS3.3 C.11.1.1 and C.7.6.3.1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import ReadError
from edge.geometry import Array
from edge.reasons import BAD_HEADER


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """One value for each stored value from `first` on; those below get the first, those above the last."""

    first: int
    entries: Array
    bits: int

    def look_up(self, stored: Array) -> Array:
        """Return the entries for an integer array, in its shape (and the entries' further axes)."""
        index = np.clip(stored.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        found: Array = self.entries[index]
        return found


def lookup_table(descriptor: Sequence[Any] | None, data: Any, *, little: bool) -> LookupTable:
    """Return the table of a LUT Descriptor (entries, first value, bits) and its data, OW bytes or US numbers.

    Raises
    ------
    ReadError
        ``BAD_HEADER``: descriptor and data do not fit together.
    """
    if descriptor is None or data is None or len(descriptor) != 3:
        raise ReadError("Reading a lookup table: its descriptor or its data are missing.", BAD_HEADER)
    count, first, bits = (int(value) for value in descriptor)
    count = count % 65536 or 65536  # 0 stands for 65536; pydicom reads the count as signed in signed images
    if bits not in range(8, 17):
        raise ReadError(f"Reading a lookup table: its entries have {bits} bits, expected 8 to 16.", BAD_HEADER)
    entries = _entries(data, count, bits, little=little)
    if len(entries) < count:
        raise ReadError(f"Reading a lookup table: found {len(entries)} entries, expected {count}.", BAD_HEADER)
    return LookupTable(first, entries[:count], bits)


def _entries(data: Any, count: int, bits: int, *, little: bool) -> Array:
    """The data as unsigned integers; 8-bit entries may come one or two bytes each."""
    if not isinstance(data, (bytes, bytearray)):
        return np.atleast_1d(np.asarray(data, dtype=np.int64)).astype(np.uint16)
    order = "<" if little else ">"
    if bits == 8 and len(data) < 2 * count:
        words = np.frombuffer(data[: len(data) // 2 * 2], dtype=f"{order}u2")
        return words.astype("<u2").view(np.uint8)
    return np.frombuffer(data[: len(data) // 2 * 2], dtype=f"{order}u2").astype(np.uint16)

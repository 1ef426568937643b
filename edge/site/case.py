"""A labelled scan of this site, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.truth.true_boxes import TrueBox

SEX, AGE, BAND, DEVICE, SITE, PATIENT = "sex", "age", "age_band", "device", "site", "patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueMask:
    """Where a structure truly is: where a file has a certain value, or any value but 0."""

    path: Path
    value: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One examination of one patient: a row of a table, or all rows with its boxes.

    Parameters
    ----------
    row : int
        Its line in the table, from 1; the header is line 1. Of several rows the first.
    path : Path
        Of the file or folder, absolute.
    truth : mapping
        Classification, by name of a label that is a finding: whether it is there. A label that nobody judged is
        missing. Of an ordinal task: whether the scan has this grade or a worse one.
    grade : int, optional
        Of an ordinal task, from 0.
    masks : mapping
        Segmentation, by name of label: its mask; None where it is nowhere. A label that nobody outlined is missing.
    boxes : tuple of TrueBox, optional
        Detection: all of the scan.
    patient : str
        Whose scan it is; where the table does not tell, every scan is taken for another patient's.
    told : mapping
        Of `SEX`, `AGE`, `BAND`, `DEVICE` and `SITE`, what the table tells.
    """

    row: int
    path: Path
    truth: Mapping[str, bool] = field(default_factory=dict)
    grade: int | None = None
    masks: Mapping[str, TrueMask | None] = field(default_factory=dict)
    boxes: tuple[TrueBox, ...] | None = None
    patient: str
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether anything is known to be true of it."""
        return bool(self.truth or self.masks or self.boxes is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All cases of a table, its SHA-256, and whether it tells whose scans they are."""

    cases: tuple[Case, ...]
    sha256: str
    names_patients: bool

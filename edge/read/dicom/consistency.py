"""Are the files of a series of one kind, of one patient, in one space? Nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge.errors import ReadError
from edge.read.dicom.acquisition import patient_key
from edge.read.dicom.header import FileHeader
from edge.read.dicom.place import Place
from edge.read.dicom.values import text
from edge.reasons import MIXED_PICTURES, TWO_FRAMES_OF_REFERENCE, TWO_PATIENTS

SAME: tuple[tuple[str, Callable[[FileHeader], Any]], ...] = (
    ("number of rows", lambda file: file.image.rows),
    ("number of columns", lambda file: file.image.columns),
    ("samples per pixel", lambda file: file.image.samples),
    ("bits allocated", lambda file: file.image.bits_allocated),
    ("bits stored", lambda file: file.image.bits_stored),
    ("pixel representation", lambda file: file.image.signed),
    ("kind of pixels", lambda file: file.pixels.keyword),
    ("photometric interpretation", lambda file: file.acquisition.photometric),
    ("modality", lambda file: file.acquisition.modality),
)
"""What the pictures of one scan must have in common."""


def check_one_kind(files: Sequence[FileHeader], places: Sequence[Place]) -> None:
    """Refuse files that do not make one scan.

    Raises
    ------
    ReadError
        ``TWO_PATIENTS``, ``TWO_FRAMES_OF_REFERENCE`` or ``MIXED_PICTURES``.
    """
    patients = {patient_key(file.dataset) for file in files}
    if len(patients) > 1:
        raise ReadError(f"Stacking {len(files)} files: they name {len(patients)} patients, expected one.", TWO_PATIENTS)
    frames = {text(file.dataset, "FrameOfReferenceUID") for file in files}
    if len(frames) > 1:
        raise ReadError(
            f"Stacking {len(files)} files: they have {len(frames)} frames of reference, expected one.",
            TWO_FRAMES_OF_REFERENCE,
        )
    for name, value in SAME:
        _check_one(f"{len(files)} files", name, {value(file) for file in files})
    _check_one(f"{len(places)} pictures", "unit", {place.transform.unit for place in places})


def _check_one(what: str, name: str, found: set[Any]) -> None:
    if len(found) > 1:
        listed = ", ".join(sorted(str(value) for value in found)[:4])
        raise ReadError(f"Stacking {what}: their {name} differs ({listed}), expected one.", MIXED_PICTURES)

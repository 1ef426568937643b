"""Are the files of a series of one kind, of one patient, in one space? Nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge.errors import ReadError
from edge.read.dicom.acquisition import patients_differ
from edge.read.dicom.header import FileHeader
from edge.read.dicom.place import Place
from edge.read.dicom.values import element_name, text, texts
from edge.reasons import MIXED_PICTURES, TWO_FRAMES_OF_REFERENCE, TWO_PATIENTS

CONTRAST = ("EchoTime", "EchoNumbers", "TemporalPositionIdentifier", "DiffusionBValue", "ConvolutionKernel")
"""Slices that differ in one of these show something else, even where each lies at a place of its own: half of one echo
and half of another make an even stack."""

UNSCALED = {"stored value", "unknown"}
"""Units of slices of which only some happen to be scaled by one, with no unit named for any."""

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
    ("image type", lambda file: file.acquisition.image_type),
    *((element_name(keyword), lambda file, keyword=keyword: texts(file.dataset, keyword)) for keyword in CONTRAST),
)
"""What the pictures of one scan must have in common."""


def check_one_kind(files: Sequence[FileHeader], places: Sequence[Place]) -> None:
    """Refuse files that do not make one scan.

    Raises
    ------
    ReadError
        ``TWO_PATIENTS``, ``TWO_FRAMES_OF_REFERENCE`` or ``MIXED_PICTURES``.
    """
    if patients_differ([file.dataset for file in files]):
        raise ReadError(
            f"Stacking {len(files)} files: (0010,0020) Patient ID, its issuer, name or birth date differ, expected one "
            "patient.",
            TWO_PATIENTS,
        )
    frames = {text(file.dataset, "FrameOfReferenceUID") for file in files}
    if len(frames) > 1:
        raise ReadError(
            f"Stacking {len(files)} files: they have {len(frames)} frames of reference, expected one.",
            TWO_FRAMES_OF_REFERENCE,
        )
    for name, value in SAME:
        _check_one(f"{len(files)} files", name, {value(file) for file in files})
    units = {place.transform.unit for place in places}
    _check_one(f"{len(places)} pictures", "unit", units if units != UNSCALED else set())


def _check_one(what: str, name: str, found: set[Any]) -> None:
    if len(found) > 1:
        # Words of the file are not repeated: it may hold anything where a code belongs.
        listed = ", ".join(sorted(str(value) for value in found if isinstance(value, int))[:4])
        raise ReadError(
            f"Stacking {what}: their {name} differs ({listed or len(found)}), expected one.", MIXED_PICTURES
        )

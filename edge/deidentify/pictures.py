"""What a picture itself may tell: text that is burned into it, the label of a slide, a face."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

from edge.deidentify.blank import blank_text, clear_unused_bits
from edge.deidentify.readable import element_of, told, uid_name, values_of
from edge.deidentify.wishes import Wishes
from edge.errors import ReadError
from edge.reasons import BURNED_IN_RISK, SLIDE_LABEL, TEXT_BURNED_IN

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
SLICES = frozenset({"CT", "MR", "PT", "NM"})
OFTEN_WRITTEN_ON = frozenset({"US", "IVUS", "ES", "GM", "XC", "OT", "SC", "DOC", "PX", "BMD", "OP"})
"""Modalities whose machines write on their pictures, or whose pictures come from screens and cameras."""

_LABELS = frozenset({"LABEL", "OVERVIEW"})
_WRITTEN = re.compile(r"SCREEN|CAPTURE|DOSE|REPORT|SECONDARY CAPTURE|PHOTO|RESULT|POSDISP")
_CAPTURES = re.compile(r"Secondary Capture|Ultrasound|Visible|VL |Photo|Endoscop|Microscop")
_NO_PICTURES = re.compile(r"Segmentation Storage|Parametric Map Storage|RT Dose Storage")
"""Classes whose pixels are labels or measured values: lesions would be taken for letters, and blanked."""

_HEAD = re.compile(
    r"head|brain|skull|face|facial|neuro|cereb|cran|sinus|orbit|\bears?\b|jaw|\bdent|maxill|mandib|schädel|kopf|hirn"
    r"|neck|whole.?body"
)
_OVERLAYS = 16
_FACES = frozenset({"CT", "MR", "PT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a search for text in an object's pictures came to.

    Parameters
    ----------
    pictures : bool
        Whether it has any.
    looked : bool
        Whether they were searched.
    frames, frames_with_text, boxes : int
        Searched; with text; places with text. All of it was blanked.
    """

    pictures: bool = False
    looked: bool = False
    frames: int = 0
    frames_with_text: int = 0
    boxes: int = 0


def look(dataset: Dataset, sop_class: str, wishes: Wishes) -> Looked:
    """Search an object's pictures for text, and blank what is found, as is wished; in place.

    Raises
    ------
    ReadError
        ``SLIDE_LABEL``; ``TEXT_BURNED_IN``: text was found, and none may be there; ``BURNED_IN_RISK``: nothing here
        can look, and pictures of this kind often have some; and those of `edge.deidentify.blank`.
    """
    if not any(keyword in dataset for keyword in PIXELS):
        return Looked()
    if not _is_searched(dataset, sop_class, wishes):
        clear_unused_bits(dataset)
        return Looked(pictures=True)
    found = blank_text(dataset)
    if wishes.burned_in == "refuse" and found.frames_with_text:
        raise ReadError(f"Found text at {found.boxes} places of {found.frames} frames.", TEXT_BURNED_IN)
    return Looked(
        pictures=True,
        looked=True,
        frames=found.frames,
        frames_with_text=found.frames_with_text,
        boxes=found.boxes,
    )


def _is_searched(dataset: Dataset, sop_class: str, wishes: Wishes) -> bool:
    """Whether text is looked for; raises where that cannot be, and without it the picture may not be handed on."""
    if wishes.burned_in == "keep":
        return False
    if _shows_a_label(dataset):
        raise ReadError("Found a picture of a slide's label, or of the whole glass with it.", SLIDE_LABEL)
    why = risk_of(dataset, sop_class)
    if not wishes.looks:
        if why:
            raise ReadError(f"Found {why}.", BURNED_IN_RISK)
        return False
    if why:
        return True
    return not _NO_PICTURES.search(uid_name(sop_class)) and not (wishes.burned_in == "likely" and _is_slice(dataset))


def _shows_a_label(dataset: Dataset) -> bool:
    """Whether the label of a slide is in the picture, by (0008,0008) Image Type or (0048,0010)."""
    kinds = {value.upper() for value in values_of(dataset, "ImageType")}
    return bool(_LABELS & kinds) or told(dataset, "SpecimenLabelInImage").upper() == "YES"


def risk_of(dataset: Dataset, sop_class: str) -> str:
    """Return why text is likely in a picture, empty where it is not."""
    if told(dataset, "BurnedInAnnotation").upper() == "YES":
        return "(0028,0301) Burned In Annotation YES"
    if _CAPTURES.search(uid_name(sop_class)):
        return "a class of pictures from screens, cameras or ultrasound"
    modality = told(dataset, "Modality").upper()
    if modality in OFTEN_WRITTEN_ON or "ConversionType" in dataset:
        return "a kind of picture that comes from a screen, a camera or ultrasound"
    if any(_WRITTEN.search(value.upper()) for value in values_of(dataset, "ImageType")):
        return "an (0008,0008) Image Type of pictures of screens"
    if modality in SLICES and told(dataset, "SamplesPerPixel") == "3":
        return "slices in colour, which are made for showing"
    if any(_is_in_pixels(dataset, 0x6000_0102 + (number << 17)) for number in range(_OVERLAYS)):
        return "an overlay in unused bits of the pixels"
    return ""


def may_show_a_face(dataset: Dataset) -> bool:
    """Return whether a volume could be drawn as a face: of the head, or of a part of the body that is not told."""
    if told(dataset, "Modality").upper() not in _FACES or not any(keyword in dataset for keyword in PIXELS):
        return False
    part = told(dataset, "BodyPartExamined")
    words = (part, *(told(dataset, name) for name in ("StudyDescription", "SeriesDescription", "ProtocolName")))
    return not part or any(_HEAD.search(word.lower()) for word in words)


def _is_slice(dataset: Dataset) -> bool:
    """Whether a picture is a slice as the scanner made it."""
    return values_of(dataset, "ImageType")[:1] == ["ORIGINAL"] and told(dataset, "Modality").upper() in SLICES


def _is_in_pixels(dataset: Dataset, bit_position: int) -> bool:
    """Whether an overlay is said to lie in bits of the pixels, as it may not any more: PS3.5 2003, 8.1.2."""
    element = element_of(dataset, bit_position) if bit_position in dataset else None
    return element is not None and element.value not in (0, None)

"""Which objects are cleaned at all: of those whose content nobody here can judge, none is passed on."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from edge.deidentify.pictures import PIXELS
from edge.deidentify.readable import told, uid_name, values_of
from edge.errors import ReadError
from edge.reasons import A_DIRECTORY, NOT_JUDGED, NOT_NAMED, SOUND_OR_VIDEO

DIRECTORY = "1.2.840.10008.1.3.10"
NAMED_BY = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")

_STORED = "1.2.840.10008.5.1.4.1.1."
_DOCUMENTS = re.compile(r"Encapsulated|Raw Data|Inventory|Standalone|Protocol Storage|Implant|Font|Content Assessment")
_SOUND = re.compile(r"Audio|Video")
_FILM = re.compile(r"MPEG|HEVC|SMPTE")


def check_fit(dataset: Dataset, sop_class: str, syntax: str) -> None:
    """Raise unless an object is of a kind that can be cleaned.

    Parameters
    ----------
    sop_class, syntax : str
        UIDs of the object's class and transfer syntax.

    Raises
    ------
    ReadError
        ``A_DIRECTORY`` a DICOMDIR; ``NOT_NAMED`` it lacks a class or one of the UIDs by which it is filed, or has
        several; ``SOUND_OR_VIDEO`` it holds speech or film; ``NOT_JUDGED`` a document in another format, raw data, a
        class that is private, unknown or of no patient's object, or pixels of several kinds.
    """
    if sop_class == DIRECTORY or "DirectoryRecordSequence" in dataset:
        raise ReadError("It lists other files, and is to be made anew for those that were handed on.", A_DIRECTORY)
    missing = [keyword for keyword in NAMED_BY if len(values_of(dataset, keyword)) != 1 or not told(dataset, keyword)]
    if not sop_class or missing:
        raise ReadError(f"It lacks {', '.join(missing) or 'SOPClassUID'}, or has several.", NOT_NAMED)
    name = uid_name(sop_class)
    if _SOUND.search(name) or _FILM.search(uid_name(syntax)):
        raise ReadError("Found speech or film, in which a person may be named.", SOUND_OR_VIDEO)
    if sum(keyword in dataset for keyword in PIXELS) > 1:
        raise ReadError("Found pixels of several kinds, of which only one would be looked at.", NOT_JUDGED)
    if not sop_class.startswith(_STORED) or not name or _DOCUMENTS.search(name) or "EncapsulatedDocument" in dataset:
        raise ReadError(f"Found an object of the class {name or 'that nobody has published'}.", NOT_JUDGED)

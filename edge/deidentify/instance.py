"""One file of DICOM -> the bytes of another one that names nobody."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID

from edge.deidentify.contract import Cleaned, Count, Link
from edge.deidentify.fit import check_fit
from edge.deidentify.known import words_of
from edge.deidentify.patient import identity_of, sign
from edge.deidentify.pictures import look, may_show_a_face
from edge.deidentify.pixel_bytes import strip_pixels
from edge.deidentify.readable import told
from edge.deidentify.rules import Rules
from edge.deidentify.secret import Secret
from edge.deidentify.walk import Cleaner
from edge.deidentify.wishes import Wishes
from edge.errors import ReadError
from edge.objects.identity import IMPLEMENTATION_CLASS_UID
from edge.read.contract import HEAD_BYTES
from edge.read.dicom.boundary import guarded
from edge.read.dicom.parse import content, parse_file
from edge.read.dicom.reader import DicomReader
from edge.read.dicom.syntaxes import DEFLATED, EXPLICIT_LITTLE
from edge.reasons import DAMAGED, NOT_DICOM


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is the same for all files of a run.

    Parameters
    ----------
    links : bool
        Whether the old names are to be told.
    version : str
        Of edgerun.
    limit_bytes : int
        The most that a file may hold.
    """

    secret: Secret
    wishes: Wishes
    links: bool
    version: str
    limit_bytes: int


def deidentify(path: str, task: Task) -> tuple[Cleaned, memoryview]:
    """Return what was done to the file at `path`, and the new file.

    Raises
    ------
    ReadError
        It is no DICOM, cannot be read, or is of a kind that cannot be cleaned with certainty.
    """
    source = _read(path, task.limit_bytes)
    with guarded("Cleaning the file", DAMAGED):
        return _cleaned(source, task)


def _read(path: str, limit_bytes: int) -> FileDataset:
    """The whole file; pydicom reads no further than its bytes go."""
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not DicomReader().recognises(head, path):
        raise ReadError("Its first bytes are not those of DICOM.", NOT_DICOM)
    parsed = parse_file(path)
    pixels = parsed.pixels
    ends_in_pixels = (
        pixels is not None
        and pixels.length is not None
        and parsed.size is not None
        and pixels.start + pixels.length > parsed.size
    )
    if parsed.cut or ends_in_pixels:
        raise ReadError("It ends within an element.", DAMAGED)
    _, data = content(path, limit_bytes, parsed.stamp)
    with guarded("Reading the file", DAMAGED):
        dataset = dcmread(io.BytesIO(data), force=True)
        if not isinstance(getattr(dataset, "file_meta", None), FileMetaDataset):
            dataset.file_meta = FileMetaDataset()
        syntax = parsed.transfer_syntax_uid
        dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE if syntax == DEFLATED else syntax)
    return dataset


def _cleaned(source: FileDataset, task: Task) -> tuple[Cleaned, memoryview]:
    sop_class = told(source, "SOPClassUID") or told(source.file_meta, "MediaStorageSOPClassUID")
    check_fit(source, sop_class, str(source.file_meta.TransferSyntaxUID))
    face = may_show_a_face(source)
    strip_pixels(source, str(source.file_meta.TransferSyntaxUID))  # so that what is searched is what is handed on
    looked = look(source, sop_class, task.wishes)
    identity = identity_of(source)
    cleaner = _cleaner(source, identity, task)
    dataset = cleaner.clean(source)
    name = task.secret.patient(identity)
    sign(dataset, name, task.wishes, task.version, looked=looked.looked)
    cleaned = Cleaned(
        patient=name,
        study=str(dataset.StudyInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        instance=str(dataset.SOPInstanceUID),
        counts=tuple(Count(keyword=key, done=done, times=n) for (key, done), n in sorted(cleaner.done.items())),  # type: ignore[arg-type]
        pictures=looked.pictures,
        looked=looked.looked,
        frames=looked.frames,
        frames_with_text=looked.frames_with_text,
        boxes=looked.boxes,
        face=face,
        born=_mark(task.secret, told(source, "PatientBirthDate")),
        link=_link(source) if task.links else None,
    )
    return cleaned, _written(dataset, sop_class, source.file_meta.TransferSyntaxUID)


def _cleaner(source: Dataset, identity: str, task: Task) -> Cleaner:
    keep = task.wishes.keep
    return Cleaner(
        rules=Rules(task.wishes),
        secret=task.secret,
        days=task.secret.days(identity),
        known=words_of(source),
        keeps_technique="technique" in keep,
        keeps_uids="uids" in keep,
        keeps_characteristics="patient-characteristics" in keep,
    )


def _mark(secret: Secret, birth_date: str) -> str:
    return secret.digest("born", birth_date)[:8].hex() if birth_date else ""


def _link(source: Dataset) -> Link:
    return Link(
        patient=told(source, "PatientID"),
        study=told(source, "StudyInstanceUID"),
        instance=told(source, "SOPInstanceUID"),
    )


def _written(dataset: Dataset, sop_class: str, syntax: UID) -> memoryview:
    """The bytes of a file: an empty preamble, a head of our own, PS3.10 7.1."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = "EDGERUN"
    dataset.SOPClassUID = UID(sop_class)
    dataset.file_meta = meta
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getbuffer()

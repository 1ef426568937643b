"""What the parent asks of the process that cleans files, and what it answers: checked types in, checked types out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from edge.deidentify.table import Keep
from edge.deidentify.wishes import BurnedIn
from edge.typed import Matches

Uid = Annotated[str, Matches(r"[0-9][0-9.]{0,63}", "a UID")]
Patient = Annotated[str, Matches(r"ANON-[0-9A-F]{16}", "a new patient's name")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """How files are to be cleaned. It comes through the pipe: a command line can be read by others."""

    kind: Literal["begin"] = "begin"
    secret: str
    keep: tuple[Keep, ...]
    burned_in: BurnedIn | None
    links: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Clean one file: one `Cleaned` with the bytes of the new one, or `Failed`."""

    kind: Literal["do"] = "do"
    path: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The process has set its limits; whether it can find text in pictures, and what it does about it."""

    kind: Literal["ready"] = "ready"
    looks: bool
    burned_in: BurnedIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often something was done to an attribute."""

    keyword: str
    done: Literal["removed", "emptied", "replaced", "moved", "renumbered"]
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a patient, study and file were called."""

    patient: str
    study: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A file that was cleaned; its bytes follow.

    Parameters
    ----------
    patient, study, series, instance : str
        As it is called now.
    counts : tuple of Count
    pictures, looked : bool
    frames, frames_with_text, boxes : int
        As in `edge.deidentify.pictures.Looked`.
    face : bool
        Whether it may show a face.
    born : str
        Stands for the birth date that the file told, and tells nothing of it; empty where it told none.
    link : Link, optional
        Where it was asked for.
    """

    kind: Literal["cleaned"] = "cleaned"
    patient: Patient
    study: Uid
    series: Uid
    instance: Uid
    counts: tuple[Count, ...]
    pictures: bool
    looked: bool
    frames: int
    frames_with_text: int
    boxes: int
    face: bool
    born: str
    link: Link | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The file was not cleaned, for the reason with this code. The message holds nothing of the patient."""

    kind: Literal["failed"] = "failed"
    code: str
    message: str


Request = Begin | Do
Answer = Ready | Cleaned | Failed

"""What was done to a folder of files: counts, codes and numbers, and nothing of any patient."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from edge.deidentify.contract import Cleaned, Ready
from edge.deidentify.table import EDITION, Keep
from edge.deidentify.wishes import BurnedIn
from edge.errors import ExitCode
from edge.reasons import A_DIRECTORY, NOT_DICOM, REASONS, SAME_IMAGE_TWICE, Reason

NAME = "deidentified.json"
PROFILE = f"DICOM PS3.15 {EDITION} Annex E, Basic Application Level Confidentiality Profile"
HARMLESS = (A_DIRECTORY, NOT_DICOM, SAME_IMAGE_TWICE)
"""Why a file may be left out without anything being lost that was to be handed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Files that were not handed on, for one reason, by their numbers: the first of the sorted paths is 1."""

    code: str
    words: str
    files: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """How often something was done to an attribute, in all files together."""

    keyword: str
    done: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The document beside the new files.

    Parameters
    ----------
    edgerun : str
        Version.
    profile : str
    keep : tuple of str
        What was kept on request.
    burned_in : {"blank", "likely", "refuse", "keep"}
    looked : bool
        Whether something that finds text in pictures was there.
    key : str
        Tells the secret from others, and nothing of it.
    key_kept : bool
        Whether the secret is kept, so that later files of the same patients can be linked.
    files, written, patients, studies, series : int
    pictures_searched, pictures_not_searched : int
        Files with pictures.
    frames, frames_with_text, places_blanked : int
    series_that_may_show_a_face : int
    patients_with_several_birth_dates : int
        One number may stand for several people.
    left_out : tuple of LeftOut
    done : dict of str to int
        How often anything was removed, emptied, replaced, moved or renumbered.
    attributes : tuple of Attribute
    """

    edgerun: str
    profile: str = PROFILE
    keep: tuple[Keep, ...]
    burned_in: BurnedIn
    looked: bool
    key: str
    key_kept: bool
    files: int
    written: int
    patients: int
    studies: int
    series: int
    pictures_searched: int
    pictures_not_searched: int
    frames: int
    frames_with_text: int
    places_blanked: int
    series_that_may_show_a_face: int
    patients_with_several_birth_dates: int
    left_out: tuple[LeftOut, ...]
    done: dict[str, int]
    attributes: tuple[Attribute, ...]

    @property
    def exit_code(self) -> ExitCode:
        """What the command says to its caller."""
        reasons = {REASONS[out.code] for out in self.left_out} - set(HARMLESS)
        if any(not reason.refuses for reason in reasons):
            others = self.written > 0 or any(reason.refuses for reason in reasons)
            return ExitCode.SOME_FAILED if others else ExitCode.READ
        if reasons:
            return ExitCode.REFUSED
        return ExitCode.DONE if self.written else ExitCode.READ


class Tally:
    """Counts a run as it goes."""

    def __init__(self) -> None:
        self._done: Counter[tuple[str, str]] = Counter()
        self._left: dict[Reason, list[int]] = defaultdict(list)
        self._born: dict[str, set[str]] = defaultdict(set)
        self._studies: set[str] = set()
        self._series: set[str] = set()
        self._faces: set[str] = set()
        self._numbers: Counter[str] = Counter()

    def add(self, cleaned: Cleaned) -> None:
        """Count a file that was written."""
        for count in cleaned.counts:
            self._done[count.keyword, count.done] += count.times
        self._born[cleaned.patient] |= {cleaned.born} if cleaned.born else set()
        self._studies.add(cleaned.study)
        self._series.add(cleaned.series)
        if cleaned.face:
            self._faces.add(cleaned.series)
        self._numbers.update(
            written=1,
            searched=int(cleaned.looked),
            not_searched=int(cleaned.pictures and not cleaned.looked),
            frames=cleaned.frames,
            with_text=cleaned.frames_with_text,
            boxes=cleaned.boxes,
        )

    def leave(self, number: int, reason: Reason) -> None:
        """Count a file that was left out."""
        self._left[reason].append(number)

    def record(self, *, version: str, keep: Sequence[Keep], ready: Ready, key: str, key_kept: bool) -> Record:
        """Return what was counted."""
        left = sorted(self._left.items(), key=lambda pair: pair[0].code)
        totals: Counter[str] = Counter()
        for (_, done), times in self._done.items():
            totals[done] += times
        return Record(
            edgerun=version,
            keep=tuple(keep),
            burned_in=ready.burned_in,
            looked=ready.looks,
            key=key,
            key_kept=key_kept,
            files=self._numbers["written"] + sum(len(numbers) for _, numbers in left),
            written=self._numbers["written"],
            patients=len(self._born),
            studies=len(self._studies),
            series=len(self._series),
            pictures_searched=self._numbers["searched"],
            pictures_not_searched=self._numbers["not_searched"],
            frames=self._numbers["frames"],
            frames_with_text=self._numbers["with_text"],
            places_blanked=self._numbers["boxes"],
            series_that_may_show_a_face=len(self._faces),
            patients_with_several_birth_dates=sum(len(born) > 1 for born in self._born.values()),
            left_out=tuple(LeftOut(code=why.code, words=why.words, files=tuple(files)) for why, files in left),
            done=dict(sorted(totals.items())),
            attributes=tuple(Attribute(keyword=k, done=d, times=n) for (k, d), n in sorted(self._done.items())),
        )

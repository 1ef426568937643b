"""What a run of `edgerun deidentify` says to a person when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.deidentify.record import NAME, Record
from edge.reasons import REASONS


def told(record: Record, out: Path) -> Iterator[str]:
    """Yield the lines: what was left out, what is to be looked at, and what was done."""
    for left in record.left_out:
        yield _line(
            "left out", f"{_counted(len(left.files), 'file')}: {left.code}: {left.words} {REASONS[left.code].action}"
        )
    yield from (_line("warning", words) for words in _warnings(record))
    if record.frames:
        blanked = f"{_counted(record.places_blanked, 'place')} of {_counted(record.frames_with_text, 'frame')}"
        yield _line("pictures", f"{_counted(record.frames, 'frame')} searched; text was blanked at {blanked}")
    done = ", ".join(f"{times} {what}" for what, times in record.done.items())
    yield _line("attributes", done or "none")
    whose = ", ".join(
        (
            _counted(record.patients, "patient"),
            _counted(record.studies, "study"),
            _counted(record.series, "series"),
        )
    )
    yield f"{record.written} of {_counted(record.files, 'file')} handed on in {out} ({whose}); counts are in {NAME}."


def _warnings(record: Record) -> Iterator[str]:
    if record.pictures_not_searched:
        files = _counted(record.pictures_not_searched, "file")
        yield f"{files} with pictures in which no text was looked for: look at them before you pass them on."
    if record.frames_with_text:
        frames = _counted(record.frames_with_text, "frame")
        yield f"{frames} with something blanked: small lesions may have been taken for letters; see docs/burned-in.md."
    if record.series_that_may_show_a_face:
        series = _counted(record.series_that_may_show_a_face, "series")
        yield f"{series} of the head, or of a part of the body that is not told: a face can be drawn from it."
    if record.patients_with_several_birth_dates:
        patients = _counted(record.patients_with_several_birth_dates, "patient")
        yield f"{patients} with several birth dates under one number: two people may have become one."
    if "uids" in record.keep:
        yield "UIDs were kept: by them anyone with access to the archive finds the patients again."
    if not record.key_kept:
        yield "no --key was given: later files of the same patients will get other names."


def _line(head: str, words: str) -> str:
    return f"{head:12}  {words}"


def _counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> _counted(1, "study"), _counted(2, "study"), _counted(2, "series")
    ('1 study', '2 studies', '2 series')
    """
    if number == 1 or noun == "series":
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"

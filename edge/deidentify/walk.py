"""A data set -> another one that holds only what may stay: built anew, so that nothing is left in it by oversight."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from edge.deidentify.codes import DROPPED, VALUES, clean_code, is_code
from edge.deidentify.dates import age, is_placeholder, moved_date, moved_datetime, time_of_day
from edge.deidentify.known import names
from edge.deidentify.pictures import PIXELS
from edge.deidentify.readable import element_of, texts, uid_name, values_of
from edge.deidentify.rules import Action, Rules
from edge.deidentify.secret import Secret
from edge.deidentify.subject import hide_subject
from edge.deidentify.table import rows
from edge.deidentify.words import FREE, LABELS, REMOVED, is_technique, is_term

Done = str
"""``removed``, ``emptied``, ``replaced``, ``moved`` (dates) or ``renumbered`` (UIDs)."""

DUMMIES: dict[str, Any] = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "DS": "0",
    "IS": "0",
    "OB": b"\0\0",
    "UR": "urn:removed",
}
"""By value representation; words for any other."""

CODES = frozenset({*VALUES, *DROPPED, "CodeMeaning", "CodingSchemeDesignator"})
FOR_EVERYBODY = frozenset({
    "2.16.840.1.113883.6.1", "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.8", "2.16.840.1.113883.6.24",
    "2.16.840.1.113883.6.86", "2.16.840.1.113883.6.96", "2.16.840.1.113883.6.119", "2.16.840.1.113883.6.256",
})  # fmt: skip
"""UIDs of coding schemes beyond those of the standard's own register, PS3.16 8."""

_OF_DICOM = "1.2.840.10008."
_PUBLISHED = re.compile(r".*(SOPClass|TransferSyntax).*UID.*|SOPClasses.*|(Context|MappingResource|CodingScheme)UID")
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SHAPES: dict[str, Callable[[str], object]] = {
    "AS": age,
    "CS": re.compile(r"[A-Z0-9_ ./+*-]{0,16}").fullmatch,
    "DA": lambda text: moved_date(text, 0),
    "DS": _NUMBER.fullmatch,
    "DT": lambda text: moved_datetime(text, 0),
    "IS": re.compile(r"[+-]?\d{1,12}(\.0*)?").fullmatch,
    "TM": time_of_day,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaner:
    """What is the same for all parts of one file.

    Parameters
    ----------
    rules : Rules
    secret : Secret
    days : int
        By which the patient's dates go back.
    known : frozenset of str
        Words that name somebody; see `edge.deidentify.known`.
    keeps_technique, keeps_uids, keeps_characteristics : bool
    done : Counter
        How often something was done to an attribute, by keyword and `Done`.
    """

    rules: Rules
    secret: Secret
    days: int
    known: frozenset[str]
    keeps_technique: bool
    keeps_uids: bool
    keeps_characteristics: bool
    done: Counter[tuple[str, Done]] = field(default_factory=Counter)

    def clean(self, dataset: Dataset, *, dummy: bool = False) -> Dataset:
        """Return what may stay of a data set or of a sequence's item.

        Parameters
        ----------
        dummy : bool
            Whether it is part of a sequence that stands for a person, so that no text and no code in it may stay.
        """
        kept = Dataset()
        coded = is_code(dataset)
        for tag in sorted(dataset.keys()):
            if coded and keyword_for_tag(tag) in CODES:
                continue
            element = element_of(dataset, tag)
            cleaned = None if element is None else self._element(element, dummy=dummy)
            if cleaned is None:
                self._note(tag, "removed")
            else:
                kept.add(cleaned)
        if coded:
            self._code(dataset, kept, dummy=dummy)
        if "ConceptNameCodeSequence" in kept:
            for keyword in hide_subject(kept, keeps=self.keeps_characteristics):
                self.done[keyword, "replaced"] += 1
        return kept

    def _item(self, item: Dataset, *, dummy: bool) -> Dataset:
        """What may stay of a sequence's item: no pictures, for in these nobody looks for text."""
        kept = self.clean(item, dummy=dummy)
        for keyword in PIXELS:
            if keyword in kept:
                delattr(kept, keyword)
                self.done[keyword, "removed"] += 1
        return kept

    def _code(self, dataset: Dataset, kept: Dataset, *, dummy: bool) -> None:
        code = Dataset()
        for keyword in sorted(CODES):
            if values := values_of(dataset, keyword):
                setattr(code, keyword, values[0])
        told = [str(code.get(name) or "") for name in VALUES]
        clean_code(code, self.secret, dummy=dummy or any(names("CodeValue", text, self.known) for text in told))
        kept.update(code)

    def _element(self, element: DataElement, *, dummy: bool) -> DataElement | None:
        """What is left of an element; None where nothing is."""
        action = self.rules.action(element.tag, element.VR)
        if action == "remove":
            return None
        if action in ("items", "dummy-items"):
            within = dummy or action == "dummy-items"
            items = [self._item(item, dummy=within) for item in element.value or ()]
            return DataElement(element.tag, "SQ", Sequence(items))
        if element.VR == "SQ":
            return self._new(element, Sequence([]), "emptied") if element.value else element
        values = texts(element) if not isinstance(element.value, bytes) else []
        if not values and not element.value:
            return DataElement(element.tag, element.VR, element.value)
        return self._valued(element, values, "dummy" if dummy and action == "check" else action)

    def _valued(self, element: DataElement, values: list[str], action: Action) -> DataElement:
        if action == "keep":
            return self._kept(element, values)
        if action == "check":
            return self._checked(element, values)
        if action == "uid":
            return self._uids(element, values)
        if action == "date":
            return self._dates(element, values)
        return self._dummy(element) if action == "dummy" else self._empty(element)

    def _kept(self, element: DataElement, values: list[str]) -> DataElement:
        """A value that stays, if it is what its representation says and names nobody."""
        if element.VR == "CS":
            values = [value.upper() for value in values]
        if element.VR == "UI":
            return self._malformed_uids(element, values)
        shape = _SHAPES.get(element.VR)
        if shape is not None and not all(shape(value) for value in values if value):
            return self._empty(element)
        if element.VR == "CS" or element.VR in FREE:
            keyword = keyword_for_tag(element.tag)
            if any(names(keyword, value, self.known) for value in values):
                return self._dummy(element)
        if element.VR == "AS":
            return DataElement(element.tag, "AS", [age(value) for value in values])
        return DataElement(element.tag, element.VR, values if element.VR == "CS" else element.value)

    def _checked(self, element: DataElement, values: list[str]) -> DataElement:
        """Free text: terms and labels stay, and words of technique on request."""
        keyword = keyword_for_tag(element.tag)
        named = any(names(keyword, value, self.known) for value in values)
        if not named and all(
            is_term(keyword, value) or (self.keeps_technique and is_technique(keyword, value)) for value in values
        ):
            return DataElement(element.tag, element.VR, values)
        if keyword in LABELS:
            return self._new(element, [self.secret.label(value) for value in values], "replaced")
        return self._dummy(element)

    def _uids(self, element: DataElement, values: list[str]) -> DataElement:
        keyword = keyword_for_tag(element.tag)
        new = [self.uid(value, keyword) for value in values]
        return self._new(element, new, "renumbered") if new != values else element

    def _malformed_uids(self, element: DataElement, values: list[str]) -> DataElement:
        """UIDs that stay, but for those that are none and may hold words."""
        new = [value if not value or _is_uid(value) else self.secret.uid(value) for value in values]
        return self._new(element, new, "renumbered") if new != values else element

    def uid(self, old: str, keyword: str = "") -> str:
        """Return the UID that takes the place of `old`: itself, where it is one of the standard's own."""
        if not old or uid_name(old) or old in FOR_EVERYBODY:
            return old
        if old.startswith(_OF_DICOM) and _PUBLISHED.fullmatch(keyword) and _is_uid(old):
            return old
        return old if self.keeps_uids and _is_uid(old) else self.secret.uid(old)

    def _dates(self, element: DataElement, values: list[str]) -> DataElement:
        if element.VR == "TM":
            new = [time_of_day(value) for value in values]
        else:
            move = moved_date if element.VR == "DA" else moved_datetime
            new = [None if is_placeholder(value) else move(value, self.days) for value in values]
        if None not in new:
            return self._new(element, new, "moved")
        return self._dummy(element) if "D" in rows()[element.tag].basic else self._empty(element)

    def _dummy(self, element: DataElement) -> DataElement:
        return self._new(element, DUMMIES.get(element.VR, REMOVED), "replaced")

    def _empty(self, element: DataElement) -> DataElement:
        return self._new(element, None, "emptied")

    def _new(self, element: DataElement, value: Any, done: Done) -> DataElement:
        self._note(element.tag, done)
        return DataElement(element.tag, element.VR, value)

    def _note(self, tag: int, done: Done) -> None:
        private = (tag >> 16) & 1 == 1
        keyword = "private" if private else keyword_for_tag(tag) if dictionary_has_tag(tag) else "unknown"
        self.done[keyword or "unknown", done] += 1


def _is_uid(text: str) -> bool:
    return len(text) <= 64 and _UID.fullmatch(text) is not None

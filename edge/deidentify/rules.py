"""What becomes of an attribute: the table's row, the wishes, and for what has no row, its value representation."""

from __future__ import annotations

from typing import Literal

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag

from edge.deidentify.codes import VERSIONS
from edge.deidentify.table import Row, rows
from edge.deidentify.wishes import Wishes
from edge.deidentify.words import FREE

Action = Literal["keep", "check", "remove", "empty", "dummy", "date", "uid", "items", "dummy-items"]
"""``check``: keep what is no free word; ``items``: clean each item of a sequence; the others as they are called."""

CURVES, OVERLAYS = 0x5000, 0x6000
DATES = frozenset({"DA", "DT", "TM"})
WHOLE_ITEMS = frozenset({"ContentSequence", "ReferencedImageSequence", "SourceImageSequence"})
"""Sequences whose items are cleaned and stay: the content of a structured report, and what an image refers to."""

LEFT_OUT = frozenset({
    "CodingSchemeIdentificationSequence", "EncryptedAttributesSequence", "GraphicAnnotationSequence",
    "IconImageSequence", "LengthToEnd", "SpecificCharacterSet", "WaveformAnnotationSequence",
})  # fmt: skip
"""What is left out whole, as the standard allows: what is drawn or written on pictures and curves, small copies of
pictures, what was encrypted, and what tells how the file was written, which is written anew."""

OF_ALL = frozenset({
    "EffectiveDateTime", "EthicsCommitteeApprovalEffectivenessEndDate", "EthicsCommitteeApprovalEffectivenessStartDate",
    "InformationIssueDateTime", "ProductExpirationDateTime", "TemplateLocalVersion", "TemplateVersion",
})  # fmt: skip
"""Dates that are no patient's, as those of a device: others know them, so that moved they would betray by how much."""

BYTES = frozenset({"ICCProfile", "PixelData", "WaveformData", "ChannelMinimumValue", "ChannelMaximumValue",
                   "WaveformPaddingValue", "DarkCurrentCounts", "AirCounts"})  # fmt: skip
"""Attributes of plain bytes (OB) that stay; any others may hold anything."""


class Rules:
    """What the wishes make of the table.

    Parameters
    ----------
    wishes : Wishes
    """

    def __init__(self, wishes: Wishes) -> None:
        self._keep = frozenset(wishes.keep)

    def action(self, tag: int, vr: str) -> Action:
        """Return what becomes of the attribute with this tag and value representation."""
        group = tag >> 16
        private = group & 1 == 1
        if private or group < 0x0008 or group & 0xFF00 in (CURVES, OVERLAYS) or tag & 0xFFFF == 0:
            return "remove"
        keyword = keyword_for_tag(tag)
        row = rows().get(tag)
        if vr == "UN" or not dictionary_has_tag(tag) or keyword in LEFT_OUT or keyword in VERSIONS:
            return "remove"
        if vr not in _written_as(tag):  # somebody's name where the standard has a number, say
            return "remove"
        return self._unlisted(keyword, vr) if row is None else self._listed(row, keyword, vr)

    def _listed(self, row: Row, keyword: str, vr: str) -> Action:
        if vr in DATES and "dates" not in self._keep:
            of_patient = row.dated and not row.of_device and keyword not in OF_ALL
            return "date" if of_patient else _basic(row.basic, keyword, vr)
        if self._keep & row.kept_by:
            return "items" if vr == "SQ" else "keep"
        return _basic(row.basic, keyword, vr)

    def _unlisted(self, keyword: str, vr: str) -> Action:
        if vr in DATES:
            return "keep" if "dates" in self._keep else "empty"
        if vr == "UI":
            return "uid"
        if vr == "SQ":
            return "items"
        if vr in FREE:
            return "check"
        if vr == "OB" and keyword not in BYTES:
            return "remove"
        return "keep"


def _basic(basic: str, keyword: str, vr: str) -> Action:
    """The basic profile's action, such that every object stays what it is.

    Where the type of an attribute decides, it differs between objects; an empty value (Z) suits types 2 and 3, a dummy
    (D) all of them. So Z is done for X/Z, and D for X/D, X/Z/D and Z/D.
    """
    if vr == "SQ":
        return _of_sequence(basic, keyword)
    if vr == "UI":
        return "remove" if basic == "X" else "uid"
    if basic == "X":
        return "remove"
    return "dummy" if "D" in basic else "empty"


def _of_sequence(basic: str, keyword: str) -> Action:
    if keyword in WHOLE_ITEMS:
        return "items"
    if basic in ("X", "X/D"):
        return "remove"
    return "dummy-items" if basic == "D" else "empty"


def _written_as(tag: int) -> tuple[str, ...]:
    """The value representations that the standard has for a tag."""
    written = dictionary_VR(tag)
    return (written, *written.split(" or "))

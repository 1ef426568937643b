"""What an SR says -> coded concepts: the pack's own, those of the standard, and edgerun's where there is none.

What edgerun says of every result is in a scheme of its own; a label for which a pack knows no standard code is in one
of the pack's, so that no label can be taken for such a concept, nor for the label of another pack. Both are named in
(0008,0110) Coding Scheme Identification Sequence, PS3.3 C.12.1.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code as SrCode

from edge.findings import State
from edge.pack.manifest import Code, Urgency
from edge.wanted import Language
from edge.write.report import PackReport

SCHEME = "99EDGERUN"
LONGEST_MEANING = 64
"""Of (0008,0104) Code Meaning, whose VR is LO."""

MILLILITRE = SrCode("mL", "UCUM", "mL")
SQUARE_MILLIMETRE = SrCode("mm2", "UCUM", "mm2")
MILLIMETRE = SrCode("mm", "UCUM", "mm")
NO_UNITS = SrCode("1", "UCUM", "no units")
PIXELS = SrCode("{pixels}", "UCUM", "pixels")

VOLUME = SrCode("118565006", "SCT", "Volume")
AREA = SrCode("42798000", "SCT", "Area")
LONG_AXIS = SrCode("103339001", "SCT", "Long Axis")
PROBABILITY = SrCode("122157", "DCM", "Probability")
BOUNDED_BY = SrCode("75958009", "SCT", "Bounded by")
IMAGING_PROCEDURE = SrCode("363679005", "SCT", "Imaging procedure")
SOURCE = SrCode("260753009", "SCT", "Source")
QUALITATIVE = SrCode("C0034375", "UMLS", "Qualitative Evaluations")
SUMMARY = SrCode("111017", "DCM", "CAD Processing and Findings Summary")


def own(value: str, meaning: str) -> SrCode:
    """Return a concept of edgerun's own scheme; what is too long of its meaning is cut with dots.

    Examples
    --------
    >>> own("score", "Score of the model").scheme_designator
    '99EDGERUN'
    """
    return SrCode(value, SCHEME, _cut(meaning))


def _cut(meaning: str) -> str:
    return meaning if len(meaning) <= LONGEST_MEANING else f"{meaning[: LONGEST_MEANING - 3]}..."


def scheme_of(pack: str) -> str:
    """Return the scheme of a pack's labels by its name: private (PS3.16 8.2), and the same for all its versions.

    Examples
    --------
    >>> scheme_of("chest-pneumonia"), len(scheme_of("another"))
    ('99ER7B7E60D386BB', 16)
    """
    return f"99ER{hashlib.sha256(pack.encode()).hexdigest()[:12].upper()}"


SCORE = own("score", "Score of the model, 0 to 1")
THRESHOLD = own("threshold", "Threshold of the score")
ZONE_FROM = own("uncertain-from", "Scores are uncertain from here on")
ZONE_TO = own("uncertain-to", "Scores are uncertain up to here, not included")
AMOUNT = own("pixels", "Number of pixels or voxels")
FOLDED = own("folded-share", "Share of voxels in which space is folded")
MEAN_MM = own("mean-displaced", "Mean length of the displacements")
LARGEST_MM = own("most-displaced", "Largest length of the displacements")
URGENCY = own("urgency", "Urgency by the rules of the pack")
RESULT = own("result", "UID of the result, as its page has it")
STATE = own("state", "State of the analysis")
REASON = own("reason", "Code of the reason")
WARNING = own("warning", "Code of the warning")
NOT_FOR_DIAGNOSIS = own("not-for-diagnosis", "Not for diagnosis")
MEANING_OF_SCORES = own("score-meaning", "What scores and probabilities mean")
SYNTHETIC = own("synthetic", "Synthetic image")
VOUCHED = own("vouched", "What a person vouched for")
LIMITS = own("limits", "Limits of the model")

STATES: Mapping[State, SrCode] = {
    "finding": own("finding", "Finding"),
    "uncertain": own("uncertain", "Uncertain: needs a reader"),
    "no-finding": own("no-finding", "No finding among what was looked for"),
    "done": own("done", "Done; nothing was looked for"),
    "not-analysed": own("not-analysed", "NOT ANALYSED"),
    "failed": own("failed", "FAILED: not analysed"),
}
SUMMARIES: Mapping[State, SrCode] = {
    "finding": SrCode("111242", "DCM", "All algorithms succeeded; with findings"),
    "no-finding": SrCode("111241", "DCM", "All algorithms succeeded; without findings"),
    "not-analysed": SrCode("111245", "DCM", "No algorithms succeeded; without findings"),
    "failed": SrCode("111245", "DCM", "No algorithms succeeded; without findings"),
}
"""Of CID 6047; the other states are none of these."""

SAYINGS: Mapping[str, SrCode] = {
    "there": own("there", "Said to be there"),
    "not-there": own("not-there", "Not said to be there"),
    "uncertain": own("uncertain", "Uncertain: needs a reader"),
}
URGENCIES: Mapping[Urgency, SrCode] = {
    "routine": own("routine", "Routine"),
    "soon": own("soon", "Soon"),
    "urgent": own("urgent", "Urgent"),
}
LANGUAGE_NAMES: Mapping[Language, str] = {
    "en": "English",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "sw": "Swahili",
    "hi": "Hindi",
    "ar": "Arabic",
}


def language_code(language: Language) -> SrCode:
    """Return a language as TID 1204 codes it, by RFC 5646."""
    return SrCode(language, "RFC5646", LANGUAGE_NAMES[language])


def label_code(name: str, title: str, code: Code | None, scheme: str) -> SrCode:
    """Return the pack's code of a label, else its name in the pack's `scheme`, which carries its title."""
    if code is None:
        return SrCode(name, scheme, _cut(title))
    return SrCode(code.value, code.scheme, _cut(code.meaning))


def schemes(content: Dataset, pack: PackReport | None) -> list[Dataset]:
    """Return the items of (0008,0110) Coding Scheme Identification Sequence for the schemes of `content`."""
    own_scheme = Dataset()
    own_scheme.CodingSchemeDesignator = SCHEME
    own_scheme.CodingSchemeName = "edgerun"
    own_scheme.CodingSchemeResponsibleOrganization = "edgerun"
    used = {str(element.value) for element in content.iterall() if element.keyword == "CodingSchemeDesignator"}
    if pack is None or scheme_of(pack.name) not in used:
        return [own_scheme]
    of_pack = Dataset()
    of_pack.CodingSchemeDesignator = scheme_of(pack.name)
    of_pack.CodingSchemeName = f"Labels of the edgerun pack {pack.name}"
    of_pack.CodingSchemeVersion = pack.version
    return [own_scheme, of_pack]


def concept(code: SrCode) -> CodedConcept:
    """Return a concept as highdicom takes it; values longer than an SH go to (0008,0119) Long Code Value."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme_designator, meaning=code.meaning)

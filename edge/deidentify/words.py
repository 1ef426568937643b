"""Texts that the table does not name: which may stay, and what takes the place of the others.

The profile leaves them alone; but any of them can be typed by a person. So each is replaced, but for terms that the
standard itself gives, labels to which others refer, and, on request, what machines say of their technique.
"""

from __future__ import annotations

import re

REMOVED = "REMOVED"

FREE = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""Value representations that can hold any words, PS3.5 6.2."""

_UNITS = ("OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT")
_WINDOWS = ("NORMAL", "HARDER", "SOFTER", "BRAIN", "BONE", "LUNG", "WINDOW1", "WINDOW2")

TERMS: dict[str, frozenset[str]] = {
    "RescaleType": frozenset({*_UNITS, "normalized"}),
    "ModalityLUTType": frozenset(_UNITS),
    "PositionReferenceIndicator": frozenset({"XY", "SN", "SLIDE_CORNER", "CORNER"}),
    "WindowCenterWidthExplanation": frozenset(_WINDOWS),
    "ImagedNucleus": frozenset({"1H", "3HE", "7LI", "13C", "19F", "23NA", "31P", "129XE"}),
}
"""Terms of PS3.3 for attributes that could hold others, without which pictures cannot be understood."""

LABELS = frozenset({"FiducialIdentifier", "OpticalPathIdentifier", "ReferencedOpticalPathIdentifier", "StackID"})
"""Labels by which parts of an object are told apart: small numbers stay, all others become other labels."""

TECHNIQUE = frozenset({
    "AcquisitionMode", "AlgorithmName", "AlgorithmVersion", "AttenuationCorrectionMethod", "CardiacFramingType",
    "CollimatorGridName", "ContrastBolusRoute", "ConvolutionKernel", "DetectorLinesOfResponseUsed",
    "DetectorManufacturerModelName", "DetectorManufacturerName", "DigitalImageFormatAcquired",
    "DimensionDescriptionLabel", "DoseModeName", "EnergyWindowName", "FilterType", "ImageFilter",
    "LUTExplanation", "LUTLabel", "Manufacturer", "ManufacturerModelName", "MultiCoilConfiguration",
    "MultiCoilElementName", "PVCRejection", "PhosphorType", "PlateType", "ProcessingFunction",
    "PulseSequenceName", "Radiopharmaceutical", "RadiopharmaceuticalRoute", "ReceiveCoilManufacturerName",
    "ReceiveCoilName", "ReconstructionMethod", "RescaleType", "ScatterCorrectionMethod",
    "SecondaryCaptureDeviceManufacturer", "SecondaryCaptureDeviceManufacturerModelName",
    "SecondaryCaptureDeviceSoftwareVersions", "SegmentAlgorithmName", "SegmentLabel", "SequenceName",
    "SoftwareVersions", "SourceIsotopeName", "TransducerData", "TransmitCoilName", "TriggerSourceOrType",
    "TypeOfFilters", "ViewName", "WindowCenterWidthExplanation",
})  # fmt: skip
"""What ``--keep technique`` keeps: words that machines and programs put there, and that people can change."""

_SMALL = re.compile(r"\d{1,4}")
_PLAIN = re.compile(r"[\x20-\x7e]{1,64}")


def is_term(keyword: str, value: str) -> bool:
    """Return whether a text is one of the standard's own terms for an attribute, or a small number as a label."""
    if keyword in LABELS:
        return _SMALL.fullmatch(value) is not None
    return value in TERMS.get(keyword, ())


def is_technique(keyword: str, value: str) -> bool:
    """Return whether a text is one that ``--keep technique`` keeps."""
    return keyword in TECHNIQUE and _PLAIN.fullmatch(value) is not None

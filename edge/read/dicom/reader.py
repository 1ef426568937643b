"""`DicomReader`: one file's header for grouping, one series for a scan."""

from __future__ import annotations

import struct

from edge.read.contract import Header, Progress
from edge.read.dicom.acquisition import identity_of
from edge.read.dicom.boundary import quiet
from edge.read.dicom.header import DESCRIBED, FileHeader, read_header
from edge.read.dicom.load import load_scan
from edge.read.dicom.modality import is_captured, output_dtype, transform_of
from edge.read.dicom.place import instance_number
from edge.read.dicom.slide import describe_slide, is_slide, load_dicom_slide
from edge.read.dicom.values import first_item, raw, text
from edge.scan import Scan, Series

PROJECTIONS = frozenset({
    "CR", "DX", "MG", "PX", "IO", "XA", "RF", "US", "IVUS", "XC", "OP", "OPT", "ES", "GM", "SM", "OT", "SC", "DG", "BI",
    "SEG", "RTIMAGE", "RTDOSE",
})  # fmt: skip
"""Modalities whose images are complete each by itself, unless they say where they lie in the patient."""

SLICES = frozenset({"CT", "MR", "PT"})
"""Modalities whose images are slices, even where they fail to say where they lie."""

FIRST_GROUPS = (0x0002, 0x0004, 0x0008)
"""Groups that a DICOM file without a preamble begins with."""

VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)


class DicomReader:
    """The reader of DICOM files, PS3.10, with or without their preamble."""

    def recognises(self, head: bytes, path: str) -> bool:  # noqa: ARG002 - a name tells nothing about DICOM
        """Return whether a file that begins with `head` is DICOM: by its magic, or by a plausible first element."""
        if head[128:132] == b"DICM":
            return True
        return any(_is_element(head, order) for order in "<>")

    def describe(self, path: str) -> Header:
        """Return what the header of the file says, decoding no pixel.

        Images that are complete each by itself get a series key of their own, which ends with the SOP Instance UID.

        Raises
        ------
        edge.errors.ReadError
            The file cannot become a scan; the reason says why.
        """
        with quiet():
            file = read_header(path, DESCRIBED)
            return describe_slide(file) if is_slide(file.dataset) else _describe(file)

    def load(self, series: Series, limit_bytes: int, progress: Progress) -> Scan:
        """Return the decoded scan, in real units, every voxel in its place.

        Values are in the stored type where the modality transform changes nothing, in the smallest integer type for
        the declared bits where slope and intercept are whole numbers, else float32. Colour becomes RGB, uint8.

        Raises
        ------
        edge.errors.ReadError
            The series is no scan that can be trusted; the reason says why.
        """
        with quiet():
            if series.acquisition.modality == "SM" and is_slide(read_header(series.paths[0], DESCRIBED).dataset):
                return load_dicom_slide(series, limit_bytes, progress)
            return load_scan(series, limit_bytes, progress)


def _describe(file: FileHeader) -> Header:
    dataset, image = file.dataset, file.image
    groups = [shared] if (shared := first_item(dataset, "SharedFunctionalGroupsSequence")) is not None else []
    transform = transform_of(dataset, groups, image, little=file.parsed.little_endian)
    series = text(dataset, "SeriesInstanceUID") or ""
    sop = file.sop_instance_uid
    alone = f"{series}/{sop or file.path}" if not series or _stands_alone(file) else series
    return Header(
        format="dicom",
        path=file.path,
        study=text(dataset, "StudyInstanceUID") or file.path,
        series=alone,
        identity=identity_of(dataset),
        acquisition=file.acquisition,
        pictures=image.frames,
        bytes=image.frames * image.frame_values * output_dtype(image, [transform]).itemsize,
        sop_instance_uid=sop,
        order=instance_number(dataset),
    )


def _stands_alone(file: FileHeader) -> bool:
    """Whether the file is a scan by itself, whatever else shares its series."""
    dataset, modality = file.dataset, file.acquisition.modality
    if raw(dataset, "SharedFunctionalGroupsSequence") is not None:
        return modality in PROJECTIONS
    if file.image.frames > 1:
        return True
    if raw(dataset, "ImagePositionPatient") is not None:
        return False
    captured = is_captured(dataset)
    return captured or modality not in SLICES


def _is_element(head: bytes, order: str) -> bool:
    """Whether a data element of a group that comes first stands at the beginning, PS3.5 7.1."""
    if len(head) < 16:
        return False
    group, element = struct.unpack_from(f"{order}HH", head)
    if group not in FIRST_GROUPS or element > 0x0100:
        return False
    vr = head[4:6]
    if vr in VRS:
        (length,) = struct.unpack_from(f"{order}H", head, 6)
        return bool(length <= 256)
    (length,) = struct.unpack_from(f"{order}L", head, 4)
    return order == "<" and 0 < length <= 256 and length % 2 == 0 and group != 2

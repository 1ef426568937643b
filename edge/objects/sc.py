"""The overlay as a secondary capture (PS3.3 A.8.1): the one object that every PACS shows."""

from __future__ import annotations

import imagecodecs
import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from edge.objects.finish import NOT_FOR_DIAGNOSIS, finish
from edge.objects.frames import referenced_series, source_items
from edge.objects.subject import Subject

PICTURE = "overlay.png"
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def build(subject: Subject) -> list[Dataset]:
    """Return the picture ``overlay.png`` as a Secondary Capture Image of RGB, uncompressed."""
    identity = subject.identity
    picture = np.asarray(imagecodecs.png_decode(subject.parts[PICTURE]))
    image = SCImage(
        pixel_array=np.ascontiguousarray(picture[..., :3]),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # asked for; a picture with panels and words has none, see below
        study_instance_uid=subject.sources[0].StudyInstanceUID,
        series_instance_uid=identity.series_instance_uid,
        series_number=identity.series_number,
        sop_instance_uid=identity.sop_instance_uid(),
        instance_number=1,
        manufacturer="",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    image["PatientOrientation"].value = None
    for keyword in ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"):
        image.pop(keyword, None)
    _describe(image, subject)
    return [finish(image, subject)]


def _describe(image: Dataset, subject: Subject) -> None:
    """What it was derived from and how, and whether words in it tell who the patient is."""
    source = subject.sources[0]
    image.SourceImageSequence = source_items(subject)
    image.ReferencedSeriesSequence = [referenced_series(subject.sources)]
    pack = subject.result.pack
    by = "" if pack is None else f" by {pack.title} {pack.version}, pack {pack.sha256[:12]}"
    image.DerivationDescription = f"Result{by} drawn beside the source. {NOT_FOR_DIAGNOSIS}."[:1024]
    image.ImageComments = subject.result.summary[:10240]
    image.SecondaryCaptureDeviceManufacturer = "edgerun"
    image.SecondaryCaptureDeviceSoftwareVersions = list(subject.identity.software_versions)
    image.Laterality = source.get("Laterality")
    # Our words name nobody; what the source has burned in is shown with it.
    burned_in = str(source.get("BurnedInAnnotation") or "")
    if burned_in in ("YES", "NO"):
        image.BurnedInAnnotation = burned_in
    if str(source.get("LossyImageCompression") or "") == "01":
        for keyword in _LOSSY:
            if keyword in source:
                image.add(source[keyword])

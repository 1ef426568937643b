"""Pictures of a public data set as DICOM files that say what they are."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

IMPLEMENTATION = "2.25.206911817417212405843716853370112478263"
CREDIT = "PneumoniaMNIST, MedMNIST v2 (Yang et al. 2023); images of Kermany et al. 2018. CC BY 4.0."


def uid_of(*parts: str) -> str:
    """Return a UID made from text: the same text gives the same UID (PS3.5 B.2, 2.25 and a 128-bit number)."""
    return f"2.25.{int(hashlib.sha256('|'.join(parts).encode()).hexdigest()[:32], 16)}"


def radiograph(pixels: NDArray[np.uint8], name: str) -> bytes:
    """Return a picture of PneumoniaMNIST as a Computed Radiography Image (PS3.3 A.2), a whole DICOM file.

    It is no Digital X-Ray Image: that one must give the distance between pixels at the detector (PS3.3 C.8.11.4),
    which the data set has lost, and an invented one would end up in measurements.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (y, x)
        MONOCHROME2.
    name : str
        Which picture it is, such as ``test-0007``; stands for the patient, of whom nothing is known.
    """
    dataset = Dataset()
    _describe_subject(dataset, name)
    _describe_picture(dataset, pixels)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    buffer = io.BytesIO()
    file = FileDataset(buffer, dataset, file_meta=meta, preamble=b"\0" * 128)
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _describe_subject(dataset: Dataset, name: str) -> None:
    """Patient, study, series and equipment: empty where the data set does not tell."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = uid_of("pneumoniamnist", name, "image")
    dataset.StudyInstanceUID = uid_of("pneumoniamnist", name, "study")
    dataset.SeriesInstanceUID = uid_of("pneumoniamnist", name, "series")
    dataset.PatientName = f"PneumoniaMNIST^{name}"
    dataset.PatientID = f"PNEUMONIAMNIST-{name.upper()}"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Published without identity"
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName"):
        setattr(dataset, keyword, "")
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.Manufacturer = ""
    dataset.Modality = "CR"
    dataset.SeriesNumber = "1"
    dataset.InstanceNumber = "1"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "AP"
    dataset.PatientOrientation = ""


def _describe_picture(dataset: Dataset, pixels: NDArray[np.uint8]) -> None:
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.DerivationDescription = "Cropped to its middle square and resized to 28 x 28 by the data set's makers"
    dataset.LossyImageCompression = "01"
    dataset.BurnedInAnnotation = "NO"
    dataset.ImageComments = CREDIT
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    # LINEAR: center - 0.5 - (width - 1) / 2 is 0 and the other end is 255 (PS3.3 C.11.2.1.2.1).
    dataset.WindowCenter, dataset.WindowWidth = "128", "256"
    dataset.PixelData = np.ascontiguousarray(pixels, dtype=np.uint8).tobytes()

"""File -> `FileHeader`: all that is known of one file before a pixel is decoded, or why it is no scan."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileDataset
from pydicom.uid import UID

from edge.errors import ReadError
from edge.read.dicom.acquisition import acquisition_of
from edge.read.dicom.description import PixelDescription, check_room, describe_pixels
from edge.read.dicom.parse import Parsed, PixelElement, parse_file
from edge.read.dicom.suv import KEYWORDS, PRIVATE_TAGS
from edge.read.dicom.syntaxes import Syntax, syntax_of
from edge.read.dicom.values import raw, text, texts
from edge.reasons import DAMAGED, LOCALISER, NO_PIXELS
from edge.scan import Acquisition

PER_FRAME = "PerFrameFunctionalGroupsSequence"

DESCRIBED = (
    "SOPClassUID", "SOPInstanceUID", "ImageType", "StudyDate", "Modality", "ConversionType", "SeriesDescription",
    "PresentationIntentType", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "BodyPartExamined", "ViewPosition", "ViewCodeSequence", "ImagerPixelSpacing", "NominalScannedPixelSpacing",
    "SpacingBetweenSlices", "SequenceOfUltrasoundRegions", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "Laterality", "ImageLaterality",
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "PixelSpacing", "PixelSpacingCalibrationType", "EstimatedRadiographicMagnificationFactor", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "BurnedInAnnotation", "WindowCenter", "WindowWidth",
    "RescaleIntercept", "RescaleSlope", "RescaleType", "VOILUTFunction", "LossyImageCompression", "Units",
    "GridFrameOffsetVector", "DoseUnits", "DoseGridScaling", "SharedFunctionalGroupsSequence", "ContrastBolusAgent",
    "ContrastBolusAgentSequence", "KVP", "SliceThickness", "MagneticFieldStrength", "TotalPixelMatrixRows",
    "TotalPixelMatrixColumns", "NumberOfOpticalPaths", "TotalPixelMatrixFocalPlanes", "ConcatenationUID",
    "DimensionOrganizationType", "Manufacturer", "ManufacturerModelName",
)  # fmt: skip
"""The elements that describe a file; to load it, all are read."""

LOADED = (
    *DESCRIBED, PER_FRAME, "ModalityLUTSequence", "PixelPresentation", "IssuerOfPatientID", "PatientOrientation",
    "PixelAspectRatio", "EchoTime", "EchoNumbers", "TemporalPositionIdentifier", "DiffusionBValue", "ConvolutionKernel",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "ContainerIdentifier", "ImageOrientationSlide", *KEYWORDS,
    *(
        f"{segmented}{colour}PaletteColorLookupTable{part}"
        for segmented in ("", "Segmented") for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")
        if not (segmented and part == "Descriptor")
    ),
)  # fmt: skip
"""The elements from which a scan is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHeader:
    """One file that holds pixels which can be decoded."""

    path: str
    parsed: Parsed
    pixels: PixelElement
    image: PixelDescription
    syntax: Syntax
    acquisition: Acquisition

    @property
    def dataset(self) -> FileDataset:
        """Its elements before the pixels."""
        return self.parsed.dataset

    @property
    def sop_instance_uid(self) -> str | None:
        """(0008,0018)."""
        return text(self.dataset, "SOPInstanceUID")


def read_header(path: str, keywords: tuple[str, ...]) -> FileHeader:
    """Read those elements of a file's header that `keywords` name, and check what they say of the pixels.

    Raises
    ------
    ReadError
        The file cannot become a scan; the reason says why.
    """
    private = PRIVATE_TAGS if keywords is LOADED else ()
    named = [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]
    parsed = parse_file(path, [*named, *private])
    dataset = parsed.dataset
    pixels = parsed.pixels
    if pixels is None:
        raise _without_pixels(parsed)
    if any("LOCALIZER" in value.upper() for value in texts(dataset, "ImageType")):
        raise ReadError("Reading (0008,0008) Image Type: found LOCALIZER, expected an image to read.", LOCALISER)
    syntax = syntax_of(parsed.transfer_syntax_uid)
    image = describe_pixels(dataset, pixels.keyword)
    check_room(image, parsed, pixels, syntax)
    return FileHeader(
        path=path,
        parsed=parsed,
        pixels=pixels,
        image=image,
        syntax=syntax,
        acquisition=acquisition_of(dataset, image, lossy_syntax=syntax.lossy),
    )


def _without_pixels(parsed: Parsed) -> ReadError:
    """A cut file, or one that is meant to have none: reports, plans, directories, presentation states, waveforms."""
    declares = all(raw(parsed.dataset, keyword) is not None for keyword in ("Rows", "Columns", "BitsAllocated"))
    if parsed.cut or declares or any(_may_be_image(kind) for kind in _kinds(parsed.dataset)):
        return ReadError("Reading the header: the file ends before its pixels.", DAMAGED)
    return ReadError("Reading the header: found no element with pixels.", NO_PIXELS)


def _kinds(dataset: FileDataset) -> list[str]:
    """What the file says that it is, at both places; an empty text where it does not say."""
    meta = getattr(dataset, "file_meta", None)
    said = [text(dataset, "SOPClassUID"), text(meta, "MediaStorageSOPClassUID") if meta is not None else None]
    return [kind for kind in said if kind] or [""]


def _may_be_image(kind: str) -> bool:
    """Whether this SOP class is one of images, or none that the standard knows, as half of one is not."""
    return "Image Storage" in UID(kind).name or UID(kind).name == kind

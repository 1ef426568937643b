"""Outlines on a slide as a DICOM segmentation in tiles: PS3.3 A.51, C.8.20 and C.7.6.17.3, placed by millimetres.

The tiles are those of the picture that the model was fed, which is smaller than the slide: what holds them together
with the slide's own levels is the slide coordinate system (PS3.3 C.8.12.2). Tiles without a pixel are left out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from edge.findings import Segmentation
from edge.geometry import EXACT, index_map
from edge.objects.clean import clean_source
from edge.objects.subject import Subject
from edge.objects.unfit import UnfitError

TILE = 512
THICKNESS_MM = 0.005
"""Of a slide that does not tell it: the section is this thick or thereabouts, and no reader measures across it."""
NO_PLACE = "the slide does not say where its pixels lie on the glass"
_SPECIMEN = ("ContainerIdentifier", "IssuerOfTheContainerIdentifierSequence", "ContainerTypeCodeSequence")

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Glass:
    """Where the pixels of a total pixel matrix lie in the slide coordinate system.

    Parameters
    ----------
    origin : ndarray, shape (2,)
        x and y of the centre of its first pixel, in millimetres.
    along, down : ndarray, shape (3,)
        Directions in which columns and rows count up: (0048,0102).
    spacing : ndarray, shape (2,)
        From row to row and from column to column, in millimetres.
    """

    origin: Points
    along: Points
    down: Points
    spacing: Points

    def at(self, row: float, column: float) -> Points:
        """Return x and y of the centre of the pixel with this row and column, from 0."""
        moved = self.down * (row * self.spacing[0]) + self.along * (column * self.spacing[1])
        return np.asarray(self.origin + moved[:2])


def glass_of(level: Dataset) -> Glass:
    """Return where the pixels of a level, or of a segmentation in tiles, lie by its own header.

    Raises
    ------
    edge.objects.unfit.UnfitError
        It does not tell.
    """
    try:
        origin = level.TotalPixelMatrixOriginSequence[0]
        cosines = np.array(level.ImageOrientationSlide, np.float64)
        measures = level.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        spacing = np.array(measures.PixelSpacing, np.float64)
        offsets = (origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem)
        place = np.array([float(value) for value in offsets], np.float64)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise UnfitError(NO_PLACE) from error
    if cosines.shape != (6,) or spacing.shape != (2,) or not np.isfinite([*cosines, *spacing, *place]).all():
        raise UnfitError(NO_PLACE)
    return Glass(origin=place, along=cosines[:3], down=cosines[3:], spacing=spacing)


def glass_fed(subject: Subject, findings: Segmentation) -> Glass:
    """Return where the pixels of the picture that the model was fed lie, from the largest level's header.

    Raises
    ------
    edge.objects.unfit.UnfitError
        The slide does not tell, or what was fed does not run along its rows and columns.
    """
    level = glass_of(subject.sources[0])
    whole = subject.result.scan.grid
    size = (int(subject.sources[0].TotalPixelMatrixRows), int(subject.sources[0].TotalPixelMatrixColumns))
    if whole is None or whole.shape[1:] != size:
        raise UnfitError(NO_PLACE)
    matrix = index_map(whole, findings.grid)[1:3, 1:4]
    if abs(matrix[0, 1]) > EXACT or abs(matrix[1, 0]) > EXACT or min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise UnfitError("what the model was fed does not run along the rows and columns of the slide")
    return Glass(
        origin=level.at(matrix[0, 2], matrix[1, 2]),
        along=level.along,
        down=level.down,
        spacing=level.spacing * np.array([matrix[0, 0], matrix[1, 1]]),
    )


def check_sent(findings: Segmentation) -> None:
    """Refuse labels that were too many to be sent: see `edge.objects.contract.labels_seen`.

    Raises
    ------
    edge.objects.unfit.UnfitError
    """
    if not findings.codes.size:
        raise UnfitError(
            "the slide is too large to be made in one piece; the TIFF beside the report holds its outlines"
        )


def slide_source(subject: Subject) -> Dataset:
    """Return a header of the largest level that says nothing of the patient, for highdicom to build on.

    Raises
    ------
    edge.objects.unfit.UnfitError
        The slide has no frame of reference.
    """
    level = subject.sources[0]
    if not level.get("FrameOfReferenceUID"):
        raise UnfitError(NO_PLACE)
    dataset = clean_source(level)
    for keyword in ("Rows", "Columns", "NumberOfFrames", "TotalPixelMatrixRows", "TotalPixelMatrixColumns"):
        setattr(dataset, keyword, int(level[keyword].value))
    dataset.FrameOfReferenceUID = str(level.FrameOfReferenceUID)
    dataset.PositionReferenceIndicator = level.get("PositionReferenceIndicator")
    dataset.DimensionOrganizationType = "TILED_FULL"
    dataset.ImageOrientationSlide = list(level.ImageOrientationSlide)
    shared = Dataset()
    shared.PixelMeasuresSequence = _measures(glass_of(level))
    dataset.SharedFunctionalGroupsSequence = [shared]
    for keyword in (*_SPECIMEN, "TotalPixelMatrixOriginSequence", "SpecimenDescriptionSequence"):
        if keyword in level:
            dataset.add(copy.deepcopy(level[keyword]))
    return dataset


def tiling(glass: Glass) -> dict[str, object]:
    """Return how highdicom is told to cut a picture into tiles, and where on the glass it lies."""
    return {
        "tile_pixel_array": True,
        "tile_size": (TILE, TILE),
        "dimension_organization_type": "TILED_SPARSE",
        "pixel_measures": _measures(glass),
        "plane_orientation": PlaneOrientationSequence("SLIDE", [float(v) for v in (*glass.along, *glass.down)]),
        "plane_positions": [
            PlanePositionSequence("SLIDE", (*(float(v) for v in glass.origin), 0.0), pixel_matrix_position=(1, 1))
        ],
    }


def _measures(glass: Glass) -> PixelMeasuresSequence:
    spacing = [float(value) for value in glass.spacing]
    return PixelMeasuresSequence(pixel_spacing=spacing, slice_thickness=THICKNESS_MM)


def shared_derivation(made: Dataset, item: Dataset) -> None:
    """Say once, for all tiles, what they were derived from: the whole level, as they are cut otherwise."""
    for group in made.PerFrameFunctionalGroupsSequence:
        group.pop("DerivationImageSequence", None)
    made.SharedFunctionalGroupsSequence[0].DerivationImageSequence = Items([item])

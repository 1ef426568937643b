"""Boxes and outlines as a presentation state over the source's own pictures: PS3.3 A.33.1 and A.33.2.

Lines are exact: a box has the edges of the report, an outline runs along the edges of pixels. Colours are those that
colour-blind eyes tell apart, and beside each line stands in words what it is, as hue alone tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from highdicom.color import CIELabColor
from pydicom.dataset import Dataset
from pydicom.uid import ColorSoftcopyPresentationStateStorage, GrayscaleSoftcopyPresentationStateStorage

from edge.objects.finish import finish
from edge.objects.frames import image_reference, plane_told
from edge.objects.gsps_looks import look_of
from edge.objects.regions import Mark, Points, marks_of
from edge.objects.subject import Subject
from edge.objects.unfit import UnfitError
from edge.words import speaking
from edge.write.canvas import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW, Colour
from edge.write.spoken import findings_spoken

MOST_POINTS = 500_000
"""Of all lines of one object, which is 4 MB; a SEG holds more."""
LONGEST_LINE = 8000
"""Points of one line: (0070,0022) is an FL, whose length in Explicit VR ends at 65534 bytes, two floats a point."""
TEXT_WIDTH, TEXT_HEIGHT = 0.25, 0.035
"""Of the box in which words stand, as shares of the picture."""
LAYER = "EDGERUN{}"
COLOURS: tuple[Colour, ...] = (ORANGE, SKY, YELLOW, GREEN, VERMILION, PURPLE, BLUE)


def build(subject: Subject) -> list[Dataset]:
    """Return presentation states, one for all pictures that are shown alike.

    Raises
    ------
    edge.objects.unfit.UnfitError
        There is nothing to draw on the source's pictures, or more than one object should hold.
    """
    if subject.is_slide:
        raise UnfitError("a slide's pictures are tiles, over which no line can be drawn as a whole")
    with speaking(subject.language):
        marks = _within_bounds(marks_of(findings_spoken(subject.findings, subject.result), subject.scan.grid))
    if not marks:
        raise UnfitError("no box or outline lies on the source's pictures")
    alike: dict[str, list[Mark]] = {}
    for mark in marks:
        source, _ = subject.scan.places[mark.z]
        alike.setdefault(look_of(subject.sources[source]).key, []).append(mark)
    return [_state(subject, group, number) for number, group in enumerate(alike.values(), start=1)]


def _within_bounds(marks: Iterable[Mark]) -> list[Mark]:
    kept, points = [], 0
    for mark in marks:
        points += mark.points
        if points > MOST_POINTS:
            raise UnfitError(f"its lines have more than {MOST_POINTS} points; a SEG holds the outlines")
        kept.append(mark)
    return kept


def _state(subject: Subject, marks: Sequence[Mark], number: int) -> Dataset:
    """One object: PS3.3 C.11.10, C.11.11, C.10.4, C.10.5, C.10.7 and what the pictures look like."""
    shown = sorted({subject.scan.places[mark.z] for mark in marks})
    first = subject.sources[shown[0][0]]
    coloured = int(first.get("SamplesPerPixel") or 1) > 1
    dataset = Dataset()
    dataset.SOPClassUID = (
        ColorSoftcopyPresentationStateStorage if coloured else GrayscaleSoftcopyPresentationStateStorage
    )
    dataset.Modality = "PR"
    dataset.Laterality = first.get("Laterality")
    dataset.ContentLabel = "EDGERUN"
    dataset.ContentDescription = "Not for diagnosis: lines drawn by a model"
    dataset.ContentCreatorName = None
    dataset.PresentationCreationDate = subject.identity.date
    dataset.PresentationCreationTime = subject.identity.time
    dataset.ReferencedSeriesSequence = [_referenced_series(subject, sorted({source for source, _ in shown}))]
    dataset.DisplayedAreaSelectionSequence = [_displayed_area(first, shown[0][1])]
    labels = sorted({mark.label for mark in marks})
    dataset.GraphicLayerSequence = [_layer(label, order) for order, label in enumerate(labels, start=1)]
    dataset.GraphicAnnotationSequence = [*_annotations(subject, marks)]
    look_of(first).add_to(dataset, [subject.sources[source] for source in sorted({one for one, _ in shown})])
    return finish(dataset, subject, number)


def _referenced_series(subject: Subject, sources: Sequence[int]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = subject.sources[sources[0]].SeriesInstanceUID
    item.ReferencedImageSequence = [image_reference(subject.sources[source]) for source in sources]
    return item


def _displayed_area(source: Dataset, frame: int) -> Dataset:
    """All of every picture, as large as fits; its pixels as they are spaced, or shaped where that alone is told."""
    item = Dataset()
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [source.Columns, source.Rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    spacing = plane_told(source, frame).spacing or source.get("ImagerPixelSpacing")
    if spacing:
        item.PresentationPixelSpacing = list(spacing)
    else:
        item.PresentationPixelAspectRatio = list(source.get("PixelAspectRatio") or [1, 1])
    return item


def _layer(label: int, order: int) -> Dataset:
    item = Dataset()
    item.GraphicLayer = LAYER.format(label + 1)
    item.GraphicLayerOrder = order
    blue, green, red = COLOURS[label % len(COLOURS)]
    item.GraphicLayerRecommendedDisplayGrayscaleValue = 0xFFFF
    item.GraphicLayerRecommendedDisplayCIELabValue = cielab(red, green, blue)
    return item


def cielab(red: int, green: int, blue: int) -> list[int]:
    """Return a colour of sRGB as PS3.3 C.10.7.1.1 has it: L*, a* and b* under D50, each on 0 to 65535.

    Examples
    --------
    >>> cielab(255, 255, 255), cielab(0, 0, 0)
    ([65535, 32896, 32896], [0, 32896, 32896])
    """
    lightness, a, b = CIELabColor.from_rgb(red, green, blue).value
    return [int(lightness), int(a), int(b)]


def _annotations(subject: Subject, marks: Sequence[Mark]) -> Iterator[Dataset]:
    """One for each thing on each picture, in the layer of its label; an outline in a box has its words."""
    boxed = {(mark.number, mark.z) for mark in marks if mark.kind == "box"}
    for mark in marks:
        source, frame = subject.scan.places[mark.z]
        header = subject.sources[source]
        item = Dataset()
        item.ReferencedImageSequence = [image_reference(header, [frame])]
        item.GraphicLayer = LAYER.format(mark.label + 1)
        item.GraphicObjectSequence = [_line(subject, mark, piece) for line in mark.lines for piece in pieces(line)]
        if mark.kind == "box" or (mark.number, mark.z) not in boxed:
            item.TextObjectSequence = [_words(mark, header)]
        yield item


def pieces(line: Points) -> Iterator[Points]:
    """Yield a line in pieces that an element can hold; each begins where the one before it ended, so nothing is lost.

    Examples
    --------
    >>> import numpy as np
    >>> [len(piece) for piece in pieces(np.zeros((8001, 2)))]
    [8000, 2]
    """
    starts = [*range(0, max(len(line) - 1, 1), LONGEST_LINE - 1), len(line) - 1]
    for start, end in pairwise(starts):
        yield line[start : end + 1]


def _line(subject: Subject, mark: Mark, points: Points) -> Dataset:
    item = Dataset()
    item.GraphicAnnotationUnits = "PIXEL"
    item.GraphicDimensions = 2
    item.NumberOfGraphicPoints = len(points)
    item.GraphicData = points.ravel().tolist()
    item.GraphicType = "POLYLINE"
    item.GraphicFilled = "N"
    item.TrackingID = f"edgerun {mark.kind} {mark.number}"
    item.TrackingUID = subject.identity.uid("tracking", mark.kind, mark.number)
    return item


def _words(mark: Mark, header: Dataset) -> Dataset:
    """Above what they tell of, or below where there is no room; within the picture."""
    columns, rows = float(header.Columns), float(header.Rows)
    width, height = columns * TEXT_WIDTH, rows * TEXT_HEIGHT
    left = min(*(line[:, 0].min() for line in mark.lines), columns - width)
    top, bottom = min(line[:, 1].min() for line in mark.lines), max(line[:, 1].max() for line in mark.lines)
    upper = top - height if top >= height else min(bottom, rows - height)
    item = Dataset()
    item.BoundingBoxAnnotationUnits = "PIXEL"
    item.UnformattedTextValue = mark.words
    item.BoundingBoxTopLeftHandCorner = [float(left), float(upper)]
    item.BoundingBoxBottomRightHandCorner = [float(left + width), float(upper + height)]
    item.BoundingBoxTextHorizontalJustification = "LEFT"
    return item

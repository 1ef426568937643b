"""A box on the source -> the region of an SR: in patient millimetres where the source lies there, else on its pictures.

PS3.16 TID 1410 (a plane region) and TID 1411 (several, or a surface): PS3.3 C.18.6 SCOORD, C.18.9 SCOORD3D.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.sr import (
    ImageRegion,
    ImageRegion3D,
    SourceImageForRegion,
    SourceSeriesForSegmentation,
    VolumeSurface,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.geometry import Grid
from edge.objects.frames import is_multi_frame
from edge.objects.regions import rectangle, slices_crossed

Points = NDArray[np.float64]
Image = tuple[str, str, list[int] | None]
"""SOP class, instance, and its frames, from 1, where it has several."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """Where regions lie.

    Parameters
    ----------
    grid : Grid
        Of the whole scan.
    headers : tuple of Dataset
        Of the sources.
    places : tuple of (int, int)
        For each z of the grid: index into `headers` and the frame, from 0.
    in_space : bool
        Whether each slice has a place of its own in the patient.
    tiled : bool
        Whether it is a slide, whose frames are tiles of it: regions lie on the total pixel matrix of the largest level.
    """

    grid: Grid
    in_space: bool
    headers: tuple[Dataset, ...]
    places: tuple[tuple[int, int], ...]
    tiled: bool = False

    @property
    def frame_of_reference_uid(self) -> str | None:
        """That all regions are in; None where the source does not lie in patient space, so that pictures are named."""
        uid = self.headers[0].get("FrameOfReferenceUID")
        return str(uid) if uid and self.in_space else None

    @property
    def series_instance_uid(self) -> str:
        """Of the sources."""
        return str(self.headers[0].SeriesInstanceUID)

    def image(self, z: int) -> Image:
        """Return the SOP class and instance of a slice, and its frame, from 1, where the instance has several."""
        source, frame = self.places[z]
        header = self.headers[source]
        frames = [frame + 1] if is_multi_frame(header) and not self.tiled else None
        return str(header.SOPClassUID), str(header.SOPInstanceUID), frames

    def images(self, slices: Sequence[int]) -> tuple[Image, ...]:
        """Return what `image` says of several slices, those of one instance together."""
        found: dict[tuple[str, str], list[int]] = {}
        for z in slices:
            sop_class, instance, frames = self.image(z)
            found.setdefault((sop_class, instance), []).extend(frames or [])
        return tuple((sop_class, instance, frames or None) for (sop_class, instance), frames in found.items())


Plane = ImageRegion | ImageRegion3D
Body = list[ImageRegion] | VolumeSurface


def region_of(edges: Sequence[float], ground: Ground, *, flat: int | None = None) -> Plane | Body:
    """Return the region of a box: one in a plane, or what encloses it.

    Parameters
    ----------
    edges : sequence of float, length 6
        As in `edge.detect.place.PlacedBox`.
    ground : Ground
    flat : {0, 1, 2}, optional
        The axis of the source along which its size is unknown: it lies in the plane through the middle.
    """
    uid = ground.frame_of_reference_uid
    slices = slices_crossed(edges)
    if uid is None:
        on_pictures = [_on_picture(edges, ground, z) for z in slices]
        return on_pictures[0] if len(on_pictures) == 1 else on_pictures
    if ground.grid.shape[0] == 1:
        flat = 0  # one slice tells no thickness
    if flat is not None:
        return ImageRegion3D("POLYGON", _in_patient(_face(edges, flat, 0.5), ground.grid), uid)
    faces = [_in_patient(_face(edges, 0, share), ground.grid) for share in (0.0, 1.0)]
    series = SourceSeriesForSegmentation(ground.series_instance_uid)
    return VolumeSurface("POLYGON", faces, uid, source_series=series)


def _on_picture(edges: Sequence[float], ground: Ground, z: int) -> ImageRegion:
    origin = "VOLUME" if ground.tiled else None  # PS3.3 C.18.6.1.3
    return ImageRegion("POLYLINE", rectangle(edges), SourceImageForRegion(*ground.image(z)), origin)


def _face(edges: Sequence[float], axis: int, share: float) -> Points:
    """The rectangle across one axis, so far along it as `share` tells, as edges (z, y, x); closed."""
    low, high = np.array(edges[:3], dtype=np.float64), np.array(edges[3:], dtype=np.float64)
    first, second = (other for other in range(3) if other != axis)
    corners = np.tile(low + share * (high - low), (5, 1))
    ends = [*itertools.product((low[first], high[first]), (low[second], high[second]))]
    for row, corner in enumerate((ends[0], ends[1], ends[3], ends[2], ends[0])):
        corners[row, [first, second]] = corner
    return corners


def _in_patient(edges: Points, grid: Grid) -> Points:
    """Points given as edges in millimetres of LPS: the centre of voxel i is at edge i + 1/2."""
    points: Points = (edges - 0.5) @ grid.matrix[:3, :3].T + grid.matrix[:3, 3]
    return points

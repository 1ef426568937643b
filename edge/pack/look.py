"""How the scans that an input takes are made, and what its pictures look like: limits beyond the DICOM terms."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from edge.pack.words import Share, Text
from edge.typed import Between, TypedError

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """How a scan must have been made. What is None is not asked; a scan that does not tell what is asked does not fit.

    Parameters
    ----------
    kvp : tuple of float, optional
        Least and greatest (0018,0060) KVP, in kilovolts.
    slice_thickness_mm : tuple of float, optional
        Of (0018,0050) Slice Thickness.
    field_strength_tesla : tuple of float, optional
        Of (0018,0087) Magnetic Field Strength.
    spacing_mm : tuple of float, optional
        Of the distance between neighbouring points along every axis that has several.
    contrast : bool, optional
        Whether (0018,0010) Contrast/Bolus Agent names one.
    presentation : {"FOR PRESENTATION", "FOR PROCESSING"}, optional
        (0008,0068) Presentation Intent Type.
    """

    kvp: Range | None = None
    slice_thickness_mm: Range | None = None
    field_strength_tesla: Range | None = None
    spacing_mm: Range | None = None
    contrast: bool | None = None
    presentation: Literal["FOR PRESENTATION", "FOR PROCESSING"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the pictures of an input look like, measured by the workshop; see `edge.check.look` for what is made of it.

    Parameters
    ----------
    template : tuple of float
        A matched filter, row by row, of as many rows as columns: the picture's ranks are correlated with it.
    least_likeness : float
        Correlation below which a picture lies in no position like those that the model was made with.
    least_lead : float
        By how much the upright position, or its mirror image, must lead all turned and inverted ones; 0 or less.
    least_side : float
        By how much it must lead its mirror image; 0 or less.
    least_filled : float
        Share of the picture within its flat border.
    most_saturated : float
        Share of that with the least or the greatest value.
    learnt_from, chosen_on : str
        On what pictures the template rests, and on which others the limits were chosen.
    n : int
        How many of the latter.
    """

    template: Annotated[tuple[float, ...], Between(16, 4096)]
    least_likeness: Annotated[float, Between(0.0, 1.0)]
    least_lead: Annotated[float, Between(-1.0, 0.0)]
    least_side: Annotated[float, Between(-1.0, 0.0)]
    least_filled: Share
    most_saturated: Share
    learnt_from: Text
    chosen_on: Text
    n: Annotated[int, Between(1, 10**9)]

    @property
    def size(self) -> int:
        """Rows, and columns, of the template."""
        return math.isqrt(len(self.template))


def check_limits(technique: Technique | None, look: Look | None, path: str) -> None:
    """Refuse limits that nothing can meet.

    Raises
    ------
    TypedError
        With the path of the key.
    """
    for field in fields(Technique) if technique is not None else ():
        asked = getattr(technique, field.name)
        if isinstance(asked, tuple) and not 0.0 <= asked[0] <= asked[1]:
            found = f"found {asked[0]:g} to {asked[1]:g}, expected numbers of 0 or more that rise"
            raise TypedError(f"{path}.technique.{field.name}", found)
    if look is not None and (look.size**2 != len(look.template) or len(set(look.template)) < 2):
        found = f"found {len(look.template)} numbers, expected a square of them that are not all the same"
        raise TypedError(f"{path}.look.template", found)

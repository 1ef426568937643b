"""How small a picture in JPEG 2000 may be decoded for a pack, and the measurements that allow it, as types.

Without this key a picture is always decoded whole. It stands only for packs to whose answer no detail and no place in
pixels matters that a smaller picture lacks: a classification of one picture that is seen at once, brought to a fixed
size by steps that know no pixels of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from edge.pack.tasks import ClassificationTask
from edge.pack.words import Precision, Share, Size, Text
from edge.typed import Between, TypedError

if TYPE_CHECKING:
    from edge.pack.manifest import Input, Manifest

LEAST_SIDE = 512
"""Pixels of the shorter side below which no picture is decoded: more than pictures and pages draw of it."""

LEAST_RATIO = 2
"""Times that the shorter side must be as long as the longer one of the model's input."""

ANY_SIZE = frozenset({
    "center_square", "resize", "letterbox", "monochrome2", "voi_window", "window", "rescale", "percentile_clip",
    "min_max", "z_score", "channels", "normalise",
})  # fmt: skip
"""Steps whose options name no pixel or millimetre of the source."""

TO_SIZE = ("resize", "letterbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one model said of the same scans, decoded whole and as small as `Reduced.least_side` allows.

    Parameters
    ----------
    coding : {"lossless", "lossy"}
        Of the JPEG 2000 in which they were compressed for it: the wavelet 5/3 without loss, or 9/7.
    n : int
        Scans; of none did the decision, the urgency or the code of any check differ.
    spoilt : int
        Scans that were spoilt for it, such as turned or burnt out; whatever was said of them whole was said again.
    largest_difference : float
        Of any score.
    tolerance : float
        How large it might have been.
    halvings : tuple of int
        Fewest and most times that a scan's sides were halved.
    least_ratio : float
        Shorter side of what was decoded over the longer one of the model's input, the least of all scans.
    """

    precision: Precision
    coding: Literal["lossless", "lossy"]
    n: Annotated[int, Between(1, 10**9)]
    spoilt: Annotated[int, Between(1, 10**9)]
    largest_difference: Share
    tolerance: Annotated[float, Between(0.0, 0.1)]
    halvings: tuple[Annotated[int, Between(1, 32)], Annotated[int, Between(1, 32)]]
    least_ratio: Annotated[float, Between(1.0, 1e6)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """That pictures in JPEG 2000 may be decoded smaller than they are.

    Parameters
    ----------
    least_side : int
        Neither side of what is decoded is shorter than this.
    measured_on : str
        On what scans, at the size in which they were taken.
    compared : tuple of Compared
        Every model of the pack, in both codings.
    """

    least_side: Size
    measured_on: Text
    compared: Annotated[tuple[Compared, ...], Between(1, 128)]


def check_reduced(manifest: Manifest, path: str) -> None:
    """Refuse a permission that its pack cannot have, or that its measurements do not bear out.

    Raises
    ------
    TypedError
        With the path of the key.
    """
    reduced = manifest.reduced
    if reduced is None:
        return
    if problem := reduced_problem(manifest):
        raise TypedError(path, f"found a permission, expected none: {problem}")
    least = least_side_of(manifest.inputs[0])
    if reduced.least_side < least:
        raise TypedError(f"{path}.least_side", f"found {reduced.least_side}, expected at least {least}")
    measured = {(each.precision, each.coding) for each in reduced.compared}
    expected = {(model.precision, coding) for model in manifest.models for coding in ("lossless", "lossy")}
    if measured != expected or len(measured) != len(reduced.compared):
        raise TypedError(f"{path}.compared", "expected each precision of the pack once in each coding")
    for index, each in enumerate(reduced.compared):
        if each.largest_difference > each.tolerance:
            found = f"found {each.largest_difference:g}, expected at most {each.tolerance:g}"
            raise TypedError(f"{path}.compared[{index}].largest_difference", found)


def reduced_problem(manifest: Manifest) -> str:
    """Return why a pack's pictures must be decoded whole, in words; empty if nothing but a measurement is missing."""
    task = manifest.task
    if not isinstance(task, ClassificationTask) or task.windows is not None:
        return "only a classification of a picture that is seen at once gives no places in pixels"
    if len(manifest.inputs) != 1:
        return "it has several inputs, which are brought to one grid"
    (item,) = manifest.inputs
    if item.accepts.stack != "picture" or len(item.axes) != 4:
        return "its input is no picture"
    if item.accepts.technique is not None and item.accepts.technique.spacing_mm is not None:
        return "it asks for a distance between points, which is another in a smaller picture"
    return _problem_of_steps(item.steps)


def _problem_of_steps(steps: tuple[Mapping[str, object], ...]) -> str:
    names = [str(step.get("step")) for step in steps]
    bound = [name for name in names if name not in ANY_SIZE]
    if bound:
        return f"the step {bound[0]} may count pixels of the source"
    return "" if any(name in TO_SIZE for name in names) else "no step brings the picture to a fixed size"


def longest_side(item: Input) -> int:
    """Return the longer side of a model's input.

    Examples
    --------
    >>> from edge.testing import tiny_input
    >>> longest_side(tiny_input(size=4))
    4
    """
    return max(size for axis, size in zip(item.axes[1:], item.shape, strict=True) if axis != "C")


def least_side_of(item: Input, ratio: int = LEAST_RATIO) -> int:
    """Return the least that `Reduced.least_side` may be for an input, or for so many times its size.

    Examples
    --------
    >>> from edge.testing import tiny_input
    >>> least_side_of(tiny_input(size=4)), least_side_of(tiny_input(size=224), ratio=4)
    (512, 896)
    """
    return max(LEAST_SIDE, item.accepts.least_size, ratio * longest_side(item))

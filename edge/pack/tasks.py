"""What a pack's model does: a type for each task, of which the manifest holds one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from edge.pack.words import Name, Share, Text, Urgency
from edge.typed import Between

REGISTERED = ("moved-x", "moved-y", "moved-z", "moved", "folded")
Quantity = Literal["score", "volume-ml", "area-mm2", "diameter-mm", "size-mm"]
TRANSLATED = ("whole", "first-slices", "first-rows", "first-columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A coded concept, as in DICOM's code sequences (PS3.3 table 8.8-1): SCT, RADLEX or DCM."""

    scheme: Literal["SCT", "RADLEX", "DCM", "LN"]
    value: Text
    meaning: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgencyRule:
    """From where on a finding is more urgent than its label says.

    Parameters
    ----------
    measure : {"score", "volume-ml", "area-mm2", "diameter-mm", "size-mm"}
        Of a classification or a box: ``score``. Of a region: ``area-mm2`` on a picture, ``volume-ml`` and
        ``diameter-mm`` in a volume. Of a box: ``size-mm``, its longest side.
    at : float
        From this value on, it included.
    urgency : {"soon", "urgent"}
    """

    measure: Quantity
    at: Annotated[float, Between(0.0, 1e9)]
    urgency: Literal["soon", "urgent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One thing that a model can say.

    Parameters
    ----------
    name : str
        Stable identifier.
    title : str
        For people.
    code : Code, optional
    finding : bool
        Whether saying it is a finding; ``normal`` is not.
    urgency : {"routine", "soon", "urgent"}
        How soon a clinician should look when it is found.
    urgency_from : tuple of UrgencyRule
        What makes it more urgent; see `edge.tasks.urgency`.
    titles : mapping
        By language, such as ``fr``: the title for people who read it; in others `title` is shown.
    """

    name: Name
    title: Text
    code: Code | None = None
    finding: bool
    urgency: Urgency = "routine"
    urgency_from: tuple[UrgencyRule, ...] = ()
    titles: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationTask:
    """The whole scan gets one or several labels.

    Parameters
    ----------
    mode : {"binary", "multi-class", "multi-label", "ordinal"}
        ``binary`` has one label and one output. ``ordinal`` has labels in rising severity, the first being no
        finding.
    output : str
        Tensor of shape (N, values): one per label; for ordinal without ``softmax``, one per label but the
        first, each the score of that grade or worse.
    activation : {"sigmoid", "softmax", "none"}
        What turns the output into scores from 0 to 1; ``none`` where the graph has done it.
    map_output : str, optional
        Tensor of shape (N, values, h, w) or (N, values, d, h, w): the class activation map of each output value.
    windows : Windows, optional
        For pictures that are seen piece by piece, such as slides of histology: the score of a label, and so its
        threshold, is the highest of all windows.
    """

    kind: Literal["classification"]
    mode: Literal["binary", "multi-class", "multi-label", "ordinal"]
    output: Text
    activation: Literal["sigmoid", "softmax", "none"]
    labels: Annotated[tuple[Label, ...], Between(1, 10000)]
    map_output: Text | None = None
    windows: Windows | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How a volume or picture larger than the model's input is seen: piece by piece, each the size of that input.

    Parameters
    ----------
    overlap : float
        Share of a window that its neighbour along an axis sees, too.
    mirror : tuple of {"z", "y", "x"}
        Axes along which every window is seen in the mirror as well, and the mean is taken (test-time augmentation).
    fill : float
        What lies around a prepared volume that is smaller than a window. 0 as in nnU-Net (Isensee et al. 2021) and in
        MONAI's ``sliding_window_inference``.
    skip_glass : bool
        Whether windows of a slide that show bare glass are not fed; see `edge.prepare.glass`. Pictures only.
    """

    overlap: Annotated[float, Between(0.0, 0.9)] = 0.5
    mirror: tuple[Literal["z", "y", "x"], ...] = ()
    fill: float = 0.0
    skip_glass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationTask:
    """Every pixel or voxel gets a label.

    Parameters
    ----------
    output : str
        Tensor of shape (N, channels, h, w) or (N, channels, d, h, w). With ``softmax`` channel 0 is background and
        channel i is label i - 1; with ``sigmoid`` channel i is label i, the labels may overlap, and each has its
        threshold; ``none`` is the same where the graph has applied the sigmoid.
    least_pixels : int
        A label with fewer pixels (voxels) on the source is not said to be there.
    windows : Windows, optional
        For volumes and large pictures; without, the model sees the whole of what was prepared at once.
    """

    kind: Literal["segmentation"]
    output: Text
    activation: Literal["softmax", "sigmoid", "none"]
    labels: Annotated[tuple[Label, ...], Between(1, 254)]
    least_pixels: Annotated[int, Between(1, 10**9)] = 1
    windows: Windows | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionTask:
    """Boxes around what was found, each with a label and a score.

    Parameters
    ----------
    layout : {"yolov5", "anchor-free", "boxes", "one-per-label"}
        How the outputs are to be read; see `edge.detect.layouts`.
    output : str
        The tensor with the boxes.
    activation : {"sigmoid", "none"}
        What turns scores of the output into numbers from 0 to 1; ``none`` where the graph has done it.
    scores_output, labels_output, masks_output : str, optional
        Of the layout ``boxes``: the tensors beside it; masks where there are some.
    overlap : float
        Of two boxes of one label whose intersection over union is larger, the one with the lower score is dropped.
    most : int
        Boxes that are kept, over all labels.
    windows : Windows, optional
        For pictures that are seen piece by piece: boxes of all windows are put together, so windows should overlap by
        more than what is looked for is large.
    """

    kind: Literal["detection"]
    layout: Literal["yolov5", "anchor-free", "boxes", "one-per-label"]
    output: Text
    activation: Literal["sigmoid", "none"]
    labels: Annotated[tuple[Label, ...], Between(1, 1000)]
    scores_output: Text | None = None
    labels_output: Text | None = None
    masks_output: Text | None = None
    overlap: Share = 0.45
    most: Annotated[int, Between(1, 10000)] = 300
    windows: Windows | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationTask:
    """A second scan is brought onto a first one.

    Parameters
    ----------
    output : str
        Tensor of shape (N, 3, d, h, w): for each voxel of the prepared fixed scan, how far along (z, y, x) of that grid
        the place in the moving scan lies that belongs to it, in its voxels.
    fixed, moving : str
        Names of the inputs.
    """

    kind: Literal["registration"]
    output: Text
    fixed: Name
    moving: Name
    labels: Annotated[tuple[Label, ...], Between(0, 0)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationTask:
    """An image is made from an image: synthetic, and marked so everywhere.

    Parameters
    ----------
    output : str
        Tensor of shape (N, 1 or 3, h, w) or (N, 1, d, h, w), as large as what was prepared.
    range : tuple of float
        The values that the output can take; what is outside is clipped.
    unit : str
        What a value is.
    makes : str
        What the image is to be called, after the word SYNTHETIC: such as ``T2-weighted MR``.
    """

    kind: Literal["translation"]
    output: Text
    range: tuple[float, float]
    unit: Text
    makes: Text
    labels: Annotated[tuple[Label, ...], Between(0, 0)] = ()


Task = ClassificationTask | SegmentationTask | DetectionTask | RegistrationTask | TranslationTask


def outputs_of(task: Task) -> tuple[str, ...]:
    """Return the outputs of the graph that a task reads, the one with the answer first."""
    beside: tuple[str | None, ...] = ()
    if isinstance(task, ClassificationTask):
        beside = (task.map_output,)
    elif isinstance(task, DetectionTask):
        beside = (task.scores_output, task.labels_output, task.masks_output)
    return (task.output, *(name for name in beside if name))


def answers_of(task: Task) -> tuple[str, ...]:
    """Return the names of what a golden case compares: the labels, or what stands for a task that has none."""
    if isinstance(task, RegistrationTask):
        return REGISTERED
    if isinstance(task, TranslationTask):
        return TRANSLATED
    return tuple(label.name for label in task.labels)

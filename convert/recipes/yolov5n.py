"""The recipe ``yolov5n``: findings in frontal radiographs of the chest, each with a box, by `convert.recipes.yolov5`.

1.8 million weights, 2.1 thousand million multiplications for a picture of 640 x 640.
"""

from __future__ import annotations

from convert.recipes.contract import Recipe
from convert.recipes.yolov5 import Yolov5, untrained_yolov5

LABELS = 14


def build(*, depth: float = 0.33, width: float = 0.25, labels: int = LABELS) -> Yolov5:
    """Build the network with random weights, in evaluation mode; `depth` and `width` are multiples."""
    return untrained_yolov5(depth, width, labels)


RECIPE = Recipe(
    name="yolov5n",
    build=build,
    inputs={"image": (1, 3, 640, 640)},
    outputs=("detections",),
)

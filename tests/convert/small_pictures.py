"""Recipes for pictures at sizes that a test can afford: the same networks, of fewer layers or features.

Their sizes are constants of their modules, which hold while the network is built.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

from convert.recipes import chest_densenet121, retinopathy_cnn, skin_resnet50, unet2d, yolov5s
from convert.recipes.contract import Recipe


def _built_with(module: ModuleType, **constants: Any) -> Callable[[], Any]:
    """A recipe's `build` with other sizes."""

    def build() -> Any:
        with mock.patch.multiple(module, **constants):
            return module.build()

    return build


CHEST_DENSENET121 = Recipe(
    name="chest-densenet121",
    build=_built_with(chest_densenet121, LAYERS=(2, 2, 2, 2)),
    inputs={"image": (1, 3, 64, 64)},
    outputs=("logits", "cam"),
)
SKIN_RESNET50 = Recipe(
    name="skin-resnet50",
    build=_built_with(skin_resnet50, BLOCKS=(1, 1, 1, 1)),
    inputs={"image": (1, 3, 64, 64)},
    outputs=("logit", "cam"),
)
RETINOPATHY_CNN = Recipe(
    name="retinopathy-cnn",
    build=_built_with(retinopathy_cnn, WIDTHS=(8, 16, 16, 32, 32)),
    inputs={"image": (1, 3, 64, 64)},
    outputs=("logits", "cam"),
)
UNET2D = Recipe(
    name="unet2d",
    build=_built_with(unet2d, FEATURES=4),
    inputs={"image": (1, 3, 64, 64)},
    outputs=("logits",),
)
YOLOV5S = Recipe(
    name="yolov5s",
    build=lambda: yolov5s.build(width=0.125),
    inputs={"image": (1, 3, 64, 64)},
    outputs=("detections",),
)

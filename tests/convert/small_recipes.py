"""Recipes for volumes at sizes that a test can afford: the same networks, of fewer features, on fewer voxels."""

from __future__ import annotations

from functools import partial

from convert.recipes import (
    alzheimer_cae,
    alzheimer_cnn3d,
    alzheimer_voxcnn,
    brats_unet3d,
    moeskops_multiscale,
    organ_boxes,
    unet3d,
    vnet,
)
from convert.recipes.contract import Recipe

ALZHEIMER_CNN3D = Recipe(
    name="alzheimer-cnn3d",
    build=partial(alzheimer_cnn3d.build, width=4),
    inputs={"image": (1, 1, 26, 26, 26)},
    outputs=("logits", "cam"),
)
ALZHEIMER_VOXCNN = Recipe(
    name="alzheimer-voxcnn",
    build=partial(alzheimer_voxcnn.build, side=100),
    inputs={"image": (1, 1, 100, 100, 100)},
    outputs=("logits",),
)
ALZHEIMER_CAE = Recipe(
    name="alzheimer-cae",
    build=partial(alzheimer_cae.build, side=30),
    inputs={"image": (1, 1, 30, 30, 30)},
    outputs=("logits",),
)
UNET3D = Recipe(
    name="unet3d",
    build=partial(unet3d.build, width=4),
    inputs={"image": (1, 1, 16, 24, 16)},
    outputs=("logits",),
)
UNET3D_INSTANCE = Recipe(
    name="unet3d",
    build=partial(unet3d.build, width=4, norm="instance"),
    inputs={"image": (1, 1, 16, 24, 16)},
    outputs=("logits",),
)
BRATS_UNET3D = Recipe(
    name="brats-unet3d",
    build=partial(brats_unet3d.build, width=4),
    inputs={"image": (1, 4, 32, 32, 48)},
    outputs=("logits",),
)
VNET = Recipe(
    name="vnet",
    build=partial(vnet.build, width=2),
    inputs={"image": (1, 1, 16, 32, 32)},
    outputs=("logits",),
)
MOESKOPS_MULTISCALE = Recipe(
    name="moeskops-multiscale",
    build=moeskops_multiscale.build,
    inputs={"image": (1, 1, 12, 15)},
    outputs=("logits",),
)
ORGAN_BOXES = Recipe(
    name="organ-boxes",
    build=partial(organ_boxes.build, width=4),
    inputs={"image": (1, 1, 32, 24, 16)},
    outputs=("boxes",),
)

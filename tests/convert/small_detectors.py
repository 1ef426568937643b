"""Recipes that detect, register and translate at sizes that a test can afford: the same networks, smaller."""

from __future__ import annotations

from functools import partial

from convert.recipes import mask_rcnn, pix2pix, pix2pix_resnet, voxelmorph, yolo_anchor_free, yolov5n
from convert.recipes.contract import Recipe

YOLOV5N = Recipe(
    name="yolov5n",
    build=partial(yolov5n.build, width=0.125),
    inputs={"image": (1, 3, 64, 96)},
    outputs=("detections",),
)
YOLO_ANCHOR_FREE = Recipe(
    name="yolo-anchor-free",
    build=partial(yolo_anchor_free.build, width=0.125),
    inputs={"image": (1, 3, 64, 96)},
    outputs=("detections",),
)
MASK_RCNN = Recipe(
    name="mask-rcnn",
    build=partial(mask_rcnn.build, blocks=(1, 1), channels=16, candidates=24, proposals=10, detections=6),
    inputs={"image": (1, 3, 64, 96)},
    outputs=("boxes", "scores", "labels", "masks"),
    rename=mask_rcnn.rename,
)
VOXELMORPH = Recipe(
    name="voxelmorph",
    build=partial(voxelmorph.build, encoder=(4, 8, 8, 8), decoder=(8, 8, 8, 8, 4, 4)),
    inputs={"fixed": (1, 1, 16, 32, 16), "moving": (1, 1, 16, 32, 16)},
    outputs=("displacement",),
)
PIX2PIX = Recipe(
    name="pix2pix",
    build=partial(pix2pix.build, width=8, levels=5),
    inputs={"image": (1, 1, 64, 32)},
    outputs=("synthetic",),
)
PIX2PIX_RESNET = Recipe(
    name="pix2pix-resnet",
    build=partial(pix2pix_resnet.build, width=8, blocks=2),
    inputs={"image": (1, 1, 48, 32)},
    outputs=("synthetic",),
    rename=pix2pix_resnet.rename,
)

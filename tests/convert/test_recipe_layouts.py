"""Networks that detect, register and translate, against what is published of them: weights, names, decoding."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from torch import Tensor, nn  # noqa: E402

from convert.recipes import (  # noqa: E402
    mask_rcnn,
    pix2pix,
    pix2pix_resnet,
    voxelmorph,
    yolov5n,
    yolov5s,
)
from convert.recipes.contract import Recipe  # noqa: E402
from convert.recipes.yolo_anchor_free import DistanceHead  # noqa: E402
from convert.recipes.yolov5 import ANCHORS, STRIDES, AnchorHead  # noqa: E402
from convert.sources.weights import load_weights  # noqa: E402
from tests.convert import small_detectors  # noqa: E402
from tests.convert.recipes import shaken  # noqa: E402


def weights_in(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@cache
def names_of_mask_rcnn() -> frozenset[str]:
    return frozenset(mask_rcnn.build(channels=8).state_dict())


def seeded(*shape: int) -> Tensor:
    noise: Tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(4))
    return noise


# YOLOv5's layout -------------------------------------------------------------------------------------------


def test_yolov5_has_as_many_weights_as_published() -> None:
    """With the 80 labels of COCO, before normalisations are folded."""
    assert weights_in(yolov5n.build(labels=80)) == 1_872_157
    assert weights_in(yolov5s.build(labels=80)) == 7_235_389


@pytest.mark.parametrize(
    "name",
    ["model.0.conv.weight", "model.0.bn.running_var", "model.2.cv3.bn.bias", "model.4.m.1.cv2.conv.weight",
     "model.9.cv2.conv.weight", "model.10.conv.weight", "model.23.m.0.cv1.conv.weight", "model.24.m.2.bias",
     "model.24.anchors"],
)  # fmt: skip
def test_yolov5_is_spelt_as_exports_of_it_spell_it(name: str) -> None:
    assert name in yolov5n.build().state_dict()


def test_yolov5_decodes_as_published() -> None:
    """A value of 0 is the middle of its cell and the very anchor; the rest is said by the published formula."""
    head = AnchorHead((4, 4, 4), 2).eval()
    maps = [seeded(1, 4, 8 // 2**level, 12 // 2**level) for level in range(3)]
    with torch.no_grad():
        found = head(maps)[0].numpy()
        raw = head.m[1](maps[1])[0].numpy()
    assert found.shape == (3 * (8 * 12 + 4 * 6 + 2 * 3), 7)
    anchor, row, column = 2, 3, 4
    place = 3 * 8 * 12 + (anchor * 4 + row) * 6 + column
    shares = 1 / (1 + np.exp(-raw[anchor * 7 : anchor * 7 + 7, row, column].astype(np.float64)))
    centre = (2 * shares[:2] - 0.5 + [column, row]) * STRIDES[1]
    sides = (2 * shares[2:4]) ** 2 * ANCHORS[1][anchor]
    np.testing.assert_allclose(found[place], [*centre, *sides, *shares[4:]], rtol=1e-5)


def test_anchors_that_training_changed_come_in_with_the_weights(tmp_path: Path) -> None:
    network = small_detectors.YOLOV5N.build()
    state = network.state_dict()
    torch.save({**state, "model.24.anchors": state["model.24.anchors"] * 2}, tmp_path / "weights.pt")
    with torch.no_grad():
        image = seeded(1, 3, 32, 32)
        before = network(image)
        load_weights(network, tmp_path / "weights.pt", "yolov5n")
        torch.testing.assert_close(network(image)[..., 2:4], before[..., 2:4] * 2)
        torch.testing.assert_close(network(image)[..., :2], before[..., :2])


@pytest.mark.parametrize("recipe", [small_detectors.YOLOV5N, small_detectors.YOLO_ANCHOR_FREE], ids=lambda r: r.name)
def test_untrained_detectors_are_sure_of_little(recipe: Recipe) -> None:
    with torch.no_grad():
        found = recipe.build()(seeded(*recipe.inputs["image"]))
    scores = found[..., 4] if recipe.name == "yolov5n" else found[:, 4:]
    assert scores.max() < 0.2


# Without anchors -------------------------------------------------------------------------------------------


def test_distances_reach_from_the_middle_of_the_cell_to_each_side() -> None:
    """One bin alone is sure: 1 cell to the left, 2 up, 3 to the right, 5 down, at stride 8."""
    head = DistanceHead(3, 8, 2, 8).eval()
    sure = torch.full((4, 16), -50.0)
    for side, bin_ in enumerate((1, 2, 3, 5)):
        sure[side, bin_] = 50.0
    last = nn.Conv2d(8, 64, 1)
    nn.init.zeros_(last.weight)
    last.bias = nn.Parameter(sure.flatten())
    head.box[2] = last
    with torch.no_grad():
        found = head(seeded(1, 3, 4, 6))[0, :4].unflatten(1, (4, 6))
    row, column = 2, 3
    x, y = (column + 0.5) * 8, (row + 0.5) * 8
    x0, y0, x1, y1 = x - 8, y - 16, x + 24, y + 40
    assert found[:, row, column].tolist() == pytest.approx([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])


# Mask R-CNN ------------------------------------------------------------------------------------------------


def test_mask_rcnn_has_as_many_weights_as_published() -> None:
    """With the 90 labels of COCO; torchvision does not count those of its frozen normalisations."""
    network = mask_rcnn.build(labels=90)
    kinds = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert weights_in(network) - sum(weights_in(module) for module in kinds) == 44_401_393


@pytest.mark.parametrize(
    ("published", "own"),
    [
        ("backbone.body.layer1.0.downsample.1.running_mean", "backbone.body.layer1.0.downsample.1.running_mean"),
        ("backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn.inner_blocks.0.0.weight"),
        ("backbone.fpn.layer_blocks.1.bias", "backbone.fpn.layer_blocks.1.0.bias"),
        ("rpn.head.conv.weight", "rpn.head.conv.0.0.weight"),
        ("rpn.head.conv.0.0.bias", "rpn.head.conv.0.0.bias"),
        ("rpn.head.cls_logits.weight", "rpn.head.cls_logits.weight"),
        ("rpn.head.bbox_pred.bias", "rpn.head.bbox_pred.bias"),
        ("roi_heads.box_head.fc6.weight", "roi_heads.box_head.fc6.weight"),
        ("roi_heads.box_predictor.bbox_pred.weight", "roi_heads.box_predictor.bbox_pred.weight"),
        ("roi_heads.mask_head.mask_fcn4.weight", "roi_heads.mask_head.3.0.weight"),
        ("roi_heads.mask_head.2.0.bias", "roi_heads.mask_head.2.0.bias"),
        ("roi_heads.mask_predictor.conv5_mask.weight", "roi_heads.mask_predictor.conv5_mask.weight"),
        ("roi_heads.mask_predictor.mask_fcn_logits.bias", "roi_heads.mask_predictor.mask_fcn_logits.bias"),
    ],
)  # fmt: skip
def test_mask_rcnn_is_spelt_as_torchvision_spells_it_now_and_before(published: str, own: str) -> None:
    assert mask_rcnn.rename(published) == own
    assert own in names_of_mask_rcnn()


def test_detections_fall_and_those_that_are_covered_come_last() -> None:
    recipe = small_detectors.MASK_RCNN
    network = mask_rcnn.build(blocks=(1, 1), channels=16, candidates=24, proposals=10, detections=20)
    with torch.no_grad():
        boxes, scores, labels, masks = shaken(network)(seeded(*recipe.inputs["image"]))
    assert (scores.diff() <= 0).all()
    assert 0 < (scores == 0).sum() < 20
    assert set(labels.tolist()) <= {1, 2}
    assert masks.amin() > 0
    assert masks.amax() < 1
    for label in (1, 2):
        sure = (labels == label) & (scores > 0)
        assert len({tuple(box) for box in boxes[sure].tolist()}) == int(sure.sum())


def test_pictures_of_a_batch_follow_each_other() -> None:
    recipe = small_detectors.MASK_RCNN
    network = shaken(recipe.build())
    pair = torch.cat((seeded(*recipe.inputs["image"]), seeded(*recipe.inputs["image"]) ** 2))
    with torch.no_grad():
        both = network(pair)
        alone = [network(pair[i : i + 1]) for i in range(2)]
    for found, *parts in zip(both, *alone, strict=True):
        torch.testing.assert_close(found, torch.cat(parts), rtol=1e-4, atol=1e-4)


# VoxelMorph ------------------------------------------------------------------------------------------------


def test_voxelmorph_has_the_layers_of_the_paper() -> None:
    """327331 weights are what its own program counts for features of VoxelMorph-2."""
    assert weights_in(voxelmorph.build()) == 327_331
    layers = [m for m in voxelmorph.build(decoder=voxelmorph.LIGHT).modules() if isinstance(m, nn.Conv3d)]
    assert [layer.out_channels for layer in layers] == [16, 32, 32, 32, 32, 32, 32, 32, 8, 8, 3]


@pytest.mark.parametrize(
    "name",
    ["unet_model.encoder.0.0.main.weight", "unet_model.encoder.3.0.main.bias", "unet_model.decoder.3.0.main.weight",
     "unet_model.remaining.2.main.weight", "flow.weight", "flow.bias"],
)  # fmt: skip
def test_voxelmorph_is_spelt_as_published(name: str) -> None:
    assert name in voxelmorph.build().state_dict()


def test_the_moving_scan_stands_before_the_fixed_one() -> None:
    network = small_detectors.VOXELMORPH.build()
    fixed, moving = seeded(1, 1, 16, 16, 16), seeded(1, 1, 16, 16, 16) ** 2
    with torch.no_grad():
        before = network(fixed, moving)
        network.unet_model.encoder[0][0].main.weight[:, 1] = 0
        # The first layer is now blind to the fixed scan, and to nothing else.
        assert not torch.equal(network(fixed, moving), before)
        assert torch.equal(network(fixed, moving), network(moving * 7, moving))


def test_untrained_displacements_are_of_a_few_voxels() -> None:
    with torch.no_grad():
        found = small_detectors.VOXELMORPH.build()(torch.rand(1, 1, 16, 32, 16), torch.rand(1, 1, 16, 32, 16))
    assert 1e-3 < found.abs().max() < 8


# Generators ------------------------------------------------------------------------------------------------


def test_the_generators_have_as_many_weights_as_published() -> None:
    """With three channels: 54.414 and 11.378 million are what their own program says."""
    assert round(weights_in(pix2pix.build(channels=3, made=3)) / 1e6, 3) == 54.414
    assert round(weights_in(pix2pix_resnet.build(channels=3, made=3)) / 1e6, 3) == 11.378


@pytest.mark.parametrize(
    "name",
    ["model.model.0.weight", "model.model.1.model.1.weight", "model.model.1.model.2.running_mean",
     "model.model.1.model.3.model.3.model.1.weight", "model.model.1.model.5.weight", "model.model.1.model.6.bias",
     "model.model.3.weight", "model.model.3.bias"],
)  # fmt: skip
def test_pix2pix_is_spelt_as_published(name: str) -> None:
    assert name in pix2pix.build(width=2).state_dict()


@pytest.mark.parametrize(
    ("published", "own"),
    [
        ("model.1.weight", "model.1.weight"),
        ("model.7.bias", "model.7.bias"),
        ("model.10.conv_block.1.weight", "model.10.conv_block.1.weight"),
        ("model.18.conv_block.5.bias", "model.18.conv_block.5.bias"),
        ("model.18.conv_block.6.bias", "model.18.conv_block.5.bias"),
        ("model.19.weight", "model.19.weight"),
        ("model.22.bias", "model.22.bias"),
        ("model.26.weight", "model.26.weight"),
    ],
)  # fmt: skip
def test_the_residual_generator_is_spelt_as_published_with_dropout_or_without(published: str, own: str) -> None:
    assert pix2pix_resnet.rename(published) == own
    assert own in pix2pix_resnet.build(width=2).state_dict()


def test_pix2pix_goes_down_to_one_pixel() -> None:
    network = pix2pix.build(width=2)
    seen: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape[1:])))
    with torch.no_grad():
        found = network(seeded(1, 1, 256, 256))
    assert [shape[1] for shape in seen] == [128, 64, 32, 16, 8, 4, 2, 1]
    assert [shape[0] for shape in seen] == [2, 4, 8, 16, 16, 16, 16, 16]
    assert found.shape == (1, 1, 256, 256)


@pytest.mark.parametrize("recipe", [small_detectors.PIX2PIX, small_detectors.PIX2PIX_RESNET], ids=lambda r: r.name)
def test_a_generator_stays_within_its_range_and_gives_one_picture_for_one_slice(recipe: Recipe) -> None:
    network = shaken(recipe.build())
    image = seeded(2, 1, 64, 64)
    with torch.no_grad():
        found = network(image)
        assert torch.equal(network(image), found)
        torch.testing.assert_close(network(image[:1]), found[:1], rtol=1e-4, atol=1e-4)
    assert found.abs().max() <= 1
    assert found.std() > 0.1
    assert math.isfinite(float(found.sum()))

"""The networks of the recipes for volumes against what their papers say of them, and against slower ways to compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from convert.describe import parse_description, to_manifest  # noqa: E402
from convert.recipes import (  # noqa: E402
    alzheimer_cae,
    alzheimer_cnn3d,
    alzheimer_voxcnn,
    brats_unet3d,
    moeskops_multiscale,
    organ_boxes,
    unet3d,
    vnet,
)
from convert.recipes.contract import description_file, recipe_description  # noqa: E402
from convert.recipes.head import logits_and_maps  # noqa: E402
from edge.detect.layouts import one_per_label  # noqa: E402
from edge.geometry import Grid  # noqa: E402
from edge.pack.manifest import Manifest, SegmentationTask  # noqa: E402
from edge.prepare import prepare  # noqa: E402
from edge.scan import Scan  # noqa: E402
from edge.testing import phantom_scan  # noqa: E402
from tests.convert.recipes import shaken  # noqa: E402

VOLUMES = ["alzheimer-cnn3d", "alzheimer-voxcnn", "alzheimer-cae", "unet3d", "brats-unet3d", "vnet", "organ-boxes"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights_in(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def seeded(*shape: int) -> Tensor:
    noise: Tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(4))
    return noise


def shape_of(network: nn.Module, *shape: int) -> list[tuple[int, ...]]:
    """Of the outputs at full size, without computing them."""
    found = network.to("meta")(torch.zeros(shape, device="meta"))
    return [tuple(value.shape) for value in (found if isinstance(found, tuple) else (found,))]


def manifest_of(name: str) -> Manifest:
    return to_manifest(parse_description(recipe_description(name).encode(), description_file(name)), ())


# Classification --------------------------------------------------------------------------------------------


def test_the_residual_network_has_the_layers_of_its_published_code() -> None:
    network = alzheimer_cnn3d.build()
    assert sum(isinstance(module, nn.Conv3d) for module in network.modules()) == 5 + 6 * 2
    assert sum(isinstance(module, alzheimer_cnn3d.VoxRes) for module in network.modules()) == 6
    widths = {name: module.out_channels for name, module in network.named_children() if isinstance(module, nn.Conv3d)}
    assert widths == {"conv1a": 32, "conv1b": 32, "conv1c": 64, "conv4": 64, "conv7": 128}
    assert {"voxres2.bn1.weight", "voxres9.conv2.bias", "bn7.running_var", "prob.weight"} <= set(network.state_dict())
    assert shape_of(network, 1, 1, 110, 110, 110) == [(1, 3), (1, 3, 14, 14, 14)]


def test_a_residual_block_is_its_input_and_a_branch() -> None:
    block = shaken(alzheimer_cnn3d.VoxRes(3).eval())
    image = seeded(1, 3, 4, 5, 6)
    with torch.no_grad():
        assert not torch.equal(block(image), image)
        block.conv2.weight.zero_()
        block.conv2.bias.zero_()
        assert torch.equal(block(image), image)


def test_a_map_in_three_dimensions_is_what_each_place_would_say_alone() -> None:
    head = nn.Linear(5, 2)
    features = seeded(3, 5, 4, 6, 2)
    with torch.no_grad():
        logits, cam = logits_and_maps(features, head)
        place = head(features[:, :, 1, 2, 1]) - head.bias
        torch.testing.assert_close(cam[:, :, 1, 2, 1], place, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(cam.mean((2, 3, 4)) + head.bias, logits, rtol=1e-5, atol=1e-5)


def test_voxcnn_ends_in_a_single_place() -> None:
    """As published: convolutions without padding take 110 voxels to 53, 24, 9 and 1."""
    network = alzheimer_voxcnn.build()
    sizes = []
    for module in network.features:
        if isinstance(module, nn.MaxPool3d):
            module.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape[1:3])))
    assert shape_of(network, 1, 1, 110, 110, 110) == [(1, 3)]
    assert sizes == [(8, 53), (16, 24), (32, 9), (64, 1)]
    assert [module.out_features for module in network.classifier if isinstance(module, nn.Linear)] == [128, 64, 3]


def test_the_encoder_ends_in_dense_layers_as_published() -> None:
    network = alzheimer_cae.build()
    dense = [module for module in network.classifier if isinstance(module, nn.Linear)]
    assert [(module.in_features, module.out_features) for module in dense] == [(8 * 12**3, 2000), (2000, 500), (500, 3)]
    assert weights_in(network.encoders) == 1 * 8 * 27 + 8 + 2 * (8 * 8 * 27 + 8)
    assert shape_of(network, 2, 1, 110, 110, 110) == [(2, 3)]


# Segmentation ----------------------------------------------------------------------------------------------


def test_the_3d_unet_has_as_many_weights_as_published() -> None:
    """The paper counts 19 069 955: a bias for every convolution but those that rise, and no normalisation."""
    network = unet3d.build(channels=3, classes=3, width=32)
    convolutions = [module for module in network.modules() if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d))]
    normalised = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    assert sum(map(weights_in, convolutions)) + sum(module.num_features for module in normalised) == 19_069_955


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_what_the_3d_unet_rises_with_stands_behind_what_it_skipped(norm: unet3d.Norm) -> None:
    """With nothing coming up, the last decoder's weights for the second part of its input do not matter."""
    network: Any = unet3d.build(width=2, norm=norm)
    weight = network.decoders[-1].basic_module.SingleConv1.conv.weight
    image = seeded(1, 1, 16, 16, 8)
    with torch.no_grad():
        network.decoders[-1].upsampling.weight.zero_()
        before = network(image)
        weight[:, 4:] += 1
        assert torch.equal(network(image), before)
        weight[:, 0] += 1
        assert not torch.equal(network(image), before)


@pytest.mark.parametrize("name", ["encoders.0.basic_module.SingleConv1.conv.weight",
                                  "encoders.3.basic_module.SingleConv2.batchnorm.running_mean",
                                  "decoders.2.basic_module.SingleConv1.conv.weight", "final_conv.bias"])  # fmt: skip
def test_the_3d_unet_is_spelt_as_published(name: str) -> None:
    assert name in unet3d.build(width=2).state_dict()


def receptive_fields(network: vnet.VNet) -> list[int]:
    """How many voxels along an axis each stage sees, by the sizes and strides of its convolutions."""
    found, field, jump = [], 1, 1
    for name in ("in_tr", "down_tr32", "down_tr64", "down_tr128", "down_tr256", "up_tr256", "up_tr128", "up_tr64",
                 "up_tr32"):  # fmt: skip
        for module in network.get_submodule(name).modules():
            if isinstance(module, nn.ConvTranspose3d):
                jump //= module.stride[0]
                field += (module.kernel_size[0] - 1) * jump
            elif isinstance(module, nn.Conv3d):
                field += (module.kernel_size[0] - 1) * jump
                jump *= module.stride[0]
        found.append(field)
    return found


def test_the_stages_of_vnet_see_as_far_as_published() -> None:
    """Table 1 of the paper."""
    assert receptive_fields(vnet.build(width=2)) == [5, 22, 72, 172, 372, 476, 528, 546, 551]


def test_vnet_adds_the_image_to_each_feature_of_its_first_stage() -> None:
    stage = vnet.First(3).eval()
    image = seeded(1, 1, 4, 4, 4).abs()
    with torch.no_grad():
        stage.conv1.weight.zero_()
        assert torch.equal(stage(image), image.expand(1, 3, 4, 4, 4))


@pytest.mark.parametrize(
    "name",
    ["in_tr.conv1.weight", "down_tr32.down_conv.weight", "down_tr64.ops.2.bn1.bias", "down_tr256.relu2.weight",
     "up_tr256.up_conv.bias", "up_tr32.ops.0.conv1.weight"],
)  # fmt: skip
def test_vnet_is_spelt_as_published(name: str) -> None:
    assert name in vnet.build(width=2).state_dict()


def test_vnet_and_the_tumour_network_answer_for_every_voxel() -> None:
    assert shape_of(vnet.build(), 1, 1, 64, 128, 128) == [(1, 2, 64, 128, 128)]
    assert shape_of(brats_unet3d.build(), 1, 4, 80, 80, 80) == [(1, 3, 80, 80, 80)]


def test_every_level_that_decides_has_its_part_in_the_tumours_logits() -> None:
    network: Any = brats_unet3d.build(width=2)
    image = seeded(1, 4, 32, 32, 32)
    with torch.no_grad():
        before = network(image)
        for level, voxels in zip(network.decide, (4, 2, 1), strict=True):
            level.bias += 1.0
            after = network(image)
            torch.testing.assert_close(after, before + 1.0)
            level.weight.zero_()
            coarse = network(image) - after
            assert coarse.abs().max() > 1e-3
            blocks = coarse.unfold(2, voxels, voxels).unfold(3, voxels, voxels).unfold(4, voxels, voxels)
            assert blocks.flatten(5).std(5, unbiased=False).max() < 1e-4
            before = network(image)


# Every pixel by its patches --------------------------------------------------------------------------------


def answer_to_patches(network: Any, image: Tensor, y: int, x: int) -> Tensor:
    """What the three networks of the paper, with strides, say of the pixel in the middle of three patches."""
    joined = []
    for scale, (patch, _) in zip(network.scales, moeskops_multiscale.KERNELS.items(), strict=True):
        half = patch // 2
        padded = functional.pad(image, (half, half, half, half))
        seen = padded[:, :, y : y + patch, x : x + patch]
        for conv in scale.conv:
            seen = functional.relu(functional.max_pool2d(functional.conv2d(seen, conv.weight, conv.bias), 2))
        joined.append(functional.relu(functional.conv2d(seen, scale.dense.weight, scale.dense.bias)))
    answer: Tensor = network.decide(torch.cat(joined, 1))
    return answer[:, :, 0, 0]


def test_every_pixel_gets_the_answer_to_the_patches_around_it() -> None:
    """In the corners, where a patch is mostly padding, and at odd and even places, where strides would differ."""
    network = shaken(moeskops_multiscale.build())
    image = seeded(1, 1, 34, 41)
    with torch.no_grad():
        dense = network(image)
        assert dense.shape == (1, 9, 34, 41)
        for y, x in [(0, 0), (0, 40), (33, 0), (33, 40), (17, 20), (16, 21), (5, 39), (30, 2)]:
            patches = answer_to_patches(network, image, y, x)
            torch.testing.assert_close(dense[:, :, y, x], patches, rtol=1e-4, atol=1e-5)


def test_a_pixel_does_not_see_beyond_the_largest_patch() -> None:
    network = moeskops_multiscale.build()
    image = seeded(1, 1, 9, 60)
    changed = image.clone()
    changed[:, :, :, 50] += 1.0
    with torch.no_grad():
        difference = (network(changed) - network(image)).abs().amax((0, 1, 2))
    reach = 75 // 2
    assert difference[: 50 - reach].max() < 1e-6
    assert difference[50 - 30] > 1e-4


@pytest.mark.parametrize("apart", [1, 2, 4])
def test_the_largest_of_four_is_pooling_with_its_taps_apart(apart: int) -> None:
    image = seeded(2, 3, 11, 9)
    expected = functional.max_pool2d(image, 2, 1, dilation=apart)
    assert torch.equal(moeskops_multiscale.largest_of_four(image, apart), expected)


# Boxes -----------------------------------------------------------------------------------------------------


def test_boxes_lie_in_the_volume_and_end_after_they_start() -> None:
    network = organ_boxes.build()
    with torch.no_grad():
        found = network(3 * seeded(4, 1, 32, 24, 16))
    start, end = found[:, :, 1:4], found[:, :, 4:7]
    assert found.shape == (4, 6, 7)
    assert (start >= 0).all()
    assert (start <= end).all()
    assert (end <= 1).all()
    assert found.std(0).max() > 1e-3


def test_a_profile_with_two_steps_gives_these_two_edges() -> None:
    """The box can reach the edges of the volume, and which of the two distributions came first does not matter."""
    edges = organ_boxes.Edges(1)
    profile = torch.zeros(1, 1, 5)
    with torch.no_grad():
        edges.places.weight.zero_()
        assert [value[0, 0].item() for value in edges(profile)] == pytest.approx([0.5, 0.5])
        edges.places.weight[0, 0, 1], edges.places.weight[organ_boxes.ORGANS, 0, 1] = 50.0, -50.0
        profile[0, 0, 4] = 1.0
        start, end = (value[0, 0].item() for value in edges(profile))
    assert (start, end) == pytest.approx((0.375, 1.0))


def test_boxes_are_read_as_the_runtime_reads_them() -> None:
    network = organ_boxes.build(width=4)
    with torch.no_grad():
        found = network(seeded(1, 1, 32, 24, 16)).numpy()
    read = one_per_label({"boxes": found}, "boxes", [0.0] * 6, (32, 24, 16), activation="sigmoid")
    assert read.labels.tolist() == list(range(6))
    np.testing.assert_allclose(read.boxes, found[0, :, 1:] * np.array([32, 24, 16] * 2), rtol=1e-5)
    np.testing.assert_allclose(read.scores, 1 / (1 + np.exp(-found[0, :, 0])), rtol=1e-5)


# What they are fed -----------------------------------------------------------------------------------------


def volume(unit: str) -> Scan:
    """Of an odd size, 6 mm thick, with nothing around a bright middle, in the patient."""
    scan = phantom_scan((21, 40, 36))
    matrix = np.array([[0, 0, 3.5, -60.0], [0, 3.0, 0, -50.0], [6.0, 0, 0, -40.0], [0, 0, 0, 1]])
    grid = Grid.of((21, 40, 36), matrix, "patient")
    z, y, x = np.mgrid[-1:1:21j, -1:1:40j, -1:1:36j]
    inside = z**2 + y**2 + x**2 < 0.8
    values = np.where(inside, 40 + 60 * np.sin(3 * x + 2 * y) + 20 * z, -1000.0 if unit == "HU" else 0.0)
    return replace(
        scan, voxels=values.astype(np.float32), grid=grid, stack="volume", unit=unit, value_range=(-1024.0, 3071.0)
    )


@pytest.mark.parametrize("name", VOLUMES)
def test_the_steps_lead_to_the_declared_tensor(name: str) -> None:
    manifest = manifest_of(name)
    unit = "HU" if "CT" in manifest.inputs[0].accepts.modality else "stored value"
    feed = next(iter(prepare({item.name: volume(unit) for item in manifest.inputs}, manifest)))
    (tensor,) = feed.tensors.values()
    channels = sum(item.shape[0] for item in manifest.inputs)
    assert tensor.shape == (1, channels, *manifest.inputs[0].shape[1:])
    assert tensor.std() > 0.05
    assert abs(tensor).max() < 10
    assert (feed.window is not None) == (
        isinstance(manifest.task, SegmentationTask) and manifest.task.windows is not None
    )


def test_the_tumours_four_scans_are_told_apart_by_the_words_of_their_descriptions() -> None:
    from edge.roles import matches  # noqa: PLC0415
    from edge.scan import Acquisition, Identity, Series  # noqa: PLC0415

    def told(text: str) -> list[str]:
        said = Acquisition(description=text)
        series = Series(format="dicom", paths=(), identity=Identity(), acquisition=said, pictures=1, bytes=0)
        items = manifest_of("brats-unet3d").inputs
        return [item.name for item in items if item.role is not None and matches(series, item.role)]

    assert told("AX T1 SE") == ["t1"]
    assert told("Sag MPRAGE pre") == ["t1"]
    assert told("ax_t1_post_gd") == ["t1ce"]
    assert told("T1CE") == ["t1ce"]
    assert told("MPRAGE +C Gd") == ["t1ce"]
    assert told("AX T2 TSE") == ["t2"]
    assert told("AX T2 FLAIR") == ["flair"]
    assert told("FLAIR") == ["flair"]
    assert told("T2 FLAIR post contrast") == []
    assert told("DWI b1000") == []


def test_sizes_are_options_and_weights_repeat_at_each() -> None:
    for build in (
        partial(vnet.build, width=1),
        partial(brats_unet3d.build, width=1),
        partial(organ_boxes.build, width=2),
    ):
        first, second = build().state_dict(), build().state_dict()
        assert all(torch.equal(first[name], value) for name, value in second.items())

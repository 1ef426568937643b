"""The networks of the recipes against what others say of them: how many weights, which names, how much work."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from torch import Tensor, nn  # noqa: E402

from convert.recipes.chest_densenet121 import DenseLayer, rename  # noqa: E402
from convert.recipes.head import logits_and_maps  # noqa: E402
from convert.sources.weights import load_weights  # noqa: E402
from edge.errors import UsageError  # noqa: E402
from tests.convert.recipes import recipe_of, shaken  # noqa: E402


def weights_in(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def multiplications(name: str) -> int:
    """Of all convolutions and linear layers for one picture."""
    recipe = recipe_of(name)
    network = recipe.build()
    counted: list[int] = []
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(partial(_count, counted))
    with torch.no_grad():
        network(*(torch.zeros(shape) for shape in recipe.inputs.values()))
    return sum(counted)


def _count(counted: list[int], module: Any, _inputs: object, output: Tensor) -> None:
    counted.append(output[0].numel() * module.weight[0].numel())


def seeded(*shape: int) -> Tensor:
    noise: Tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(4))
    return noise


# DenseNet-121 ----------------------------------------------------------------------------------------------


def test_densenet121_has_as_many_weights_as_published() -> None:
    network = recipe_of("chest-densenet121").build()
    assert weights_in(network.features) == 6_953_856
    assert weights_in(network.classifier) == 14 * 1025
    assert len(network.state_dict()) == 727


def test_densenet121_does_as_much_work_as_published() -> None:
    """By torchvision it is 2.83 thousand million for a picture of 224 x 224, with 1000 classes."""
    assert round(multiplications("chest-densenet121") / 1e9, 2) == 2.83


@pytest.mark.parametrize(
    "name",
    [
        "features.conv0.weight",
        "features.norm0.running_var",
        "features.denseblock1.denselayer1.norm1.weight",
        "features.denseblock4.denselayer16.conv2.weight",
        "features.transition3.norm.bias",
        "features.transition3.conv.weight",
        "features.norm5.weight",
        "classifier.bias",
    ],
)
def test_densenet121_is_spelt_as_torchvision_spells_it(name: str) -> None:
    assert name in recipe_of("chest-densenet121").build().state_dict()
    assert rename(name) == name


@pytest.mark.parametrize(
    ("published", "own"),
    [
        ("features.denseblock2.denselayer11.norm.2.bias", "features.denseblock2.denselayer11.norm2.bias"),
        ("module.features.denseblock1.denselayer1.conv.1.weight", "features.denseblock1.denselayer1.conv1.weight"),
        ("densenet121.features.transition1.norm.weight", "features.transition1.norm.weight"),
        ("module.densenet121.classifier.0.weight", "classifier.weight"),
        ("module.model.densenet121.features.norm5.bias", "features.norm5.bias"),
        ("features.modules.weight", "features.modules.weight"),
    ],
)  # fmt: skip
def test_published_spellings_are_understood(published: str, own: str) -> None:
    assert rename(published) == own


def test_a_dense_layer_keeps_what_came_in_in_front() -> None:
    layer = shaken(DenseLayer(6).eval())
    with torch.no_grad():
        image = seeded(2, 6, 5, 5)
        found = layer(image)
    assert found.shape == (2, 38, 5, 5)
    assert torch.equal(found[:, :6], image)
    assert not torch.equal(found[:, 6:12], image)


def test_two_weights_for_one_name_are_not_chosen_between(tmp_path: Path) -> None:
    recipe = recipe_of("chest-densenet121")
    network = recipe.build()
    torch.save({**network.state_dict(), "module.classifier.bias": torch.ones(14)}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=r"found classifier\.bias and module\.classifier\.bias, expected one of them"):
        load_weights(network, tmp_path / "w.pt", recipe.name, recipe.rename)


# ResNet-50 -------------------------------------------------------------------------------------------------


def test_resnet50_has_as_many_weights_as_published() -> None:
    network = recipe_of("skin-resnet50").build()
    assert weights_in(network) - weights_in(network.fc) == 23_508_032
    assert weights_in(network.fc) == 2049
    assert len(network.state_dict()) == 320


def test_resnet50_strides_where_torchvision_does() -> None:
    """With the stride in the 1 x 1 convolution, as first published, it would be 3.86 thousand million and not 4.09."""
    assert round(multiplications("skin-resnet50") / 1e9, 2) == 4.09


@pytest.mark.parametrize(
    "name",
    ["conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer1.0.downsample.0.weight", "layer2.0.downsample.1.bias",
     "layer3.5.bn3.running_mean", "layer4.2.conv3.weight", "fc.weight"],
)  # fmt: skip
def test_resnet50_is_spelt_as_torchvision_spells_it(name: str) -> None:
    assert name in recipe_of("skin-resnet50").build().state_dict()


# U-Net -----------------------------------------------------------------------------------------------------


def test_the_unet_has_as_many_weights_as_published() -> None:
    assert weights_in(recipe_of("unet2d").build()) == 7_763_041


@pytest.mark.parametrize(
    "name",
    ["encoder1.enc1conv1.weight", "encoder1.enc1norm1.running_var", "encoder4.enc4conv2.weight",
     "bottleneck.bottleneckconv1.weight", "bottleneck.bottlenecknorm2.bias", "upconv4.weight", "upconv1.bias",
     "decoder4.dec4conv1.weight", "decoder1.dec1norm2.running_mean", "conv.weight", "conv.bias"],
)  # fmt: skip
def test_the_unet_is_spelt_as_published(name: str) -> None:
    assert name in recipe_of("unet2d").build().state_dict()


def test_what_the_unet_goes_up_with_stands_before_what_it_skipped() -> None:
    """With nothing coming up, the last decoder's weights for the first half of its input do not matter."""
    network = recipe_of("unet2d").build()
    weight = network.decoder1[0].weight
    image = seeded(1, 3, 32, 32)
    with torch.no_grad():
        network.upconv1.weight.zero_()
        network.upconv1.bias.zero_()
        before = network(image)
        weight[:, :32] += 1
        assert torch.equal(network(image), before)
        weight[:, 32:] += 1
        assert not torch.equal(network(image), before)


def test_the_unet_takes_other_sizes_that_sixteen_divides() -> None:
    with torch.no_grad():
        assert recipe_of("unet2d").build()(seeded(1, 3, 48, 80)).shape == (1, 1, 48, 80)


# Retinopathy, and what all classifiers share ---------------------------------------------------------------


def test_the_retinopathy_network_has_ten_convolutions_and_a_map_of_sixteen_places() -> None:
    recipe = recipe_of("retinopathy-cnn")
    network = recipe.build()
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 10
    assert {module.kernel_size for module in network.modules() if isinstance(module, nn.Conv2d)} == {(3, 3)}
    with torch.no_grad():
        logits, cam = network(seeded(1, 3, 512, 512))
    assert logits.shape == (1, 4)
    assert cam.shape == (1, 4, 16, 16)


def test_a_map_is_what_each_place_would_say_alone() -> None:
    head = nn.Linear(5, 2)
    features = seeded(3, 5, 4, 6)
    with torch.no_grad():
        logits, cam = logits_and_maps(features, head)
        place = head(features[:, :, 1, 2]) - head.bias
        torch.testing.assert_close(cam[:, :, 1, 2], place, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(cam.mean((2, 3)) + head.bias, logits, rtol=1e-5, atol=1e-5)

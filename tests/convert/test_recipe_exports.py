"""Every recipe, with published weights: it exports, answers as in PyTorch, and is what its description says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for package in ("onnx", "onnxscript", "safetensors"):
    pytest.importorskip(package)

import onnx  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from convert.describe import check_fits, parse_description  # noqa: E402
from convert.recipes.contract import Recipe, recipe_description  # noqa: E402
from convert.sources import Source, load_source  # noqa: E402
from convert.sources.trial import Runner, largest_difference, seeded_feeds  # noqa: E402
from convert.sources.weights import load_weights  # noqa: E402
from edge.errors import UsageError  # noqa: E402
from edge.pack.manifest import ClassificationTask  # noqa: E402
from edge.pack.onnx_file import inspect_onnx  # noqa: E402
from tests.convert.recipes import published, recipe_of, shaken  # noqa: E402

SMALLEST = "unet2d"
NAMES = ("chest-pneumonia", "chest-densenet121", "skin-resnet50", "retinopathy-cnn", "unet2d")
"""The others are tested at a small size, in files of their own."""
UNTRAINED = NAMES[1:]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A recipe with made-up weights: what its network answers to a batch, and what became of the published file."""

    recipe: Recipe
    network: nn.Module
    answers: dict[str, np.ndarray]
    source: Source


@pytest.fixture(scope="module", params=NAMES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    recipe = recipe_of(request.param)
    network = shaken(recipe.build())
    path = tmp_path_factory.mktemp("weights") / "published.safetensors"
    save_file(published(recipe.name, network.state_dict()), path)
    source = load_source(request.param.replace("-", "_"), weights=path)
    return Exported(recipe=recipe, network=network, answers=answers(network, recipe), source=source)


def feeds(recipe: Recipe) -> dict[str, np.ndarray]:
    shapes = {name: (2, *shape[1:]) for name, shape in recipe.inputs.items()}
    return seeded_feeds(shapes, dict.fromkeys(shapes, np.dtype(np.float32)))


def answers(network: nn.Module, recipe: Recipe) -> dict[str, np.ndarray]:
    with torch.no_grad():
        found = network(*(torch.from_numpy(feed) for feed in feeds(recipe).values()))
    values = found if isinstance(found, tuple) else (found,)
    return {name: value.numpy() for name, value in zip(recipe.outputs, values, strict=True)}


def test_the_graph_answers_as_the_network(exported: Exported) -> None:
    """The conversion tried batches of one and three, and says so; here it is a batch of two."""
    found = Runner(exported.source.onnx).run(feeds(exported.recipe))
    assert largest_difference(exported.answers, found) < 1e-4
    assert all(value.std() > 1e-3 for value in found.values())
    assert exported.source.notes[-1].startswith("PyTorch and ONNX Runtime agree within 0.0001 at batch 1 and 3")


def test_the_graph_may_stand_in_a_pack(exported: Exported) -> None:
    inspect_onnx(exported.source.onnx, "model.onnx")
    model = onnx.load_from_string(exported.source.onnx)
    assert model.ir_version <= 10
    assert [(entry.domain, entry.version <= 20) for entry in model.opset_import] == [("", True)]
    assert [item.name for item in model.graph.input] == list(exported.recipe.inputs)
    assert [item.name for item in model.graph.output] == list(exported.recipe.outputs)
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_normalisations_after_convolutions_are_folded(exported: Exported) -> None:
    """DenseNet-121 keeps those that come before a convolution: one of each layer and transition, and the last."""
    left = [node for node in onnx.load_from_string(exported.source.onnx).graph.node if "Norm" in node.op_type]
    assert len(left) == (58 + 3 + 1 if exported.recipe.name == "chest-densenet121" else 0)


def test_the_description_fits_the_graph(exported: Exported) -> None:
    description = parse_description(recipe_description(exported.recipe.name).encode(), exported.recipe.description)
    check_fits(description, exported.source.onnx)
    assert {item.tensor: (1, *item.shape) for item in description.inputs} == exported.recipe.inputs
    task = description.task
    maps = task.map_output if isinstance(task, ClassificationTask) else None
    assert [name for name in (task.output, maps) if name] == list(exported.recipe.outputs)


def test_the_map_averages_to_the_logit(exported: Exported) -> None:
    if "cam" not in exported.recipe.outputs:
        pytest.skip("a segmentation is its own map")
    logit, cam = exported.answers.values()
    head = next(module for module in exported.network.modules() if isinstance(module, nn.Linear))
    assert np.abs(cam.mean((2, 3)) + head.bias.detach().numpy() - logit).max() < 1e-5 * max(1.0, np.abs(logit).max())
    assert (cam.std((2, 3)) > 1e-3).all()


def test_the_origin_names_recipe_and_file(exported: Exported) -> None:
    origin = exported.source.origin
    assert origin.startswith(f"the recipe {exported.recipe.name} with the weights published.safetensors (SHA-256 ")
    assert not any("No weights were given" in note for note in exported.source.notes)


def test_without_weights_it_says_that_it_knows_nothing_and_gives_the_same_bytes_twice() -> None:
    first, second = (load_source(SMALLEST) for _ in range(2))
    assert first.onnx == second.onnx
    assert first.notes[0] == "No weights were given: it has random ones, always the same, and knows nothing."


@pytest.mark.parametrize("name", UNTRAINED)
def test_random_weights_repeat_and_leave_pytorchs_own_numbers_alone(name: str) -> None:
    build = recipe_of(name).build
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = build().state_dict()
    assert torch.equal(torch.rand(3), expected)
    second = build().state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_built_to_be_run(name: str) -> None:
    recipe = recipe_of(name)
    network = recipe.build()
    assert recipe.name == name
    assert not any(module.training for module in network.modules())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", UNTRAINED)
def test_own_and_published_spellings_give_the_same_network(name: str, tmp_path: Path) -> None:
    recipe = recipe_of(name)
    state = shaken(recipe.build()).state_dict()
    save_file(state, tmp_path / "own.safetensors")
    torch.save({"epoch": 7, "state_dict": published(name, state)}, tmp_path / "published.pt")
    for file in ("own.safetensors", "published.pt"):
        network = recipe.build()
        notes = load_weights(network, tmp_path / file, name, recipe.rename)
        found = network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in state.items() if "tracked" not in key)
        assert bool(notes) == (file == "published.pt")


@pytest.mark.parametrize(
    ("name", "weight", "wrong", "said"),
    [
        (
            "chest-densenet121", "classifier.weight", lambda: torch.zeros(1000, 1024),
            "classifier.weight: found 1000 x 1024 float32, expected 14 x 1024 float32",
        ),
        (
            "skin-resnet50", "layer3.5.conv2.weight", lambda: torch.zeros(256, 256, 1, 1),
            "layer3.5.conv2.weight: found 256 x 256 x 1 x 1 float32, expected 256 x 256 x 3 x 3 float32",
        ),
        (
            "retinopathy-cnn", "head.bias", lambda: torch.zeros(4).half(),
            "head.bias: found 4 float16, expected 4 float32",
        ),
        (
            "unet2d", "encoder1.enc1conv1.weight", lambda: torch.zeros(32, 1, 3, 3),
            "encoder1.enc1conv1.weight: found 32 x 1 x 3 x 3 float32, expected 32 x 3 x 3 x 3 float32",
        ),
        ("unet2d", "conv.scale", lambda: torch.zeros(1), "conv.scale: found 1 float32, expected no such weight"),
    ],
)  # fmt: skip
def test_a_weight_that_does_not_fit_is_named(
    name: str, weight: str, wrong: Callable[[], Tensor], said: str, tmp_path: Path
) -> None:
    save_file({**recipe_of(name).build().state_dict(), weight: wrong()}, tmp_path / "wrong.safetensors")
    with pytest.raises(UsageError) as caught:
        load_source(name, weights=tmp_path / "wrong.safetensors")
    assert f"Putting wrong.safetensors into {name}: found 1 of" in caught.value.message
    assert said in caught.value.message

"""The recipes for volumes, at small sizes: they export, answer as in PyTorch, and survive INT8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for package in ("onnx", "onnxscript", "safetensors"):
    pytest.importorskip(package)
pytest.importorskip("openvino")

import onnx  # noqa: E402
from torch import nn  # noqa: E402

from convert.describe import parse_description  # noqa: E402
from convert.export import fold_batch_norm  # noqa: E402
from convert.lower import lower_for_onnxruntime  # noqa: E402
from convert.quantise import quantise_int8  # noqa: E402
from convert.recipes.contract import Recipe, description_file, recipe_description  # noqa: E402
from convert.sources import RECIPES, Source, load_source  # noqa: E402
from convert.sources.trial import Runner, largest_difference  # noqa: E402
from edge.engines.openvino import OpenVinoEngine  # noqa: E402
from edge.pack.manifest import ClassificationTask, SegmentationTask, tensor_shapes  # noqa: E402
from edge.pack.onnx_file import inspect_onnx  # noqa: E402
from edge.table import Entry  # noqa: E402
from tests.convert import small_recipes  # noqa: E402
from tests.convert.recipes import recipe_of, shaken  # noqa: E402

SMALL = {name: value for name, value in vars(small_recipes).items() if isinstance(value, Recipe)}
NAMES = sorted({recipe.name for recipe in SMALL.values()})
KEPT_NORMALISATIONS = {
    "ALZHEIMER_CNN3D": 8,  # those before a convolution: one of each block, and two between the stages
    "ALZHEIMER_VOXCNN": 1,  # behind a rectifier
    "UNET3D_INSTANCE": 14,
    "BRATS_UNET3D": 26,
}
INT8_ERRORS = {"BRATS_UNET3D": 0.45}
"""Root of the mean square over that of the answers; random weights and 26 normalisations of instances add to it."""
PLAIN = frozenset(
    [
        "Add",
        "BatchNormalization",
        "Concat",
        "Conv",
        "ConvTranspose",
        "Expand",
        "Flatten",
        "Gemm",
        "InstanceNormalization",
        "LeakyRelu",
        "MatMul",
        "Max",
        "MaxPool",
        "Min",
        "Mul",
        "PRelu",
        "Pad",
        "ReduceMean",
        "ReduceSum",
        "Relu",
        "Reshape",
        "Resize",
        "Slice",
        "Softmax",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    ]
)
"""No sampling, suppression or control flow, which engines lack or do in their own ways."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A small recipe with made-up weights, and what became of it."""

    key: str
    recipe: Recipe
    network: nn.Module
    source: Source


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=sorted(SMALL))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    recipe = SMALL[request.param]
    network = shaken(recipe.build())
    path = tmp_path_factory.mktemp("weights") / "own.pt"
    torch.save(network.state_dict(), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, recipe.name, Entry(f"tests.convert.small_recipes:{request.param}"))
        source = load_source(recipe.name, weights=path)
    return Exported(key=request.param, recipe=recipe, network=network, source=source)


def smooth_feeds(recipe: Recipe, count: int, batch: int = 1) -> list[dict[str, np.ndarray]]:
    """Blobs on noise, as scans are, and not noise alone."""
    feeds = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        feed = {}
        for name, (_, *shape) in recipe.inputs.items():
            noise = random.standard_normal((batch, *shape)).astype(np.float32)
            axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape[1:]), indexing="ij")
            radius = sum((axis - random.uniform(-0.4, 0.4)) ** 2 for axis in axes)
            feed[name] = (np.exp(-3 * radius) * 2 + 0.3 * noise).astype(np.float32)
        feeds.append(feed)
    return feeds


def answers(network: nn.Module, recipe: Recipe, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with torch.no_grad():
        found = network(*(torch.from_numpy(value) for value in feed.values()))
    values = found if isinstance(found, tuple) else (found,)
    return {name: value.numpy() for name, value in zip(recipe.outputs, values, strict=True)}


def test_the_graph_answers_as_the_network(exported: Exported) -> None:
    """The conversion tried batches of one and three, and says so; here it is a batch of two."""
    (feed,) = smooth_feeds(exported.recipe, 1, batch=2)
    expected = answers(exported.network, exported.recipe, feed)
    assert largest_difference(expected, Runner(exported.source.onnx).run(feed)) < 1e-4
    assert all(np.isfinite(value).all() and 1e-3 < value.std() < 1e3 for value in expected.values())
    assert exported.source.notes[-1].startswith("PyTorch and ONNX Runtime agree within 0.0001 at batch 1 and 3")


def test_the_graph_may_stand_in_a_pack(exported: Exported) -> None:
    inspect_onnx(exported.source.onnx, "model.onnx")
    model = onnx.load_from_string(exported.source.onnx)
    assert model.ir_version <= 10
    assert [(entry.domain, entry.version <= 20) for entry in model.opset_import] == [("", True)]
    assert {node.op_type for node in model.graph.node} <= PLAIN
    assert [item.name for item in model.graph.output] == list(exported.recipe.outputs)
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_normalisations_after_convolutions_are_folded(exported: Exported) -> None:
    left = [node for node in onnx.load_from_string(exported.source.onnx).graph.node if "Norm" in node.op_type]
    assert len(left) == KEPT_NORMALISATIONS.get(exported.key, 0)


def test_in_int8_it_still_runs_and_answers_alike(exported: Exported) -> None:
    """On both engines from one file, as packs hold it."""
    feeds = smooth_feeds(exported.recipe, 3)
    quantised = quantise_int8(exported.source.onnx, feeds, method="minmax")
    lowered = lower_for_onnxruntime(quantised)
    expected = Runner(exported.source.onnx).run(feeds[0])
    engine = OpenVinoEngine(lowered, precision="int8", threads=1)
    on_openvino = engine.infer(feeds[0])
    engine.close()
    for name, value in expected.items():
        for found in (Runner(lowered).run(feeds[0])[name], on_openvino[name]):
            assert found.shape == value.shape
            error = float(np.sqrt(np.mean((found - value) ** 2)))
            assert error < INT8_ERRORS.get(exported.key, 0.15) * float(np.sqrt(np.mean(value**2)))


def test_the_map_averages_to_the_logit(exported: Exported) -> None:
    if "cam" not in exported.recipe.outputs:
        pytest.skip("it has no class activation map")
    (feed,) = smooth_feeds(exported.recipe, 1)
    logits, cam = Runner(exported.source.onnx).run(feed).values()
    head = next(module for module in exported.network.modules() if isinstance(module, nn.Linear))
    assert cam.ndim == 5
    assert np.abs(cam.mean((2, 3, 4)) + head.bias.detach().numpy() - logits).max() < 1e-4
    assert (cam.std((2, 3, 4)) > 1e-3).all()


def test_folding_in_three_dimensions_leaves_the_answers_and_the_network_as_they_were() -> None:
    recipe = small_recipes.UNET3D
    network = shaken(recipe.build())
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm3d) for module in network.modules())
    (feed,) = smooth_feeds(recipe, 1)
    assert largest_difference(answers(network, recipe, feed), answers(folded, recipe, feed)) < 1e-5


def test_a_normalisation_behind_a_convolution_of_other_dimensions_stays() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm3d(2), nn.Conv3d(1, 2, 3), nn.BatchNorm2d(2))
    kinds = [type(module) for module in fold_batch_norm(network).children()]
    assert kinds == [nn.Conv2d, nn.BatchNorm3d, nn.Conv3d, nn.BatchNorm2d]


def test_the_smallest_gives_the_same_bytes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "unet3d", Entry("tests.convert.small_recipes:UNET3D"))
    first, second = (load_source("unet3d") for _ in range(2))
    assert first.onnx == second.onnx
    assert first.notes[0] == "No weights were given: it has random ones, always the same, and knows nothing."


@pytest.mark.parametrize("key", sorted(SMALL))
def test_random_weights_repeat_and_leave_pytorchs_own_numbers_alone(key: str) -> None:
    build = SMALL[key].build
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = build().state_dict()
    assert torch.equal(torch.rand(3), expected)
    second = build().state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", NAMES)
def test_a_description_is_complete_and_of_the_whole_network(name: str) -> None:
    text = recipe_description(name)
    description = parse_description(text.encode(), description_file(name))
    assert "FILL IN" not in text
    assert description.name == name
    assert description.status == "architecture-only"
    assert "Never for a patient." in description.intended_use
    assert description.limits.startswith("The weights are random: ")
    recipe = recipe_of(name)
    shapes = {tensor: (1, *shape) for tensor, shape in tensor_shapes(description.inputs).items()}
    assert shapes == recipe.inputs
    task = description.task
    maps = task.map_output if isinstance(task, ClassificationTask) else None
    assert tuple(output for output in (task.output, maps) if output) == recipe.outputs


def test_the_labels_are_as_many_as_the_outputs_values(exported: Exported) -> None:
    task = parse_description(recipe_description(exported.recipe.name).encode(), "pack.toml").task
    background = isinstance(task, SegmentationTask) and task.activation == "softmax"
    for output in onnx.load_from_string(exported.source.onnx).graph.output:
        assert output.type.tensor_type.shape.dim[1].dim_value == len(task.labels) + background

"""The recipes that detect, register and translate, at small sizes: they export, answer as in PyTorch, survive INT8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
for package in ("onnx", "onnxscript", "safetensors"):
    pytest.importorskip(package)
pytest.importorskip("openvino")

import onnx  # noqa: E402
from torch import nn  # noqa: E402

from convert.describe import parse_description  # noqa: E402
from convert.lower import lower_for_onnxruntime, tensorrt_problems  # noqa: E402
from convert.optimise import producers  # noqa: E402
from convert.quantise import quantise_int8  # noqa: E402
from convert.recipes import mask_rcnn  # noqa: E402
from convert.recipes.contract import Recipe, description_file, recipe_description  # noqa: E402
from convert.sources import RECIPES, Source, load_source  # noqa: E402
from convert.sources.trial import Runner, largest_difference  # noqa: E402
from edge.detect.layouts import BoxTensors, Candidates, anchor_free, separate_boxes, yolov5  # noqa: E402
from edge.detect.suppress import overlaps  # noqa: E402
from edge.engines.openvino import OpenVinoEngine  # noqa: E402
from edge.pack.manifest import DetectionTask  # noqa: E402
from edge.pack.onnx_file import inspect_onnx  # noqa: E402
from edge.table import Entry  # noqa: E402
from tests.convert import small_detectors  # noqa: E402
from tests.convert.recipes import recipe_of, shaken  # noqa: E402

Arrays = dict[str, NDArray[np.float32]]

NAMES = ("yolov5n", "yolov5s", "yolo-anchor-free", "mask-rcnn", "voxelmorph", "pix2pix", "pix2pix-resnet")
SMALL = {name: value for name, value in vars(small_detectors).items() if isinstance(value, Recipe)}
NETWORKS = {
    "Add", "Concat", "Conv", "ConvTranspose", "InstanceNormalization", "LeakyRelu", "MaxPool", "Mul", "Pad",
    "ReduceSum", "Relu", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Tanh", "Transpose",
}  # fmt: skip
BOXES = {
    "Abs", "And", "Cast", "Clip", "Div", "Equal", "Exp", "Expand", "Gather", "GatherElements", "Gemm", "Greater",
    "GreaterOrEqual", "Less", "MatMul", "Max", "Min", "Neg", "ReduceMax", "ReduceMean", "Shape", "Squeeze", "Sub",
    "TopK", "Unsqueeze", "Where",
}  # fmt: skip
"""What Mask R-CNN needs beside: none loops, branches, or gives as many rows as it finds."""
WEIGHED = ("Conv", "ConvTranspose", "Gemm")


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
        patch.setitem(RECIPES, recipe.name, Entry(f"tests.convert.small_detectors:{request.param}"))
        source = load_source(recipe.name, weights=path)
    return Exported(key=request.param, recipe=recipe, network=network, source=source)


def smooth_feeds(recipe: Recipe, count: int, batch: int = 1) -> list[Arrays]:
    """Blobs on noise, as scans are, and not noise alone."""
    feeds: list[Arrays] = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        feed: Arrays = {}
        for name, (_, *shape) in recipe.inputs.items():
            axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape[1:]), indexing="ij")
            radius = sum((axis - random.uniform(-0.4, 0.4)) ** 2 for axis in axes)
            noise = random.standard_normal((batch, *shape))
            feed[name] = (np.exp(-3 * radius) * 2 + 0.3 * noise).astype(np.float32)
        feeds.append(feed)
    return feeds


def answers(network: nn.Module, recipe: Recipe, feed: Arrays) -> Arrays:
    with torch.no_grad():
        found = network(*(torch.from_numpy(value) for value in feed.values()))
    values = found if isinstance(found, tuple) else (found,)
    return {name: value.numpy() for name, value in zip(recipe.outputs, values, strict=True)}


def candidates(key: str, outputs: Arrays) -> Candidates:
    """What the runtime reads from a detector, whatever its scores."""
    name = SMALL[key].outputs[0]
    task = parse_description(recipe_description(SMALL[key].name).encode(), "pack.toml").task
    least = [0.0] * len(task.labels)
    if key == "MASK_RCNN":
        return separate_boxes(outputs, BoxTensors(boxes=name, scores="scores", labels="labels", masks="masks"), least)
    read = anchor_free if key == "YOLO_ANCHOR_FREE" else yolov5
    return read(outputs, name, least)


def test_the_graph_answers_as_the_network(exported: Exported) -> None:
    """The conversion tried batches of one and three, and says so; here it is a batch of two."""
    (feed,) = smooth_feeds(exported.recipe, 1, batch=2)
    expected = answers(exported.network, exported.recipe, feed)
    assert largest_difference(expected, Runner(exported.source.onnx).run(feed)) < 1e-4
    assert all(np.isfinite(value).all() and 1e-3 < value.std() < 1e3 for value in expected.values())
    assert exported.source.notes[-1].startswith("PyTorch and ONNX Runtime agree within 0.0001 at batch 1 and 3")


def test_openvino_answers_as_the_network(exported: Exported) -> None:
    (feed,) = smooth_feeds(exported.recipe, 1)
    engine = OpenVinoEngine(exported.source.onnx, precision="fp32", threads=1)
    found = {name: np.asarray(value) for name, value in engine.infer(feed).items()}
    engine.close()
    assert largest_difference(answers(exported.network, exported.recipe, feed), found) < 1e-4


def test_the_graph_may_stand_in_a_pack(exported: Exported) -> None:
    inspect_onnx(exported.source.onnx, "model.onnx")
    model = onnx.load_from_string(exported.source.onnx)
    assert model.ir_version <= 10
    assert [(entry.domain, entry.version <= 20) for entry in model.opset_import] == [("", True)]
    plain = NETWORKS | BOXES if exported.key == "MASK_RCNN" else NETWORKS
    assert {node.op_type for node in model.graph.node} <= plain
    assert [item.name for item in model.graph.input] == list(exported.recipe.inputs)
    assert [item.name for item in model.graph.output] == list(exported.recipe.outputs)
    for value in (*model.graph.input, *model.graph.output):
        assert "batch" in value.type.tensor_type.shape.dim[0].dim_param


def test_only_what_follows_the_picture_itself_keeps_its_normalisation(exported: Exported) -> None:
    left = [node for node in onnx.load_from_string(exported.source.onnx).graph.node if "Norm" in node.op_type]
    assert len(left) == (9 if exported.key == "PIX2PIX_RESNET" else 0)


def test_in_int8_it_still_runs_and_answers_alike(exported: Exported) -> None:
    """On ONNX Runtime and OpenVINO, as lowered: within a fifth of the values, or most boxes where they were."""
    feeds = smooth_feeds(exported.recipe, 3)
    quantised = quantise_int8(exported.source.onnx, feeds, method="minmax")
    assert tensorrt_problems(quantised) == ()
    lowered = lower_for_onnxruntime(quantised)
    expected = Runner(exported.source.onnx).run(feeds[0])
    engine = OpenVinoEngine(lowered, precision="int8", threads=1)
    on_openvino = {name: np.asarray(value) for name, value in engine.infer(feeds[0]).items()}
    engine.close()
    for found in (Runner(lowered).run(feeds[0]), on_openvino):
        if exported.key == "MASK_RCNN":
            one, other = candidates(exported.key, expected), candidates(exported.key, found)
            assert overlaps(one.boxes, other.boxes).max(1).mean() > 0.5
            assert np.abs(one.scores - other.scores).max() < 0.1
            continue
        for name, value in expected.items():
            assert found[name].shape == value.shape
            error = np.sqrt(np.mean((found[name] - value) ** 2))
            assert error < 0.2 * np.sqrt(np.mean(value**2)), name


def test_coordinates_stay_floats_in_int8(exported: Exported) -> None:
    """From the boxes back to the layers with weights, nothing is quantised but what these layers gave."""
    if "detection" not in recipe_description(exported.recipe.name):
        pytest.skip("it draws no boxes")
    quantised = quantise_int8(exported.source.onnx, smooth_feeds(exported.recipe, 2), method="minmax")
    made = producers(onnx.load_from_string(quantised).graph)
    left, seen, rounded = [exported.recipe.outputs[0]], set(), []
    while left:
        name = left.pop()
        if name in seen or name not in made or made[name].op_type in WEIGHED:
            continue
        seen.add(name)
        left += made[name].input
        if made[name].op_type == "QuantizeLinear" and made[name].input[0] in made:
            rounded.append(made[made[name].input[0]].op_type)
    assert rounded
    assert set(rounded) <= set(WEIGHED)


def test_the_runtime_reads_its_boxes(exported: Exported) -> None:
    task = parse_description(recipe_description(exported.recipe.name).encode(), "pack.toml").task
    if not isinstance(task, DetectionTask):
        pytest.skip("it draws no boxes")
    (feed,) = smooth_feeds(exported.recipe, 1)
    found = candidates(exported.key, Runner(exported.source.onnx).run(feed))
    height, width = exported.recipe.inputs["image"][2:]
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert len(found.boxes) == {"MASK_RCNN": 6}.get(exported.key, len(found.boxes))
    assert (middles > -width).all()
    assert (middles < [height + width, 2 * width]).all()
    assert (found.labels < len(task.labels)).all()


def test_the_smallest_gives_the_same_bytes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "pix2pix", Entry("tests.convert.small_detectors:PIX2PIX"))
    first, second = (load_source("pix2pix") for _ in range(2))
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
    assert {item.tensor: (1, *item.shape) for item in description.inputs} == recipe.inputs
    task = description.task
    beside = [getattr(task, f"{what}_output", None) for what in ("scores", "labels", "masks")]
    assert (task.output, *(output for output in beside if output)) == recipe.outputs


@pytest.mark.parametrize(
    ("name", "layout", "beside", "expected"),
    [
        ("yolov5n", "yolov5", 5, (1, 25200, 19)),
        ("yolov5s", "yolov5", 5, (1, 25200, 19)),
        ("yolo-anchor-free", "anchor-free", 4, (1, 12, 8400)),
    ],
)
def test_a_whole_network_gives_the_described_layout(
    name: str, layout: str, beside: int, expected: tuple[int, ...]
) -> None:
    recipe = recipe_of(name)
    task = parse_description(recipe_description(name).encode(), "pack.toml").task
    assert isinstance(task, DetectionTask)
    assert task.layout == layout
    with torch.no_grad():
        found = recipe.build()(torch.zeros(recipe.inputs["image"]))
    assert tuple(found.shape) == expected
    assert beside + len(task.labels) in expected


def test_the_whole_mask_rcnn_gives_the_described_layout() -> None:
    recipe = recipe_of("mask-rcnn")
    task = parse_description(recipe_description("mask-rcnn").encode(), "pack.toml").task
    assert isinstance(task, DetectionTask)
    assert task.layout == "boxes"
    network = recipe.build()
    with torch.no_grad():
        found = network(torch.zeros(recipe.inputs["image"]))
    assert [tuple(part.shape) for part in found] == [(20, 4), (20,), (20,), (20, 1, 28, 28)]
    assert found[2].dtype == torch.int64
    assert network.roi_heads.box_predictor.cls_score.out_features == 1 + len(task.labels)
    assert task.most == mask_rcnn.DETECTIONS

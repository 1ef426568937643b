"""The demonstration model's recipe, its shipped weights, and its export to ONNX."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
for package in ("safetensors", "onnxscript"):
    pytest.importorskip(package)

from torch import Tensor, nn  # noqa: E402

from convert.export import export_onnx, fold_batch_norm  # noqa: E402
from convert.metrics import area_under_roc  # noqa: E402
from convert.recipes import chest_pneumonia as recipe  # noqa: E402
from edge.errors import UsageError  # noqa: E402

DATA = Path(__file__).parents[3] / "shared" / "data" / "pneumoniamnist" / "pneumoniamnist.npz"
PLAIN = {"Conv", "Relu", "Add", "ReduceMean", "GlobalAveragePool", "Flatten", "Gemm"}
METADATA = {"model": recipe.NAME, "labels": ",".join(recipe.LABELS)}


def images(count: int, seed: int = 7) -> Tensor:
    noise: Tensor = torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    return noise


@pytest.fixture(scope="module")
def model() -> recipe.ChestPneumonia:
    return recipe.build_model()


@pytest.fixture(scope="module")
def data() -> dict[str, recipe.Split]:
    if not DATA.is_file():
        pytest.skip(f"no data set at {DATA}")
    return recipe.load_data(DATA)


@pytest.fixture(scope="module")
def exported(model: recipe.ChestPneumonia, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export(model, path)
    return path


def export(model: nn.Module, path: Path) -> None:
    export_onnx(
        model,
        (images(2),),
        input_names=[recipe.INPUT],
        output_names=recipe.OUTPUTS,
        path=path,
        metadata=METADATA,
    )


def random_split(count: int) -> recipe.Split:
    generator = np.random.default_rng(5)
    grey = generator.integers(0, 256, (count, recipe.SIZE, recipe.SIZE), dtype=np.uint8)
    return grey, generator.integers(0, 2, count, dtype=np.int64)


def test_size(model: recipe.ChestPneumonia) -> None:
    assert 100_000 < sum(parameter.numel() for parameter in model.parameters()) < 250_000
    assert recipe.WEIGHTS.stat().st_size < 1_000_000


@pytest.mark.parametrize("count", [1, 5])
def test_shapes(model: recipe.ChestPneumonia, count: int) -> None:
    with torch.no_grad():
        logit, cam = model(images(count))
    assert logit.shape == (count, 1)
    assert cam.shape == (count, 1, 7, 7)
    assert logit.dtype == cam.dtype == torch.float32


def test_class_activation_map_averages_to_the_logit(model: recipe.ChestPneumonia) -> None:
    with torch.no_grad():
        logit, cam = model(images(16))
        torch.testing.assert_close(cam.mean((2, 3)) + model.head.bias, logit, rtol=1e-5, atol=1e-5)


def test_data_without_repeats(data: dict[str, recipe.Split]) -> None:
    names = ("train", "val", "test")
    assert [len(data[name][1]) for name in names] == [2420, 270, 468]
    train, val, test = ({image.tobytes() for image in data[name][0]} for name in names)
    assert len(train) == 2420
    assert not train & val
    assert not test & (train | val)


def test_absent_or_altered_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pneumoniamnist.npz"
    with pytest.raises(FileNotFoundError, match="no data set at"):
        recipe.load_data(path)
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="not the recipe's data set"):
        recipe.load_data(path)


@pytest.mark.parametrize(("split", "bar"), [("val", 0.99), ("test", 0.98)])
def test_shipped_weights_discriminate(
    model: recipe.ChestPneumonia, data: dict[str, recipe.Split], split: str, bar: float
) -> None:
    grey, labels = data[split]
    assert area_under_roc(labels == 1, recipe.predict(model, grey).astype(np.float64)) >= bar


def test_training_is_reproducible() -> None:
    config = replace(recipe.Config(), epochs=2)
    data = {"train": random_split(3 * config.batch + 5)}
    torch.manual_seed(0)
    before = torch.random.get_rng_state(), torch.get_num_threads()
    lines: list[str] = []
    first, second = (recipe.train(data, 11, lines.append, config).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len(lines) == 4
    assert lines[:2] == lines[2:]
    other = recipe.train(data, 12, config=config).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == torch.get_num_threads()


def test_saved_weights_return(model: recipe.ChestPneumonia, tmp_path: Path) -> None:
    recipe.save(model, tmp_path / "weights.safetensors")
    assert (tmp_path / "weights.safetensors").read_bytes() == recipe.WEIGHTS.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize("count", [1, 5])
def test_export_agrees_with_the_network(model: recipe.ChestPneumonia, exported: Path, count: int) -> None:
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = [output.numpy() for output in model(images(count))]
    found = session.run(list(recipe.OUTPUTS), {recipe.INPUT: images(count).numpy()})
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() < 1e-5 * max(1.0, float(np.abs(one).max()))


def test_export_is_plain_and_bounded(exported: Path) -> None:
    proto = onnx.load(exported)
    onnx.checker.check_model(proto, full_check=True)
    assert proto.ir_version <= 10
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 18)]
    assert {node.op_type for node in proto.graph.node} <= PLAIN
    assert [value.name for value in proto.graph.input] == [recipe.INPUT]
    assert tuple(value.name for value in proto.graph.output) == recipe.OUTPUTS
    for value in (*proto.graph.input, *proto.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_export_keeps_nothing_of_the_machine(exported: Path) -> None:
    proto = onnx.load(exported)
    assert proto.producer_name == "edgerun"
    assert {entry.key: entry.value for entry in proto.metadata_props} == METADATA
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)
    content = exported.read_bytes()
    for trace in (b"pkg.torch", b".py", b"site-packages", str(Path.cwd()).encode()):
        assert trace not in content


def test_export_repeats_its_bytes(model: recipe.ChestPneumonia, exported: Path, tmp_path: Path) -> None:
    export(model, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["again.onnx"]


def test_folding_leaves_the_network_as_it_was(model: recipe.ChestPneumonia) -> None:
    folded = fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(images(3))[0], model(images(3))[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("count", "opset", "ir_version", "reason"),
    [(2, 21, 10, "opset"), (2, 18, 11, "IR"), (1, 18, 10, "batch")],
)
def test_export_refuses(
    model: recipe.ChestPneumonia, tmp_path: Path, count: int, opset: int, ir_version: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        export_onnx(
            model,
            (images(count),),
            input_names=["image"],
            output_names=["logit", "cam"],
            path=tmp_path / "model.onnx",
            opset=opset,
            ir_version=ir_version,
            metadata={},
        )
    assert not list(tmp_path.iterdir())


def test_it_is_trained_on_the_cpu_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="on cuda: it is trained on the CPU"):
        recipe.train_to(tmp_path / "data.npz", tmp_path / "weights", print, "cuda")

"""Networks of PyTorch: no pickle is run, weights fit whole or not at all, and the export answers as the network."""

from __future__ import annotations

import json
import textwrap
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for package in ("onnx", "onnxscript", "safetensors"):
    pytest.importorskip(package)

import onnx  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from convert.export import export_onnx  # noqa: E402
from convert.recipes.chest_pneumonia import WEIGHTS  # noqa: E402
from convert.sources import Source, load_source  # noqa: E402
from convert.sources.trial import Runner, largest_difference  # noqa: E402
from convert.sources.weights import mismatches  # noqa: E402
from edge.errors import UsageError  # noqa: E402
from edge.pack.onnx_file import inspect_onnx  # noqa: E402
from tests.convert.nets import NETS  # noqa: E402

SHAPES = {"image": (1, 1, 8, 8)}


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module of the user's own, new for each test."""
    name = f"nets_{abs(hash(request.node.nodeid))}"
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / f"{name}.py").write_text(textwrap.dedent(NETS), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return name


def built(nets: str, name: str = "Plain") -> nn.Module:
    torch.manual_seed(5)
    module: nn.Module = getattr(__import__(nets), name)()
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + (0.5 if key.endswith("running_var") else 0.0))
    return module.eval()


def refusal(spec: str, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load_source(spec, **{"example_shapes": SHAPES, **options})
    return caught.value.message


def assert_answers_as(source: Source, module: nn.Module) -> None:
    inspect_onnx(source.onnx, "model.onnx")
    image: Tensor = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        expected = module(image).numpy()
    found = Runner(source.onnx).run({"image": image.numpy()})
    assert largest_difference({"output": expected}, found) < 1e-5


# Recipes and modules ---------------------------------------------------------------------------------------


def test_the_recipe_comes_with_its_weights_and_names() -> None:
    source = load_source("chest-pneumonia")
    graph = onnx.load_from_string(source.onnx).graph
    assert [item.name for item in graph.output] == ["logit", "cam"]
    assert source.origin == "the recipe chest-pneumonia"
    assert load_source("chest-pneumonia", weights=WEIGHTS).onnx == source.onnx
    assert "agree within 0.0001 at batch 1 and 3" in source.notes[-1]


def state_of_one_more(folder: Path) -> Path:
    save_file({**load_file(WEIGHTS), "a": torch.zeros(1)}, folder / "more.safetensors")
    return folder / "more.safetensors"


def test_weights_that_are_not_the_recipes_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    said = refusal("chest-pneumonia", weights=tmp_path / "other.safetensors")
    assert "Putting other.safetensors into chest-pneumonia: found" in said
    assert "a: found 1 float32, expected no such weight" in refusal(
        "chest-pneumonia", weights=state_of_one_more(tmp_path)
    )


@pytest.mark.parametrize("kind", ["safetensors", "state dict", "legacy", "checkpoint", "wrapped"])
def test_weights_of_every_kind_reach_the_graph(nets: str, tmp_path: Path, kind: str) -> None:
    module = built(nets)
    state = module.state_dict()
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pt")
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "checkpoint":
        torch.save({"epoch": 3, "state_dict": state, "optimiser": {"rate": 0.1}}, path)
    elif kind == "wrapped":
        torch.save({f"module.{name}": value for name, value in state.items() if "tracked" not in name}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind != "legacy")
    source = load_source(f"{nets}:Plain", weights=path, example_shapes=SHAPES)
    assert_answers_as(source, module)
    assert source.origin.startswith(f"{nets}:Plain with the weights {path.name} (SHA-256 ")
    notes = " ".join(source.notes)
    assert ("under 'state_dict' were taken" in notes) == (kind == "checkpoint")
    assert ("'module.' in front of every weight's name was left out" in notes) == (kind == "wrapped")
    assert str(tmp_path).encode() not in source.onnx


@pytest.mark.parametrize("name", ["build", "built"])
def test_a_function_or_a_network_that_is_built_already_will_do(nets: str, name: str) -> None:
    source = load_source(f"{nets}:{name}", example_shapes=SHAPES)
    assert source.notes[0] == "No weights were given: it has those that it was built with."


def test_answers_of_many_parts_are_named_by_their_places(nets: str) -> None:
    source = load_source(f"{nets}:Named", example_shapes=SHAPES)
    names = [item.name for item in onnx.load_from_string(source.onnx).graph.output]
    assert names == ["logits", "extra_0", "extra_2_0"]


def test_a_normalisation_is_not_folded_into_a_convolution_that_it_comes_before(nets: str, tmp_path: Path) -> None:
    module = built(nets, "NormFirst")
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    source = load_source(f"{nets}:NormFirst", weights=tmp_path / "w.safetensors", example_shapes=SHAPES)
    assert_answers_as(source, module)


def test_inputs_take_the_names_that_the_user_gives_in_order(nets: str) -> None:
    source = load_source(f"{nets}:Two", example_shapes={"fixed": (1, 1, 8, 8), "moving": (1, 1, 8, 8)})
    ones = np.ones((1, 1, 8, 8), np.float32)
    run = Runner(source.onnx).run
    equal = run({"fixed": ones, "moving": ones})["output"]
    assert not np.allclose(run({"fixed": 2 * ones, "moving": ones})["output"], equal)
    assert [item.name for item in onnx.load_from_string(source.onnx).graph.input] == ["fixed", "moving"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nothing", "has no 'Nothing'. Expected a class or a function there"),
        ("number", "Building NETS:number"),
        ("Wide", "it needs channels, expected a class or a function that is called without arguments"),
        ("Broken", "Building NETS:Broken: RuntimeError: no data set here"),
        ("Odd", "it answers with str, expected tensors"),
        ("Two", "found shapes for image of its inputs, expected one for each"),
        ("Careless", "the network gave two answers to one input, expected one. It draws random numbers"),
    ],
)
def test_what_cannot_be_built_or_run_is_refused(nets: str, name: str, message: str) -> None:
    assert message.replace("NETS", nets) in refusal(f"{nets}:{name}")


def test_a_module_that_is_not_there_is_refused_with_what_to_do() -> None:
    said = refusal("no_such_package.nets:Net")
    assert "there is no module 'no_such_package'. Set PYTHONPATH to the folder that holds no_such_package" in said


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            None,
            "found no shape of its inputs, expected one for each, with the batch in front, such as image=1x3x224x224",
        ),
        ({"image": (8,)}, "found the shape 8 for 'image'"),
        ({"image": (1, 1, 8, 0)}, "found the shape 1x1x8x0 for 'image'"),
        ({"image": (1, 3, 8, 8)}, "on image 2x3x8x8: "),
    ],
)
def test_shapes_that_do_not_fit_are_refused(nets: str, shapes: Any, message: str) -> None:
    assert message in refusal(f"{nets}:Plain", example_shapes=shapes)


def test_the_first_layer_that_differs_is_named(nets: str) -> None:
    """It takes another branch for the batch that it is exported with, which the graph then keeps for all."""
    said = refusal(f"{nets}:WithFickle")
    assert "at batch 1 found a difference of" in said
    assert "The first layer whose answer differs is middle (Fickle)" in said


def test_a_batch_that_the_exporter_fixed_is_no_export(nets: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the batch of image was taken for a constant"):
        export_onnx(
            built(nets, "WithFickle"), (torch.zeros(2, 1, 8, 8),), input_names=["image"], output_names=["scores"],
            path=tmp_path / "model.onnx", metadata={}, fold=False,
        )  # fmt: skip
    assert not (tmp_path / "model.onnx").exists()


# Weights ---------------------------------------------------------------------------------------------------


class Bomb:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (self.canary,)  # type: ignore[return-value]


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("where", ["whole", "among weights"])
def test_a_malicious_pickle_is_refused_and_not_run(
    nets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, *, legacy: bool
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    canary, path = tmp_path / "ran", tmp_path / "weights.pt"
    content = Bomb(canary) if where == "whole" else {**built(nets).state_dict(), "stem.weight": Bomb(canary)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    for spec, options in ((f"{nets}:Plain", {"weights": path}), (str(path), {})):
        said = refusal(spec, **options)
        assert not canary.exists()
        assert "pickle" in said or "program" in said
    said = refusal(f"{nets}:Plain", weights=path)
    assert "expected tensors alone. A pickle is a program, and it was not run" in said
    assert "safetensors" in said
    torch.load(path, weights_only=False)
    assert canary.exists(), "the bomb must be a live one"


def test_a_pickled_network_is_refused_as_weights_by_the_name_of_its_class(nets: str, tmp_path: Path) -> None:
    torch.save(built(nets), tmp_path / "whole.pt")
    assert f"asks to run {nets}.Plain" in refusal(f"{nets}:Plain", weights=tmp_path / "whole.pt")


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("gone.pt", None, "there is no such file"),
        ("cut.safetensors", lambda path: path.write_bytes(b"\x10"), "it cannot be read"),
        ("cut.pt", lambda path: path.write_bytes(b"PK"), "it cannot be read"),
        ("list.pt", lambda path: torch.save([1, 2], path), "found list, expected a state dict"),
        ("log.pt", lambda path: torch.save({"epoch": 1, "rate": 2}, path), "found the entries epoch; rate"),
    ],
)
def test_what_holds_no_weights_is_refused(nets: str, tmp_path: Path, name: str, write: Any, message: str) -> None:
    if write:
        write(tmp_path / name)
    assert message in refusal(f"{nets}:Plain", weights=tmp_path / name)


def test_each_weight_that_does_not_fit_is_named_with_what_was_expected(nets: str, tmp_path: Path) -> None:
    state = built(nets).state_dict()
    del state["norm.bias"]
    state |= {
        "stem.weight": torch.zeros(4, 3, 3, 3), "head.weight": state["head.weight"].half(), "tail.bias": torch.zeros(2),
    }  # fmt: skip
    save_file(state, tmp_path / "w.safetensors")
    said = refusal(f"{nets}:Plain", weights=tmp_path / "w.safetensors")
    for part in (
        "found 4 of 9 weights that do not fit",
        "norm.bias: missing, expected 4 float32",
        "stem.weight: found 4 x 3 x 3 x 3 float32, expected 4 x 1 x 3 x 3 float32",
        "head.weight: found 2 x 4 float16, expected 2 x 4 float32",
        "tail.bias: found 2 float32, expected no such weight",
    ):
        assert part in said


def test_ten_weights_are_named_and_the_rest_is_counted(nets: str, tmp_path: Path) -> None:
    save_file({"none.of.these": torch.zeros(1)}, tmp_path / "w.safetensors")
    said = refusal(f"{nets}:Many", weights=tmp_path / "w.safetensors")
    assert "found 17 of 16 weights that do not fit" in said
    assert said.count("missing, expected") == 10
    assert "; and 7 more." in said


def test_weights_that_fit_have_no_mismatch(nets: str) -> None:
    state = built(nets).state_dict()
    assert mismatches(state, state) == []


# TorchScript -----------------------------------------------------------------------------------------------


def scripted(module: nn.Module, path: Path, *, traced: bool) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls the format old
        program = torch.jit.trace(module, torch.zeros(1, 1, 8, 8)) if traced else torch.jit.script(module)
        program.save(str(path))
    return path


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("name", ["model.ts", "model.pt"])
def test_torchscript_is_told_by_its_content_and_converted(
    nets: str, tmp_path: Path, name: str, *, traced: bool
) -> None:
    module = built(nets)
    path = scripted(module, tmp_path / name, traced=traced)
    source = load_source(str(path), example_shapes=SHAPES)
    assert_answers_as(source, module)
    assert "a restricted program of its author, which ran when it was loaded" in source.notes[0]
    assert source.origin.startswith(f"{name}, TorchScript (SHA-256 ")


def test_torchscript_is_no_weights(nets: str, tmp_path: Path) -> None:
    path = scripted(built(nets), tmp_path / "model.pt", traced=False)
    assert "Give it as the model itself" in refusal(f"{nets}:Plain", weights=path)


def test_a_damaged_torchscript_file_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.ts", "w") as archive:
        archive.writestr("model/code/__torch__.py", "def forward")
    assert "Reading model.ts as TorchScript: " in refusal(str(tmp_path / "model.ts"))


def test_torchscript_that_takes_other_than_tensors_is_refused(nets: str, tmp_path: Path) -> None:
    path = scripted(built(nets, "Scaled"), tmp_path / "model.ts", traced=False)
    assert "its `forward` takes times: int, expected tensors alone" in refusal(str(path))


def test_the_torchscript_of_a_bundle_takes_its_shape_from_the_metadata(nets: str, tmp_path: Path) -> None:
    folder = tmp_path / "lungs"
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    tensors = {"inputs": {"image": {"num_channels": 1, "spatial_shape": [8, 8]}}, "outputs": {}}
    (folder / "configs" / "metadata.json").write_text(json.dumps({"network_data_format": tensors}))
    module = built(nets)
    scripted(module, folder / "models" / "model.ts", traced=False)
    source = load_source(str(folder))
    assert_answers_as(source, module)
    assert "nothing else in it was run" in source.notes[0]

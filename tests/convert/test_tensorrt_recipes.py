"""Every recipe in every precision through TensorRT's parser and builder (for RTX, which needs no GPU for that).

With TensorRT for RTX 1.7.1 all of them are built (so is yolov5s, which is not tried here). Sizes are small where the
recipes allow, so neither the plans' speed nor their memory is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for package in ("onnx", "onnxscript", "safetensors", "tensorrt_rtx_bindings"):
    pytest.importorskip(package)

import onnx  # noqa: E402

from convert.half import to_fp16  # noqa: E402
from convert.quantise import head_nodes, quantise_int8  # noqa: E402
from convert.recipes.contract import Recipe  # noqa: E402
from convert.sources import RECIPES, load_source  # noqa: E402
from edge.engines.tensorrt.build import build_plan  # noqa: E402
from edge.engines.tensorrt.library import Library, load_library  # noqa: E402
from edge.table import Entry  # noqa: E402
from tests.convert import small_detectors, small_recipes  # noqa: E402
from tests.convert.recipes import recipe_of  # noqa: E402

SMALL: Mapping[str, str] = {
    value.name: f"{module.__name__}:{key}"
    for module in (small_recipes, small_detectors)
    for key, value in vars(module).items()
    if isinstance(value, Recipe)
}
"""Where a recipe is to be had at a small size."""


SAME: Mapping[str, str] = {"yolov5s": "yolov5n"}
"""Recipes that are another one but for the width of their layers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exported:
    """A recipe's FP32 file, and what calibrates it."""

    recipe: Recipe
    onnx: bytes

    def feeds(self) -> Iterator[dict[str, np.ndarray]]:
        generator = np.random.default_rng(0)
        for _ in range(2):
            yield {
                name: generator.standard_normal((1, *shape[1:])).astype(np.float32)
                for name, shape in self.recipe.inputs.items()
            }

    def int8(self) -> bytes:
        kept = head_nodes(self.onnx, self.recipe.outputs)
        return quantise_int8(self.onnx, self.feeds(), method="minmax", keep_float=kept)


FILES: Mapping[str, Callable[[Exported], bytes]] = {
    "fp32": lambda exported: exported.onnx,
    "fp16": lambda exported: to_fp16(exported.onnx),
    "int8": Exported.int8,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library("tensorrt-rtx")


@pytest.fixture(scope="module", params=[name for name in RECIPES if name not in SAME])
def exported(request: pytest.FixtureRequest) -> Exported:
    with pytest.MonkeyPatch.context() as patch:
        if request.param in SMALL:
            patch.setitem(RECIPES, request.param, Entry(SMALL[request.param]))
        return Exported(recipe=recipe_of(request.param), onnx=load_source(request.param).onnx)


@pytest.mark.parametrize("precision", FILES)
def test_a_recipe_is_built(library: Library, exported: Exported, precision: str) -> None:
    assert build_plan(library, FILES[precision](exported)).plan


def test_no_recipe_samples_a_volume_in_its_graph(exported: Exported) -> None:
    """TensorRT for RTX takes a GridSample in 3-D, but TensorRT itself only from 11.2.1 on: not JetPack 6, nor 7.2."""
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(exported.onnx)).graph
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in (*graph.value_info, *graph.input)}
    assert not any(node.op_type == "GridSample" and ranks[node.input[0]] == 5 for node in graph.node)


def test_the_tables_name_recipes_that_there_are() -> None:
    assert {*SMALL, *SAME, *SAME.values()} <= set(RECIPES)

"""Model files: what an engine would see is seen here, and nothing but plain ONNX gets by."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.engines import open_engine
from edge.errors import EngineError, PackError
from edge.pack.onnx_file import NEWEST_IR, NEWEST_OPSET, OLDEST_OPSET, OnnxFacts, inspect_onnx
from edge.pack.store import EMBEDDED
from edge.reasons import UNSAFE_MODEL
from edge.testing import tiny_model

Proto = Any
GRAPH_FIELD, OPSET_FIELD, NODE_FIELD, DOMAIN_FIELD = 7, 8, 1, 7
EVIL = "com.evil"


def tiny(**changes: int) -> Proto:
    """The tiny model as a message, to be spoiled."""
    return onnx.load_from_string(tiny_model(**changes))


def data_of(model: Proto) -> bytes:
    return bytes(model.SerializeToString())


def problem(data: bytes) -> str:
    with pytest.raises(PackError) as caught:
        inspect_onnx(data, "model.onnx")
    assert caught.value.reason is UNSAFE_MODEL
    return caught.value.message.removeprefix("Checking model.onnx: ")


def loads(data: bytes) -> bool:
    """Whether ONNX Runtime, asked without any of our options, loads it."""
    try:
        ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - its errors have no common base but Exception
        return False
    return True


def varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def field(number: int, value: bytes | int) -> bytes:
    """One field as protobuf writes it."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def evil_node() -> Proto:
    return helper.make_node("Gelu", ["scores"], ["worse"], domain=EVIL)


def outside(key: str = "location") -> Proto:
    """A tensor whose data are said to lie in another file."""
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key=key, value="/etc/passwd")
    return tensor


def sparse(values: Proto) -> Proto:
    indices = numpy_helper.from_array(np.array([0], dtype=np.int64), "indices")
    return helper.make_sparse_tensor(values, indices, [4])


def subgraph(nodes: Sequence[Proto] = (), tensors: Sequence[Proto] = ()) -> Proto:
    output = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])
    constant = helper.make_node("Constant", [], ["inner"], value_float=1.0)
    return helper.make_graph([constant, *nodes], "inside", [], [output], list(tensors))


def in_if(graph: Proto) -> Proto:
    return helper.make_node("If", ["condition"], ["chosen"], then_branch=graph, else_branch=subgraph())


def in_loop(graph: Proto) -> Proto:
    return helper.make_node("Loop", ["count", "condition"], ["looped"], body=graph)


def with_node(*nodes: Proto) -> bytes:
    model = tiny()
    model.graph.node.extend(nodes)
    return data_of(model)


def with_tensor(tensor: Proto) -> bytes:
    model = tiny()
    model.graph.initializer.append(tensor)
    return data_of(model)


def with_sparse(tensor: Proto) -> bytes:
    model = tiny()
    model.graph.sparse_initializer.append(tensor)
    return data_of(model)


# What is there is told ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [tiny_model(), *(p.read_bytes() for p in sorted(EMBEDDED.glob("*/*.onnx")))])
def test_the_facts_are_those_that_onnx_itself_reads(data: bytes) -> None:
    model = onnx.load_from_string(data)
    assert inspect_onnx(data, "model.onnx") == OnnxFacts(
        ir_version=model.ir_version,
        opset=next(item.version for item in model.opset_import if not item.domain),
        operators=tuple(sorted({node.op_type for node in model.graph.node})),
        bytes=len(data),
    )


def test_operators_within_subgraphs_are_told_too() -> None:
    inner = subgraph([helper.make_node("Relu", ["inner"], ["relu"])])
    assert "Relu" in inspect_onnx(with_node(in_if(inner)), "model.onnx").operators


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 13, NEWEST_OPSET])
def test_an_opset_within_the_limits_is_taken(opset: int) -> None:
    assert inspect_onnx(tiny_model(opset=opset), "model.onnx").opset == opset


@pytest.mark.parametrize("opset", [OLDEST_OPSET - 1, NEWEST_OPSET + 1])
def test_an_opset_beyond_the_limits_is_refused(opset: int) -> None:
    assert problem(tiny_model(opset=opset)) == f"found opset {opset}, expected 7 to 20."


def test_an_ir_version_beyond_the_limit_is_refused() -> None:
    inspect_onnx(tiny_model(ir_version=NEWEST_IR), "model.onnx")
    assert problem(tiny_model(ir_version=NEWEST_IR + 1)) == "found IR version 11, expected at most 10."


def test_a_negative_version_is_no_low_one() -> None:
    model = tiny()
    model.opset_import[0].version = -1
    assert problem(data_of(model)).startswith("found opset")


def test_an_import_that_no_node_uses_is_harmless() -> None:
    model = tiny()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert inspect_onnx(data_of(model), "model.onnx").opset == 18


def test_the_plain_domain_may_be_spelt_out() -> None:
    model = tiny()
    model.opset_import[0].domain = "ai.onnx"
    model.graph.node[0].domain = "ai.onnx"
    assert inspect_onnx(data_of(model), "model.onnx").opset == 18


# What is foreign is refused, wherever it stands -----------------------------------------------------------


@pytest.mark.parametrize(
    "domain", [EVIL, "com.microsoft", "ai.onnx.ml", "ai.onnx.training", " ", "AI.ONNX", "ai.onnx\x00"]
)
def test_an_operator_of_another_domain_is_refused(domain: str) -> None:
    said = problem(with_node(helper.make_node("Gelu", ["scores"], ["worse"], domain=domain)))
    assert said == f"found an operator of the domain {domain!r}, expected plain ONNX operators."


NESTINGS: dict[str, Callable[[Proto], Proto]] = {
    "if": in_if,
    "loop": in_loop,
    "loop in if": lambda graph: in_if(subgraph([in_loop(graph)])),
    "if in loop in if": lambda graph: in_if(subgraph([in_loop(subgraph([in_if(graph)]))])),
    "list of graphs": lambda graph: helper.make_node("Any", [], ["x"], bodies=[subgraph(), graph]),
}
nested = pytest.mark.parametrize("nest", NESTINGS.values(), ids=NESTINGS.keys())


@nested
def test_an_operator_of_another_domain_is_refused_in_a_subgraph(nest: Callable[[Proto], Proto]) -> None:
    assert EVIL in problem(with_node(nest(subgraph([evil_node()]))))


@nested
def test_data_outside_the_file_are_refused_in_a_subgraph(nest: Callable[[Proto], Proto]) -> None:
    assert "outside the file" in problem(with_node(nest(subgraph(tensors=[outside()]))))


def without_location() -> Proto:
    tensor = outside()
    tensor.ClearField("data_location")
    return tensor


def without_key() -> Proto:
    tensor = outside()
    tensor.ClearField("external_data")
    return tensor


OUTSIDE: dict[str, Callable[[], bytes]] = {
    "initializer": lambda: with_tensor(outside()),
    "without data_location": lambda: with_tensor(without_location()),
    "without external_data": lambda: with_tensor(without_key()),
    "with another key": lambda: with_tensor(outside("offset")),
    "address in memory": lambda: with_tensor(outside("*/_ORT_MEM_ADDR_/*")),
    "sparse values": lambda: with_sparse(sparse(outside())),
    "sparse indices": lambda: with_sparse(onnx.SparseTensorProto(indices=outside(), dims=[4])),
    "constant": lambda: with_node(helper.make_node("Constant", [], ["c"], value=outside())),
    "sparse constant": lambda: with_node(helper.make_node("Constant", [], ["c"], sparse_value=sparse(outside()))),
    "list of tensors": lambda: with_node(helper.make_node("Any", [], ["c"], tensors=[outside()])),
    "list of sparse tensors": lambda: with_node(helper.make_node("Any", [], ["c"], tensors=[sparse(outside())])),
}


@pytest.mark.parametrize("make", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_data_outside_the_file_are_refused(make: Callable[[], bytes]) -> None:
    assert problem(make()) == "a tensor's data lie outside the file."


def test_functions_are_refused() -> None:
    model = tiny()
    node = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function(EVIL, "F", ["x"], ["y"], [node], [helper.make_opsetid("", 18)]))
    assert "functions or training information" in problem(data_of(model))


def test_training_information_is_refused() -> None:
    model = tiny()
    model.training_info.add()
    assert "functions or training information" in problem(data_of(model))


@pytest.mark.parametrize("depth", [12, 100, 20_000])
def test_graphs_within_each_other_are_refused_before_they_exhaust_the_stack(depth: int) -> None:
    assert problem(wrapped(depth)) == "graphs are nested too deeply."


def test_as_many_graphs_within_each_other_as_anyone_writes_are_seen_to_the_bottom() -> None:
    assert EVIL in problem(wrapped(9))


def wrapped(depth: int) -> bytes:
    """A foreign node in graphs within each other, deeper than package onnx would write."""
    inner = field(NODE_FIELD, data_of(evil_node()))
    for _ in range(depth):
        inner = field(NODE_FIELD, field(5, field(6, inner)))
    return field(1, 8) + field(OPSET_FIELD, field(2, 18)) + field(GRAPH_FIELD, inner)


# What another reader of protobuf would see and a careless one would not -----------------------------------


def test_a_second_graph_field_is_merged_by_engines_and_seen_here() -> None:
    more = field(GRAPH_FIELD, field(NODE_FIELD, data_of(evil_node())))
    merged = tiny_model() + more
    assert [node.op_type for node in onnx.load_from_string(merged).graph.node][-1] == "Gelu"
    assert EVIL in problem(merged)
    assert EVIL in problem(more + tiny_model())


def test_a_domain_that_is_given_twice_is_seen_both_times() -> None:
    for pair in ((EVIL, ""), ("", EVIL)):
        node = field(4, b"Relu") + b"".join(field(DOMAIN_FIELD, name.encode()) for name in pair)
        assert EVIL in problem(tiny_model() + field(GRAPH_FIELD, field(NODE_FIELD, node)))


def test_an_opset_that_hides_behind_another_domain_is_seen() -> None:
    """Of a field that stands twice an engine takes the last: the import is of the plain domain, opset 21."""
    hidden = field(OPSET_FIELD, field(1, b"com.microsoft") + field(2, NEWEST_OPSET + 1) + field(1, b""))
    data = tiny_model() + hidden
    assert onnx.load_from_string(data).opset_import[-1].domain == ""
    assert problem(data) == "found opset 21, expected 7 to 20."


def test_the_highest_of_several_versions_counts() -> None:
    assert "found opset 21" in problem(tiny_model() + field(OPSET_FIELD, field(2, 21)))
    assert "found opset 21" in problem(field(OPSET_FIELD, field(2, 21)) + tiny_model())
    assert "found IR version 11" in problem(field(1, 11) + tiny_model())


def test_a_field_number_of_more_than_32_bits_does_not_hide_a_domain() -> None:
    """ONNX Runtime drops the upper bits and reads field 7, the domain; read with them it is an unknown field."""
    model = tiny()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.output[0].name = "worse"
    key = DOMAIN_FIELD << 3 | 2 | 1 << 32
    node = field(1, b"scores") + field(2, b"worse") + field(4, b"Gelu") + varint(key) + field(0, b"com.microsoft")[1:]
    data = data_of(model) + field(GRAPH_FIELD, field(NODE_FIELD, node))
    assert loads(data)
    assert problem(data) == "it is no ONNX file, or it is damaged."


def test_a_data_location_of_more_than_32_bits_is_still_outside() -> None:
    tensor = field(8, b"x") + field(14, 1 | 1 << 32)
    assert "outside the file" in problem(tiny_model() + field(GRAPH_FIELD, field(5, tensor)))


def test_a_model_in_the_format_of_onnx_runtime_is_refused(tmp_path: Path) -> None:
    """It would be read as that format, whatever else it holds, by a session that is not told otherwise."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(tiny_model(), options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "model.ort").read_bytes()
    assert loads(data)
    assert problem(data) == "it is in ONNX Runtime's own format, expected ONNX."
    with pytest.raises(EngineError):
        open_engine("onnxruntime", data, precision="fp32", threads=1)


def test_a_model_that_is_of_two_formats_at_once_is_refused() -> None:
    both = b"\x32\x84\x80\x00ORTM" + tiny_model()
    assert onnx.load_from_string(both).graph == tiny().graph
    assert "own format" in problem(both)
    open_engine("onnxruntime", both, precision="fp32", threads=1).close()


@pytest.mark.parametrize("wire", [3, 4, 6, 7])
def test_a_kind_of_field_that_onnx_never_uses_is_refused(wire: int) -> None:
    assert problem(tiny_model() + varint(99 << 3 | wire))


# Damage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x00", b"{}", b"PK\x03\x04", b"\xff" * 64, b"\x80" * 64, b"\x08\x08"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    assert "no ONNX file" in problem(data)


@pytest.mark.parametrize("missing", ["ir_version", "opset_import", "graph"])
def test_a_model_that_lacks_what_every_model_has_is_refused(missing: str) -> None:
    model = tiny()
    model.ClearField(missing)
    assert "no ONNX file" in problem(data_of(model))


def survives(data: bytes) -> bool:
    """Whether it passes; any error but PackError escapes."""
    with contextlib.suppress(PackError):
        inspect_onnx(data, "model.onnx")
        return True
    return False


def test_a_model_cut_short_anywhere_is_refused_or_read_and_nothing_else() -> None:
    data = tiny_model()
    assert sum(survives(data[:at]) for at in range(len(data))) < 8  # only between two fields of the whole


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_never_raise_anything_else(data: bytes) -> None:
    survives(data)


def test_two_thousand_damaged_models_never_raise_anything_else() -> None:
    generator = random.Random(7)
    original = with_node(in_if(subgraph([in_loop(subgraph())])))
    passed = sum(survives(damaged(original, generator)) for _ in range(2000))
    assert 0 < passed < 2000


def damaged(data: bytes, generator: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(spoiled))
        kind = generator.randrange(3)
        if kind == 0:
            spoiled[at] = generator.randrange(256)
        elif kind == 1:
            del spoiled[at : at + generator.randint(1, 8)]
        else:
            spoiled[at:at] = generator.randbytes(generator.randint(1, 8))
    return bytes(spoiled)


def test_what_passes_after_damage_holds_nothing_foreign_to_onnx_either() -> None:
    """Seen by another reader: of the damaged models that package onnx can parse, none that passed is foreign."""
    generator = random.Random(11)
    original = with_node(in_if(subgraph([in_loop(subgraph())])))
    models = [damaged(original, generator) for _ in range(500)]
    compared = 0
    for data in filter(survives, models):
        with contextlib.suppress(Exception):
            model = onnx.load_from_string(data)
            compared += 1
            assert_plain(model)
    assert compared > 10


def assert_plain(model: Proto) -> None:
    assert not model.functions
    assert not model.training_info
    assert model.ir_version <= NEWEST_IR
    for node in model.graph.node:
        assert node.domain in ("", "ai.onnx")
    for tensor in model.graph.initializer:
        assert tensor.data_location == TensorProto.DEFAULT
        assert not tensor.external_data


# What passes can be used ----------------------------------------------------------------------------------


def relu_in_if() -> bytes:
    """A whole model with both branches of an If."""
    branches = [
        helper.make_graph(
            [helper.make_node(kind, ["x"], ["y"])],
            kind,
            [],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        )
        for kind in ("Relu", "Neg")
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])
    condition = helper.make_tensor("condition", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["condition"], ["z"], then_branch=branches[0], else_branch=branches[1])
    graph = helper.make_graph([node], "whole", [x], [y], [condition])
    return data_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))


@pytest.mark.parametrize(
    "data",
    [
        *(tiny_model(opset=opset) for opset in range(OLDEST_OPSET, NEWEST_OPSET + 1)),
        relu_in_if(),
        *(path.read_bytes() for path in sorted(EMBEDDED.glob("*/*.onnx"))),
    ],
)
def test_a_whole_model_that_passes_is_loaded_by_the_engine(data: bytes) -> None:
    inspect_onnx(data, "model.onnx")
    open_engine("onnxruntime", data, precision="fp32", threads=1).close()

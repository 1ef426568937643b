"""What an ONNX file asks of its engine, read from the bytes themselves; the unsafe and the foreign is refused.

A pack's model may hold plain operators of a known opset and nothing else: no custom operators, no functions, no
data outside the file. The file is walked as protobuf (https://protobuf.dev/programming-guides/encoding) by the
field numbers of onnx.proto, every occurrence of every field, so that nothing is seen by an engine that was not
seen here. Nothing is decoded beyond that: no tensor is unpacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import PackError
from edge.reasons import UNSAFE_MODEL

NEWEST_OPSET = 20
NEWEST_IR = 10
OLDEST_OPSET = 7
DEEPEST = 32
"""Messages of protobuf within each other; a graph in a graph takes three."""

PLAIN_DOMAINS = ("", "ai.onnx")

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LARGEST_KEY = 2**32 - 1  # engines keep 32 bits of a key: a longer one is another field to them than to us
_ORT_FORMAT = b"ORTM"  # FlatBuffers' mark at byte 4, by which ONNX Runtime takes a file for its own format

# Field numbers of onnx.proto: message -> field -> the message that it holds.
_CHILDREN: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto",
        22: "SparseTensorProto", 23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}  # fmt: skip
_MODEL_IR, _MODEL_OPSET, _MODEL_TRAINING, _MODEL_FUNCTIONS = 1, 8, 20, 25
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_NODE_OP, _NODE_DOMAIN = 4, 7
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFacts:
    """What a model file declares.

    Parameters
    ----------
    ir_version : int
    opset : int
        Of the plain operators.
    operators : tuple of str
        Names of all operators in it, sorted.
    bytes : int
    """

    ir_version: int
    opset: int
    operators: tuple[str, ...]
    bytes: int


def inspect_onnx(data: bytes, name: str) -> OnnxFacts:
    """Return what the ONNX file in `data` declares, having looked at all of it.

    Parameters
    ----------
    data : bytes
    name : str
        What to call it in messages.

    Raises
    ------
    PackError
        ``P405``: it is no ONNX file, is newer than opset 20 or IR 10, holds a custom operator, a function or
        training information, or refers to data outside itself.
    """
    walk = _Walk()
    if data[4:8] == _ORT_FORMAT:
        raise PackError(f"Checking {name}: it is in ONNX Runtime's own format, expected ONNX.", UNSAFE_MODEL)
    try:
        walk.message("ModelProto", memoryview(data), 0)
    except (IndexError, UnicodeDecodeError, RecursionError) as error:
        raise PackError(f"Checking {name}: it is no ONNX file, or it is damaged.", UNSAFE_MODEL) from error
    problem = walk.problem or _version_problem(walk)
    if problem:
        raise PackError(f"Checking {name}: {problem}.", UNSAFE_MODEL)
    return OnnxFacts(
        ir_version=max(walk.ir_versions),
        opset=max(walk.opsets),
        operators=tuple(sorted(walk.operators)),
        bytes=len(data),
    )


def _version_problem(walk: _Walk) -> str:
    if not walk.ir_versions or not walk.opsets or not walk.operators:
        return "it is no ONNX file: found no IR version, operator set or node"
    if max(walk.ir_versions) > NEWEST_IR:
        return f"found IR version {max(walk.ir_versions)}, expected at most {NEWEST_IR}"
    if not OLDEST_OPSET <= min(walk.opsets) <= max(walk.opsets) <= NEWEST_OPSET:
        return f"found opset {max(walk.opsets)}, expected {OLDEST_OPSET} to {NEWEST_OPSET}"
    return ""


class _Walk:
    """One pass over a file; the first problem is kept."""

    def __init__(self) -> None:
        self.ir_versions: set[int] = set()
        self.opsets: set[int] = set()
        self.operators: set[str] = set()
        self.problem = ""

    def message(self, kind: str, data: memoryview, depth: int) -> None:
        if depth > DEEPEST:
            self._refuse("graphs are nested too deeply")
            return
        for field, value in _fields(data):
            child = _CHILDREN[kind].get(field)
            if child is None:
                self._leaf(kind, field, value)
            elif isinstance(value, memoryview):
                self.message(child, value, depth + 1)
            else:
                raise IndexError(field)

    def _leaf(self, kind: str, field: int, value: memoryview | int) -> None:
        if kind == "ModelProto":
            self._model_field(field, value)
        elif kind == "NodeProto" and field == _NODE_OP:
            self.operators.add(_text(value))
        elif kind == "NodeProto" and field == _NODE_DOMAIN and _text(value) not in PLAIN_DOMAINS:
            self._refuse(f"found an operator of the domain {_text(value)!r}, expected plain ONNX operators")
        elif kind == "TensorProto" and (field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0)):
            self._refuse("a tensor's data lie outside the file")

    def _model_field(self, field: int, value: memoryview | int) -> None:
        if field == _MODEL_IR and isinstance(value, int):
            self.ir_versions.add(value)
        elif field == _MODEL_OPSET and isinstance(value, memoryview):
            found = list(_fields(value))
            domains = [_text(item) for number, item in found if number == _OPSET_DOMAIN] or [""]
            versions = [item for number, item in found if number == _OPSET_VERSION and isinstance(item, int)]
            if any(domain in PLAIN_DOMAINS for domain in domains):  # of several, an engine takes the last
                self.opsets.update(versions)
        elif field in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
            self._refuse("it holds functions or training information, expected a plain graph")

    def _refuse(self, problem: str) -> None:
        self.problem = self.problem or problem


def _text(value: memoryview | int) -> str:
    return bytes(value).decode() if isinstance(value, memoryview) else str(value)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Every field of a message with its number: a view for length-delimited ones, a number for the rest."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key > _LARGEST_KEY:
            raise IndexError(at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire not in (_FIXED64, _BYTES, _FIXED32):
            raise IndexError(wire)
        length, at = _varint(data, at) if wire == _BYTES else (8 if wire == _FIXED64 else 4, at)
        if at + length > len(data):
            raise IndexError(at)
        yield key >> 3, data[at : at + length] if wire == _BYTES else 0
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, least first, and the place behind it; IndexError where the data end early."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError(at)

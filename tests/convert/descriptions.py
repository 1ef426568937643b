"""A small description, drafts that are filled in as by a person, and models of which only the outside counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from onnx import TensorProto, helper

from convert.describe import parse_description
from edge.errors import UsageError
from edge.typed import dump

TOML = """
name = "bright"
version = "1.0.0"
title = "Bright pictures"
status = "trained"
intended_use = "Tests."
limits = "Knows nothing."

[licence]
spdx = "Apache-2.0"
credits = []

[[inputs]]
name = "image"
tensor = "image"
axes = "NCHW"
shape = [1, 4, 4]
steps = [
    { step = "voi_window" },
    { step = "resize", height = 4, width = 4, interpolation = "area" },
]

[inputs.accepts]
stack = "picture"
colour = "grey"

[task]
kind = "classification"
mode = "binary"
output = "scores"
activation = "sigmoid"

[[task.labels]]
name = "bright"
title = "Bright"
finding = true

[thresholds.bright]
rule = "sensitivity"
at_least = 0.9
"""


def refusal(text: str, name: str = "pack.toml") -> str:
    with pytest.raises(UsageError) as caught:
        parse_description(text.encode(), name)
    return caught.value.message


def document() -> dict[str, Any]:
    """The same description as JSON values."""
    description = parse_description(TOML.encode(), "pack.toml")
    found: dict[str, Any] = dump(description)
    return found


def model_of(outputs: dict[str, list[Any]], image: list[Any], *, last: str = "Identity", **others: list[Any]) -> bytes:
    """A model of which only inputs, outputs and the last operator are to be read."""
    named = {"image": image} if image else {}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in (named | others).items()]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()]
    nodes = [helper.make_node(last, [inputs[0].name], [name]) for name in outputs]
    model = helper.make_model(helper.make_graph(nodes, "any", inputs, results), ir_version=10)
    return bytes(model.SerializeToString())


def filled(text: str, answers: Callable[[str], str]) -> str:
    """A draft whose placeholders are replaced, each by what `answers` says to its line."""
    return "\n".join(re.sub(r'"FILL IN[^"]*"', answers(line), line) for line in text.splitlines())


def answer(line: str) -> str:
    """What a person would put into a line of the draft of the tiny model."""
    answers = {
        "status": '"trained"', "modality": '"DX"', "stack": '"picture"', "finding": "true", "urgency": '"soon"',
        "activation": '"sigmoid"', "rule": '"specificity"', "at_least": "0.95", "age_years": "18",
        "steps": '"voi_window"',
    }  # fmt: skip
    return answers.get(line.partition(" ")[0], '"said"')

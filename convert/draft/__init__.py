"""A first ``pack.toml`` from a model itself: what the graph tells is written down, the rest is marked as unfilled."""

from __future__ import annotations

import re
from collections.abc import Iterator

import onnx

from convert.draft.graph import Tensor, show_sizes, sizes_of
from convert.draft.inputs import input_lines, wanted_of
from convert.draft.task import task_of
from convert.draft.words import PLACEHOLDER, slug, toml, unfilled
from convert.hints import Hints
from convert.stated import ASKED

__all__ = ["PLACEHOLDER", "draft", "show_sizes", "sizes_of"]

HEAD = f"""\
# The description of a pack: what the model sees, what it says, and what it is fit for.
# Every value that begins with "{PLACEHOLDER}" must be replaced; edgerun-convert refuses the file until then.
"""


def draft(onnx_file: bytes, name: str, hints: Hints | None = None) -> str:
    """Return the text of a ``pack.toml`` for a model; `convert.describe.read_description` refuses it until filled.

    Parameters
    ----------
    onnx_file : bytes
        Checked, as in `convert.sources.Source.onnx`.
    name : str
        Of the pack; put into the form of a pack's name.
    hints : Hints, optional
        What the model's makers say, as of `convert.sources.bundle.bundle_hints`; quoted, never taken for true.

    Raises
    ------
    UsageError
        The runtime cannot feed one of the model's inputs, or reads none of its outputs.
    """
    model = onnx.load_model_from_string(onnx_file)
    tensors, outputs = ([Tensor(name=key, sizes=sizes) for key, sizes in side.items()] for side in sizes_of(onnx_file))
    told = hints or Hints()
    wanted = wanted_of(tensors, told, name)
    task = task_of(model, [scan.name for scan in wanted], tensors, outputs, told)
    parts = [HEAD, *_head(name, told), *input_lines(model, wanted), *task, *_card()]
    return "\n".join(parts) + "\n"


def _head(name: str, told: Hints) -> Iterator[str]:
    """What stands before the first table."""
    version = told.version if re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", told.version) else "1.0.0"
    yield f"name = {toml(slug(name))}"
    yield f"version = {toml(version)}"
    yield f"title = {unfilled('what it finds in what, for people', told.title)}"
    yield f"status = {unfilled('trained, or architecture-only: for tests of speed, never for a report')}"
    yield f"intended_use = {unfilled('for whom and what it may be used', told.intended_use)}"
    yield f"limits = {unfilled('what it was not made for, and where it is known to be wrong', told.limits)}"
    yield "\n[licence]"
    yield f"spdx = {unfilled('the licence of model and weights, such as Apache-2.0')}"
    credit = unfilled("whom to credit for model and data", "; ".join(told.credits))
    yield f"credits = [{credit}]"


def _card() -> Iterator[str]:
    """What a maker may say for the model card; as long as a line is a comment, the card says that it is not stated."""
    yield "\n# For the model card: take the # away from what you can tell, and fill it in; see docs/workshop.md."
    yield "# [card]"
    for key, what in ASKED.items():
        value = unfilled(what)
        yield f"# {key} = {f'[{value}]' if key == 'health_records' else value}"

"""Networks of PyTorch - a recipe, a user's own class, TorchScript - to ONNX, and the proof that both answer alike."""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from convert.export import Exporter, Flat, Leaves, export_onnx, read_script, run, tensors
from convert.recipes.contract import Recipe
from convert.sources import RECIPES, recipe_name
from convert.sources.contract import Request, Source, first_line, listed
from convert.sources.finite import refuse_network_not_finite
from convert.sources.onnx_model import check_onnx
from convert.sources.precision import widen_network
from convert.sources.trial import CannotRun, Runner, largest_difference, seeded_feeds
from convert.sources.weights import load_weights
from edge.errors import UsageError
from edge.table import Entry

TOLERANCE = 1e-4
"""Largest difference between PyTorch and ONNX Runtime, relative to the largest value of an output, at least 1."""

BATCHES = (1, 3)
EXAMPLE_BATCH = 2

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that has been built, and what is to become of it.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode, on the CPU.
    name : str
        For messages.
    shapes : mapping
        By name of input, in the order of `forward`: its shape with the batch in front.
    outputs : tuple of str
        Names of the graph's outputs; empty where the network's own answer names them.
    exporters : tuple
        Those to try, in turn.
    own : bool
        Whether it is edgerun's own, for which batch normalisations may be folded.
    whole : bool
        Whether it answers with a tensor or a tuple of tensors, and is exported as it is.
    """

    module: Any
    name: str
    shapes: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...] = ()
    exporters: tuple[Exporter, ...] = ("dynamo", "torchscript")
    own: bool = False
    whole: bool = False


def load_recipe(request: Request) -> Source:
    """Return a recipe's network, with its own weights or those of a file; see `convert.sources.load_source`."""
    recipe = cast("Recipe", RECIPES[recipe_name(request.spec)].load())
    module = recipe.build()
    notes = [] if recipe.trained else ["No weights were given: it has random ones, always the same, and knows nothing."]
    if request.weights is not None:
        notes = load_weights(module, request.weights, recipe.name, recipe.rename)
    network = Network(
        module=module, name=recipe.name, shapes=recipe.inputs, outputs=recipe.outputs, own=True, whole=True
    )
    return _converted(network, f"the recipe {recipe.name}{_with(request.weights)}", notes)


def load_module(request: Request) -> Source:
    """Return the network that a user's own class or function builds; see `convert.sources.load_source`."""
    module = _built(request.spec)
    notes = ["No weights were given: it has those that it was built with."]
    if request.weights is not None:
        notes = load_weights(module, request.weights, request.spec)
    module.eval()
    shapes = _checked_shapes(request, _arguments(type(module).forward, skip=1))
    network = Network(module=module, name=request.spec, shapes=shapes)
    return _converted(network, f"{request.spec}{_with(request.weights)}", notes)


def load_script(request: Request) -> Source:
    """Return a TorchScript program; see `convert.sources.load_source`."""
    path = Path(request.spec)
    try:
        module: Any = read_script(path)
    except Exception as error:  # RuntimeError, and whatever a damaged archive brings
        raise UsageError(f"Reading {path.name} as TorchScript: {first_line(error)}. Save it again.") from error
    needed = [argument for argument in module.forward.schema.arguments[1:] if not argument.has_default_value()]
    names = [argument.name for argument in needed]
    if other := [f"{argument.name}: {argument.type}" for argument in needed if str(argument.type) != "Tensor"]:
        raise UsageError(f"Reading {path.name}: its `forward` takes {listed(other)}, expected tensors alone.")
    shapes = _checked_shapes(request, names)
    notes = ["It is TorchScript, a restricted program of its author, which ran when it was loaded."]
    network = Network(module=module, name=path.name, shapes=shapes, exporters=("torchscript",), whole=True)
    return _converted(network, f"{path.name}, TorchScript (SHA-256 {_hash(path)})", notes)


def _with(weights: Path | None) -> str:
    return f" with the weights {weights.name} (SHA-256 {_hash(weights)})" if weights else ""


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _built(spec: str) -> Any:
    """The network of the class or function at ``package.module:Name``, called without arguments."""
    where, _, name = spec.partition(":")
    try:
        found = Entry(spec).load()
    except ModuleNotFoundError as error:
        hint = f"Set PYTHONPATH to the folder that holds {where.partition('.')[0]}"
        raise UsageError(f"Importing {spec}: there is no module {error.name!r}. {hint}, or install it.") from error
    except AttributeError as error:
        raise UsageError(f"Importing {spec}: {where} has no {name!r}. Expected a class or a function there.") from error
    except Exception as error:  # the user's own code may raise anything
        raise UsageError(f"Importing {spec}: {type(error).__name__}: {first_line(error)}.") from error
    return _module_of(found, spec)


def _module_of(found: Callable[..., Any], spec: str) -> Any:
    needed = _arguments(found) if _builds(found) else []
    if needed:
        raise UsageError(
            f"Building {spec}: it needs {', '.join(needed)}, expected a class or a function that is called without"
            " arguments. Write a function that builds it with the options of its training, and give that."
        )
    try:
        module = found() if _builds(found) else found
    except Exception as error:  # the user's own code may raise anything
        raise UsageError(f"Building {spec}: {type(error).__name__}: {first_line(error)}.") from error
    if not hasattr(module, "state_dict") or not hasattr(module, "named_modules"):
        raise UsageError(f"Building {spec}: found {type(module).__name__}, expected a torch.nn.Module.")
    return module


def _builds(found: Any) -> bool:
    """Whether it is a class or a function, and not a network that the module has built already."""
    return isinstance(found, type) or (callable(found) and not hasattr(found, "state_dict"))


def _arguments(function: Any, *, skip: int = 0) -> list[str]:
    """The arguments that must be given."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):  # builtins do not tell
        return []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind in plain]


def _checked_shapes(request: Request, names: list[str]) -> Mapping[str, tuple[int, ...]]:
    """The given shapes: one for each input that the network must be given, if it tells which."""
    given = request.example_shapes or {}
    if len(given) < max(1, len(names)):
        wanted = ", ".join(f"{name}=1x3x224x224" for name in names or ["image"])
        found = f"shapes for {', '.join(given)}" if given else "no shape"
        raise UsageError(
            f"Reading {request.spec}: found {found} of its inputs, expected one for each, with the batch in front, such"
            f" as {wanted}."
        )
    for name, shape in given.items():
        if len(shape) < 2 or min(shape) < 1:
            raise UsageError(
                f"Reading {request.spec}: found the shape {'x'.join(map(str, shape)) or 'nothing'} for {name!r},"
                " expected a batch and the sizes of one input, such as 1x3x224x224."
            )
    return given


def _converted(network: Network, origin: str, notes: list[str]) -> Source:
    refuse_network_not_finite(network.module, network.name)
    notes = [*notes, *widen_network(network.module)]
    example = _feeds(network, EXAMPLE_BATCH)
    try:
        answer = run(network.module, list(example.values()))
    except Exception as error:  # the user's own code may raise anything
        shapes = ", ".join(f"{name} {'x'.join(map(str, feed.shape))}" for name, feed in example.items())
        raise UsageError(
            f"Running {network.name} on {shapes}: {first_line(error)}. Give the shapes that it takes."
        ) from error
    network = replace(network, outputs=network.outputs or tuple(answer))
    reasons: list[str] = []
    for exporter in network.exporters:
        try:
            onnx = _export(network, network.module, example, network.outputs, exporter)
        except Exception as error:  # noqa: BLE001 - each exporter raises its own kinds; all are told below
            reasons.append(f"{exporter}: {first_line(error)}")
            continue
        check_onnx(onnx, network.name)
        said = [f"PyTorch's exporter {exporter!r} wrote it, after {'; '.join(reasons)}."] if reasons else []
        alike = _parity(network, onnx, exporter)
        compare = partial(_parity_on_scans, network, onnx, exporter)
        return Source(onnx=onnx, origin=origin, notes=(*notes, *said, alike), compare=compare)
    raise UsageError(
        f"Exporting {network.name}: PyTorch cannot ({'; '.join(reasons)}). Write the part that it names with plain"
        " tensor operations, or give an ONNX file."
    )


def _feeds(network: Network, batch: int) -> Arrays:
    shapes = {name: (batch, *shape[1:]) for name, shape in network.shapes.items()}
    return seeded_feeds(shapes, dict.fromkeys(shapes, np.dtype(np.float32)))


def _export(network: Network, module: Any, example: Arrays, outputs: tuple[str, ...], exporter: Exporter) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(
            module if network.whole or isinstance(module, Leaves) else Flat(module),
            tensors(list(example.values())),
            input_names=tuple(example),
            output_names=outputs,
            path=path,
            metadata={"model": network.name, "exporter": exporter},
            exporter=exporter,
            fold=network.own and module is network.module,
        )
        return path.read_bytes()


def _parity(network: Network, onnx: bytes, exporter: Exporter) -> str:
    """The sentence that both answer alike.

    Raises
    ------
    UsageError
        They do not; with the first layer that differs, where that can be told.
    """
    largest = 0.0
    for batch in BATCHES:
        feeds = _feeds(network, batch)
        expected, again = (_answer(network, feeds) for _ in range(2))
        if largest_difference(expected, again) > TOLERANCE:
            raise UsageError(
                f"Comparing {network.name} with its export: the network gave two answers to one input, expected one."
                " It draws random numbers in evaluation mode, as functional.dropout does without training=False."
            )
        largest = max(largest, _difference(network, onnx, exporter, feeds, f"at batch {batch}"))
    return f"PyTorch and ONNX Runtime agree within {TOLERANCE:g} at batch 1 and 3 (found {largest:.2g})."


def _parity_on_scans(network: Network, onnx: bytes, exporter: Exporter, scans: Sequence[Arrays]) -> str:
    """The sentence that both answer alike on prepared scans; raises as `_parity`."""
    largest = 0.0
    for index, feeds in enumerate(scans, start=1):
        ordered = {name: feeds[name] for name in network.shapes}
        largest = max(largest, _difference(network, onnx, exporter, ordered, f"on scan {index}"))
    return f"They agree within {TOLERANCE:g} on {len(scans)} real scans, too (found {largest:.2g})."


def _difference(network: Network, onnx: bytes, exporter: Exporter, feeds: Arrays, where: str) -> float:
    """How far the two answers are apart, if that is not too far."""
    try:
        difference = largest_difference(_answer(network, feeds), Runner(onnx).run(feeds))
        found = f"a difference of {difference:.2g}"
    except CannotRun as error:
        difference, found = float("inf"), f"that ONNX Runtime stops ({error})"
    if not difference <= TOLERANCE:
        raise UsageError(
            f"Comparing {network.name} with its export: {where} found {found}, expected at most"
            f" {TOLERANCE:g}. {_first_difference(network, feeds, exporter)}"
        )
    return difference


def _answer(network: Network, feeds: Arrays) -> Arrays:
    values = run(network.module, list(feeds.values())).values()
    return dict(zip(network.outputs, values, strict=True))


def _first_difference(network: Network, feeds: Arrays, exporter: Exporter) -> str:
    """Which layer is the first to answer otherwise once it is exported: the network is exported with all of them."""
    try:
        leaves = Leaves(network.module)
        values = run(leaves, list(feeds.values())).values()
        names = tuple(leaves.seen)
        expected = dict(zip(names, values, strict=True))
        onnx = _export(network, leaves, _feeds(network, EXAMPLE_BATCH), names, exporter)
        found = Runner(onnx).run(feeds)
    except Exception as error:  # noqa: BLE001 - this only helps to explain an error that is on its way
        return f"The layer at fault cannot be named ({first_line(error)})."
    for name in names:
        difference = largest_difference({name: expected[name]}, {name: found[name]})
        if not difference <= TOLERANCE:
            kind = type(network.module.get_submodule(name)).__name__
            return (
                f"The first layer whose answer differs is {name} ({kind}), by {difference:.2g}: look at its `forward`"
                " and at what leads to it."
            )
    return "Every layer answers alike: the fault lies in what comes after the last of them, in `forward`."

"""Weights from a file into a network: the whole of them, each of the shape and type that the network has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from convert.export import is_tensor, read_state
from convert.sources.contract import first_line, listed
from edge.errors import UsageError

State = Mapping[str, Any]

WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "network", "net", "generator")
"""Under which training scripts put the weights, beside their optimiser's."""

PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
"""What DataParallel, torch.compile and training wrappers put in front of every name."""

_UNTRAINED = "num_batches_tracked"  # a count that inference does not read; files of old versions lack it


def load_weights(network: Any, path: Path, name: str, rename: Callable[[str], str] | None = None) -> list[str]:
    """Put the weights of a file into `network` and return sentences about what was changed on the way.

    Parameters
    ----------
    network : nn.Module
    path : Path
        safetensors, or a state dict as ``torch.save`` writes it.
    name : str
        What to call the network in messages.
    rename : callable, optional
        From a weight's name in the file to that in the network; see `convert.recipes.contract.Recipe`.

    Raises
    ------
    UsageError
        The file cannot be read without running a program, or its weights are not those of the network.
    """
    state, notes = _read(path)
    expected = dict(network.state_dict())
    if rename is not None:
        state, said = _renamed(state, rename, f"Putting {path.name} into {name}")
        notes = notes + said
    state, stripped = _without_prefix(state, expected)
    wrong = mismatches(expected, state)
    if wrong:
        raise UsageError(
            f"Putting {path.name} into {name}: found {len(wrong)} of {len(expected)} weights that do not fit:"
            f" {listed(wrong)}. Build the network with the options that it was trained with, or give its own weights."
        )
    network.load_state_dict(state, strict=False)
    return notes + stripped


def mismatches(expected: State, found: State) -> list[str]:
    """Return a phrase for each name that one side lacks, and each shape or type that differs."""
    wrong = [
        f"{name}: missing, expected {_what(tensor)}"
        for name, tensor in expected.items()
        if name not in found and not name.endswith(_UNTRAINED)
    ]
    for name, tensor in found.items():
        if name not in expected:
            wrong.append(f"{name}: found {_what(tensor)}, expected no such weight")
        elif (tuple(tensor.shape), tensor.dtype) != (tuple(expected[name].shape), expected[name].dtype):
            wrong.append(f"{name}: found {_what(tensor)}, expected {_what(expected[name])}")
    return wrong


def _what(tensor: Any) -> str:
    shape = " x ".join(map(str, tensor.shape)) or "one"
    return f"{shape} {str(tensor.dtype).removeprefix('torch.')}"


def _read(path: Path) -> tuple[State, list[str]]:
    if not path.is_file():
        raise UsageError(f"Reading the weights {path}: there is no such file.")
    try:
        loaded = read_state(path)
    except Exception as error:  # pickle, zip and safetensors raise what they like
        raise UsageError(_unreadable(path, error)) from error
    if _is_state(loaded):
        return loaded, []  # type: ignore[return-value]  # that is what was just asked
    inside = {key: loaded[key] for key in WRAPPERS if _is_state(loaded.get(key))} if isinstance(loaded, dict) else {}
    if len(inside) == 1:
        key, state = inside.popitem()
        return state, [f"Of {path.name} the weights under {key!r} were taken, and nothing else."]
    found = f"the entries {listed(sorted(map(str, loaded)))}" if isinstance(loaded, dict) else type(loaded).__name__
    raise UsageError(
        f"Reading the weights {path.name}: found {found}, expected a state dict: names and tensors."
        " Save it with torch.save(network.state_dict(), file), or as safetensors."
    )


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(
        isinstance(name, str) and is_tensor(tensor) for name, tensor in value.items()
    )  # fmt: skip


def _unreadable(path: Path, error: Exception) -> str:
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    doing = f"Reading the weights {path.name}"
    save = "torch.save(network.state_dict(), file), or as safetensors"
    if wanted:
        return (
            f"{doing}: it is a pickle that asks to run {wanted[1]}, expected tensors alone. A pickle is a program, and"
            f" it was not run. Where it was made, and if you trust it, load it and save only the weights: {save}."
        )
    if "TorchScript" in str(error):
        return f"{doing}: it is a TorchScript program. Give it as the model itself, without weights."
    return f"{doing}: it cannot be read ({first_line(error)}). Expected safetensors or a state dict: {save}."


def _renamed(state: State, rename: Callable[[str], str], doing: str) -> tuple[State, list[str]]:
    """The weights by the network's own names; two for one name are not chosen between."""
    former: dict[str, str] = {}
    for old in state:
        new = rename(old)
        if new in former:
            raise UsageError(f"{doing}: found {former[new]} and {old}, expected one of them: both stand for {new}.")
        former[new] = old
    changed = sum(new != old for new, old in former.items())
    said = [f"{changed} of its names were put into the recipe's spelling."] if changed else []
    return {new: state[old] for new, old in former.items()}, said


def _without_prefix(state: State, expected: State) -> tuple[State, list[str]]:
    """The weights without a word that stands in front of every name, where the network's own names lack it."""
    if set(state) & set(expected):
        return state, []
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            short = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
            if set(short) & set(expected):
                return short, [f"The {prefix!r} in front of every weight's name was left out."]
    return state, []

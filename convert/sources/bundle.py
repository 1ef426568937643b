"""The folder of a MONAI bundle: its model, and what its metadata tell; its other configurations are programs, not run.

The metadata's form: https://docs.monai.io/en/stable/mb_specification.html, "metadata.json File".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convert.hints import Hints, InputHint, OutputHint
from convert.sources import load_source
from convert.sources.contract import Request, Source
from edge.errors import UsageError

METADATA = "configs/metadata.json"
SCRIPT = "models/model.ts"
WEIGHTS = "models/model.pt"
EXPORT = (
    "python -m monai.bundle ckpt_export network_def --filepath models/model.ts --ckpt_file models/model.pt"
    " --meta_file configs/metadata.json --config_file configs/inference.json"
)
_LARGEST = 2**20


def load_bundle(request: Request) -> Source:
    """Return the model of the bundle in the folder `request.spec`; see `convert.sources.load_source`."""
    folder = Path(request.spec)
    hints = bundle_hints(folder)
    model = _model_file(folder)
    shapes = request.example_shapes
    if shapes is None and (model.suffix != ".onnx" or all(item.known for item in hints.inputs)):
        shapes = _shapes(hints, folder.name)
    source = load_source(str(model), example_shapes=shapes)
    note = f"Of the bundle only {METADATA} and {model.relative_to(folder).as_posix()} were read; nothing in it was run."
    if model.suffix != ".onnx":
        note = note.replace("nothing in it", "nothing else in it")
    return Source(
        onnx=source.onnx,
        origin=f"the MONAI bundle {folder.resolve().name}: {source.origin}",
        notes=(note, *source.notes),
    )


def bundle_hints(folder: Path) -> Hints:
    """Return what the metadata of a bundle tell about its model, for `convert.describe.draft`.

    Raises
    ------
    UsageError
        The folder holds no bundle, or its metadata are no JSON object.
    """
    path = folder / METADATA
    if not path.is_file():
        raise UsageError(f"Reading the folder {folder}: found no {METADATA}, expected a MONAI bundle.")
    try:
        document = json.loads(path.read_bytes()[: _LARGEST + 1])
    except (ValueError, RecursionError) as error:
        raise UsageError(f"Reading {METADATA} of {folder.name}: it is no JSON of at most 1 MiB ({error}).") from error
    if not isinstance(document, dict):
        raise UsageError(f"Reading {METADATA} of {folder.name}: found {type(document).__name__}, expected an object.")
    tensors = _object(document, "network_data_format")
    return Hints(
        version=_text(document, "version"),
        title=_text(document, "name") or _text(document, "task"),
        intended_use=_text(document, "intended_use"),
        limits=" ".join(filter(None, (_text(document, "description"), _text(document, "image_classes")))),
        credits=tuple(filter(None, (_text(document, key) for key in ("authors", "copyright", "data_source")))),
        inputs=tuple(_input(name, item) for name, item in _objects(tensors, "inputs").items()),
        outputs=tuple(_output(name, item) for name, item in _objects(tensors, "outputs").items()),
    )


def _model_file(folder: Path) -> Path:
    found = sorted((folder / "models").glob("*.onnx"))
    if len(found) > 1:
        raise UsageError(
            f"Reading the bundle {folder.name}: found {', '.join(path.name for path in found)} in models, expected one."
            " Give the one that you mean as a file."
        )
    script = folder / SCRIPT
    if found or script.is_file():
        return found[0] if found else script
    if (folder / WEIGHTS).is_file():
        raise UsageError(
            f"Reading the bundle {folder.name}: {WEIGHTS} holds weights without their network, and the configurations"
            f" that build it are programs, which are not run. Where you trust the bundle, install MONAI, run `{EXPORT}`"
            " in its folder, and try again."
        )
    raise UsageError(f"Reading the bundle {folder.name}: found no model, expected {SCRIPT} or an .onnx in models.")


def _shapes(hints: Hints, name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of all inputs, with a batch of 1."""
    for item in hints.inputs:
        if not item.known:
            sizes = "x".join(["1", *(str(size) for size in item.sizes or ("?",))])
            raise UsageError(
                f"Reading the bundle {name}: its metadata leave the shape of {item.name!r} open ({sizes}). Give the"
                f" shape that it is to be run with, such as {item.name}=1x{item.channels or 1}x96x96x96."
            )
    return {item.name: (1, *(size for size in item.sizes if isinstance(size, int))) for item in hints.inputs}


def _input(name: str, item: Mapping[str, Any]) -> InputHint:
    channels, spatial = item.get("num_channels"), item.get("spatial_shape")
    sizes = [channels, *(spatial if isinstance(spatial, list) else ["?"])]
    span = item.get("value_range")
    numbers = span if isinstance(span, list) and len(span) == 2 and all(map(_is_number, span)) else None
    return InputHint(
        name=name,
        sizes=tuple(size if _is_size(size) else str(size)[:20] for size in sizes),
        modality=_text(item, "modality"),
        value_range=(float(numbers[0]), float(numbers[1])) if numbers else None,
        channel_names=_channel_names(item),
    )


def _output(name: str, item: Mapping[str, Any]) -> OutputHint:
    return OutputHint(name=name, channel_names=_channel_names(item))


def _channel_names(item: Mapping[str, Any]) -> tuple[str, ...]:
    """What the channels mean, in order, where the definition names all of them from 0 on."""
    found = _object(item, "channel_def")
    names = [found.get(str(index)) for index in range(len(found))]
    return tuple(name for name in names if isinstance(name, str)) if None not in names else ()


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def _object(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _objects(document: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {name: value for name, value in _object(document, key).items() if isinstance(value, dict)}

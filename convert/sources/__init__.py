"""From whatever a user has of a model - a file, a folder, a class, a name - to one ONNX file that a pack may hold."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from convert.sources.contract import Loader, Request, Source
from edge.errors import UsageError
from edge.table import Entry, lookup

__all__ = ["KINDS", "RECIPES", "Source", "load_source", "recipe_name"]

_TORCH = ("torch", "onnx", "onnxscript", "safetensors")

RECIPES: dict[str, Entry] = {
    "chest-pneumonia": Entry("convert.recipes.chest_pneumonia:RECIPE", needs=_TORCH, extra="convert"),
    "brain-tissue": Entry("convert.recipes.brain_tissue:RECIPE", needs=_TORCH, extra="convert"),
    "chest-densenet121": Entry("convert.recipes.chest_densenet121:RECIPE", needs=_TORCH, extra="convert"),
    "skin-resnet50": Entry("convert.recipes.skin_resnet50:RECIPE", needs=_TORCH, extra="convert"),
    "retinopathy-cnn": Entry("convert.recipes.retinopathy_cnn:RECIPE", needs=_TORCH, extra="convert"),
    "unet2d": Entry("convert.recipes.unet2d:RECIPE", needs=_TORCH, extra="convert"),
    "alzheimer-cnn3d": Entry("convert.recipes.alzheimer_cnn3d:RECIPE", needs=_TORCH, extra="convert"),
    "alzheimer-voxcnn": Entry("convert.recipes.alzheimer_voxcnn:RECIPE", needs=_TORCH, extra="convert"),
    "alzheimer-cae": Entry("convert.recipes.alzheimer_cae:RECIPE", needs=_TORCH, extra="convert"),
    "unet3d": Entry("convert.recipes.unet3d:RECIPE", needs=_TORCH, extra="convert"),
    "brats-unet3d": Entry("convert.recipes.brats_unet3d:RECIPE", needs=_TORCH, extra="convert"),
    "vnet": Entry("convert.recipes.vnet:RECIPE", needs=_TORCH, extra="convert"),
    "moeskops-multiscale": Entry("convert.recipes.moeskops_multiscale:RECIPE", needs=_TORCH, extra="convert"),
    "organ-boxes": Entry("convert.recipes.organ_boxes:RECIPE", needs=_TORCH, extra="convert"),
    "yolov5n": Entry("convert.recipes.yolov5n:RECIPE", needs=_TORCH, extra="convert"),
    "yolov5s": Entry("convert.recipes.yolov5s:RECIPE", needs=_TORCH, extra="convert"),
    "yolo-anchor-free": Entry("convert.recipes.yolo_anchor_free:RECIPE", needs=_TORCH, extra="convert"),
    "mask-rcnn": Entry("convert.recipes.mask_rcnn:RECIPE", needs=_TORCH, extra="convert"),
    "voxelmorph": Entry("convert.recipes.voxelmorph:RECIPE", needs=_TORCH, extra="convert"),
    "pix2pix": Entry("convert.recipes.pix2pix:RECIPE", needs=_TORCH, extra="convert"),
    "pix2pix-resnet": Entry("convert.recipes.pix2pix_resnet:RECIPE", needs=_TORCH, extra="convert"),
}
"""Networks that edgerun knows by name, each a `convert.recipes.contract.Recipe`."""

KINDS: dict[str, Entry] = {
    "recipe": Entry("convert.sources.network:load_recipe", needs=_TORCH, extra="convert"),
    "onnx": Entry("convert.sources.onnx_model:load_onnx", needs=("onnx",), extra="convert"),
    "torchscript": Entry("convert.sources.network:load_script", needs=_TORCH, extra="convert"),
    "module": Entry("convert.sources.network:load_module", needs=_TORCH, extra="convert"),
    "bundle": Entry("convert.sources.bundle:load_bundle", needs=("onnx",), extra="convert"),
}

LAY_OUT = Entry("convert.sources.onnx_model:laid_out", needs=("onnx",), extra="convert")
"""What is done to every model, whatever it came from."""

TAKEN = (
    "an ONNX file, a TorchScript file, the import path of a torch network (package.module:ClassOrFactory), the folder"
    " of a MONAI bundle, or a recipe"
)

_WEIGHTS_ONLY = (
    "it holds weights without their network. Give the network, package.module:ClassOrFactory, and this file as its"
    " weights"
)
_SAVED = (
    "what it holds of a network cannot be had without running it as a program. Give the network,"
    " package.module:ClassOrFactory, and its state dict as its weights"
)
_KERAS = "it is of Keras. Convert it with tf2onnx and give the ONNX file"
_PLAN = "it is a plan of TensorRT, bound to one machine. Give the ONNX file that it was built from"
_PICKLE = "it is a pickle, a program, and is not run. Convert the model where it was made, and give the ONNX file"
_SUFFIXES = {
    ".onnx": "onnx",
    ".ort": "onnx",  # is told from its content that it is ONNX Runtime's own format
}
_ELSEWHERE = {
    ".safetensors": _WEIGHTS_ONLY,
    ".pt2": "it is a program of torch.export. Export it with torch.onnx.export and give the ONNX file",
    ".h5": _KERAS,
    ".hdf5": _KERAS,
    ".keras": _KERAS,
    ".pb": "it is of TensorFlow. Convert it with tf2onnx and give the ONNX file",
    ".tflite": "it is of TensorFlow Lite. Convert it with tf2onnx and give the ONNX file",
    ".pkl": _PICKLE,
    ".joblib": _PICKLE,
    ".engine": _PLAN,
    ".plan": _PLAN,
    ".xml": "it is of OpenVINO. Give the ONNX file that it was converted from",
    ".mlmodel": "it is of Core ML. Give the model that it was converted from",
}


def load_source(
    spec: str, *, weights: Path | None = None, example_shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Source:
    """Return the model that `spec` names as one checked ONNX file.

    A recipe's name, with hyphens or underscores, wins over a file of that name; ``./name`` is always the file.

    Parameters
    ----------
    spec : str
        An ONNX file, a TorchScript file, ``package.module:ClassOrFactory``, the folder of a MONAI bundle, or a name
        in `RECIPES`. The code of a module is the user's own and is run; TorchScript is a restricted program of its
        author, which runs when it is loaded; of a bundle only ``configs/metadata.json`` and the model are read.
    weights : Path, optional
        For a module or a recipe: safetensors, or a state dict as ``torch.save`` writes it. No pickle is run.
    example_shapes : mapping, optional
        By name of input, in the order of the network's arguments: its shape with the batch in front, whatever its
        size there. Needed for TorchScript and modules; for ONNX where it leaves more than the batch open.

    Raises
    ------
    UsageError
        There is no such model, it is of a kind that cannot be converted, or something else is needed; says what.
    edge.errors.EngineError
        ``E501``: ONNX Runtime cannot load it.
    """
    kind = _kind_of(spec)
    if weights is not None and kind not in ("module", "recipe"):
        raise UsageError(
            f"Reading {spec} with the weights {weights.name}: it holds its weights already, expected none beside it."
        )
    if missing := KINDS[kind].missing():
        raise UsageError(f"Reading {spec}: {', '.join(missing)} is not installed. Install edgerun[convert].")
    loader: Loader = KINDS[kind].load()
    lay_out: Callable[[Source, str], Source] = LAY_OUT.load()
    return lay_out(loader(Request(spec=spec, weights=weights, example_shapes=example_shapes)), Path(spec).name)


def recipe_name(spec: str) -> str:
    """Return what a user calls a recipe in the spelling of `RECIPES`.

    Examples
    --------
    >>> recipe_name("chest_densenet121")
    'chest-densenet121'
    """
    return spec.replace("_", "-")


def _kind_of(spec: str) -> str:
    path = Path(spec)
    if recipe_name(spec) in RECIPES:
        return "recipe"
    if path.is_dir():
        return "bundle"
    if path.is_file():
        return _kind_of_file(path)
    if ":" in spec and not any(separator in spec for separator in "/\\"):
        return "module"
    if path.suffix or "/" in spec:
        raise UsageError(f"Reading {spec}: there is no such file or folder. Expected {TAKEN}.")
    lookup(RECIPES, recipe_name(spec), "recipe")  # says what recipes there are
    return "recipe"


def _kind_of_file(path: Path) -> str:
    """By what a file holds where that tells, else by its name."""
    found = _kind_of_zip(path) if zipfile.is_zipfile(path) else ""
    if found == "torchscript":
        return found
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    problem = _ELSEWHERE.get(suffix, found)
    with path.open("rb") as file:
        if not problem and file.read(1) == b"\x80":
            problem = f"it is a pickle, and {_SAVED}"
    if not problem:
        problem = f"found a file whose name ends in {suffix or 'nothing'}, expected {TAKEN}"
    raise UsageError(f"Reading {path.name}: {problem}.")


def _kind_of_zip(path: Path) -> str:
    """Tell TorchScript, which keeps its program in ``code/``, from what ``torch.save`` writes."""
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    if any(name.startswith("code/") for name in names):
        return "torchscript"
    return f"torch.save wrote it, and {_SAVED}" if "data.pkl" in names else ""

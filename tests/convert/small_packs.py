"""Every recipe as a pack at a size that a test can afford, and phantoms as DICOM files of what each pack takes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np

from convert.describe import Description, parse_description
from convert.phantoms import phantom_of
from convert.recipes.contract import Recipe, description_file, recipe_description
from convert.road import Road, Sets, Ways, travel
from convert.sources import RECIPES
from edge.pack.manifest import Input
from edge.table import Entry
from tests.convert.scans import Heard
from tests.read.dicom_files import picture, save
from tests.systems import dicom

VOLUMES, DETECTORS, PICTURES = (f"tests.convert.small_{kind}" for kind in ("recipes", "detectors", "pictures"))
STORED: Mapping[str, str] = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "ES": "1.2.840.10008.5.1.4.1.1.77.1.1",
    "DMS": "1.2.840.10008.5.1.4.1.1.77.1.4",
    "OP": "1.2.840.10008.5.1.4.1.1.77.1.5.1",
}
"""(0008,0016) by modality."""

ELSEWHERE = ("chest-pneumonia", "brain-tissue")
"""They are trained: their packs are judged, and go the whole way in tests of their own."""


def small_entry(name: str) -> Entry:
    """Where a recipe stands at a small size."""
    attribute = name.replace("-", "_").upper()
    modules = [
        module for module in (VOLUMES, DETECTORS, PICTURES) if hasattr(importlib.import_module(module), attribute)
    ]
    (module,) = modules
    return Entry(f"{module}:{attribute}")


def small_recipe(name: str) -> Recipe:
    """The recipe itself."""
    return cast("Recipe", small_entry(name).load())


def small_description(recipe: Recipe) -> Description:
    """The recipe's own description, with the sizes of its small network; all else as it is."""
    found = parse_description(recipe_description(recipe.name).encode(), description_file(recipe.name))
    return replace(found, inputs=tuple(_resized(item, recipe.inputs[item.tensor][1:]) for item in found.inputs))


def _resized(item: Input, shape: tuple[int, ...]) -> Input:
    shape = (item.shape[0], *shape[1:])
    steps = tuple(_step(step, shape[1:]) for step in item.steps)
    least = min(item.accepts.least_size or 1, *shape[1:])
    return replace(item, shape=shape, steps=steps, accepts=replace(item.accepts, least_size=least))


def _step(step: Mapping[str, object], size: tuple[int, ...]) -> dict[str, object]:
    """A step with the size that it ends in, where it ends in one."""
    ends: dict[str, object] = {"shape": list(size), "height": size[-2], "width": size[-1]}
    return {key: ends.get(key, value) for key, value in step.items()}


def built(name: str, folder: Path) -> Path:
    """The pack of a recipe, FP32 and INT8, as `edgerun-convert build` makes it."""
    entry = small_entry(name)
    description = small_description(small_recipe(name))
    ways = Ways(precisions=("fp32", "int8"))
    with mock.patch.dict(RECIPES, {name: entry}):
        travel(Road(model=name, weights=None, description=description, sets=Sets(), out=folder, ways=ways), Heard())
    return folder / name


def scans_for(description: Description, folder: Path) -> Path:
    """A phantom for every input, as the modality of the pack stores it; they tell their roles themselves."""
    for number, item in enumerate(description.inputs):
        _write(item, folder / str(number), number)
    return folder


def _write(item: Input, folder: Path, seed: int) -> None:
    scan = phantom_of(item, seed)
    accepts = item.accepts
    modality = scan.acquisition.modality or "OT"
    said: dict[str, Any] = {"Modality": modality, "SOPClassUID": STORED[modality], "PatientAge": _age(item)}
    if scan.unit == "HU":
        said |= {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU"}
    if accepts.body_part:
        said["BodyPartExamined"] = accepts.body_part[0]
    if accepts.view:
        said["ViewPosition"] = accepts.view[0]
    if item.role is not None:
        said["SeriesDescription"] = item.role.words[0]
        said |= {"ContrastBolusAgent": "Gd"} if item.role.contrast else {}
    if accepts.stack == "volume":
        dicom(folder, scan.voxels, scan.grid, modality=said.pop("Modality"), **said)
        return
    folder.mkdir(parents=True)
    if accepts.colour == "rgb":
        said["PhotometricInterpretation"] = "RGB"
    save(picture(np.ascontiguousarray(scan.voxels[0]), **said), folder / "scan.dcm")


def _age(item: Input) -> str:
    low, high = item.accepts.age_years or (40.0, 40.0)
    return f"{round(12 * (low + high) / 2):03}M" if high < 2 else f"{round((low + high) / 2):03}Y"

"""Scans that nobody took, for packs that bring none: seeded, as large as real ones, in the format the pack takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.geometry import Grid
from edge.pack.manifest import Accepts, Input, Manifest
from edge.write.nifti import nifti

PICTURE = (2048, 2048)
"""Rows and columns, as a radiograph or the picture of an eye has them."""
VOLUME = (160, 256, 256)
"""Voxels along z, y and x at 1 mm, as a scan of a head has them."""
HOUNSFIELD = "HU"


def phantom_files(manifest: Manifest, folder: Path, seed: int) -> dict[str, Path]:
    """Write a phantom for every input of a pack and return the files by name of input.

    Raises
    ------
    UsageError
        The pack takes what no PNG or NIfTI file can be: frames in time, SUV, or scans of two kinds.
    """
    _check_possible(manifest)
    unit = _unit(manifest.inputs)
    files = {}
    for number, item in enumerate(manifest.inputs):
        picture = item.accepts.stack == "picture"
        path = folder / f"{item.name}.{'png' if picture else 'nii.gz'}"
        drawn = _picture(item.accepts, seed + number) if picture else _volume(unit == HOUNSFIELD, seed + number)
        path.write_bytes(drawn)
        files[item.name] = path
    return files


def vouched(manifest: Manifest) -> dict[str, str]:
    """Return what the pack's word must do for where a file does not tell it: the first that all of its inputs take."""
    told = {name: _common(words)[:1] for name, words in _asked(manifest).items()}
    unit = _unit(manifest.inputs)
    return {name: word for name, words in told.items() for word in words} | ({"unit": unit} if unit else {})


def _check_possible(manifest: Manifest) -> None:
    doing = f"Making phantoms for the pack {manifest.name}"
    give = "Give scans: edgerun bench PACK SCANS."
    if _unit(manifest.inputs) not in ("", HOUNSFIELD) or any(i.accepts.stack == "frames" for i in manifest.inputs):
        raise UsageError(f"{doing}: found that it takes frames or SUV, of which edgerun can make none. {give}")
    for words in _asked(manifest).values():
        if words and not _common(words):
            found = " and ".join(" or ".join(each) for each in words)
            raise UsageError(f"{doing}: its inputs are {found}, of which no one file can be all. {give}")


def _asked(manifest: Manifest) -> dict[str, list[tuple[str, ...]]]:
    """What the inputs ask of each tag, without those that ask nothing."""
    accepted = [item.accepts for item in manifest.inputs]
    asked = {
        "modality": [each.modality for each in accepted],
        "body-part": [each.body_part for each in accepted],
        "view": [each.view for each in accepted],
    }
    return {name: [each for each in words if each] for name, words in asked.items()}


def _common(words: Sequence[tuple[str, ...]]) -> list[str]:
    return [word for word in words[0] if all(word in each for each in words)] if words else []


def _unit(inputs: Sequence[Input]) -> str:
    steps: list[Mapping[str, object]] = [step for item in inputs for step in item.steps]
    return next((str(step["unit"]) for step in steps if step["step"] == "require_unit" and "unit" in step), "")


def _picture(accepts: Accepts, seed: int) -> bytes:
    rows, columns = (max(size, accepts.least_size) for size in PICTURE)
    body = _body((1, rows, columns), seed)[0]
    levels = np.clip(body * 200, 0, 255).astype(np.uint8)
    pixels = levels if accepts.colour == "grey" else np.stack([levels // 3, levels // 2, levels], axis=-1)
    written, data = cv2.imencode(".png", pixels)
    if not written:
        raise UsageError("Making a phantom: OpenCV cannot write PNG files here.")
    return bytes(data)


def _volume(hounsfield: bool, seed: int) -> bytes:  # noqa: FBT001 - private, one meaning
    values = np.clip(_body(VOLUME, seed) * 1000, 0, 2000) - (1000 if hounsfield else 0)
    matrix = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    return nifti(values.astype(np.int16), Grid.of(VOLUME, matrix, "patient"), "edgerun bench: a phantom, no patient")


def _body(shape: tuple[int, int, int], seed: int) -> NDArray[np.float32]:
    """An ellipsoid of about 1 with darker and brighter ones in it, and noise, before a background of 0."""
    generator = np.random.default_rng(seed)
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32) for n in shape)
    place = (z[:, None, None], y[None, :, None], x[None, None, :])
    body = _inside(place, (0, 0, 0), (0.9, 0.8, 0.7)).astype(np.float32)
    for _ in range(6):
        centre, radii = generator.uniform(-0.4, 0.4, 3).tolist(), generator.uniform(0.1, 0.3, 3).tolist()
        body[_inside(place, (centre if len(z) > 1 else (0, *centre[1:])), radii)] += generator.uniform(-0.5, 0.5)
    noise = generator.normal(0, 0.02, shape).astype(np.float32)
    return np.asarray(body + np.where(body > 0, noise, np.float32(0)), dtype=np.float32)


def _inside(place: Sequence[NDArray[np.float32]], centre: Sequence[float], radii: Sequence[float]) -> NDArray[np.bool_]:
    squares = [((along - c) / r) ** 2 for along, c, r in zip(place, centre, radii, strict=True)]
    return np.asarray(squares[0] + squares[1] + squares[2] <= 1)

"""The embedded pack ``chest-pneumonia`` as its maker had it: model, description, and real pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.labels import LabelledSet
from edge.pack.store import EMBEDDED, Pack, open_pack
from tests.conftest import ROOT
from tests.convert.scans import SENSITIVE, Pixels, write_pictures

DATA = ROOT.parent / "shared" / "data" / "pneumoniamnist" / "pneumoniamnist.npz"
CHEST = EMBEDDED / "chest-pneumonia"

Splits = Mapping[str, tuple[Pixels, NDArray[np.bool_]]]


def chest_splits() -> Splits:
    """The data set of the embedded pack, where this machine has it."""
    if not DATA.is_file():
        pytest.skip(f"the data set {DATA.name} is not on this machine")
    with np.load(DATA) as data:
        return {
            name: (data[f"{name}_images"], data[f"{name}_labels"].ravel() == 1) for name in ("train", "val", "test")
        }


def chest_set(folder: Path, images: Pixels, truth: NDArray[np.bool_]) -> LabelledSet:
    """Real pictures as DICOM files with what is true of them."""
    paths = write_pictures(folder, list(images), dicom=True)
    return LabelledSet(paths=tuple(paths), truths={"pneumonia": truth})


def chest_pack() -> Pack:
    return open_pack(CHEST)


def chest_onnx() -> bytes:
    pack = chest_pack()
    return pack.read_model(pack.manifest.models[0])[0]


def chest_description(path: Path, **changes: Any) -> Path:
    """The clinical part of the embedded pack, as its maker would have written it."""
    document = json.loads((CHEST / "manifest.json").read_text(encoding="utf-8"))
    for key in ("format", "format_version", "models", "golden", "evidence", "card", "reduced"):
        document.pop(key, None)
    document |= {"name": "again", "thresholds": {"pneumonia": SENSITIVE}, **changes}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path

"""Whether a contrast agent was given, as the header tells before a pixel is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.read.dicom_files import canonical_grid, describe, enhanced, item, load, picture, save

PIXELS = np.arange(20, dtype=np.uint16).reshape(4, 5)


def told(ds: Dataset, folder: Path) -> bool | None:
    """What the header says, and the loaded scan with it."""
    path = save(ds, folder / "a.dcm")
    found = describe(path).acquisition.contrast
    assert load(path).acquisition.contrast == found
    return found


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, False),
        ({"ContrastBolusAgent": "Gadoterate"}, True),
        ({"ContrastBolusAgent": "NONE"}, False),
        ({"ContrastBolusAgent": " no "}, False),
        ({"ContrastBolusAgent": ""}, None),
    ],
    ids=["absent", "named", "none", "no", "empty"],
)
def test_an_agent_is_told_by_its_name(tmp_path: Path, elements: dict[str, Any], expected: bool | None) -> None:
    assert told(picture(PIXELS, Modality="MR", **elements), tmp_path) is expected


def test_an_enhanced_object_tells_its_agent_in_a_sequence(tmp_path: Path) -> None:
    grid = canonical_grid((2, 4, 5))
    ds = enhanced(np.stack([PIXELS, PIXELS + 1]), grid, "MR")
    assert told(ds, tmp_path) is False
    ds.ContrastBolusAgentSequence = [item(CodeValue="1", CodingSchemeDesignator="99X", CodeMeaning="Agent")]
    assert told(ds, tmp_path) is True

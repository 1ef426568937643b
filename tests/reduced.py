"""A tiny pack for which pictures may be decoded smaller, and a film that can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from edge.pack.manifest import Manifest
from edge.pack.reduced import Compared, Reduced
from edge.testing import tiny_manifest
from tests.read.dicom_files import compressed, picture, ramp, save

LOSSLESS = "1.2.840.10008.1.2.4.90"
LEAST_SIDE = 512
SIDE = 1030
"""Of the film, which is halved once, to 515."""

COMPARED = Compared(
    precision="fp32",
    coding="lossless",
    n=120,
    spoilt=120,
    largest_difference=0.0004,
    tolerance=0.001,
    halvings=(1, 2),
    least_ratio=128.0,
)
REDUCED = Reduced(
    least_side=LEAST_SIDE, measured_on="films of a test", compared=(COMPARED, replace(COMPARED, coding="lossy"))
)


def reduced_manifest(**changes: Any) -> Manifest:
    """The tiny pack with the permission."""
    return tiny_manifest(**{"reduced": REDUCED, **changes})


def film(side: int = SIDE) -> NDArray[Any]:
    """Of 12 bits, brighter than not, so that the tiny pack finds it bright."""
    return np.asarray(ramp(side, side, 900, 4000, "u2"))


def write_film(path: Path, pixels: NDArray[Any]) -> str:
    """Write a film in JPEG 2000 without loss and return its path."""
    data = bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, bitspersample=12))
    dataset = picture(pixels, BitsStored=12, HighBit=11, BodyPartExamined="CHEST", PixelSpacing=[0.1, 0.1])
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    return save(compressed(dataset, LOSSLESS, data), path)

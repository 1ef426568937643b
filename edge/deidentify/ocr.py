"""Picture -> how likely each pixel lies in text, by the detector that the package `rapidocr` brings with it.

Only the detector runs, on edgerun's own engine: no text is ever recognised, so none can be kept. The package's own code
is never loaded; it would import a library of the network.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.device import usable_cores
from edge.engines import Engine
from edge.errors import EngineError, ReadError
from edge.reasons import NO_TEXT_FINDER, TEXT_FINDER_FAILED

PACKAGE = "rapidocr"
WEIGHTS = "models/PP-OCRv6_det_small.onnx"
SHA256 = "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
"""Of the weights that `docs/burned-in.md` was measured with, PP-OCRv6 as rapidocr 3.10 brings it, Apache-2.0."""

MULTIPLE = 32
"""Sides that the detector takes are multiples of this."""

SMALLEST = 64
"""Smaller pictures are laid on a field of this size: at its edges the detector sees little."""


def text_likelihood(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how likely each pixel of a small picture lies in the middle of a line of text.

    Parameters
    ----------
    picture : ndarray of uint8, shape (rows, columns) or (rows, columns, 3)
        Of at most about 700 pixels a side: in larger ones the detector overlooks small text.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        From 0 to 1.

    Raises
    ------
    ReadError
        ``NO_TEXT_FINDER`` or ``TEXT_FINDER_FAILED``.
    """
    rows, columns = picture.shape[:2]
    below, right = (max(SMALLEST, -(-size // MULTIPLE) * MULTIPLE) - size for size in (rows, columns))
    filled = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    if filled.ndim == 2:
        filled = np.repeat(filled[..., np.newaxis], 3, axis=-1)
    tensor = np.ascontiguousarray(filled.transpose(2, 0, 1)[np.newaxis], dtype=np.float32) / 127.5 - 1
    detector = _detector(usable_cores())
    try:
        found = detector.infer({detector.inputs[0].name: tensor})[detector.outputs[0].name]
    except EngineError as error:
        raise ReadError("Looking for text in a picture: the detector failed.", TEXT_FINDER_FAILED) from error
    likelihood: NDArray[np.float32] = found[0, 0, :rows, :columns]
    return likelihood


def is_installed() -> bool:
    """Return whether the weights are there and are those that were measured."""
    try:
        _weights()
    except ReadError:
        return False
    return True


@functools.cache
def _detector(threads: int) -> Engine:
    from edge.engines.onnxruntime import OnnxRuntimeEngine  # noqa: PLC0415 - only where a picture is looked at

    try:
        return OnnxRuntimeEngine(_weights(), precision="fp32", threads=threads)
    except EngineError as error:
        raise ReadError("Opening the detector of text: the engine refused it.", TEXT_FINDER_FAILED) from error


def _weights() -> bytes:
    """The detector's file, found without importing the package."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ReadError(f"Looking for the package {PACKAGE}: it is not installed here.", NO_TEXT_FINDER)
    path = Path(found.origin).parent / WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(f"Reading {WEIGHTS} of the package {PACKAGE}: it is not there.", NO_TEXT_FINDER) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ReadError(
            f"Reading {WEIGHTS} of the package {PACKAGE}: found SHA-256 {digest}, expected {SHA256}, with which it was "
            "measured what is found.",
            NO_TEXT_FINDER,
        )
    return content

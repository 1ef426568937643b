"""A table of small pictures, bright and dark, as a clinic would label them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = 8


def picture(path: Path, level: int) -> Path:
    """A grey PNG that is not blank, whose mean rises with `level`, 0 to 255."""
    pixels = np.full((SIZE, SIZE), level, dtype=np.uint8)
    pixels[0, 0] = 255 - level
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
    return path


def labelled(folder: Path, positives: int, negatives: int, *, seed: int = 0) -> Path:
    """Write pictures that overlap in brightness, and the table of them."""
    generator = np.random.default_rng(seed)
    levels = [*generator.normal(150, 12, positives), *generator.normal(120, 12, negatives)]
    rows = ["file,bright,sex"]
    for index, level in enumerate(levels):
        picture(folder / f"{index}.png", int(np.clip(level, 30, 225)))
        rows.append(f"{index}.png,{int(index < positives)},{'FM'[index % 2]}")
    table = folder / "labels.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return table

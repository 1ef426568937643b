"""Phantoms of films of a chest: two dark lungs, a bright heart to one side, a bright belly, seeded differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convert.looks import SIZE, Seen, look_of, template_of
from edge.check.film import filled_share, saturated_share
from edge.check.look import position_of, reduced
from edge.pack.look import Look
from edge.pack.manifest import Accepts
from edge.scan import Acquisition, Scan
from edge.testing import phantom_scan

SIDE = 96
DX = Acquisition(modality="DX", photometric="MONOCHROME2", lossy=False)

Film = NDArray[np.uint16]


def film(seed: int = 0, side: int = SIDE) -> Film:
    """A square film of 12 bits without plain rows: shape (side, side)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side + rng.normal(0, 0.02, (2, 1, 1))
    shade = 0.55 + 0.25 * y
    for centre_x, wide in ((0.27, 0.15), (0.75, 0.13)):
        shade = shade - 0.4 * np.exp(-(((x - centre_x) / wide) ** 4) - ((y - 0.45) / 0.28) ** 4)
    shade = shade + 0.35 * np.exp(-(((x - 0.58) / 0.12) ** 2) - ((y - 0.6) / 0.14) ** 2)
    noisy = shade * rng.uniform(0.8, 1.1) + rng.normal(0, 0.02, shade.shape)
    return np.asarray(np.clip(noisy * 3000 + 300, 0, 4095), np.uint16)


def scan_of(picture: NDArray[np.generic], acquisition: Acquisition = DX) -> Scan:
    """The scan of one picture, shape (y, x) or (y, x, 3)."""
    plain = phantom_scan((1, *picture.shape[:2]), acquisition=acquisition)
    return replace(plain, voxels=picture[np.newaxis], value_range=(0.0, 4095.0))


def accepting(look: Look | None = None) -> Accepts:
    """What takes any grey picture."""
    return Accepts(stack="picture", colour="grey", look=look)


def square(picture: Film) -> NDArray[np.float64]:
    """A film as the template sees it."""
    found = reduced(scan_of(picture), SIZE)
    assert found is not None
    return found


def made_look() -> Look:
    """The look of such films: learnt from twenty, its limits chosen on forty others."""
    template = template_of([square(film(seed)) for seed in range(20)])
    chosen = [film(seed) for seed in range(20, 60)]
    seen = [
        Seen(position=position_of(square(each), template), filled=filled_share(each), saturated=saturated_share(each))
        for each in chosen
    ]
    return look_of(template, seen, "20 phantoms", "40 others")


LOOK = made_look()

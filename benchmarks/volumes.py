"""Labels of a volume, from the model's scores to a file: edgerun beside scipy, and its blending beside MONAI's.

``python -m benchmarks.volumes [--full] [--out FILE]``; ``--full`` is a scan of 512 x 512 x 600 and 14 classes. Needs
scipy; the part beside MONAI needs torch and monai (``pip install monai``) and is left out without them. Everything runs
in one thread. With the network and all threads, from the volume to its labels, it is `benchmarks.systems_windows`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import figures
from benchmarks.figures import FAST, Figure
from edge.device import machine_name
from edge.geometry import Grid, Shape
from edge.volume.blend import Slab, blend
from edge.volume.source import Decision, labels_on_source
from edge.volume.tiles import Flips, Start, Tiles

Scores = NDArray[np.float32]

CLASSES = 14
FULL: Shape = (600, 512, 512)
SCALED: Shape = (180, 160, 160)
SPACING_MM = (1.0, 0.7, 0.7)
FED_MM = 1.5
PATCH: Shape = (128, 128, 128)
PEAK_GB, FASTER, EQUAL_PERCENT, MILLIONTHS = 1.5, 20.0, 99.95, 100.0
"""What is aimed at: the most memory; beside scipy's linear zoom how many times as fast, and how many labels the same;
how far blended scores may be from MONAI's."""
SLICES_BESIDE_SCIPY = 60
"""Of the fed grid: to zoom all of a full scan with cubic splines takes a quarter of an hour."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Organs:
    """Scores of ellipsoids with waves on their surface, made a part at a time so that they are never held whole.

    Parameters
    ----------
    fed, source : Grid
    along_z : ndarray, shape (class, z)
    planes : ndarray, shape (class, y, x)
    """

    fed: Grid
    source: Grid
    along_z: Scores
    planes: Scores

    @classmethod
    def of(cls, shape: Shape) -> Organs:
        """Return organs in a scan of this shape; class 0 is what lies between them."""
        dz, dy, dx = SPACING_MM
        matrix = np.array([[0, 0, dx, 0], [0, dy, 0, 0], [dz, 0, 0, 0], [0, 0, 0, 1.0]])
        source = Grid.of(shape, matrix, "patient")
        nz, ny, nx = (max(1, round(n * step / FED_MM)) for n, step in zip(shape, SPACING_MM, strict=True))
        generator = np.random.default_rng(0)
        z, y, x = (np.linspace(-1, 1, n) for n in (nz, ny, nx))
        along_z, planes = np.zeros((CLASSES, nz)), np.zeros((CLASSES, ny, nx))
        for index in range(1, CLASSES):
            (cz, cy, cx), (rz, ry, rx) = generator.uniform(-0.6, 0.6, 3), generator.uniform(0.15, 0.4, 3)
            along_z[index] = 1 - ((z - cz) / rz) ** 2
            waves = 0.3 * np.sin(9 * y[:, None] + index) * np.cos(8 * x + index)
            planes[index] = waves - ((y[:, None] - cy) / ry) ** 2 - ((x - cx) / rx) ** 2
        return cls(
            fed=source.resized((nz, ny, nx)),
            source=source,
            along_z=along_z.astype(np.float32),
            planes=planes.astype(np.float32),
        )

    def slabs(self, thickness: int = 4) -> Iterator[Slab]:
        """Yield the scores on the fed grid."""
        for z in range(0, self.fed.shape[0], thickness):
            yield Slab(z=z, scores=self.along_z[:, z : z + thickness, None, None] + self.planes[:, None])

    def windows(self, tiles: Tiles) -> Iterator[tuple[Start, Flips, Scores]]:
        """Yield the scores of every window, as a model would give them."""
        for first in tiles.starts_along[0]:
            for start, flips in tiles.row(first):
                scores = np.zeros((CLASSES, *tiles.patch), dtype=np.float32)
                (z, y, x), (own_z, own_y, own_x) = tiles.inside(start)
                scores[:, own_z, own_y, own_x] = self.along_z[:, z, None, None] + self.planes[:, None, y, x]
                yield start, flips, scores

    def middle(self, slices: int) -> Organs:
        """Return the same in the middle slices of the fed grid, where the organs are."""
        kept = min(slices, self.fed.shape[0])
        first = (self.fed.shape[0] - kept) // 2
        depth = max(1, round(kept * self.source.shape[0] / self.fed.shape[0]))
        source = self.source.cropped((0, 0, 0), (depth, *self.source.shape[1:]))
        fed = source.resized((kept, *self.fed.shape[1:]))
        return Organs(fed=fed, source=source, along_z=self.along_z[:, first : first + kept], planes=self.planes)


def with_edgerun(organs: Organs, path: Path) -> None:
    """Bring the scores to the source, decide, save."""
    decision = Decision(classes=CLASSES)
    np.save(path, labels_on_source(organs.slabs(), organs.fed, organs.source, decision))


def with_scipy(organs: Organs, path: Path, order: int) -> None:
    """Zoom the scores of each class to the source, keep the highest so far, save."""
    from scipy import ndimage  # noqa: PLC0415 - a peer, not a part

    shape = organs.source.shape
    best, labels = np.full(shape, -np.inf, dtype=np.float32), np.zeros(shape, dtype=np.uint8)
    factors = [to / of for to, of in zip(shape, organs.fed.shape, strict=True)]
    for index, (along_z, plane) in enumerate(zip(organs.along_z, organs.planes, strict=True)):
        scores = along_z[:, None, None] + plane
        zoomed = ndimage.zoom(scores, factors, order=order, mode="nearest", grid_mode=True)
        higher = zoomed > best
        labels[higher] = index
        best[higher] = zoomed[higher]
    np.save(path, labels)


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the least wall time of a few runs: whatever else the machine did only adds to it."""
    least = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - started)
    return least


def peak_gb() -> float:
    """Return the most memory that this process ever had, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def whole_way(organs: Organs, folder: Path) -> Iterator[Figure]:
    """Windows in, labels in a file out; the peak of memory, so this is to be run first."""
    tiles = Tiles.of(organs.fed.shape, PATCH, 0.5)
    before = peak_gb()
    started = time.perf_counter()
    slabs = blend(organs.windows(tiles), tiles, CLASSES)
    labels = labels_on_source(slabs, organs.fed, organs.source, Decision(classes=CLASSES))
    np.save(folder / "whole.npy", labels)
    windows = "1 window" if tiles.runs == 1 else f"{tiles.runs} windows"
    what = f"{windows} -> labels in a file, {_size(organs.source.shape)}, {CLASSES} classes"
    yield Figure(what=what, unit="s", n=1, found=time.perf_counter() - started)
    why = f"of which the program itself {before:.2f} GB"
    yield Figure(what=f"{what}: peak of memory", unit="GB", n=1, found=peak_gb(), at_most=PEAK_GB, why=why)


def beside_scipy(organs: Organs, folder: Path) -> Iterator[Figure]:
    """The labels and the time of both, on as many slices as scipy can do in a minute or two."""
    part = organs.middle(SLICES_BESIDE_SCIPY)
    voxels = int(np.prod(part.source.shape))
    ours, theirs = folder / "ours.npy", folder / "theirs.npy"
    took = seconds(lambda: with_edgerun(part, ours))
    what = f"scores -> labels in a file, {voxels / 1e6:.1f} million voxels, {CLASSES} classes"
    yield Figure(what=what, unit="s", n=3, found=took, why=f"{took / voxels * 1e9:.1f} ns a voxel")
    for order, name in ((1, "linear"), (3, "cubic")):
        slow = seconds(lambda order=order: with_scipy(part, theirs, order), rounds=1)  # type: ignore[misc]
        equal = 100 * float(np.mean(np.load(ours) == np.load(theirs)))
        aims = (FASTER, EQUAL_PERCENT) if order == 1 else (None, None)
        yield Figure(what=f"{what}, beside scipy's {name} zoom", unit=FAST, n=1, found=slow / took, at_least=aims[0])
        same = f"voxels labelled as by scipy's {name} zoom"
        yield Figure(what=same, unit="%", n=voxels, found=equal, at_least=aims[1])


def growth(shape: Shape, folder: Path) -> Iterator[Figure]:
    """Time for each voxel as scans grow deeper, and larger along every axis."""
    z, y, x = shape
    sizes: list[Shape] = [(z // 4, y, x), (z // 2, y, x), (z, y, x), (z // 2, y // 2, x // 2)]
    measured = []
    for size in sizes:
        organs = Organs.of(size)
        took = seconds(lambda organs=organs: with_edgerun(organs, folder / "grown.npy"))  # type: ignore[misc]
        measured.append(took / float(np.prod(size)) * 1e9)
        yield Figure(what=f"scores -> labels, {_size(size)}", unit="ns a voxel", n=3, found=measured[-1])
    yield Figure(what="time a voxel of a scan four times as deep", unit="times", n=3, found=measured[2] / measured[0])


def _size(shape: Shape) -> str:
    return " x ".join(map(str, reversed(shape)))


def beside_monai(size: int) -> Iterator[Figure]:
    """The blend of a cheap model's windows: largest difference and time."""
    torch = importlib.import_module("torch")
    sliding_window_inference = importlib.import_module("monai.inferers").sliding_window_inference
    volume = np.random.default_rng(0).normal(size=(size, size, size + 9)).astype(np.float32)
    patch = (min(96, size),) * 3
    tiles = Tiles.of(volume.shape, patch, 0.5)
    gains, answer = torch.linspace(-1, 1, CLASSES)[None, :, None, None, None], torch.empty((1, CLASSES, *patch))
    found = np.empty((CLASSES, *volume.shape), dtype=np.float32)
    expected: list[Any] = []

    def model(windows: Any) -> Any:
        return torch.mul(windows, gains, out=answer)

    def outputs() -> Iterator[tuple[Start, Flips, Scores]]:
        for start, flips, window in tiles.cut(volume):
            yield start, flips, model(torch.from_numpy(window[None, None]))[0].numpy()

    def ours() -> None:
        for slab in blend(outputs(), tiles, CLASSES):
            found[:, slab.z : slab.z + slab.scores.shape[1]] = slab.scores

    def theirs() -> None:
        tensor = torch.from_numpy(volume[None, None])
        expected[:] = sliding_window_inference(tensor, patch, 1, model, overlap=0.5, mode="gaussian")

    torch.set_num_threads(1)
    with torch.inference_mode():
        runs: list[Callable[[], object]] = [lambda: deque(outputs(), maxlen=0), ours, theirs]
        alone, took, slow = np.min([[seconds(run, rounds=1) for run in runs] for _ in range(5)], axis=0)
    what = f"blending of {tiles.runs} windows of {_size(patch)}, {CLASSES} classes, 1 thread"
    why = f"a cheap model alone {alone:.2f} s, with edgerun {took:.2f} s, with MONAI {slow:.2f} s"
    yield Figure(what=f"{what}, beside MONAI's", unit=FAST, n=5, found=slow / took, why=why)
    difference = 1e6 * float(np.abs(found - expected[0].numpy()).max())
    yield Figure(what=f"{what}: largest difference", unit="millionths", n=5, found=difference, at_most=MILLIONTHS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="a scan of 512 x 512 x 600")
    figures.add_out(parser)
    asked = parser.parse_args(arguments)
    shape = FULL if asked.full else SCALED
    organs, before, found, notes = Organs.of(shape), figures.load(), list[Figure](), list[str]()
    print(machine_name())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [whole_way(organs, folder), beside_scipy(organs, folder), growth(shape, folder)]
        if importlib.util.find_spec("torch") and importlib.util.find_spec("monai"):
            parts.append(beside_monai(192 if asked.full else 128))
        else:
            notes.append("MONAI is left out: torch and monai are not installed.")
        for figure in chain.from_iterable(parts):
            found.append(figure)
            print(figures.line_of(figure), flush=True)
    figures.keep(asked.out, found, before=before, notes=notes)


if __name__ == "__main__":
    main()

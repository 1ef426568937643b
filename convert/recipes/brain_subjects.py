"""Synthetic T1-like scans of brains, with the truth of every voxel, made from maps of tissues of one average anatomy.

The idea is that of SynthSeg (Billot et al., Medical Image Analysis 86, 2023): deform maps of labels, draw the contrast,
the bias field, the noise and the resolution at random, and a network that learns from nothing else reads scans that it
never saw. Here the maps are those of ICBM 152 (Fonov et al., NeuroImage 54, 2011): shares of grey and of white matter
in an average of 152 young adults, without any skull. What lies around a brain is made up: shells, or nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from edge.geometry import Grid
from edge.scan import Acquisition, Identity, Scan, Source

Shape = tuple[int, int, int]
Millimetres = tuple[float, float, float]
Voxels = NDArray[np.float32]
Labels = NDArray[np.uint8]

LABELS = ("grey-matter", "white-matter", "csf")
"""Codes 1 to 3 of a truth, in this order; 0 is what lies around the brain."""

DIGESTS = {
    "gm": "97a5ca69bd24db37a9cb7b32525e1733a209af904129bf1cd36da06d24243bed",
    "wm": "382d92812de4744f9c86c7a0e4f680dc317a0a50e4da1f0153618a6798c7b7db",
    "t1": "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
}
"""SHA-256 of each map in the wheel of nilearn, as it lies there."""
FOLDER, NAME = "nilearn/datasets/data", "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

MARGIN_MM = 20
"""Around the brain, for shells and deformations; the maps have voxels of 1 mm."""
LEAST_SHARE = 1e-3
"""Of any tissue, so that its logarithm is finite."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maps:
    """One anatomy, on voxels of 1 mm; z rises to the head, y to the back, x to the left.

    Parameters
    ----------
    shares : Tensor
        float32 (1, 4, z, y, x): grey matter, white matter, and the rest of the brain's hull, which is CSF, each 0 to 1;
        and how many millimetres a voxel lies outside that hull.
    template : Scan
        The average T1-weighted scan that the maps belong to: its brain alone, 0 elsewhere.
    truth : ndarray of uint8, shape (z, y, x)
        Of the template's voxels: the tissue with the largest share.
    """

    shares: Tensor
    template: Scan
    truth: Labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A scan and what is true of it.

    Parameters
    ----------
    scan : Scan
        float32, in patient space.
    truth : ndarray of uint8, shape (z, y, x)
        0 or 1 + an index of `LABELS`.
    """

    scan: Scan
    truth: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What of a subject is seen.

    Parameters
    ----------
    shape : tuple of int
        Voxels along (z, y, x).
    spacing_mm : tuple of float
    strength : float
        Scale of the deformation; 1 turns by up to 15 degrees, scales by 12% and bends by some 4 mm.
    """

    shape: Shape
    spacing_mm: Millimetres
    strength: float = 1.0


def load_maps(path: Path) -> Maps:
    """Read the maps of ICBM 152 (2009a, symmetric) out of the wheel of nilearn.

    Parameters
    ----------
    path : Path
        ``nilearn-*.whl``, of any release that has the maps of `DIGESTS`.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it does not have those maps.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no wheel at {path}: get it with `pip download nilearn --no-deps`")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not the recipe's data set: found no zip archive, expected the wheel of nilearn")
    with zipfile.ZipFile(path) as archive:
        grey, white, template = (_map(archive, kind, digest) for kind, digest in DIGESTS.items())
    return _maps(grey / np.float32(255), white / np.float32(255), template)


def synthesise(maps: Maps, sight: Sight, seed: int) -> Subject:
    """Return a made-up subject, the same for the same seed on the device of the maps.

    Parameters
    ----------
    maps : Maps
        On a GPU (`on_device`) it is made there; another device draws other numbers.
    sight : Sight
    seed : int
        At least 0.
    """
    device = maps.shares.device
    with device:
        generator = torch.Generator(device).manual_seed(seed)
        shares, outside_mm = _deformed(maps, sight, generator)
        tissues = _individual(shares, generator)
        image = _seen(_painted(tissues, outside_mm, generator), outside_mm, generator)
    truth = tissues.argmax(1)[0].cpu().numpy().astype(np.uint8)
    return Subject(scan=scan_of(image[0, 0].cpu().numpy(), sight.spacing_mm, f"synthetic-{seed}"), truth=truth)


def on_device(maps: Maps, device: str) -> Maps:
    """Return the maps with what subjects are made from on a device of PyTorch, such as ``cuda``."""
    return replace(maps, shares=maps.shares.to(device))


def scan_of(voxels: Voxels, spacing_mm: Millimetres, name: str) -> Scan:
    """Return voxels, whose axes rise to the head, the back and the left, as a scan around the origin."""
    z, y, x = spacing_mm
    first = [-(count - 1) * step / 2 for count, step in zip(voxels.shape[::-1], (x, y, z), strict=True)]
    matrix = np.array([[0, 0, x, first[0]], [0, y, 0, first[1]], [z, 0, 0, first[2]], [0, 0, 0, 1]])
    return Scan(
        voxels=voxels,
        grid=Grid.of(voxels.shape, matrix, "patient"),
        stack="volume",
        unit="stored value",
        identity=Identity(),
        acquisition=Acquisition(modality="MR", body_part="BRAIN", photometric="MONOCHROME2"),
        sources=(Source(path=name, sha256=hashlib.sha256(np.ascontiguousarray(voxels).tobytes()).hexdigest()),),
        places=tuple((0, z) for z in range(voxels.shape[0])),
    )


def _map(archive: zipfile.ZipFile, kind: str, digest: str) -> Voxels:
    name = f"{FOLDER}/{NAME.format(kind)}"
    if name not in archive.namelist():
        raise ValueError(f"{archive.filename} is not the recipe's data set: found no {name}")
    data = archive.read(name)
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ValueError(f"{name} is not the recipe's map: SHA-256 {found}, expected {digest}")
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    # The file's axes rise to the right, the front and the head.
    turned = np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1]
    return np.ascontiguousarray(turned, dtype=np.float32)


def _maps(grey: Voxels, white: Voxels, template: Voxels) -> Maps:
    hull = template > 0
    csf = np.where(hull, np.clip(1 - grey - white, 0, 1), 0)
    truth = np.stack([~hull, grey * hull, white * hull, csf]).argmax(0).astype(np.uint8)
    (box,) = ndimage.find_objects(hull.astype(np.uint8))
    around = [np.pad(part[box], MARGIN_MM) for part in (grey * hull, white * hull, csf, hull)]
    outside_mm = ndimage.distance_transform_edt(around.pop() == 0)
    shares = torch.from_numpy(np.stack([*around, outside_mm]).astype(np.float32))[None]
    return Maps(shares=shares, template=scan_of(template, (1.0, 1.0, 1.0), "ICBM 152"), truth=truth)


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _smooth(channels: int, cells: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Noise of deviation about 1 that changes over a cell: float32 (1, channels, z, y, x)."""
    coarse = torch.randn(1, channels, cells, cells, cells, generator=generator)
    return functional.interpolate(coarse, list(shape), mode="trilinear", align_corners=True)


def _turn(strength: float, generator: torch.Generator) -> Tensor:
    """A random rotation, scaling and shear of (x, y, z), float32 (3, 3)."""
    draw = partial(torch.rand, 3, generator=generator)
    angles, zooms, shears = ((draw() * 2 - 1) * limit * strength for limit in (0.26, 0.12, 0.06))
    turned = torch.diag(torch.exp(zooms)) + torch.diag(shears[:2], 1)
    turned[0, 2] = shears[2]
    for axis, angle in enumerate(angles):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        turn = torch.eye(3)
        turn[one, one] = turn[two, two] = torch.cos(angle)
        turn[one, two] = torch.sin(angle)
        turn[two, one] = -torch.sin(angle)
        turned = turn @ turned
    return turned


def _deformed(maps: Maps, sight: Sight, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The maps where a subject's voxels lie: shares (1, 3, z, y, x), and millimetres outside (1, 1, z, y, x)."""
    axes = [
        (torch.arange(count) - (count - 1) / 2) * step
        for count, step in zip(sight.shape, sight.spacing_mm, strict=True)
    ]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    shift = (torch.rand(3, generator=generator) * 2 - 1) * 8
    at = torch.stack([x, y, z], -1) @ _turn(sight.strength, generator).T + shift
    for cells, deviation_mm in ((5, 4.0), (10, 1.5)):
        bend = _smooth(3, cells, sight.shape, generator)[0].permute(1, 2, 3, 0)
        at = at + bend * (deviation_mm * sight.strength)
    half = (torch.tensor(maps.shares.shape[:1:-1]) - 1) / 2
    # Beyond the maps their edge goes on, where no tissue is and the distance is that of the margin.
    found = functional.grid_sample(maps.shares, (at / half)[None], padding_mode="border", align_corners=True)
    return found[:, :3], found[:, 3:]


def _individual(shares: Tensor, generator: torch.Generator) -> Tensor:
    """Shares of background and tissues, (1, 4, z, y, x): sharper than an average, and shifted from place to place."""
    whole = torch.cat([1 - shares.sum(1, keepdim=True), shares], 1).clamp_min(LEAST_SHARE)
    shift = _smooth(3, 28, shares.shape[2:], generator) * _uniform(0, 0.8, generator)
    shift += torch.randn(1, 3, 1, 1, 1, generator=generator) * 0.3
    logits = torch.log(whole)
    logits[:, 1:] += shift
    return torch.softmax(logits * _uniform(1.0, 3.0, generator), 1)


def _painted(tissues: Tensor, outside_mm: Tensor, generator: torch.Generator) -> Tensor:
    """A contrast in which white matter is brighter than grey, and grey brighter than CSF: (1, 1, z, y, x)."""
    shape = tissues.shape[2:]
    grey = _uniform(0.5, 0.88, generator)
    levels = torch.tensor([grey, 1.0, grey * _uniform(0.1, 0.75, generator)]).reshape(1, 3, 1, 1, 1)
    texture = 1 + _smooth(3, 14, shape, generator) * _uniform(0, 0.08, generator)
    around = _shells(outside_mm, generator)
    return tissues[:, :1] * around + (tissues[:, 1:] * levels * texture).sum(1, keepdim=True)


def _shells(outside_mm: Tensor, generator: torch.Generator) -> Tensor:
    """What stands for the head around a brain: a gap, a skull and a scalp of any thickness and brightness."""
    rough = outside_mm + _smooth(1, 12, outside_mm.shape[2:], generator) * 1.5
    edge_mm, values = 0.0, torch.zeros_like(outside_mm)
    for thickest_mm, brightest in ((2.5, 0.6), (9.0, 0.4), (9.0, 1.4)):
        start, edge_mm = edge_mm, edge_mm + _uniform(0.0, thickest_mm, generator)
        level = _uniform(0.0, brightest, generator)
        values = torch.where((rough >= start) & (rough < edge_mm), level, values)
    return values * torch.exp(_smooth(1, 12, outside_mm.shape[2:], generator) * 0.4)


def _seen(image: Tensor, outside_mm: Tensor, generator: torch.Generator) -> Tensor:
    """The scanner's part: resolution, bias field, noise, and the hull that a brain extraction leaves, if any."""
    shape = image.shape[2:]
    factors = [_uniform(1.0, 1.5, generator) for _ in range(3)]
    factors[int(torch.randint(3, (), generator=generator))] *= _uniform(1.0, 2.0, generator)
    coarse = [max(2, round(count / factor)) for count, factor in zip(shape, factors, strict=True)]
    image = functional.interpolate(image, coarse, mode="trilinear", align_corners=False)
    image = functional.interpolate(image, shape, mode="trilinear", align_corners=False)
    image = image.clamp_min(0) ** np.exp(_uniform(-0.25, 0.25, generator))
    image = image * torch.exp(_smooth(1, 4, shape, generator) * _uniform(0, 0.25, generator))
    image = (image + torch.randn(image.shape, generator=generator) * _uniform(0, 0.06, generator)).abs()
    extracted, left_mm = _uniform(0, 1, generator) < 0.6, _uniform(0, 2.5, generator)
    return image * (outside_mm <= left_mm) if extracted else image

"""Training recipe of the demonstration model ``chest-pneumonia``.

A small residual network tells normal from pneumonic children's chest radiographs at 28 x 28 pixels. It is
trained on a class-balanced subset of PneumoniaMNIST (MedMNIST v2, Yang et al. 2023; images of Kermany et al.
2018; both CC BY 4.0). Neither the network nor its figures are fit for clinical use.

The test radiographs are known to differ from the training and validation ones, which come from the same
patients' pool. The recipe therefore leans on strong augmentation of geometry and grey scale, weight averaging,
and distillation of a small ensemble into one network of the same shape.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

NAME = "chest-pneumonia"
LABELS = ("normal", "pneumonia")
MEAN = 0.5638
STD = 0.1740
SIZE = 28
INPUT = "image"
OUTPUTS = ("logit", "cam")
SHA256 = "f36c2b3e34de9d60c5c734118bc6daff281eaf76b67a57d26ad958da948274b0"
WEIGHTS = Path(__file__).with_name("weights") / "chest_pneumonia.safetensors"

Split = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Config:
    """Hyperparameters of the recipe.

    Attributes
    ----------
    teachers : int
        Networks in the distilled ensemble; 0 trains the network on the labels alone.
    teacher_epochs, epochs : int
        Passes over the training split, of each teacher and of the network itself.
    batch : int
        Images per step.
    rate, decay : float
        Peak learning rate and weight decay of AdamW.
    average : float
        Decay per step of the exponential moving average of the weights.
    smoothing : float
        Label smoothing: the targets become ``smoothing / 2`` and ``1 - smoothing / 2``.
    mixup : float
        Probability that a batch is blended with a permutation of itself.
    teaching : float
        Share of the ensemble's probabilities, against that of the labels, in the network's targets.
    strength : float
        Scale of every augmentation; 0 leaves only the horizontal flip.
    """

    teachers: int = 4
    teacher_epochs: int = 20
    epochs: int = 30
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.05
    average: float = 0.99
    smoothing: float = 0.1
    mixup: float = 0.5
    teaching: float = 0.8
    strength: float = 1.0


class Block(nn.Module):
    """Basic residual block: two 3 x 3 convolutions and a shortcut, projected where the shape changes.

    Parameters
    ----------
    channels, width : int
        Feature maps in and out.
    stride : int
        Step of the first convolution.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            projection = nn.Conv2d(channels, width, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the feature maps, float32 (N, width, H / stride, W / stride)."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ChestPneumonia(nn.Module):
    """Residual network with global average pooling, which also returns its class activation map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 64, 2), Block(64, 64, 1))
        self.head = nn.Linear(64, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Classify normalised radiographs.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, 28, 28): ``(v / 255 - MEAN) / STD`` of the grey values ``v``.

        Returns
        -------
        logit : Tensor
            float32 (N, 1): log-odds of pneumonia.
        cam : Tensor
            float32 (N, 1, 7, 7): class activation map, in log-odds; its spatial mean plus the head's bias
            is the logit.
        """
        features = self.blocks(self.stem(image))
        cam = F.conv2d(features, self.head.weight[:, :, None, None])
        logit = self.head(torch.flatten(F.adaptive_avg_pool2d(features, 1), 1))
        return logit, cam


def build_model(weights: Path | None = None) -> ChestPneumonia:
    """Build the trained network.

    Parameters
    ----------
    weights : Path, optional
        safetensors file; that of the recipe by default.

    Returns
    -------
    ChestPneumonia
        The network in evaluation mode, on the CPU.
    """
    model = ChestPneumonia()
    model.load_state_dict(load_file(weights or WEIGHTS))
    return model.eval()


def load_data(path: Path) -> dict[str, Split]:
    """Read the data set, without the training images that repeat one of training or validation.

    Parameters
    ----------
    path : Path
        The ``pneumoniamnist.npz`` whose SHA-256 is `SHA256`.

    Returns
    -------
    dict of str to (images, labels)
        For ``train``, ``val`` and ``test``: uint8 (N, 28, 28) grey values and int64 (N,) indices of `LABELS`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file's digest is another one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no data set at {path}: expected PneumoniaMNIST as .npz (SHA-256 {SHA256})")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{path} is not the recipe's data set: SHA-256 {digest}, expected {SHA256}")
    splits: dict[str, Split] = {}
    with np.load(path) as arrays:
        for name in ("val", "train", "test"):
            images = arrays[f"{name}_images"].astype(np.uint8)
            splits[name] = (images, arrays[f"{name}_labels"].reshape(-1).astype(np.int64))
    seen = {image.tobytes() for image in splits["val"][0]}
    kept = []
    for index, image in enumerate(splits["train"][0]):
        if (key := image.tobytes()) not in seen:
            seen.add(key)
            kept.append(index)
    images, labels = splits["train"]
    return {**splits, "train": (images[kept], labels[kept])}


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the ROC curve, by the rank sum; ties count half.

    Parameters
    ----------
    labels : array_like
        (N,) of 0 and 1, both present.
    scores : array_like
        (N,); higher for label 1.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> auc([0, 1], [0.5, 0.5])
    0.5
    """
    positive = np.asarray(labels).astype(bool)
    _, inverse, counts = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def normalise(images: npt.NDArray[np.uint8]) -> Tensor:
    """Turn uint8 (N, 28, 28) grey values into the network's input, float32 (N, 1, 28, 28)."""
    return (torch.from_numpy(images).unsqueeze(1).float() / 255 - MEAN) / STD


def predict(model: ChestPneumonia, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the logits, float32 (N,), of uint8 (N, 28, 28) grey values."""
    with torch.inference_mode():
        logits = [model.eval()(batch)[0].flatten() for batch in normalise(images).split(256)]
    return np.asarray(torch.cat(logits).numpy(), dtype=np.float32)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low


def _warp(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    angle = _uniform(n, -0.2, 0.2, generator).flatten() * strength
    zoom = torch.exp(_uniform(n, -0.2, 0.2, generator).flatten() * strength)
    stretch = torch.exp(_uniform(n, -0.08, 0.08, generator).flatten() * strength)
    flip = (torch.rand(n, generator=generator) < 0.5).float() * 2 - 1
    shift = (torch.rand(n, 2, generator=generator) - 0.5) * 0.3 * strength
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [flip * zoom * stretch * cos, -zoom * sin, shift[:, 0], flip * zoom * stretch * sin, zoom * cos, shift[:, 1]]
    grid = F.affine_grid(torch.stack(rows, 1).reshape(n, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _regrade(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    x = x ** torch.exp(_uniform(n, -0.5, 0.5, generator) * strength)
    mean = x.mean((2, 3), keepdim=True)
    x = (x - mean) * torch.exp(_uniform(n, -0.5, 0.5, generator) * strength) + mean
    return (x + _uniform(n, -0.2, 0.2, generator) * strength).clamp(0, 1)


def _degrade(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = x + (soft - x) * _uniform(n, -0.6, 0.8, generator) * strength
    noise = torch.randn(x.shape, generator=generator)
    x = x + noise * _uniform(n, 0, 0.05, generator) * strength
    centre = torch.rand(n, 2, 1, 1, generator=generator) * SIZE
    half = _uniform(n, -4, 5, generator) * strength
    axis = torch.arange(SIZE) + 0.5
    inside = ((axis[:, None] - centre[:, :1]).abs() < half) & ((axis - centre[:, 1:]).abs() < half)
    return torch.where(inside, x.mean((2, 3), keepdim=True), x).clamp(0, 1)


def augment(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Vary geometry, grey scale and sharpness, add noise and erase a square, each image on its own.

    Parameters
    ----------
    images : Tensor
        float32 (N, 1, 28, 28) in 0..1.
    strength : float
        Scale of the variations.
    generator : torch.Generator
        Source of all randomness.

    Returns
    -------
    Tensor
        float32 (N, 1, 28, 28) in 0..1.
    """
    x = _warp(images, strength, generator)
    return _degrade(_regrade(x, strength, generator), strength, generator)


def _fit(split: Split, seed: int, epochs: int, config: Config, teachers: list[ChestPneumonia]) -> ChestPneumonia:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = torch.from_numpy(split[0]).unsqueeze(1).float() / 255, torch.from_numpy(split[1]).float()
    targets = labels * (1 - config.smoothing) + config.smoothing / 2
    model = ChestPneumonia()
    average = copy.deepcopy(model).eval()
    steps = epochs * (len(images) // config.batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps + 1, pct_start=0.2)
    step = 0
    for _ in range(epochs):
        for index in torch.randperm(len(images), generator=generator).split(config.batch):
            if len(index) < config.batch:
                continue
            x, y = augment(images[index], config.strength, generator), targets[index, None]
            if float(torch.rand(1, generator=generator)) < config.mixup:
                order = torch.randperm(len(x), generator=generator)
                share = _uniform(len(x), 0, 1, generator)
                x, y = x.lerp(x[order], share), y.lerp(y[order], share[:, :, 0, 0])
            x = (x - MEAN) / STD
            if teachers:
                with torch.no_grad():
                    taught = torch.stack([torch.sigmoid(t(x)[0]) for t in teachers]).mean(0)
                y = y.lerp(taught, config.teaching)
            loss = F.binary_cross_entropy_with_logits(model(x)[0], y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            step += 1
            decay = min(config.average, step / (step + 10))
            for a, m in zip(average.state_dict().values(), model.state_dict().values()):
                if a.is_floating_point():
                    a.lerp_(m, 1 - decay)
    return average

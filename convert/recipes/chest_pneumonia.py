"""Training recipe of the demonstration model ``chest-pneumonia``.

A small residual network tells normal from pneumonic children's chest radiographs at 28 x 28 pixels. It is
trained on a class-balanced subset of PneumoniaMNIST (MedMNIST v2, Yang et al. 2023; images of Kermany et al.
2018; both CC BY 4.0). Neither the network nor its figures are fit for clinical use.

The test radiographs differ more from the training ones than those of validation do, so the hyperparameters
were chosen by cross-validation over training and validation that holds out whole clusters of similar images
(k-means in each class), as well as random thirds: augmentation of middling strength and long training won.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor, nn
from torch.nn import functional

from convert.metrics import area_under_roc
from convert.recipes.contract import Recipe
from convert.recipes.training import reproducible
from edge.errors import UsageError

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
    epochs, batch : int
        Passes over the training split; images per step.
    rate, decay, average : float
        AdamW's peak learning rate and weight decay; decay per step of the moving average of the weights.
    smoothing : float
        Share of an even chance in the labels.
    strength : float
        Scale of every augmentation; 0 leaves only the horizontal flip.
    """

    epochs: int = 60
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.05
    average: float = 0.99
    smoothing: float = 0.1
    strength: float = 0.75


def _convolution(channels: int, width: int, size: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, size, stride, size // 2, bias=False), nn.BatchNorm2d(width)]


class Block(nn.Module):
    """Basic residual block from `channels` to `width` feature maps, projected where it strides."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        first, second = _convolution(channels, width, 3, stride), _convolution(width, width, 3, 1)
        self.body = nn.Sequential(*first, nn.ReLU(), *second)
        self.shortcut = nn.Sequential(*(_convolution(channels, width, 1, stride) if stride > 1 else []))

    def forward(self, x: Tensor) -> Tensor:
        """Return the feature maps, float32 (N, width, H / stride, W / stride)."""
        return functional.relu(self.body(x) + self.shortcut(x))


class ChestPneumonia(nn.Module):
    """Residual network with global average pooling, which also returns its class activation map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(1, 16, 3, 1), nn.ReLU())
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
            float32 (N, 1, 7, 7): class activation map; the logit is its mean plus the head's bias.
        """
        features = self.blocks(self.stem(image))
        cam = functional.conv2d(features, self.head.weight[:, :, None, None])
        return self.head(features.mean((2, 3))), cam


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
    model.eval()
    return model


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
    FileNotFoundError, ValueError
        If there is no such file, or it has another digest.
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
    images, labels = splits["train"]
    # The last copy in a mapping wins, so in reverse it is the first that stays.
    first = {image.tobytes(): index for index, image in reversed(list(enumerate(images)))}
    kept = sorted(set(first.values()) - {first.get(image.tobytes()) for image in splits["val"][0]})
    return {**splits, "train": (images[kept], labels[kept])}


def predict(model: ChestPneumonia, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the logits, float32 (N,), of uint8 (N, 28, 28) grey values."""
    x = (torch.from_numpy(images).unsqueeze(1).float() / 255 - MEAN) / STD
    with torch.inference_mode():
        return np.asarray(model.eval()(x)[0].flatten().numpy(), dtype=np.float32)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low


def _warp(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    angle, zoom, stretch = (_uniform(n, -limit, limit, generator).flatten() * strength for limit in (0.2, 0.2, 0.08))
    flip = (torch.rand(n, generator=generator) < 0.5).float() * 2 - 1
    shift = (torch.rand(n, 2, generator=generator) - 0.5) * 0.3 * strength
    across, down = flip * torch.exp(zoom + stretch), torch.exp(zoom)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [across * cos, -down * sin, shift[:, 0], across * sin, down * cos, shift[:, 1]]
    grid = functional.affine_grid(torch.stack(rows, 1).reshape(n, 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _regrade(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    x = x ** torch.exp(_uniform(n, -0.5, 0.5, generator) * strength)
    mean = x.mean((2, 3), keepdim=True)
    x = (x - mean) * torch.exp(_uniform(n, -0.5, 0.5, generator) * strength) + mean
    return (x + _uniform(n, -0.2, 0.2, generator) * strength).clamp(0, 1)


def _degrade(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    n = len(x)
    soft = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = x + (soft - x) * _uniform(n, -0.6, 0.8, generator) * strength
    x = x + torch.randn(x.shape, generator=generator) * _uniform(n, 0, 0.05, generator) * strength
    centre = torch.rand(n, 2, 1, 1, generator=generator) * SIZE
    half = _uniform(n, -4, 5, generator) * strength
    axis = torch.arange(SIZE) + 0.5
    inside = ((axis[:, None] - centre[:, :1]).abs() < half) & ((axis - centre[:, 1:]).abs() < half)
    return torch.where(inside, x.mean((2, 3), keepdim=True), x).clamp(0, 1)


def _epoch(split: Split, config: Config, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    images, labels = torch.from_numpy(split[0]).unsqueeze(1), torch.from_numpy(split[1]).unsqueeze(1)
    targets = labels * (1 - config.smoothing) + config.smoothing / 2
    order = torch.randperm(len(images), generator=generator)
    # A short last batch would upset the batch statistics.
    for start in range(0, len(order) - config.batch + 1, config.batch):
        index = order[start : start + config.batch]
        x = _warp(images[index].float() / 255, config.strength, generator)
        x = _degrade(_regrade(x, config.strength, generator), config.strength, generator)
        yield (x - MEAN) / STD, targets[index]


def _fit(split: Split, seed: int, progress: Progress, config: Config) -> ChestPneumonia:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = ChestPneumonia()
    average: ChestPneumonia = copy.deepcopy(model).eval()
    steps = config.epochs * (len(split[0]) // config.batch)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, steps + 1, pct_start=0.2)
    for epoch in range(config.epochs):
        total = 0.0
        for x, y in _epoch(split, config, generator):
            loss = functional.binary_cross_entropy_with_logits(model(x)[0], y)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            total += loss.item() * config.epochs / steps
            # A young average would otherwise hold on to the random weights that it began with.
            share = max(1 - config.average, 10 / (schedule.last_epoch + 10))
            for old, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                if old.is_floating_point():
                    old.lerp_(new, share)
        progress(f"epoch {epoch + 1} of {config.epochs}: loss {total:.4f}")
    return average


def train(
    data: Mapping[str, Split],
    seed: int = 2026,
    progress: Progress = lambda _line: None,
    config: Config = Config(),
) -> ChestPneumonia:
    """Train the network on the training split, on one thread and reproducibly.

    Parameters
    ----------
    data : mapping of str to (images, labels)
        As `load_data` returns it; only ``train`` is read.
    seed : int
        Seed of the weights, the order of the images and their augmentation.
    progress : callable
        Receives a line of text after each epoch.
    config : Config
        Hyperparameters.

    Returns
    -------
    ChestPneumonia
        In evaluation mode; the same bits for the same seed, kind of processor and PyTorch release.
    """
    with reproducible():
        return _fit(data["train"], seed, progress, config)


def save(model: ChestPneumonia, path: Path) -> None:
    """Write the weights as safetensors; the file appears only once it is complete."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(serialise(model.state_dict(), {"model": NAME}))
    part.replace(path)


def train_to(data: Path, out: Path, progress: Progress, device: str = "cpu") -> None:
    """Train from the recipe's seed, write the weights, and tell the AUC on the validation and test images.

    Parameters
    ----------
    data : Path
        ``pneumoniamnist.npz``.
    out : Path
        safetensors file to write.
    progress : callable
        Told what is being done, and the figures.
    device : str
        ``cpu``: its weights are reproduced bit by bit, and it takes minutes.

    Raises
    ------
    UsageError
        Another device is asked for.
    """
    if device != "cpu":
        raise UsageError(f"Training {NAME} on {device}: it is trained on the CPU, reproducibly, in minutes.")
    splits = load_data(data)
    model = train(splits, progress=progress)
    save(model, out)
    for name in ("val", "test"):
        images, labels = splits[name]
        scores = predict(model, images).astype(np.float64)
        progress(f"{name} AUC {area_under_roc(labels == 1, scores):.4f} ({len(labels)} images)")


RECIPE = Recipe(
    name=NAME,
    build=build_model,
    inputs={INPUT: (1, 1, SIZE, SIZE)},
    outputs=OUTPUTS,
    trained=True,
)

"""Training recipe of the demonstration model ``brain-tissue``.

A small 3-D U-Net (Cicek et al., MICCAI 2016) outlines grey matter, white matter and CSF in T1-weighted scans of a brain
at 2 mm. It learns from made-up scans alone (`convert.recipes.brain_subjects`), after SynthSeg (Billot et al., Medical
Image Analysis 86, 2023), so that no scan's own contrast is learnt. All of them are deformed from one anatomy. Neither
the network nor its figures are fit for clinical use.

A made-up scan is prepared by the steps of the recipe's own description, as the runtime prepares a real one. Contrasts
differ so much that the statistics of a batch differ from those of all scans: the last part of the training therefore
goes through batch normalisations that are frozen, which is what the runtime runs.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor, nn
from torch.nn import functional

from convert.describe import parse_description
from convert.recipes.brain_subjects import LABELS, Labels, Maps, Sight, load_maps, on_device, synthesise
from convert.recipes.contract import Recipe, recipe_description
from convert.recipes.training import reproducible
from edge.prepare import Step, bind_steps
from edge.prepare.image import Image
from edge.scan import Scan
from edge.truth.overlap import dice

NAME = "brain-tissue"
SIDE = 64
"""Of a window, in voxels of 2 mm; a multiple of 8."""
WIDTHS = (8, 24, 48, 64)
CLASSES = 1 + len(LABELS)
INPUT, OUTPUT = "image", "logits"
WEIGHTS = Path(__file__).with_name("weights") / "brain_tissue.safetensors"

SIGHT = Sight(shape=(88, 104, 88), spacing_mm=(2.0, 2.0, 2.0))
"""Of the subjects that are learnt from: a brain and some of what is around it."""
HELD_OUT = 1_000_000_000
"""Seeds from here on are never learnt from."""
CHECKED = 8
SEED = 2026

Progress = Callable[[str], None]
Member = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Hyperparameters of the recipe.

    Attributes
    ----------
    steps, batch, side : int
        Steps of the optimiser; cubes in each, and voxels along each side of them, a multiple of 8.
    rate, decay, average : float
        AdamW's peak learning rate and weight decay; decay per step of the moving average of the weights.
    pool, every : int
        Subjects that cubes are cut from at a time; steps after which a new one takes the place of the oldest.
    frozen : float
        Share of the steps, at the end, with frozen batch normalisations.
    threads : int
        Of the CPU.
    """

    steps: int = 6000
    batch: int = 4
    side: int = 40
    rate: float = 4e-3
    decay: float = 1e-3
    average: float = 0.99
    pool: int = 24
    every: int = 2
    frozen: float = 0.25
    threads: int = 2


def _convolutions(channels: int, width: int) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, reads in ((1, channels), (2, width)):
        parts[f"conv{number}"] = nn.Conv3d(reads, width, 3, padding=1, bias=False)
        parts[f"norm{number}"] = nn.BatchNorm3d(width, momentum=0.05)
        parts[f"relu{number}"] = nn.ReLU()
    return nn.Sequential(parts)


class BrainTissue(nn.Module):
    """3-D U-Net of four levels with a logit for each class of each voxel."""

    def __init__(self) -> None:
        super().__init__()
        reads = (1, *WIDTHS[:-1])
        self.down = nn.ModuleList(_convolutions(*pair) for pair in zip(reads, WIDTHS, strict=True))
        rising = list(zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
        self.rise = nn.ModuleList(nn.ConvTranspose3d(below, width, 2, 2) for below, width in rising)
        self.up = nn.ModuleList(_convolutions(2 * width, width) for _, width in rising)
        self.head = nn.Conv3d(WIDTHS[0], CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Outline the tissues in windows of a brain.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, D, H, W), sides divisible by 8: as the steps of the description leave it.

        Returns
        -------
        logits : Tensor
            float32 (N, 4, D, H, W): background, grey matter, white matter, CSF, before the softmax.
        """
        x = self.down[0](image)
        skipped = [x]
        for down in self.down[1:]:
            x = down(functional.max_pool3d(x, 2))
            skipped.append(x)
        for rise, up, features in zip(self.rise, self.up, skipped[-2::-1], strict=True):
            x = up(torch.cat((features, rise(x)), 1))
        logits: Tensor = self.head(x)
        return logits


def build_model(weights: Path | None = None) -> BrainTissue:
    """Build the trained network.

    Parameters
    ----------
    weights : Path, optional
        safetensors file; that of the recipe by default.

    Returns
    -------
    BrainTissue
        The network in evaluation mode, on the CPU.
    """
    model = BrainTissue()
    model.load_state_dict(load_file(weights or WEIGHTS))
    model.eval()
    return model


@lru_cache(maxsize=1)
def _steps() -> tuple[Step, ...]:
    return bind_steps(parse_description(recipe_description(NAME).encode(), NAME).inputs[0], "$.inputs[0]")


def prepared(scan: Scan) -> Image:
    """Return a scan as the steps of the recipe's description leave it: float32 on voxels of 2 mm."""
    image = Image.of(scan)
    for step in _steps():
        image = step(image)
    return image


def outline(model: BrainTissue, volume: NDArray[np.float32]) -> Labels:
    """Return the class of every voxel of a prepared volume, uint8 (z, y, x), seen whole and not in windows."""
    beyond = [(0, -count % 8) for count in volume.shape]
    padded = np.pad(volume, beyond, constant_values=volume.min())
    with torch.inference_mode():
        classes = model.eval()(torch.from_numpy(padded)[None, None]).argmax(1)[0].numpy().astype(np.uint8)
    z, y, x = volume.shape
    return np.asarray(classes[:z, :y, :x])


def _member(maps: Maps, seed: int) -> Member:
    subject = synthesise(maps, SIGHT, seed)
    return torch.from_numpy(prepared(subject.scan).voxels), torch.from_numpy(subject.truth)


def _cube(member: Member, side: int, generator: torch.Generator) -> Member:
    places = [int(torch.randint(count - side + 1, (), generator=generator)) for count in member[0].shape]
    z, y, x = (slice(place, place + side) for place in places)
    return member[0][z, y, x], member[1][z, y, x]


def _batches(maps: Maps, seed: int, config: Config) -> Iterator[Member]:
    """Cubes of several subjects, float32 (N, 1, side, side, side), and their classes, int64 (N, side, side, side)."""
    generator = torch.Generator().manual_seed(seed)
    first = seed * config.steps
    members = [_member(maps, first + index) for index in range(config.batch)]
    for step in range(config.steps):
        if step % config.every == 0:
            members.append(_member(maps, first + config.batch + step))
            members = members[-config.pool :]
        chosen = torch.randperm(len(members), generator=generator)[: config.batch]
        cubes = [_cube(members[index], config.side, generator) for index in chosen]
        yield torch.stack([image for image, _ in cubes])[:, None], torch.stack([truth for _, truth in cubes]).long()


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Return cross-entropy plus one minus the mean soft Dice (Milletari et al., 3DV 2016) of the tissues.

    Parameters
    ----------
    logits : Tensor
        float32 (N, classes, z, y, x).
    truth : Tensor
        int64 (N, z, y, x), below classes. The Dice of a tissue is taken over the whole batch.
    """
    shares = torch.softmax(logits, 1)
    true = functional.one_hot(truth, logits.shape[1]).permute(0, 4, 1, 2, 3)
    axes = (0, 2, 3, 4)
    both, sizes = (shares * true).sum(axes)[1:], (shares + true).sum(axes)[1:]
    return functional.cross_entropy(logits, truth) + 1 - ((2 * both + 1) / (sizes + 1)).mean()


def _lay_channels_last(model: nn.Module) -> None:
    """Let convolutions run in some two thirds of the time on a CPU."""
    for parameter in model.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)


def _freeze(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eval()


def _fit(maps: Maps, seed: int, progress: Progress, config: Config, device: str) -> BrainTissue:
    torch.manual_seed(seed)
    model = BrainTissue().to(device)
    _lay_channels_last(model)
    average: BrainTissue = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, config.steps + 1, pct_start=0.15)
    losses: list[float] = []
    batches = _batches(on_device(maps, device), seed, config)
    for step, (image, truth) in enumerate(((a.to(device), b.to(device)) for a, b in batches), start=1):
        if step > config.steps * (1 - config.frozen):
            _freeze(model)
        loss = loss_of(model(image.contiguous(memory_format=torch.channels_last_3d)), truth)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        _follow(average, model, max(1 - config.average, 10 / (step + 10)))
        losses.append(loss.item())
        if step % 50 == 0 or step == config.steps:
            progress(f"step {step} of {config.steps}: loss {np.mean(losses[-50:]):.4f}")
    trained = BrainTissue()
    trained.load_state_dict(average.cpu().state_dict())
    trained.eval()
    return trained


def _follow(average: nn.Module, model: nn.Module, share: float) -> None:
    for old, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, share)


def train(
    maps: Maps,
    seed: int = SEED,
    progress: Progress = lambda _line: None,
    config: Config = Config(),
    device: str = "cpu",
) -> BrainTissue:
    """Train the network on made-up scans, reproducibly on a CPU.

    Parameters
    ----------
    maps : Maps
    seed : int
        Of the weights, the subjects and the cubes.
    progress : callable
        Receives a line of text after every 50 steps.
    config : Config
        Hyperparameters.
    device : str
        Of PyTorch, such as ``cuda``.

    Returns
    -------
    BrainTissue
        On the CPU and in evaluation mode; on a CPU the same bits for the same seed, kind of processor and PyTorch
        release. A GPU draws other subjects, and sums in no fixed order.
    """
    with reproducible(config.threads, strict=device == "cpu"):
        return _fit(maps, seed, progress, config, device)


def save(model: BrainTissue, path: Path) -> None:
    """Write the weights as safetensors; the file appears only once it is complete."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(
        serialise({name: value.contiguous() for name, value in model.state_dict().items()}, {"model": NAME})
    )
    part.replace(path)


def dice_of(found: Labels, truth: Labels) -> Sequence[float]:
    """Return the Dice of each of `LABELS`, in their order."""
    return [dice(found == code, truth == code) for code in range(1, CLASSES)]


def train_to(data: Path, out: Path, progress: Progress, device: str = "cpu") -> None:
    """Train from the recipe's seed, write the weights, and tell the Dice on made-up subjects that were held out.

    Parameters
    ----------
    data : Path
        The wheel of nilearn, ``nilearn-*.whl``.
    out : Path
        safetensors file to write.
    progress : callable
        Told what is being done, and the figures.
    device : str
        Of PyTorch, such as ``cuda``.
    """
    maps = load_maps(data)
    model = train(maps, progress=progress, device=device)
    save(model, out)
    subjects = [synthesise(maps, SIGHT, HELD_OUT + index) for index in range(CHECKED)]
    figures = np.mean([dice_of(outline(model, prepared(one.scan).voxels), one.truth) for one in subjects], axis=0)
    told = ", ".join(f"{label} {figure:.3f}" for label, figure in zip(LABELS, figures, strict=True))
    progress(f"mean Dice of {CHECKED} held-out made-up subjects at 2 mm: {told}")


RECIPE = Recipe(
    name=NAME,
    build=build_model,
    inputs={INPUT: (1, 1, SIDE, SIDE, SIDE)},
    outputs=(OUTPUT,),
    trained=True,
)

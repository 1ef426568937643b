"""The recipe ``mask-rcnn``: polyps in a picture of colonoscopy, each with a box and an outline.

Mask R-CNN (He et al., ICCV 2017) on a feature pyramid (Lin et al., "Feature Pyramid Networks for Object Detection",
CVPR 2017) over ResNet-50. Names of the weights, anchors and decoding are those of torchvision's
``maskrcnn_resnet50_fpn`` (BSD-3-Clause), in its newer spelling or its older one; pictures are normalised as ImageNet's
are, by the steps of the pack. All sizes are fixed and all operators plain. It departs from the paper and from
torchvision in five places:

- Proposals: of each level the 256 surest, not 1000, are compared by Fast NMS (Bolya et al., "YOLACT", ICCV 2019), not
  greedily, and the 100 surest of all levels are looked at, not 1000.
- Detections: always 20. Per label what a surer box covers gets score 0, by Fast NMS again, and so has a place behind
  all others; there is no least score. The runtime's own threshold and suppression come after that.
- RoIAlign is two matrix products; see `convert.recipes.regions`.
- The picture has 320 x 320 pixels, not a short side of 800.
- Normalisations have an epsilon of 1e-5, torchvision's own weights for COCO one of 0.

The layout is of one picture at a time, as the pack runs it; of a batch, the detections of the pictures follow each
other, 20 for each. With two labels it has 44.0 million weights and takes 33 thousand million multiplications.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.initial import calm, untrained
from convert.recipes.regions import RATIOS, anchors, covered, decoded, pooled, taken
from convert.recipes.skin_resnet50 import BLOCKS, EXPANSION, STEM, Bottleneck

LABELS = 2
CHANNELS = 256
STRIDES = (4, 8, 16, 32, 64)
SIZES = (32, 64, 128, 256, 512)
CANDIDATES, PROPOSALS, DETECTIONS = 256, 100, 20
PROPOSAL_OVERLAP, DETECTION_OVERLAP = 0.7, 0.5
PROPOSAL_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
DETECTION_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
BOX_CELLS, MASK_CELLS = 7, 14
HIDDEN = 1024
LAST = 100.0
"""What is taken from the log-odds of a proposal that a surer one covers."""


def rename(name: str) -> str:
    """Return the recipe's name of a published weight, from torchvision's newer spelling or its older one.

    Examples
    --------
    >>> rename("roi_heads.mask_head.mask_fcn2.bias")
    'roi_heads.mask_head.1.0.bias'
    >>> rename("backbone.fpn.inner_blocks.3.weight")
    'backbone.fpn.inner_blocks.3.0.weight'
    """
    name = re.sub(r"mask_head\.mask_fcn(\d)\.", lambda found: f"mask_head.{int(found[1]) - 1}.0.", name)
    name = re.sub(r"(fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2", name)
    return re.sub(r"rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1", name)


class ResNet(nn.Module):
    """ResNet of bottlenecks without its classifier: features at strides 4, 8, 16 and 32."""

    def __init__(self, blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        channels = STEM
        for level, count in enumerate(blocks):
            width = STEM * 2**level
            parts = [Bottleneck(channels, width, 2 if level else 1)]
            channels = width * EXPANSION
            parts += [Bottleneck(channels, width, 1) for _ in range(count - 1)]
            self.add_module(f"layer{level + 1}", nn.Sequential(*parts))
        self.levels = len(blocks)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return float32 (N, 256, H / 4, W / 4) to (N, 2048, H / 32, W / 32)."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        found: list[Tensor] = []
        for level in range(1, self.levels + 1):
            x = self.get_submodule(f"layer{level}")(x)
            found.append(x)
        return found


class FeaturePyramid(nn.Module):
    """Features of one width at every stride: from the coarsest down, each is added to the next finer one."""

    def __init__(self, given: Sequence[int], channels: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(n, channels, 1)) for n in given)
        self.layer_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1)) for _ in given)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return float32 (N, channels, h, w) for each of the maps, and one of half the size of the last."""
        inner = [block(x) for block, x in zip(self.inner_blocks, maps, strict=True)]
        for level in range(len(inner) - 2, -1, -1):
            inner[level] = inner[level] + functional.interpolate(inner[level + 1], scale_factor=2.0, mode="nearest")
        found = [block(x) for block, x in zip(self.layer_blocks, inner, strict=True)]
        return [*found, functional.max_pool2d(found[-1], 1, 2)]


class ProposalHead(nn.Module):
    """For each cell and ratio of anchors: whether something is there, and how the anchor has to change."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()))
        self.cls_logits = nn.Conv2d(channels, len(RATIOS), 1)
        self.bbox_pred = nn.Conv2d(channels, 4 * len(RATIOS), 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-odds, float32 (N, n), and changes, (N, n, 4), in the order of `regions.anchors`."""
        x = self.conv(x)
        changes = self.bbox_pred(x).unflatten(1, (len(RATIOS), 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
        return self.cls_logits(x).permute(0, 2, 3, 1).flatten(1), changes


class Proposals(nn.Module):
    """Region proposal network: boxes that may hold something."""

    def __init__(self, channels: int, candidates: int, proposals: int) -> None:
        super().__init__()
        self.head = ProposalHead(channels)
        self.candidates, self.proposals = candidates, proposals

    def forward(self, maps: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """Return float32 (N, proposals, 4): x0, y0, x1, y1 in pixels of a picture of `shape` rows and columns."""
        boxes, scores = zip(*(self._of(level, x, shape) for level, x in enumerate(maps)), strict=True)
        _, best = torch.cat(scores, 1).topk(self.proposals, 1)
        return taken(torch.cat(boxes, 1), best)

    def _of(self, level: int, x: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The surest boxes of one level, those that are covered behind all others."""
        scores, changes = self.head(x)
        scores, best = scores.topk(min(self.candidates, scores.shape[1]), 1)
        starts = taken(anchors(x.shape[-2:], SIZES[level], STRIDES[level])[None], best)
        boxes = decoded(starts, taken(changes, best), PROPOSAL_WEIGHTS, shape)
        return boxes, scores - covered(boxes, scores, PROPOSAL_OVERLAP) * LAST


class BoxHead(nn.Module):
    """Two hidden layers on the features of a box."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(channels * BOX_CELLS**2, HIDDEN)
        self.fc7 = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (n, 1024)."""
        return functional.relu(self.fc7(functional.relu(self.fc6(x.flatten(1)))))


class BoxPredictor(nn.Module):
    """A probability for each label, and how the box has to change for each."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(HIDDEN, 1 + labels)
        self.bbox_pred = nn.Linear(HIDDEN, 4 * (1 + labels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 (n, labels) and (n, labels, 4): of the background, neither."""
        changes = self.bbox_pred(x).unflatten(1, (-1, 4))
        return self.cls_score(x).softmax(1)[:, 1:], changes[:, 1:]


class MaskPredictor(nn.Module):
    """Log-odds of each label in each pixel of a box, at twice the size of its features."""

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, channels, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(channels, 1 + labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (n, 1 + labels, 28, 28)."""
        logits: Tensor = self.mask_fcn_logits(functional.relu(self.conv5_mask(x)))
        return logits


class RegionHeads(nn.Module):
    """From proposals to detections, and from these to masks."""

    def __init__(self, channels: int, labels: int, detections: int) -> None:
        super().__init__()
        self.box_head = BoxHead(channels)
        self.box_predictor = BoxPredictor(labels)
        layers = [nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(4)]
        self.mask_head = nn.Sequential(*layers)
        self.mask_predictor = MaskPredictor(channels, labels)
        self.detections = detections

    def forward(
        self, maps: Sequence[Tensor], proposals: Tensor, shape: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what `MaskRcnn` returns."""
        boxes, scores, labels = self._detected(maps, proposals, shape)
        features = pooled(maps, STRIDES[: len(maps)], boxes, MASK_CELLS)
        logits = self.mask_predictor(self.mask_head(features))
        labels = labels.flatten()
        own = (labels[:, None] == torch.arange(logits.shape[1])).to(logits.dtype)
        masks = (logits * own[..., None, None]).sum(1, keepdim=True).sigmoid()
        return boxes.flatten(0, 1), scores.flatten(), labels, masks

    def _detected(
        self, maps: Sequence[Tensor], proposals: Tensor, shape: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The surest pairs of a proposal and a label; those that are covered come last, with score 0."""
        count = proposals.shape[1]
        found = self.box_head(pooled(maps, STRIDES[: len(maps)], proposals, BOX_CELLS))
        scores, changes = (part.unflatten(0, (-1, count)).transpose(1, 2) for part in self.box_predictor(found))
        boxes = decoded(proposals[:, None], changes, DETECTION_WEIGHTS, shape)
        ordered = scores - covered(boxes, scores, DETECTION_OVERLAP)
        values, best = ordered.flatten(1).topk(self.detections, 1)
        names = torch.arange(1, 1 + scores.shape[1]).repeat_interleave(count)
        return taken(boxes.flatten(1, 2), best), values.clamp(min=0.0), names.expand(best.shape[0], -1).gather(1, best)


class MaskRcnn(nn.Module):
    """Detection with masks.

    Parameters
    ----------
    labels : int
        Without the background.
    blocks : sequence of int
        Of each stage of the ResNet.
    channels : int
        Of the feature pyramid.
    candidates, proposals, detections : int
        How many boxes are compared at each level, looked at, and given.
    """

    def __init__(
        self, *, labels: int, blocks: Sequence[int], channels: int, candidates: int, proposals: int, detections: int
    ) -> None:
        super().__init__()
        given = [STEM * EXPANSION * 2**level for level in range(len(blocks))]
        parts = OrderedDict(body=ResNet(blocks), fpn=FeaturePyramid(given, channels))
        self.backbone = nn.Sequential(parts)
        self.rpn = Proposals(channels, candidates, proposals)
        self.roi_heads = RegionHeads(channels, labels, detections)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Detect polyps and outline them.

        Parameters
        ----------
        image : Tensor
            float32 (N, 3, H, W), sides divisible by 64: RGB from 0 to 1, normalised as ImageNet's channels are.

        Returns
        -------
        boxes : Tensor
            float32 (N * detections, 4): x0, y0, x1, y1 in pixels of the picture, the surest of each picture first.
        scores : Tensor
            float32 (N * detections,): 0 to 1.
        labels : Tensor
            int64 (N * detections,): from 1.
        masks : Tensor
            float32 (N * detections, 1, 28, 28): probability, from edge to edge of the box.
        """
        maps = self.backbone(image)
        shape = image.shape[-2:]
        found: tuple[Tensor, Tensor, Tensor, Tensor] = self.roi_heads(maps[:-1], self.rpn(maps, shape), shape)
        return found


def build(
    *,
    labels: int = LABELS,
    blocks: Sequence[int] = BLOCKS,
    channels: int = CHANNELS,
    candidates: int = CANDIDATES,
    proposals: int = PROPOSALS,
    detections: int = DETECTIONS,
) -> MaskRcnn:
    """Build the network with random weights, in evaluation mode; see `MaskRcnn` for the sizes."""
    network = untrained(
        lambda: MaskRcnn(
            labels=labels, blocks=blocks, channels=channels, candidates=candidates, proposals=proposals,
            detections=detections,
        )
    )  # fmt: skip
    first = network.rpn.head
    calm(first.cls_logits, first.bbox_pred, network.roi_heads.mask_predictor.mask_fcn_logits)
    return network


RECIPE = Recipe(
    name="mask-rcnn",
    build=build,
    inputs={"image": (1, 3, 320, 320)},
    outputs=("boxes", "scores", "labels", "masks"),
    rename=rename,
)

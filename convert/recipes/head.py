"""The end of a classifier that explains itself: from feature maps to logits and their class activation maps."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def logits_and_maps(features: Tensor, head: nn.Linear) -> tuple[Tensor, Tensor]:
    """Average the features over the picture or volume and classify them, and also classify every place alone.

    Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016: both are linear, so each logit
    is the mean of its map plus the head's bias.

    Parameters
    ----------
    features : Tensor
        float32 (N, C, h, w) or (N, C, d, h, w).
    head : nn.Linear
        From C features to L values.

    Returns
    -------
    logits : Tensor
        float32 (N, L).
    cam : Tensor
        float32 (N, L, h, w) or (N, L, d, h, w), in units of the logits.
    """
    if features.dim() == 5:
        cam = functional.conv3d(features, head.weight[:, :, None, None, None])
        return head(features.mean((2, 3, 4))), cam
    cam = functional.conv2d(features, head.weight[:, :, None, None])
    return head(features.mean((2, 3))), cam

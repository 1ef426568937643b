"""Every label's mask as a picture on the source's own pixels: 255 where the label is, 0 elsewhere."""

from __future__ import annotations

import numpy as np

from edge.findings import Findings, Segmentation
from edge.scan import Scan
from edge.write.canvas import encode_png
from edge.write.report import ResultReport


def masks(result: ResultReport, scan: Scan | None, findings: Findings | None) -> dict[str, bytes]:  # noqa: ARG001
    """Return ``mask-<label>.png`` for each label of a segmentation, rows and columns as in the source."""
    if not isinstance(findings, Segmentation):
        return {}
    return {
        f"mask-{region.name}.png": encode_png(mask[0].astype(np.uint8) * 255)
        for region, mask in zip(findings.regions, findings.masks, strict=True)
    }

"""Sets of thresholds as a site decides them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge.pack.trust import Calibration
from edge.site.kept import Share95, SiteLabel, SiteSet

SENSITIVITY = Share95(value=0.95, low=0.9, high=0.98, hits=38, n=40)
SPECIFICITY = Share95(value=0.8, low=0.7, high=0.9, hits=40, n=50)
CALIBRATION = Calibration(
    method="logistic", slope=2.0, intercept=-1.0, rule="r", chosen_on="scans of this site", n=90, positives=40
)


def site_label(threshold: float = 0.3, **changes: Any) -> SiteLabel:
    label = SiteLabel(
        threshold=threshold,
        rule="the highest",
        target=0.9,
        sensitivity=SENSITIVITY,
        specificity=SPECIFICITY,
        calibration=CALIBRATION,
    )
    return replace(label, **changes)


def site_set(pack_sha256: str = "b" * 64, **changes: Any) -> SiteSet:
    decided = SiteSet(
        pack_sha256=pack_sha256,
        precision="fp32",
        engine="onnxruntime",
        engine_version="1.0",
        software="edgerun 0",
        decided_utc="2026-05-04T10:00:00+00:00",
        decided_by="Dr A",
        table_sha256="c" * 64,
        rows=95,
        refused=4,
        failed=1,
        labels={"bright": site_label()},
    )
    return replace(decided, **changes)

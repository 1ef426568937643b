"""A pack in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge.pack.manifest import Accepts, Evidence, Label, Manifest, Model
from edge.pack.store import Pack

if TYPE_CHECKING:
    from edge.pack.check import ModelCheck


def describe(pack: Pack) -> list[str]:
    """Return what a pack is for, what it takes and says, and how well it was measured, line by line."""
    manifest = pack.manifest
    return [
        f"{manifest.title} ({manifest.name} {manifest.version}, {manifest.status})",
        f"  for          {manifest.intended_use}",
        f"  limits       {manifest.limits}",
        *(f"  takes        {item.name}: {_accepts(item.accepts)}" for item in manifest.inputs),
        f"  task         {manifest.task.kind}",
        *(f"  says         {_label(label)}" for label in manifest.task.labels),
        *(line for model in manifest.models for line in _model(model)),
        *(f"  measured     {_evidence(figure)}" for figure in manifest.evidence),
        f"  golden       {len(manifest.golden)} cases",
        f"  licence      {manifest.licence.spdx}",
        *(f"  credit       {credit}" for credit in manifest.licence.credits),
        f"  sha256       {pack.sha256}",
        f"  at           {pack.path}",
    ]


def describe_checks(pack: Pack, checks: Sequence[ModelCheck]) -> list[str]:
    """Return what a check found, line by line."""
    lines = [f"{_name(pack.manifest)}: every file is the one that the manifest describes."]
    for item in checks:
        onnx = item.onnx
        lines.append(
            f"  {item.file}: opset {onnx.opset}, IR {onnx.ir_version}, {onnx.bytes / 1e6:.2f} MB, plain operators only"
        )
        if item.engine is None:
            lines.append(f"  {item.precision} on {' or '.join(item.engines)}: not installed here, so it was not run")
            continue
        ran = f"{item.precision} on {item.engine.name} {item.engine.version} ({item.engine.provider})"
        if not item.golden:
            lines.append(f"  {ran}: opens; the pack has no golden case, so no answer was checked")
            continue
        largest = max(result.largest_difference for result in item.golden)
        lines.append(f"  {ran}: {len(item.golden)} golden cases pass, largest difference {largest:.2g}")
    return lines


def _name(manifest: Manifest) -> str:
    return f"{manifest.name} {manifest.version}"


def _accepts(accepts: Accepts) -> str:
    asked = {"modality": accepts.modality, "body part": accepts.body_part, "view": accepts.view}
    parts = [f"{name} {' or '.join(values)}" for name, values in asked.items() if values]
    if accepts.age_years:
        parts.append(f"age {accepts.age_years[0]:g} to {accepts.age_years[1]:g} years")
    return ", ".join([f"{accepts.colour} {accepts.stack}", *parts])


def _label(label: Label) -> str:
    code = f" [{label.code.scheme} {label.code.value}]" if label.code else ""
    rules = "".join(f", {rule.urgency} from {rule.measure} {rule.at:g} on" for rule in label.urgency_from)
    return f"{label.title}{code}" + (f", a finding ({label.urgency}{rules})" if label.finding else "")


def _model(model: Model) -> list[str]:
    size = f", {model.bytes / 1e6:.2f} MB" if model.bytes else ""
    speed = f", {model.speed.latency_ms:.3g} ms a scan on {model.speed.machine}" if model.speed else ""
    lines = [f"  model        {model.precision} for {', '.join(model.engines)}: {model.verdict}{size}{speed}"]
    for name, threshold in model.thresholds.items():
        where = f"{threshold.rule}, on {threshold.chosen_on}, n = {threshold.n}"
        lines.append(f"  threshold    {name} {threshold.value:.4f} ({where})")
    for name, zone in model.uncertain.items():
        where = f"{zone.rule}, on {zone.chosen_on}, n = {zone.n}"
        lines.append(f"  for a reader {name} {zone.low:.4f} up to {zone.high:.4f} ({where})")
    for name, line in model.calibration.items():
        where = f"{line.rule}, on {line.chosen_on}, n = {line.n}, {line.positives} positive"
        lines.append(f"  calibration  {name} slope {line.slope:.4f}, intercept {line.intercept:.4f} ({where})")
    return lines


def _evidence(figure: Evidence) -> str:
    interval = f" (95%: {figure.interval[0]:.3f} to {figure.interval[1]:.3f})" if figure.interval else ""
    ran = f"{figure.precision} on {figure.engine}"
    return f"{figure.label} {figure.metric} {figure.value:.3f}{interval}, n = {figure.n}, {ran}, {figure.data}"

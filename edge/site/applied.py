"""A plan to run a pack -> the same with the thresholds of this site, where these were set for exactly that."""

from __future__ import annotations

from dataclasses import replace

from edge.findings import Notice
from edge.pack.manifest import Model, Threshold
from edge.pack.store import Pack
from edge.pack.trust import Zone
from edge.ready.rule import Plan
from edge.reasons import SITE_THRESHOLD_NOT_USED
from edge.site.kept import Kept, SiteLabel, SiteSet
from edge.site.named import SiteReport


def applied(kept: Kept, pack: Pack, plan: Plan) -> tuple[Plan, SiteReport | None]:
    """Return the plan with the site's thresholds and calibration in its model, and what results say of that.

    Where none of the sets was made for this pack, precision and engine, the pack's own thresholds stay, and every
    result says so (``P413``).
    """
    wanted = pack.sha256, plan.model.precision, plan.engine
    chosen = next((each for each in kept.file.sets if each.bound_to == wanted), None)
    if chosen is None or not set(chosen.labels) <= set(plan.model.thresholds):
        notice = Notice(reason=SITE_THRESHOLD_NOT_USED, severity="warn", detail=_why(kept.file.sets, pack, plan))
        return replace(plan, notices=(*plan.notices, notice)), None
    return replace(plan, model=_model(plan.model, chosen)), kept.report(chosen)


def _why(sets: tuple[SiteSet, ...], pack: Pack, plan: Plan) -> str:
    """What runs now, and what the thresholds were set for."""
    now = f"{plan.model.precision} on {plan.engine}, pack {pack.sha256[:8]}"
    was = "; ".join(f"{each.precision} on {each.engine}, pack {each.pack_sha256[:8]}" for each in sets)
    return f"Runs now: {now}. It was set for: {was}. The pack's own threshold is used."


def _model(model: Model, chosen: SiteSet) -> Model:
    calibrated = {name: label.calibration for name, label in chosen.labels.items() if label.calibration is not None}
    zones = {
        name: _widened(zone, chosen.labels[name].threshold) if name in chosen.labels else zone
        for name, zone in model.uncertain.items()
    }
    return replace(
        model,
        thresholds={**model.thresholds, **{name: _threshold(label, chosen) for name, label in chosen.labels.items()}},
        calibration={**model.calibration, **calibrated},
        uncertain=zones,
    )


def _threshold(label: SiteLabel, chosen: SiteSet) -> Threshold:
    n = label.sensitivity.n + label.specificity.n
    return Threshold(
        value=label.threshold, rule=label.rule, chosen_on=f"scans of this site, {chosen.decided_utc[:10]}", n=n
    )


def _widened(zone: Zone, threshold: float) -> Zone:
    """The zone up to the threshold: between the pack's zone and the site's threshold the two contradict each other."""
    return replace(zone, low=min(zone.low, threshold), high=max(zone.high, threshold))

"""A pack -> what the report says of it."""

from __future__ import annotations

from edge.engines import EngineFacts
from edge.pack.store import Pack
from edge.write.report import PackReport


def pack_report(pack: Pack | None, language: str, engine: EngineFacts | None = None) -> PackReport | None:
    """Return what the report says of a pack.

    Parameters
    ----------
    language : str
        The one that was asked for: its titles of labels, where the pack brings them, go into the report.
    engine : EngineFacts, optional
        What ran, and so whose thresholds decided.
    """
    if pack is None:
        return None
    manifest = pack.manifest
    told = (engine.precision, engine.name) if engine else ("", "")
    ran = (each for each in manifest.models if each.precision == told[0] and told[1] in each.engines)
    thresholds = next((each.thresholds for each in ran), {})
    return PackReport(
        name=manifest.name,
        version=manifest.version,
        title=manifest.title,
        sha256=pack.sha256,
        status=manifest.status,
        intended_use=manifest.intended_use,
        limits=manifest.limits,
        licence=manifest.licence,
        titles={label.name: label.titles[language] for label in manifest.task.labels if language in label.titles},
        thresholds={name: f"{each.rule}, on {each.chosen_on}, n = {each.n}" for name, each in thresholds.items()},
    )

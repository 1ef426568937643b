"""A pack's manifest while it is built: what its limits would refuse is measured, too."""

from __future__ import annotations

from dataclasses import replace

from convert.familiar_limits import unlimited
from convert.familiar_rule import FamiliarRule
from edge.pack.manifest import Manifest


def unrefusing(manifest: Manifest, rule: FamiliarRule) -> Manifest:
    """Return a manifest that refuses no scan by its look or by the distance of its features.

    Such limits err, and how often is measured. The figures of a pack are of all scans of a set, and so also of those
    few that it will refuse.
    """
    inputs = (replace(item, accepts=replace(item.accepts, look=None)) for item in manifest.inputs)
    models = (
        model if model.familiar is None else replace(model, familiar=unlimited(manifest.task, rule))
        for model in manifest.models
    )
    return replace(manifest, inputs=tuple(inputs), models=tuple(models))

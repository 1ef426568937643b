"""Which engine may run which model of a pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.engines import ENGINES
from edge.pack.manifest import Manifest, Model
from edge.pack.store import PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An engine with a model.

    Parameters
    ----------
    judged : bool
        Whether the manifest names the engine for the model, which passed its maker's gate there. Else it must prove
        itself by the known answers, and every result says so (``P411``).
    """

    engine: str
    model: Model
    judged: bool

    @property
    def name(self) -> str:
        """What to call it: ``fp32 on openvino``."""
        return f"{self.model.precision} on {self.engine}"


def candidates(manifest: Manifest, engines: Sequence[str]) -> tuple[Candidate, ...]:
    """Return what may be chosen: first what the maker's gate let pass, in the manifest's order, then the rest.

    What a gate rejects, its maker leaves out: so an engine that a manifest does not name may have been found wrong.
    Only one that its maker can hardly have had, as it needs a GPU, and of which no figure tells, is a candidate without
    the gate, and in full precision alone.

    Parameters
    ----------
    engines : sequence of str
        Those that can run here.
    """
    judged = tuple(
        Candidate(engine=name, model=model, judged=True)
        for model in manifest.models
        if model.verdict in PASSED
        for name in engines
        if name in model.engines
    )
    full = next((model for model in manifest.models if model.precision == "fp32" and model.verdict in PASSED), None)
    if full is None or not manifest.golden:
        return judged
    known = {name for model in manifest.models for name in model.engines}
    known |= {figure.engine for figure in manifest.evidence}
    unknown = [name for name in engines if name not in known and ENGINES[name].device]
    return judged + tuple(Candidate(engine=name, model=full, judged=False) for name in unknown)

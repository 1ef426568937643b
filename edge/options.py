"""How a run is to go: what of a request is the same for all of its studies, and what their answers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from edge.explain.told import Explain
from edge.pack.store import AUTO
from edge.wanted import PLAIN, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person chose beside the scans and the pack.

    Parameters
    ----------
    engine : str, optional
        Name; None leaves it open.
    precision : str
    confirmed : mapping
        What a person vouches for where the files do not tell; see `edge.check.confirm`.
    roles : mapping
        Name of the pack's input by path; see `edge.roles`.
    wanted : Wanted
        What is written beside the report.
    explain : {"map", "occlusion"}, optional
        Whether and how scores are explained; see `edge.explain`.
    """

    engine: str | None = None
    precision: str = AUTO
    confirmed: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    wanted: Wanted = PLAIN
    explain: Explain | None = None

    def told(self) -> list[object]:
        """Return the options as JSON types, the same for the same choice; what nobody chose may be left out."""
        named = sorted((role, path) for path, role in self.roles.items())
        chosen: dict[str, object] = {}
        if self.wanted != PLAIN:
            chosen["wanted"] = asdict(self.wanted)
        if self.explain is not None:
            chosen["explain"] = self.explain
        rest = [part for part in (named, chosen) if part]
        return [self.engine, self.precision, sorted(self.confirmed.items()), *rest]

"""How a run is to go: what of a request is the same for all of its studies, and what their answers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from edge.explain.told import Explain
from edge.pack.store import AUTO
from edge.wanted import PLAIN, Wanted

if TYPE_CHECKING:
    from edge.choose import Choice
    from edge.scan import Series

DRAWN_SMALL = frozenset({"overlay", "masks", "registration", "synthetic", "page", "fhir", "register"})
"""Views that show a picture with fewer pixels than the smallest that is decoded, or none. What goes to an archive is
placed on the pixels of the file."""


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
    full_resolution : bool
        Whether every picture is decoded whole, also where the pack allows less; see `edge.pack.reduced`.
    """

    engine: str | None = None
    precision: str = AUTO
    confirmed: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    wanted: Wanted = PLAIN
    explain: Explain | None = None
    full_resolution: bool = False

    def reading(self, choice: Choice) -> tuple[Mapping[str, Series], ...]:
        """Return what of a study will be examined, each series with how small its picture may be decoded.

        As small as the pack was proven with, where nobody asked for what was not: the whole picture, explanations, or
        views that are placed on its pixels.
        """
        reduced = choice.pack.manifest.reduced if choice.pack is not None else None
        asked_whole = self.full_resolution or self.explain is not None or not DRAWN_SMALL.issuperset(self.wanted.views)
        if reduced is None or asked_whole:
            return choice.fitting
        return tuple(
            {name: replace(series, least_side=reduced.least_side) for name, series in group.items()}
            for group in choice.fitting
        )

    def told(self) -> list[object]:
        """Return the options as JSON types, the same for the same choice; what nobody chose may be left out."""
        named = sorted((role, path) for path, role in self.roles.items())
        chosen: dict[str, object] = {}
        if self.wanted != PLAIN:
            chosen["wanted"] = asdict(self.wanted)
        if self.explain is not None:
            chosen["explain"] = self.explain
        if self.full_resolution:
            chosen["full_resolution"] = True
        rest = [part for part in (named, chosen) if part]
        return [self.engine, self.precision, sorted(self.confirmed.items()), *rest]

"""``[familiar]`` of a description: how a pack is to tell scans that are not like those that its model learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edge.typed import Between

AlarmShare = Annotated[float, Between(0.0, 0.1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FamiliarRule:
    """What its maker asks for.

    Parameters
    ----------
    check : bool
        False leaves it out; with True, that it cannot be done is an error.
    warn, refuse : float
        Share of scans like those of the tuning table that may be warned of and refused for nothing. Where the table has
        too few for it, the limit is the largest value of all.
    energy : bool, optional
        Whether the energy of the scores has a limit, too. By default where there are several labels: of one label it is
        the score once more.
    """

    check: bool = True
    warn: AlarmShare = 0.01
    refuse: AlarmShare = 0.001
    energy: bool | None = None

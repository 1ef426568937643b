"""What is asked for and told of an explanation: plain types, which the report holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.errors import UsageError

Explain = Literal["map", "occlusion"]
WAYS: tuple[Explain, ...] = ("map", "occlusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faithfulness:
    """What the deletion test said of an influence map; see `edge.explain.faithfulness`.

    Parameters
    ----------
    label : str
    gain : float
        In the unit of the model's logit: how much further the score falls, on average over the test, when parts are
        hidden in the map's order, strongest first, than in random orders.
    beaten, orders : int
        How many of the random orders the map's order beats, and how many there were.
    holds : bool
        Whether it beats them all.
    rule : str
        All of that, in words.
    """

    label: str
    gain: float
    beaten: int
    orders: int
    holds: bool
    rule: str


def way_of(name: str | None) -> Explain | None:
    """Return how to explain, by its name; None for None.

    Raises
    ------
    UsageError
        There is no such way.
    """
    found = next((way for way in WAYS if way == name), None)
    if name is not None and found is None:
        raise UsageError(f"Reading --explain {name!r}: expected one of {', '.join(WAYS)}.")
    return found

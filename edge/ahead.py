"""Work that is begun before its turn: what follows is under way while what comes first is waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from edge.errors import EdgerunError

T = TypeVar("T")


def ahead(begun: Iterable[T], weigh: Callable[[T], int], *, most: int, limit: int) -> Iterator[T]:
    """Yield the items in their order, each only when as many that follow it have been begun as there is room for.

    Parameters
    ----------
    begun : iterable
        Taking an item from it begins that item's work.
    weigh : callable
        What an item takes of `limit`, such as bytes.
    most : int
        How many may be under way beside the one that is yielded.
    limit : int
        What those under way may weigh together. One that is too heavy by itself has nothing begun beside it.

    Raises
    ------
    edge.errors.EdgerunError
        Of `begun`, once everything that was begun before has been yielded.

    Examples
    --------
    >>> def begun():
    ...     for name in "abc":
    ...         print("begins", name)
    ...         yield name
    >>> for name in ahead(begun(), len, most=1, limit=10):
    ...     print("its turn:", name)
    begins a
    begins b
    its turn: a
    begins c
    its turn: b
    its turn: c
    """
    waiting: deque[T] = deque()
    weight = 0
    try:
        for item in begun:
            waiting.append(item)
            weight += weigh(item)
            while len(waiting) > most or weight > limit:
                weight -= weigh(waiting[0])
                yield waiting.popleft()
    except EdgerunError:
        yield from waiting
        raise
    yield from waiting

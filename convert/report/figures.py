"""Numbers as people read them: sensible digits, a true minus, units; what is no number is a dash."""

from __future__ import annotations

import math

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def decimals(margin: float) -> int:
    """Return how many decimals show differences a hundredth of the margin wide.

    Examples
    --------
    >>> decimals(0.005), decimals(0.01), decimals(0.2), decimals(15.0)
    (4, 4, 3, 1)
    """
    return min(max(2 - round(math.log10(margin)), 0), 6) if margin > 0 else 4


def fixed(value: float, places: int) -> str:
    """Return the value with so many decimals.

    Examples
    --------
    >>> fixed(0.91234, 3), fixed(float("nan"), 3) == NOTHING, fixed(-0.00001, 3)
    ('0.912', True, '0.000')
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{round(value, places) + 0.0:,.{places}f}".replace("-", MINUS)


def signed(value: float, places: int) -> str:
    """Return the value with its sign, but for zero.

    Examples
    --------
    >>> signed(0.01234, 4), signed(-0.01234, 4) == MINUS + "0.0123", signed(0.0, 2)
    ('+0.0123', True, '0.00')
    """
    return ("+" if round(value, places) > 0 and math.isfinite(value) else "") + fixed(value, places)


def significant(value: float, digits: int = 3) -> str:
    """Return the value with so many digits that count.

    Examples
    --------
    >>> significant(0.012345), significant(12.345), significant(1234.5), significant(0.0)
    ('0.0123', '12.3', '1,234', '0')
    """
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def measure(value: float) -> str:
    """Return a metric: shares with three decimals, all else with four digits.

    Examples
    --------
    >>> measure(0.91234), measure(4.21234)
    ('0.912', '4.212')
    """
    return fixed(value, 3) if abs(value) <= 1 else significant(value, 4)


def about(value: int) -> str:
    """Return a number of things that is an estimate: two digits, rounded up.

    Examples
    --------
    >>> about(7106), about(87), about(20545)
    ('7,200', '87', '21,000')
    """
    step = 10 ** max(len(str(value)) - 2, 0)
    return count(-(-value // step) * step)


def count(value: int) -> str:
    """Return a number of things.

    Examples
    --------
    >>> count(12345)
    '12,345'
    """
    return f"{value:,}"


def size(found: int | None) -> str:
    """Return bytes in units of 1000.

    Examples
    --------
    >>> size(812), size(28_123_456), size(1_500_000_000)
    ('812 B', '28.1 MB', '1.50 GB')
    """
    if found is None:
        return NOTHING
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if found >= 10**power:
            return f"{significant(found / 10**power)} {unit}"
    return f"{found} B"


def milliseconds(value: float) -> str:
    """Return a time in ms; 0 stands for what could not be run.

    Examples
    --------
    >>> milliseconds(12.345), milliseconds(0.0)
    ('12.3 ms', 'did not run')
    """
    return f"{significant(value)} ms" if value > 0 else "did not run"


def seconds(value: float) -> str:
    """Return a duration.

    Examples
    --------
    >>> seconds(0.4), seconds(12.345), seconds(200.0)
    ('0.4 s', '12.3 s', '3 min 20 s')
    """
    if value < 120:
        return f"{fixed(value, 1)} s"
    return f"{count(round(value) // 60)} min {round(value) % 60} s"


def ratio(value: float, reference: float) -> str:
    """Return how many times the reference the value is.

    Examples
    --------
    >>> ratio(46.0, 100.0), ratio(1.0, 0.0) == NOTHING
    ('0.46', True)
    """
    return fixed(value / reference, 2) if value > 0 and reference > 0 else NOTHING


def smaller(found: int, reference: int) -> str:
    """Return how many times smaller than the reference a file is, in words.

    Examples
    --------
    >>> smaller(25, 100), smaller(100, 100), smaller(110, 100)
    ('4.0 times smaller', 'same size', '1.1 times larger')
    """
    if found <= 0 or reference <= 0:
        return NOTHING
    times = reference / found
    if abs(times - 1) < 0.005:
        return "same size"
    return f"{_times(times)} times smaller" if times > 1 else f"{_times(1 / times)} times larger"


def _times(value: float) -> str:
    return fixed(value, 2 if value < 1.1 else 1)

"""Dates moved by whole days, and ages that single nobody out."""

from __future__ import annotations

import datetime as dt
import re

OLDEST_YEARS = 89
"""Ages above are told as one class: 45 CFR 164.514(b)(2)(i)(C), the safe harbour of HIPAA."""

TOP_AGE = "090Y"

FIRST_YEAR, LAST_YEAR = 1971, 2098
PLACEHOLDERS = frozenset({"19800101", "20000101"})
"""The first day of clocks that were never set. Such days, and years beyond those above, are what programs write where
they know no date; moved, they would betray by how much."""

_DATE = re.compile(r"(\d{4})(\.?)(\d{2})\2(\d{2})")
_DATETIME = re.compile(r"(\d{8})((?:\d{2}){0,3}(?:(?<=\d{6})\.\d{1,6})?)([+-]\d{4})?")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?")
_AGE = re.compile(r"\d{3}[DWMY]")


def moved_date(text: str, days: int) -> str | None:
    """Return a DA value `days` earlier, PS3.5 6.2; None where it is no date.

    Examples
    --------
    >>> moved_date("20240301", 1), moved_date("2024.03.01", 366), moved_date("20241350", 1)
    ('20240229', '20230301', None)
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    try:
        day = dt.date(int(found[1]), int(found[3]), int(found[4]))
        return (day - dt.timedelta(days=days)).strftime("%Y%m%d").rjust(8, "0")
    except (ValueError, OverflowError):
        return None


def moved_datetime(text: str, days: int) -> str | None:
    """Return a DT value `days` earlier, its time of day and offset from UTC as they were; None where it has no day.

    Examples
    --------
    >>> moved_datetime("20240301120000.5+0200", 1), moved_datetime("202403", 1)
    ('20240229120000.5+0200', None)
    """
    found = _DATETIME.fullmatch(text.strip())
    if found is None or (found[2] and time_of_day(found[2]) is None):
        return None
    date = moved_date(found[1], days)
    return None if date is None else f"{date}{found[2]}{found[3] or ''}"


def is_placeholder(text: str) -> bool:
    """Return whether a DA or DT value begins with a day that stands for none.

    Examples
    --------
    >>> is_placeholder("19000101"), is_placeholder("1970.01.01"), is_placeholder("99991231235959")
    (True, True, True)
    >>> is_placeholder("20240301")
    False
    """
    day = text.strip().replace(".", "")[:8]
    year = int(day[:4]) if day[:4].isdecimal() else 0
    return not FIRST_YEAR <= year <= LAST_YEAR or day in PLACEHOLDERS


def time_of_day(text: str) -> str | None:
    """Return a TM value as it is; None where it is no time.

    Examples
    --------
    >>> time_of_day("235959.12"), time_of_day("12:30:00"), time_of_day("noon")
    ('235959.12', '123000', None)
    """
    plain = text.strip()
    return plain.replace(":", "") if _TIME.fullmatch(plain) else None


def age(text: str) -> str | None:
    """Return an AS value, ages above 89 years as one; None where it is no age.

    Examples
    --------
    >>> age("034Y"), age("092Y"), age("999M"), age("old")
    ('034Y', '090Y', '999M', None)
    """
    plain = text.strip()
    if not _AGE.fullmatch(plain):
        return None
    years = int(plain[:3]) / {"Y": 1, "M": 12, "W": 52.18, "D": 365.25}[plain[3]]
    return TOP_AGE if years >= OLDEST_YEARS + 1 else plain

"""Which files belong to one examination: a scan by itself, or one for each input of a pack that needs several."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from convert.rows import FIRST_LINE, Rows, cell, read_rows
from edge.errors import UsageError
from edge.pack.manifest import Input
from edge.read.find import find_files

PATH, PATIENT = "path", "patient"
GROUPS = ("sex", "age_band", "site", "device")

TABLE = ".csv"

Case = tuple[Path, ...]
"""The scans of one examination, one for each input of the pack, in the pack's order: each a file that holds it whole,
or the folder of its slices."""


def input_columns(inputs: Sequence[Input]) -> list[str]:
    """Return the columns that name scans: ``path``, or of a pack with several inputs the name of each."""
    return [PATH] if len(inputs) < 2 else [item.name for item in inputs]


def read_cases(path: Path, inputs: Sequence[Input]) -> tuple[Case, ...]:
    """Return the examinations at a path: the files in a folder, or the rows of a table.

    Parameters
    ----------
    path : Path
        A file, or a folder of any depth; or a CSV file with a column ``path``, and of a pack with several inputs with a
        column for each.

    Raises
    ------
    UsageError
        The table cannot be used; see `cases_in`.
    edge.errors.ReadError
        There is no file in the folder.
    """
    if len(inputs) < 2 and path.suffix.lower() != TABLE:
        return tuple((Path(file),) for file in find_files([path])[0])
    names = input_columns(inputs)
    if path.is_dir():
        raise UsageError(
            f"Reading {path}: found a folder, expected a CSV file with the columns {', '.join(names)}: no folder tells"
            " which scans belong together."
        )
    return cases_in(path, read_rows(path, names, "scan"), names)


def cases_in(table: Path, rows: Rows, columns: Sequence[str]) -> tuple[Case, ...]:
    """Return each row's scans, which are relative to the table.

    Raises
    ------
    UsageError
        A scan is not there, a cell is empty, or one is two inputs of one examination.
    """
    cases = tuple(tuple(table.parent / cell(row, column) for column in columns) for row in rows)
    for line, (row, case) in enumerate(zip(rows, cases, strict=True), start=FIRST_LINE):
        _check_whole(table, line, columns, [cell(row, column) for column in columns], case)
    absent = [path for case in cases for path in case if not path.exists()]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UsageError(f"Reading {table}: the scan {absent[0]}{more} is not there.")
    return cases


def check_once(table: Path, cases: Sequence[Case], patients: Sequence[str] | None, *, atlas: bool) -> None:
    """Refuse a table in which a scan comes more than once, but for examinations of one patient and for an atlas.

    Parameters
    ----------
    atlas : bool
        Whether one file may be the same input of all examinations: what patients are registered to.

    Raises
    ------
    UsageError
    """
    if len(set(cases)) < len(cases):
        twice = sorted(str(case[0]) for case in set(cases) if cases.count(case) > 1)[0]
        raise UsageError(f"Reading {table}: the scan {twice} is named more than once.")
    shared = atlases(cases) if atlas else frozenset()
    whose: dict[Path, set[str]] = {}
    for index, case in enumerate(cases):
        for path in case:
            whose.setdefault(path, set()).add(str(index) if patients is None else patients[index])
    twice_named = sorted(str(path) for path, names in whose.items() if len(names) > 1 and path not in shared)
    if twice_named:
        told = "expected examinations of one patient; say whose they are in the column 'patient'"
        raise UsageError(f"Reading {table}: the scan {twice_named[0]} is named more than once: {told}.")


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a scan: of its file, or of the hashes of all files in its folder, by their names.

    Raises
    ------
    UsageError
        It cannot be read.
    """
    try:
        if not path.is_dir():
            return hashlib.sha256(path.read_bytes()).hexdigest()
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return hashlib.sha256("".join(hash_of(file) for file in files).encode()).hexdigest()
    except OSError as error:
        raise UsageError(f"Reading {path}: {error.strerror}.") from error


def atlases(cases: Sequence[Case]) -> frozenset[Path]:
    """Return the files that are the same input of all examinations, where these have several inputs."""
    columns = list(zip(*cases, strict=True))
    return frozenset(column[0] for column in columns if len(columns) > 1 and len(set(column)) == 1 < len(column))


def _check_whole(table: Path, line: int, columns: Sequence[str], cells: Sequence[str], case: Case) -> None:
    empty = [column for column, text in zip(columns, cells, strict=True) if not text]
    if empty:
        wanted = ", ".join(columns)
        raise UsageError(f"Reading {table}, line {line}: found no {empty[0]}; every row needs {wanted}.")
    first: dict[Path, str] = {}
    for column, path in zip(columns, case, strict=True):
        if first.setdefault(path, column) != column:
            raise UsageError(f"Reading {table}, line {line}: found the scan {path} as {first[path]} and as {column}.")

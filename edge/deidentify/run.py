"""A folder of scans -> a folder that can be handed on, file by file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.deidentify.contract import Begin, Cleaned
from edge.deidentify.links import Row, read_links, row_of, write_links
from edge.deidentify.process import CleanerProcess
from edge.deidentify.record import NAME, Record, Tally
from edge.deidentify.secret import Secret, fresh, kept_in
from edge.deidentify.table import Keep
from edge.deidentify.wishes import BurnedIn
from edge.device import installed_version
from edge.errors import ReadError, UsageError
from edge.read.find import find_files
from edge.reasons import OTHER_BY_SAME_UID, SAME_IMAGE_TWICE
from edge.typed import dump
from edge.write.files import make_folder, write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be de-identified, and how.

    Parameters
    ----------
    paths : tuple of Path
        Files, or folders of any depth.
    out : Path
        Where the new files are written.
    keep : tuple of str
        Of `edge.deidentify.wishes.KEEPS`.
    burned_in : {"blank", "likely", "refuse", "keep"}, optional
        By default ``likely`` where something can look for text, else ``refuse``.
    key : Path, optional
        File of the secret, made where there is none. Without one the secret is gone when the run ends.
    links : Path, optional
        File for the table of old and new names.
    """

    paths: tuple[Path, ...]
    out: Path
    keep: tuple[Keep, ...] = ()
    burned_in: BurnedIn | None = None
    key: Path | None = None
    links: Path | None = None


LeftOut = Callable[[int, str, ReadError], object]
"""Called with the number, the path and the error of a file that is not handed on."""


def run(
    order: Order,
    *,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
    left: LeftOut = lambda _number, _path, _error: None,
) -> Record:
    """De-identify files, and write what was done beside them.

    Returns
    -------
    Record
        Also in ``deidentified.json``.

    Raises
    ------
    UsageError
        A path lies in another that it must not lie in, the folder holds files that were made with another secret, or
        text was to be blanked and nothing that finds it is installed.
    ReadError
        ``R300``: there is no file at all.
    edge.errors.OutputError
        ``W800`` or ``W801``.
    """
    _check_places(order)
    found, strange = find_files(order.paths)
    secret = fresh() if order.key is None else kept_in(order.key)
    _check_same_secret(order.out, secret)
    begin = Begin(secret=secret.value.hex(), keep=order.keep, burned_in=order.burned_in, links=order.links is not None)
    why = {out.paths[0]: ReadError(out.detail, out.reason) for out in strange}
    numbered = sorted([*found, *why])
    tally = Tally()
    with CleanerProcess(begin) as process, _links_kept(order.links) as links:
        if order.burned_in in ("blank", "likely") and not process.ready.looks:
            raise UsageError("Blanking text in pictures: what finds it is missing. Run: pip install 'edgerun[ocr]'")
        make_folder(order.out)
        _record(order, tally, secret, process)  # whose the folder is from now on, whatever happens
        desk = _Desk(process=process, out=order.out)
        for number, path in enumerate(numbered, start=1):
            try:
                cleaned = desk.hand_on(path, why.get(path))
            except ReadError as error:
                tally.leave(number, error.reason)
                left(number, path, error)
            else:
                tally.add(cleaned)
                links(cleaned)
            progress(number, len(numbered))
        return _record(order, tally, secret, process)


def _record(order: Order, tally: Tally, secret: Secret, process: CleanerProcess) -> Record:
    """What was done so far, written beside the new files."""
    record = tally.record(
        version=installed_version("edgerun") or "unknown",
        keep=order.keep,
        ready=process.ready,
        key=secret.mark(),
        key_kept=order.key is not None,
    )
    write_whole(order.out / NAME, json.dumps(dump(record), indent=1).encode("ascii") + b"\n")
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Where files are taken one by one; `written` tells what was handed on, by the place that it has now."""

    process: CleanerProcess
    out: Path
    written: dict[Path, bytes] = field(default_factory=dict)
    folders: set[Path] = field(default_factory=set)

    def hand_on(self, path: str, strange: ReadError | None) -> Cleaned:
        if strange is not None:
            raise strange
        cleaned, data = self.process.clean(path)
        place = self.out / cleaned.patient / cleaned.study / cleaned.series / f"{cleaned.instance}.dcm"
        digest = hashlib.sha256(data).digest()
        if place in self.written:
            same = self.written[place] == digest
            raise ReadError("", SAME_IMAGE_TWICE if same else OTHER_BY_SAME_UID)
        if place.parent not in self.folders:
            make_folder(place.parent)
            self.folders.add(place.parent)
        write_whole(place, bytes(data))
        self.written[place] = digest
        return cleaned


@contextmanager
def _links_kept(path: Path | None) -> Iterator[Callable[[Cleaned], None]]:
    """Take the old and new names of files, and write them when the run ends, however it does."""
    if path is None:
        yield lambda _: None
        return
    read_links(path)  # which refuses another kind of file before anything is done
    rows: list[Row] = []
    try:
        yield lambda cleaned: rows.append(row_of(cleaned))
    finally:
        write_links(path, [*read_links(path), *rows])  # with what another run wrote meanwhile


def _check_places(order: Order) -> None:
    """Nothing is written among the sources, and neither the key nor the old names into what is handed on."""
    out = order.out.resolve()
    for path in order.paths:
        source = path.resolve()
        if source == out or source in out.parents or out in source.parents:
            raise UsageError(
                f"De-identifying {path} into {order.out}: one lies in the other. Name a folder elsewhere with --out."
            )
    for option, secret in (("--key", order.key), ("--links", order.links)):
        if secret is not None and out in secret.resolve().parents:
            raise UsageError(
                f"Keeping {secret} in {order.out}: it would be handed on with the files. Name another with {option}."
            )


def _check_same_secret(out: Path, secret: Secret) -> None:
    """One folder holds what was made with one secret, else the same patient is in it twice."""
    try:
        kept = json.loads((out / NAME).read_bytes()).get("key")
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError):
        kept = None
    if kept != secret.mark():
        raise UsageError(
            f"De-identifying into {out}: what it holds was made with another key. Name the same one with --key, or "
            "another folder with --out."
        )

"""A report as it was kept -> what it takes to ask again: the report itself untouched, its sources, its pack."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import PackError, ReadError
from edge.hashes import sha256_of
from edge.options import Options
from edge.pack.store import Pack, find_pack, usable_packs
from edge.reasons import (
    FILE_BESIDE_CHANGED,
    NO_PACK,
    REPORT_CHANGED,
    REPORT_UNREADABLE,
    SOURCE_CHANGED,
    SOURCE_GONE,
)
from edge.typed import parse
from edge.write import REPORT
from edge.write.report import PackReport, ResultReport, StudyReport, content_sha256

LARGEST_REPORT = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a report holds, checked.

    Parameters
    ----------
    report : StudyReport
    pack : Pack
        The very one that the report names.
    places : mapping
        Where each source lies now, by the path in the report.
    beside : mapping
        The same of the files that were left out, as far as they are still to be found. A report holds no hash of them.
    """

    report: StudyReport
    pack: Pack
    places: Mapping[str, Path]
    beside: Mapping[str, Path]

    @property
    def gone(self) -> tuple[str, ...]:
        """The files that were left out and are not to be found any more, by the path in the report."""
        return tuple(path for path in left_out_of(self.report) if path not in self.beside)

    @property
    def options(self) -> Options:
        """What was asked, with the sources where they lie now: those of a folder that has a role keep it."""
        asked = self.report.options or Options()
        moved = {
            str(place): role
            for folder, role in sorted(asked.roles.items(), key=lambda named: len(named[0]))
            for path, place in self.places.items()
            if Path(folder) in Path(path).parents and place != Path(path)
        }
        roles = {str(self.places.get(path, path)): role for path, role in asked.roles.items()}
        return replace(asked, roles=moved | roles)


def read_report(path: Path) -> StudyReport:
    """Return the report at `path`, a file or its folder, which nobody has changed since it was written.

    Raises
    ------
    ReadError
        ``R345``: it is no report; ``R346``: it was changed; ``R347``: a file beside it was changed or is missing.
    """
    file = path / REPORT if path.is_dir() else path
    document = _document(file)
    try:
        report = parse(StudyReport, document)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"Reading {file}: {error}.", REPORT_UNREADABLE) from error
    found = content_sha256(document)
    if found != report.content_sha256:
        raise ReadError(
            f"Reading {file}: its content has SHA-256 {found}, its seal says {report.content_sha256}.", REPORT_CHANGED
        )
    for beside in (beside for result in report.results for beside in result.files):
        if (digest := sha256_of(file.parent / beside.name)) != beside.sha256:
            state = f"has SHA-256 {digest}, expected {beside.sha256}" if digest else "cannot be read"
            raise ReadError(f"Checking {beside.name} beside {file}: it {state}.", FILE_BESIDE_CHANGED)
    return report


def given(report: StudyReport, *, pack: str | None = None, scans: Path | None = None) -> Given:
    """Return what a report needs to be made again.

    Parameters
    ----------
    pack : str, optional
        Where its pack is, if it is not installed.
    scans : Path, optional
        A folder in which sources are looked for by name and contents, where they are not at their place any more.

    Raises
    ------
    PackError
        ``P400``: no pack with the report's hash is here, or the report names none.
    ReadError
        ``R348``: a source is gone; ``R349``: another file is in its place.
    """
    places = _places(report, scans)
    return Given(report=report, pack=_pack(report, pack), places=places, beside=_beside(report, places))


def sources_in(results: Iterable[ResultReport]) -> dict[str, str]:
    """Return the SHA-256 of every file that was examined, by its path in the report."""
    scans = (scan for result in results for scan in (result.scan, *result.others.values()))
    return {source.path: source.sha256 for scan in scans for source in scan.sources}


def left_out_of(report: StudyReport) -> tuple[str, ...]:
    """Return the paths that were left out and are no source, too."""
    sources = sources_in(report.results)
    return tuple(path for out in report.left_out for path in out.paths if path not in sources)


def _document(file: Path) -> dict[str, object]:
    try:
        if file.stat().st_size > LARGEST_REPORT:
            raise ReadError(f"Reading {file}: it is larger than any report.", REPORT_UNREADABLE)
        document = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(f"Reading {file}: found no JSON document.", REPORT_UNREADABLE) from error
    if not isinstance(document, dict):
        raise ReadError(f"Reading {file}: found no JSON object.", REPORT_UNREADABLE)
    return document


def _pack(report: StudyReport, named: str | None) -> Pack:
    told = next((result.pack for result in report.results if result.pack is not None), None)
    if told is None:
        raise PackError(f"Replaying the study {report.study}: its report names no pack: nothing was run.", NO_PACK)
    here = (find_pack(named),) if named is not None else usable_packs()
    pack = next((pack for pack in here if pack.sha256 == told.sha256), None)
    if pack is None:
        found = ", ".join(f"{pack.manifest.name} {pack.manifest.version} ({pack.sha256[:12]})" for pack in here)
        raise PackError(f"Looking for {_named(told)}: found {found or 'none'}.", NO_PACK)
    return pack


def _named(pack: PackReport) -> str:
    return f"the pack {pack.name} {pack.version} with the hash {pack.sha256[:12]}"


def _places(report: StudyReport, scans: Path | None) -> dict[str, Path]:
    wanted = sources_in(report.results)
    places, missing = {}, {}
    for path, digest in wanted.items():
        found = sha256_of(Path(path))
        if found == digest:
            places[path] = Path(path)
        else:
            missing[path] = found
    if scans is not None and missing:
        places |= _elsewhere({path: wanted[path] for path in missing}, scans)
    for path, found in missing.items():
        if path not in places:
            raise _lost(path, found, wanted[path])
    return places


def _lost(path: str, found: str, expected: str) -> ReadError:
    if found:
        return ReadError(f"Checking {path}: found SHA-256 {found}, expected {expected}.", SOURCE_CHANGED)
    return ReadError(f"Looking for {path} with SHA-256 {expected}: it cannot be read.", SOURCE_GONE)


def _elsewhere(wanted: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Sources in a folder of any depth, known by their names and contents."""
    by_name: dict[str, list[Path]] = {}
    for file in _files(folder):
        by_name.setdefault(file.name, []).append(file)
    found = {}
    for path, digest in wanted.items():
        same = (file for file in by_name.get(Path(path).name, ()) if sha256_of(file) == digest)
        if (place := next(same, None)) is not None:
            found[path] = place.absolute()
    return found


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _beside(report: StudyReport, places: Mapping[str, Path]) -> dict[str, Path]:
    """What was left out, at its place, or moved together with the sources that it lay beside."""
    moved = {Path(path).parent: place.parent for path, place in places.items()}
    paths = [Path(path) for path in left_out_of(report)]
    candidates = {path: (path, moved.get(path.parent, path.parent) / path.name) for path in paths}
    return {str(path): file for path, files in candidates.items() for file in files if file.is_file()}

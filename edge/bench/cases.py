"""What a bench examines: the scans that were given, else the pack's golden cases, else phantoms."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.bench.answered import error_of
from edge.bench.copies import Copy, copy_all
from edge.bench.phantoms import phantom_files, vouched
from edge.errors import ReadError
from edge.hashes import hashed
from edge.pack.store import Pack
from edge.read import ScanReader
from edge.read.process import PREFETCH
from edge.reasons import NOT_READABLE
from edge.results import studies_in
from edge.scan import StudyIndex

Origin = Literal["given", "golden", "phantom"]
Format = Literal["dicom", "other"]

PHANTOMS = 2
MOST_COPIED_BYTES = 1 << 30
"""That all copies of a scenario may take on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The files of one study, which is one question.

    Parameters
    ----------
    name : str
        For the report: no file name, which could hold a patient's.
    files : tuple of Path
    format : {"dicom", "other"}
    roles : mapping
        Which file is which input, by absolute path; see `edge.roles`.
    """

    name: str
    files: tuple[Path, ...]
    format: Format
    roles: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of the files together."""
        with _readable():
            return sum(path.stat().st_size for path in self.files)

    @property
    def sha256(self) -> str:
        """Of the one file; of several, of their hashes in order."""
        with _readable():
            found = [hashed(path) for path in self.files]
        return found[0] if len(found) == 1 else hashlib.sha256("".join(sorted(found)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Everything that is examined, where it comes from, and what is taken from somebody's word."""

    origin: Origin
    cases: tuple[Case, ...]
    confirmed: Mapping[str, str]

    @property
    def by_name(self) -> bool:
        """Whether each case is several scans whose inputs are named: then it is a question of its own."""
        return any(case.roles for case in self.cases)


def given(paths: Sequence[Path], roles: Mapping[str, str], confirmed: Mapping[str, str]) -> Cases:
    """Return a case for each study at `paths`; the scans that have roles are one.

    Raises
    ------
    ReadError, RefusedError
        ``R3xx``: something there cannot be read or not be trusted, so it would not be known what is measured.
    """
    with ScanReader(prefetch=PREFETCH) as reader:
        studies = studies_in(reader.index(paths).result())
    for out in (out for study in studies for out in study.left_out if out.reason.grave):
        raise error_of(out.reason, out.detail)
    groups = [studies] if roles else [(study,) for study in studies]
    cases = tuple(_of_studies(group, f"scan {number}", roles) for number, group in enumerate(groups, start=1))
    return Cases(origin="given", cases=cases, confirmed=confirmed)


def of_pack(pack: Pack, folder: Path, confirmed: Mapping[str, str]) -> Cases:
    """Return the golden cases of a pack, or phantoms where it has none, as files below `folder`.

    What their files do not tell, the pack vouches for.

    Raises
    ------
    PackError
        ``P403``, ``P404``.
    UsageError
        There can be no phantom for this pack.
    """
    manifest = pack.manifest
    told = {**vouched(manifest), **confirmed}
    cases = []
    for case in manifest.golden:
        files = {role: folder / case.name / role / Path(name).name for role, name in case.scans.items()}
        for role, path in files.items():
            path.parent.mkdir(parents=True)
            path.write_bytes(pack.read(case.scans[role], case.sha256[role]))
        cases.append(_of_files(files, case.name))
    if cases:
        return Cases(origin="golden", cases=tuple(cases), confirmed=told)
    for number in range(PHANTOMS):
        (folder / f"phantom-{number}").mkdir()
        files = phantom_files(manifest, folder / f"phantom-{number}", seed=100 * number)
        cases.append(_of_files(files, f"phantom {number + 1}"))
    return Cases(origin="phantom", cases=tuple(cases), confirmed=told)


def copied(cases: Cases, wanted: int, folder: Path) -> tuple[Case, ...]:
    """Return copies of the cases, in turn, that no program takes for one another: as many as are wanted and have room.

    One of each case is made anyway.

    Raises
    ------
    ReadError
        A file cannot be copied.
    """
    made, copies, size = list[Case](), list[Copy](), 0
    for number in range(max(wanted, len(cases.cases))):
        case = cases.cases[number % len(cases.cases)]
        size += case.bytes
        if number >= len(cases.cases) and size > MOST_COPIED_BYTES:
            break
        one = _targets(case, folder / f"{number:05d}")
        copies += [
            Copy(format=case.format, source=str(source), target=str(target), number=number)
            for source, target in one.items()
        ]
        roles = {str(one[Path(path)]): role for path, role in case.roles.items() if Path(path) in one}
        made.append(Case(name=case.name, files=tuple(one.values()), format=case.format, roles=roles))
    copy_all(copies)
    return tuple(made)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Say with a code that a file which was there is gone, such as with the stick that it lies on."""
    try:
        yield
    except OSError as error:
        raise ReadError(
            f"Measuring: a scan cannot be read any more: {error.strerror or error}.", NOT_READABLE
        ) from error


def _targets(case: Case, folder: Path) -> dict[Path, Path]:
    """A place for the copy of each file, under its own name: some formats are known by it, or come in pairs."""
    places: dict[Path, Path] = {}
    for index, parent in enumerate(dict.fromkeys(path.parent for path in case.files)):
        (folder / str(index)).mkdir(parents=True)
        places |= {path: folder / str(index) / path.name for path in case.files if path.parent == parent}
    return places


def _of_studies(studies: Sequence[StudyIndex], name: str, roles: Mapping[str, str]) -> Case:
    series = [item for study in studies for item in study.series]
    files = tuple(Path(path) for item in series for path in item.paths)
    format_: Format = "dicom" if any(item.format == "dicom" for item in series) else "other"
    return Case(name=name, files=files, format=format_, roles=roles)


def _of_files(files: Mapping[str, Path], name: str) -> Case:
    """One file for each input; its format is told by its first bytes (PS3.10 7.1)."""
    paths = tuple(path.absolute() for path in files.values())
    roles = {str(path.absolute()): role for role, path in files.items()} if len(files) > 1 else {}
    dicom = all(_is_dicom(path) for path in paths)
    return Case(name=name, files=paths, format="dicom" if dicom else "other", roles=roles)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"

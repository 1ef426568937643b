"""The thresholds of a site on its disk, as frozen types. Version 1. One JSON for each name of a pack, whole or absent.

The file never lies in the pack: a pack's hash stays what its maker signed. Each set in it is bound to the hash of the
pack, to the precision and to the engine, and the file carries a seal over all of it, so that what was changed by hand
or cut short is not taken for what was decided. Who else may write to it, the system's permissions tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from edge.engines.cache import read_own
from edge.errors import PackError
from edge.pack.manifest import Calibration
from edge.pack.words import Name, Precision, Sha256, Share, Text
from edge.reasons import SITE_THRESHOLD_DAMAGED
from edge.site.named import SiteLabelReport, SiteReport
from edge.site.place import site_path
from edge.typed import Between, dump, parse
from edge.write.files import mapped, write_whole

Count = Annotated[int, Between(0, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share95:
    """A share with its 95% interval."""

    value: Share
    low: Share
    high: Share
    hits: Count
    n: Annotated[int, Between(1, 10**9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLabel:
    """What was decided for one label.

    Parameters
    ----------
    threshold : float
    rule : str
        How it was chosen, in words.
    target : float
        The sensitivity that was asked for.
    sensitivity, specificity : Share95
        At this threshold, on the patients of the table.
    calibration : Calibration, optional
        None where only a threshold was asked for.
    """

    threshold: Share
    rule: Text
    target: Share
    sensitivity: Share95
    specificity: Share95
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSet:
    """What was decided for one precision of one pack on one engine.

    Parameters
    ----------
    engine_version, software : str
        That examined the scans; told, not asked for again: what may change with a version, golden cases show.
    decided_utc : str
        ISO 8601.
    decided_by : str, optional
        In the words of whoever decided.
    table_sha256 : str
        Of the table with the truth.
    rows, refused, failed : int
        Of the table: all, those that were refused, those that could not be read or examined.
    labels : mapping
        By name.
    """

    pack_sha256: Sha256
    precision: Precision
    engine: Name
    engine_version: Text
    software: Text
    decided_utc: Text
    decided_by: Text | None = None
    table_sha256: Sha256
    rows: Count
    refused: Count
    failed: Count
    labels: Mapping[str, SiteLabel]

    @property
    def bound_to(self) -> tuple[str, str, str]:
        """What it holds for: hash of the pack, precision and engine."""
        return self.pack_sha256, self.precision, self.engine


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFile:
    """Everything that was decided for packs of one name."""

    format: Literal["edgerun-site"] = "edgerun-site"
    format_version: Literal[1] = 1
    pack: Name
    sets: Annotated[tuple[SiteSet, ...], Between(1, 64)]
    content_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file that was read and found whole."""

    file: SiteFile
    sha256: str

    def report(self, chosen: SiteSet) -> SiteReport:
        """Return what a result says of one of the sets."""
        labels = {
            name: SiteLabelReport(
                threshold=label.threshold,
                rule=label.rule,
                positives=label.sensitivity.n,
                negatives=label.specificity.n,
            )
            for name, label in chosen.labels.items()
        }
        return SiteReport(
            file_sha256=self.sha256, table_sha256=chosen.table_sha256, decided_utc=chosen.decided_utc, labels=labels
        )


def read_kept(pack: str) -> Kept:
    """Return what was decided at this site for packs of this name.

    Raises
    ------
    PackError
        ``P414``: the file is not what `write_kept` wrote, or others may have written it.
    """
    path = site_path(pack)
    try:
        data = read_own(path)
        document = json.loads(data)
        file = parse(SiteFile, document)
    except OSError as error:  # in words, where it is not this user's own file
        raise PackError(f"Reading {path}: {error.strerror or error}.", SITE_THRESHOLD_DAMAGED) from error
    except (ValueError, RecursionError) as error:  # JSON, UTF-8 and TypedError are ValueErrors
        raise PackError(f"Reading {path}: {error}.", SITE_THRESHOLD_DAMAGED) from error
    if file.pack != pack or file.content_sha256 != _seal(document):
        raise PackError(f"Reading {path}: found other contents than were sealed for {pack}.", SITE_THRESHOLD_DAMAGED)
    return Kept(file=file, sha256=hashlib.sha256(data).hexdigest())


def keep(pack: str, decided: SiteSet) -> Kept:
    """Write a set, in the place of an earlier one that was bound to the same, and return the file.

    Raises
    ------
    edge.errors.OutputError
        ``W800`` or ``W801``; the earlier file is still there.
    PackError
        ``P414``: the earlier file is damaged, and nobody knows what else stood in it.
    """
    path = site_path(pack)
    earlier = read_kept(pack).file.sets if path.exists() else ()
    others = tuple(each for each in earlier if each.bound_to != decided.bound_to)
    file = SiteFile(pack=pack, sets=(*others, decided))
    sealed = replace(file, content_sha256=_seal(dump(file)))
    with mapped(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, json.dumps(dump(sealed), indent=1, ensure_ascii=False).encode() + b"\n")
    return read_kept(pack)


def remove_kept(pack: str) -> bool:
    """Remove everything that was decided for packs of this name; return whether there was anything.

    Raises
    ------
    edge.errors.OutputError
        ``W801``.
    """
    path = site_path(pack)
    with mapped(path), contextlib.suppress(FileNotFoundError):
        path.unlink()
        return True
    return False


def _seal(document: Mapping[str, object]) -> str:
    content = {key: value for key, value in document.items() if key != "content_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

"""Where thresholds of this site are: a run at a site that has set none loads no more than this to know it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edge.pack.store import Pack, store_folder

if TYPE_CHECKING:
    from edge.ready.rule import Plan
    from edge.site.kept import Kept
    from edge.site.named import SiteReport

FOLDER = "sites"


def site_path(pack: str) -> Path:
    """Return where the thresholds for the pack of this name are: beside this user's packs, never in one."""
    return store_folder().parent / FOLDER / f"{pack}.json"


def site_sha256(pack: Pack) -> str:
    """Return the SHA-256 of that file; nothing where there is none, as for most packs."""
    try:
        return hashlib.sha256(site_path(pack.manifest.name).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError:
        return "unreadable"


def kept_for(pack: Pack) -> Kept | None:
    """Return what was set at this site for a pack, whether it holds for what runs now or not.

    Raises
    ------
    edge.errors.PackError
        ``P414``.
    """
    if not os.path.lexists(site_path(pack.manifest.name)):
        return None
    from edge.site.kept import read_kept  # noqa: PLC0415 - see above

    return read_kept(pack.manifest.name)


def with_site(kept: Kept | None, pack: Pack, plan: Plan) -> tuple[Plan, SiteReport | None]:
    """Return `edge.site.applied.applied`, where anything was set at this site; else the plan as it is."""
    if kept is None:
        return plan, None
    from edge.site.applied import applied  # noqa: PLC0415 - see above

    return applied(kept, pack, plan)

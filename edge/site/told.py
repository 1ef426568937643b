"""What `edgerun calibrate` says: the proposal beside what is in force, and what was decided before."""

from __future__ import annotations

from edge.site.kept import Kept, Share95, SiteLabel, SiteSet
from edge.site.propose import Before, Proposal

COLUMN = 38
PREVALENCE = (
    "Probabilities hold only where as many of the scanned are sick as in the table: of a table that was put together "
    "by hand, use --threshold-only."
)


def proposal_lines(found: Proposal) -> list[str]:
    """Return what would change, label by label."""
    decided = found.decided
    answered = decided.rows - decided.refused - decided.failed
    counts = (
        f"{answered} of {decided.rows} scans have an answer, {decided.refused} were refused, {decided.failed} failed"
    )
    lines = [f"{found.pack}, {decided.precision} on {decided.engine}: {counts}."]
    for name, label in decided.labels.items():
        lines += ["", *_label_lines(found.titles[name], found.before[name], label)]
    return lines


def _label_lines(title: str, before: Before, label: SiteLabel) -> list[str]:
    now = "now (this site's)" if before.of_site else "now (the pack's)"
    rows = [
        (title, now, "proposed for this site"),
        ("threshold", f"{before.threshold:.4g}", f"{label.threshold:.4g}"),
        ("sensitivity", _share(before.sensitivity), _share(label.sensitivity)),
        ("specificity", _share(before.specificity), _share(label.specificity)),
    ]
    lines = [f"{head:14}{left:{COLUMN}}{right}".rstrip() for head, left, right in rows]
    lines.append(f"Rule: {label.rule}.")
    if label.calibration is not None:
        told = label.calibration
        share = f"{told.positives} of {told.n} scans of the table have it ({told.positives / told.n:.0%})"
        lines.append(f"Calibration: slope {told.slope:.3f}, intercept {told.intercept:.3f}; {share}. {PREVALENCE}")
    return lines


def _share(share: Share95) -> str:
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f}), {share.hits} of {share.n}"


def kept_lines(kept: Kept, pack_sha256: str) -> list[str]:
    """Return everything that was decided.

    Parameters
    ----------
    pack_sha256 : str
        Of the pack that is installed now.
    """
    lines = [f"{kept.file.pack}: {len(kept.file.sets)} set(s), file SHA-256 {kept.sha256}"]
    for each in kept.file.sets:
        lines += ["", *_set_lines(each, pack_sha256)]
    return lines


def _set_lines(decided: SiteSet, pack_sha256: str) -> list[str]:
    stale = "" if decided.pack_sha256 == pack_sha256 else " (ANOTHER PACK than is installed now: not used)"
    by = f" by {decided.decided_by}" if decided.decided_by else ""
    scans = f"{decided.rows} scans ({decided.refused} refused, {decided.failed} failed)"
    lines = [
        f"{decided.precision} on {decided.engine}, pack {decided.pack_sha256[:8]}{stale}",
        f"decided {decided.decided_utc}{by}, from {scans}, table {decided.table_sha256[:8]}",
    ]
    for name, label in decided.labels.items():
        lines.append(f"{name}: threshold {label.threshold:.4g}, {label.rule}")
        lines.append(f"  sensitivity {_share(label.sensitivity)}; specificity {_share(label.specificity)}")
    return lines

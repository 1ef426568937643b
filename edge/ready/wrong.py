"""Which engines the last preparation of a pack found to give wrong answers here."""

from __future__ import annotations

from edge.ready.place import kept_record
from edge.reasons import GOLDEN_FAILED

NONE: frozenset[tuple[str, str]] = frozenset()


def wrong_here(pack_sha256: str) -> frozenset[tuple[str, str]]:
    """Return engine and precision of all that did not give the pack's known answers when it was prepared here.

    Also where the machine has changed since: nobody has found them right again.
    """
    record = kept_record(pack_sha256)
    if record is None or isinstance(record, str):
        return NONE
    return frozenset(
        (each.engine, each.precision) for each in record.tried if each.problem.startswith(GOLDEN_FAILED.code)
    )

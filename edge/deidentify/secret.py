"""The secret, and what follows from it and from what was there: new UIDs, a patient's new name, a shift of dates.

HMAC-SHA-256 (RFC 2104): without the secret nobody can tell from the new values what the old ones were, not even by
trying all of them, as with a plain hash of a patient's number; with the same secret the same patient is the same again.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError
from edge.write.files import mapped

BYTES = 32
LEAST_DAYS, MOST_DAYS = 366, 3653
"""Dates go back by one to ten years: never to the day before, and never into a time that is to come."""

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Secret:
    """Thirty-two bytes that nobody else has."""

    value: bytes

    def __repr__(self) -> str:
        return "Secret(...)"

    def digest(self, purpose: str, text: str) -> bytes:
        """Return 32 bytes that stand for `text`, other ones for each purpose."""
        message = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.value, message, "sha256")

    def uid(self, old: str) -> str:
        """Return the UID that takes the place of `old`: ``2.25.`` and a UUID as a number, PS3.5 B.2."""
        return f"2.25.{uuid.UUID(bytes=self.digest('uid', old)[:16], version=5).int}"

    def patient(self, identity: str) -> str:
        """Return the name and number that a patient has from now on; 64 bits, so that no two share one by chance."""
        return f"ANON-{self.digest('patient', identity)[:8].hex().upper()}"

    def days(self, identity: str) -> int:
        """Return the whole days by which all dates of a patient go back."""
        number = int.from_bytes(self.digest("days", identity)[:8], "big")
        return LEAST_DAYS + number % (MOST_DAYS - LEAST_DAYS + 1)

    def label(self, text: str) -> str:
        """Return twelve characters that stand for a label to which other attributes refer."""
        return self.digest("label", text)[:6].hex().upper()

    def mark(self) -> str:
        """Return what tells this secret from another, and nothing of it."""
        return self.digest("mark", "")[:8].hex()


def fresh() -> Secret:
    """Return a secret that nobody has had before and that is kept nowhere."""
    return Secret(secrets.token_bytes(BYTES))


def kept_in(path: Path) -> Secret:
    """Return the secret in a file, which is made, for its owner alone, where there is none.

    Raises
    ------
    UsageError
        The file holds something else.
    edge.errors.OutputError
        ``W800``: it cannot be written or read.
    """
    with mapped(path):
        if not path.exists():
            _make(path)
        return _read(path)


def _make(path: Path) -> None:
    """Write a fresh secret: whole or not at all, and never over one that another run has made meanwhile."""
    handle, name = tempfile.mkstemp(dir=path.parent)  # for its owner alone, says tempfile
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{fresh().value.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
        except OSError:  # FAT, the usual stick, knows no links
            if not path.exists():
                Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _read(path: Path) -> Secret:
    with contextlib.suppress(PermissionError):  # FAT, the usual stick, knows no owners
        path.chmod(0o600)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not _HEX.fullmatch(text):
        raise UsageError(f"Reading the key {path}: found no key of edgerun's, expected {BYTES * 2} hexadecimal digits.")
    return Secret(bytes.fromhex(text))

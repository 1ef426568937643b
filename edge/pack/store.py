"""Packs on this device: opening one, and finding those that are installed."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import PackError
from edge.pack.archive import LARGEST_FILE, LARGEST_MANIFEST, ReadFile, open_archive
from edge.pack.manifest import Manifest, Model, parse_manifest
from edge.pack.onnx_file import OnnxFacts, inspect_onnx
from edge.reasons import HASH_MISMATCH, MISSING_FILE, NO_PACK, NO_PRECISION

MANIFEST = "manifest.json"
EMBEDDED = Path(__file__).parent.parent / "packs"
AUTO = "auto"
PASSED = ("reference", "passed")
UNTOLD = ("inconclusive",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """An opened pack; the manifest is checked, other files are read and checked when they are asked for.

    Parameters
    ----------
    path : str
        Where it lies.
    manifest : Manifest
    sha256 : str
        Of ``manifest.json``, which pins every other file: it stands for the whole pack.
    """

    path: str
    manifest: Manifest
    sha256: str
    _read: ReadFile

    def read(self, name: str, sha256: str) -> bytes:
        """Return the bytes of a file, which are exactly the bytes that were hashed.

        Raises
        ------
        PackError
            ``P403`` the file is missing or a link; ``P404`` it is another file.
        """
        data = self._read(name, LARGEST_FILE)
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise PackError(
                f"Reading {name} of the pack {self.manifest.name}: found SHA-256 {found}, expected {sha256}.",
                HASH_MISMATCH,
            )
        return data

    def read_model(self, model: Model) -> tuple[bytes, OnnxFacts]:
        """Return a model's bytes and what they declare, both checked.

        Raises
        ------
        PackError
            As `read`, and ``P405`` for a model that asks for more than a pack may hold.
        """
        data = self.read(model.file, model.sha256)
        return data, inspect_onnx(data, model.file)

    def read_card(self) -> str:
        """Return the model card, Markdown.

        Raises
        ------
        PackError
            As `read`; ``P403`` where the pack has none.
        """
        card = self.manifest.card
        if card is None:
            raise PackError(f"Reading the model card of the pack {self.manifest.name}: it has none.", MISSING_FILE)
        return self.read(card.file, card.sha256).decode("utf-8", "replace")

    def choose_model(self, precision: str, engines: Sequence[str]) -> tuple[Model, str]:
        """Return the model to run and the engine to run it.

        Parameters
        ----------
        precision : str
            ``auto``, or one of the manifest's precisions. Auto takes the first model that its maker's gate let pass;
            by name a model may be had of which the gate could not tell, but none that it rejected.
        engines : sequence of str
            Those that may be used, the preferred one first.

        Raises
        ------
        PackError
            ``P406``, with what the pack has.
        """
        for verdicts in (PASSED,) if precision == AUTO else (PASSED, UNTOLD):
            for model in self.manifest.models:
                usable = [name for name in engines if name in model.engines]
                if model.verdict in verdicts and usable and precision in (AUTO, model.precision):
                    return model, usable[0]
        has = "; ".join(f"{m.precision} ({m.verdict}) for {', '.join(m.engines)}" for m in self.manifest.models)
        raise PackError(
            f"Choosing a model of the pack {self.manifest.name}: "
            f"found {has}; asked for {precision} on {' or '.join(engines)}.",
            NO_PRECISION,
        )


def open_pack(path: Path) -> Pack:
    """Open the pack at `path`, a folder or an ``.edgepack`` file, and check its manifest.

    Raises
    ------
    PackError
        ``P400`` nothing there, ``P401`` or ``P402`` the manifest, ``P403`` no manifest.
    """
    read = open_archive(path)
    data = read(MANIFEST, LARGEST_MANIFEST)
    manifest = parse_manifest(data, f"{path}/{MANIFEST}")
    return Pack(path=str(path), manifest=manifest, sha256=hashlib.sha256(data).hexdigest(), _read=read)


def store_folder() -> Path:
    """Return where this user's packs are installed: ``EDGERUN_PACKS``, else the system's place for data."""
    if chosen := os.environ.get("EDGERUN_PACKS"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "edgerun" / "packs"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "edgerun" / "packs"


def installed_paths() -> tuple[Path, ...]:
    """Return where the installed packs lie: those that come with edgerun, then this user's."""
    found = [
        entry
        for folder in (EMBEDDED, store_folder())
        if folder.is_dir()
        for entry in sorted(folder.iterdir())
        if entry.suffix == ".edgepack" or (entry / MANIFEST).is_file()
    ]
    return tuple(found)


def installed_packs() -> tuple[Pack | PackError, ...]:
    """Return every installed pack, opened, or why it cannot be."""
    return tuple(_opened_or_why_not(path) for path in installed_paths())


def usable_packs() -> tuple[Pack, ...]:
    """Return the installed packs that can be opened, each once however often it is installed."""
    found = {pack.sha256: pack for pack in reversed(installed_packs()) if isinstance(pack, Pack)}
    return tuple(reversed(found.values()))


def _opened_or_why_not(path: Path) -> Pack | PackError:
    try:
        return open_pack(path)
    except PackError as error:
        return error


def find_pack(name: str) -> Pack:
    """Return the installed pack called `name`; with a separator or a suffix, `name` is a path.

    Raises
    ------
    PackError
        ``P400`` with the names that there are, or as `open_pack`.
    """
    if not name:
        raise PackError("Looking for a pack: its name is empty.", NO_PACK)
    path = Path(name)
    if len(path.parts) > 1 or path.suffix or name in (".", ".."):
        return open_pack(path)
    installed = installed_paths()
    for place in installed:
        if place.stem == name:
            return open_pack(place)
    for pack in usable_packs():
        if pack.manifest.name == name:
            return pack
    try:
        return open_pack(path)
    except PackError as error:
        if error.reason is not NO_PACK:
            raise
        names = ", ".join(place.stem for place in installed) or "none"
        raise PackError(f"Looking for the pack {name!r}: found {names}.", NO_PACK) from error

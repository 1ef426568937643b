"""From a model file and its description to a pack: a folder that `edgerun infer` can use."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge.errors import UsageError
from edge.pack.manifest import Manifest, parse_manifest
from edge.pack.store import MANIFEST, open_pack
from edge.typed import dump
from edge.write.files import UNFINISHED, mapped


def sha256_of(data: bytes) -> str:
    """Return the hash by which a manifest names a file."""
    return hashlib.sha256(data).hexdigest()


def write_pack(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write a pack, whole or not at all: it is put together beside `folder`, checked, and takes its place.

    Parameters
    ----------
    files : mapping
        By name in the pack: the bytes of every file that the manifest names.

    Raises
    ------
    edge.errors.PackError
        The manifest contradicts itself, or a model is not what a pack may hold.
    edge.errors.UsageError
        What is at `folder` is no pack, and is not replaced.
    edge.errors.OutputError
        The disk is full or may not be written to.
    """
    text = json.dumps(dump(manifest), indent=1, ensure_ascii=False).encode() + b"\n"
    parse_manifest(text, MANIFEST)
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise UsageError(f"Writing the pack {folder}: a folder of that name is there and is no pack. Choose another.")
    with mapped(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED) as scratch:
            new = Path(scratch) / folder.name
            for name, data in {MANIFEST: text, **files}.items():
                file = new / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            pack = open_pack(new)
            for model in manifest.models:
                pack.read_model(model)
            if folder.exists():
                folder.replace(Path(scratch) / "old")
            new.replace(folder)

"""What a conversion has done already, so that one that was interrupted goes on where it was."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import edge
from edge.device import machine_name, versions
from edge.write.files import make_folder, mapped, write_whole

Key = Mapping[str, object]
TOOLS = ("torch", "onnx", "onnxscript", "scipy", "scikit-learn")
"""Distributions that a conversion can depend on beside those of the runtime."""


ASIDE = (
    "convert/card/", "convert/cli/", "convert/draft/", "convert/report/", "convert/lock.py", "convert/outputs.py",
    "convert/stated.py", "convert/verdicts.py", "edge/cli/", "edge/packs/", "edge/write/",
)  # fmt: skip
"""What begins so only shows what was made, or has no part in it."""


def tool_versions() -> dict[str, str]:
    """Return the versions of all that takes part in a conversion."""
    return {**versions(), **{name: _version(name) for name in TOOLS}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def own_code() -> str:
    """Return the hash of edgerun's own code that can change a result, which its version alone does not tell."""
    return code_hash({"convert": Path(__file__).parent, "edge": Path(edge.__file__).parent})


def code_hash(folders: Mapping[str, Path]) -> str:
    """Return the hash of the Python files below some packages, but for those in `ASIDE`.

    Parameters
    ----------
    folders : mapping
        By name of package: where it lies.
    """
    digest = hashlib.sha256()
    for name, folder in folders.items():
        found = {f"{name}/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*.py")}
        for place, path in sorted(found.items()):
            if not place.startswith(ASIDE):
                data = path.read_bytes()
                digest.update(f"{place}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


class Work:
    """Results of steps in a folder, each under the hash of everything that it was made from.

    Parameters
    ----------
    folder : Path, optional
        Created when the first result is kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._fixed = {"versions": tool_versions(), "machine": machine_name(), "code": own_code()}
        self.found: list[str] = []

    def kept(self, step: str, key: Key, make: Callable[[], bytes]) -> bytes:
        """Return the result of `step`: what an earlier run kept of the very same `key`, or what `make` returns.

        Parameters
        ----------
        step : str
            A word for file names.
        key : mapping
            Of JSON types: whatever the result depends on but versions, edgerun's own code and the machine, which are
            added. Files by hash.
        """
        if self._folder is None:
            return make()
        text = json.dumps({"step": step, **self._fixed, **key}, sort_keys=True).encode()
        file = self._folder / f"{step}-{hashlib.sha256(text).hexdigest()[:24]}"
        if file.is_file():
            self.found.append(step)
            return file.read_bytes()
        made = make()
        make_folder(self._folder)
        write_whole(file, made)
        return made

    def drop(self) -> None:
        """Remove the folder: the conversion is done."""
        if self._folder is not None and self._folder.is_dir():
            with mapped(self._folder):
                shutil.rmtree(self._folder)

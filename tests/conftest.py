"""Fixtures that any test may use."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.testing import write_tiny_pack

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The documents on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Edgerun = Callable[..., Ran]


@pytest.fixture
def examples() -> Path:
    """The folder of real chest radiographs."""
    return ROOT / "examples"


@pytest.fixture(autouse=True)
def no_packs_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see the embedded packs, those that they install, and what they prepare themselves."""
    monkeypatch.setenv("EDGERUN_PACKS", str(tmp_path / "installed-packs"))
    monkeypatch.setenv("EDGERUN_CACHE", str(tmp_path / "prepared-models"))


@pytest.fixture
def edgerun(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Edgerun:
    """Run the command in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["edgerun", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return Ran(code=int(left.value.code or 0), out=captured.out, err=captured.err)

    return run


@pytest.fixture
def tiny_pack(tmp_path: Path) -> Path:
    """A pack that takes any grey picture and says whether it is bright."""
    return write_tiny_pack(tmp_path / "tiny")


def without_run(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without the one part that another run changes."""
    return {key: value for key, value in report.items() if key != "run"}

"""What is shipped: the runtime with its packs and schemas, the workshop, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = Path(folder).glob("edgerun-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_packs_schemas_weights_and_type_marker_are_shipped(shipped: set[str]) -> None:
    pack = ROOT / "edge" / "packs"
    files = {path.relative_to(ROOT).as_posix() for path in pack.rglob("*") if path.is_file()}
    files |= {"edge/py.typed", "edge/pack/manifest.schema.json", "edge/write/report.schema.json"}
    files |= {str(path.relative_to(ROOT)) for kind in ("words/*.mo", "fonts/*") for path in (ROOT / "edge").glob(kind)}
    files |= {"convert/recipes/weights/chest_pneumonia.safetensors"}
    workshop = (ROOT / "convert").rglob("*")
    files |= {path.relative_to(ROOT).as_posix() for path in workshop if path.suffix in (".toml", ".jinja")}
    assert files <= shipped


def test_tests_and_benchmarks_stay_at_home(shipped: set[str]) -> None:
    assert {name.partition("/")[0] for name in shipped if ".dist-info" not in name} == {"edge", "convert"}


def test_both_commands_are_installed(shipped: set[str]) -> None:
    assert any(name.endswith("entry_points.txt") for name in shipped)

"""The embedded pack comes out of its recipe again, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

for package in ("torch", "onnxscript", "safetensors", "openvino"):
    pytest.importorskip(package)

from convert.recipes.chest_pneumonia_pack import build_pack  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.convert.scans import Heard  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "pneumoniamnist" / "pneumoniamnist.npz"
PACK = ROOT / "edge" / "packs" / "chest-pneumonia"
MEASURED = ("manifest.json", "model-card.md")


def files(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob(pattern) if path.is_file()}


@pytest.mark.skipif(not DATA.is_file(), reason="the data set is not on this machine")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_recipe_gives_the_committed_pack_and_examples(tmp_path: Path) -> None:
    """Scores may differ in their last digits from one processor to the next, and times do; models and files may not."""
    build_pack(DATA, tmp_path / "pack", tmp_path / "examples", None, Heard())
    built, committed = files(tmp_path / "pack", "*"), files(PACK, "*")
    assert set(built) == set(committed)
    assert [name for name in built if name not in MEASURED and built[name] != committed[name]] == []
    assert files(tmp_path / "examples", "*.dcm") == files(ROOT / "examples", "*.dcm")

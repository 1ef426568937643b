"""Writing a pack: whole or not at all, and never over what is no pack."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from convert.assemble import write_pack
from edge.errors import OutputError, PackError, UsageError
from edge.pack.manifest import Manifest
from edge.pack.store import open_pack
from edge.testing import tiny_manifest, tiny_model


def manifest_for(model: bytes) -> Manifest:
    manifest = tiny_manifest()
    return replace(manifest, models=(replace(manifest.models[0], sha256=hashlib.sha256(model).hexdigest()),))


def test_what_is_written_can_be_opened(tmp_path: Path) -> None:
    model = tiny_model()
    write_pack(tmp_path / "new" / "tiny", manifest_for(model), {"model.onnx": model})
    pack = open_pack(tmp_path / "new" / "tiny")
    assert pack.read_model(pack.manifest.models[0])[0] == model
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["tiny"]


def test_an_earlier_pack_is_replaced(tmp_path: Path) -> None:
    for opset in (17, 18):
        model = tiny_model(opset=opset)
        write_pack(tmp_path / "tiny", manifest_for(model), {"model.onnx": model})
    assert (tmp_path / "tiny" / "model.onnx").read_bytes() == tiny_model(opset=18)


def test_a_folder_that_is_no_pack_is_left_as_it_is(tmp_path: Path) -> None:
    precious = tmp_path / "scans" / "precious.dcm"
    precious.parent.mkdir()
    precious.write_bytes(b"x")
    model = tiny_model()
    with pytest.raises(UsageError, match="is there and is no pack"):
        write_pack(tmp_path / "scans", manifest_for(model), {"model.onnx": model})
    assert precious.read_bytes() == b"x"


def test_a_model_that_a_pack_may_not_hold_leaves_the_earlier_pack(tmp_path: Path) -> None:
    model = tiny_model()
    write_pack(tmp_path / "tiny", manifest_for(model), {"model.onnx": model})
    with pytest.raises(PackError):
        write_pack(tmp_path / "tiny", manifest_for(b"no model"), {"model.onnx": b"no model"})
    assert (tmp_path / "tiny" / "model.onnx").read_bytes() == model
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_disk_that_cannot_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", fail)
    model = tiny_model()
    with pytest.raises(OutputError) as caught:
        write_pack(tmp_path / "tiny", manifest_for(model), {"model.onnx": model})
    assert caught.value.reason.code == "W801"

"""The detector's weights: found without the package's code, and only those that were measured."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from edge.deidentify import ocr
from edge.deidentify.ocr import is_installed, text_likelihood
from edge.errors import EngineError, ReadError
from edge.reasons import ENGINE_RUN, NO_TEXT_FINDER, TEXT_FINDER_FAILED

needs_weights = pytest.mark.skipif(not is_installed(), reason="edgerun[ocr] is not installed")


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """No detector is kept open from one test to the next."""
    monkeypatch.setattr(ocr, "_detector", ocr._detector.__wrapped__)


def found_at(monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> None:
    spec = None if folder is None else ModuleSpec("rapidocr", None, origin=str(folder / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)


@pytest.mark.usefixtures("forgotten")
def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found_at(monkeypatch, None)
    assert not is_installed()
    with pytest.raises(ReadError, match=r"edgerun\[ocr\]") as caught:
        text_likelihood(np.zeros((8, 8), np.uint8))
    assert caught.value.reason is NO_TEXT_FINDER


def test_a_package_without_weights_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found_at(monkeypatch, tmp_path)
    with pytest.raises(ReadError, match="it is not there") as caught:
        ocr._weights()
    assert caught.value.reason is NO_TEXT_FINDER


def test_weights_that_were_not_measured_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / ocr.WEIGHTS).write_bytes(b"another net")
    found_at(monkeypatch, tmp_path)
    assert not is_installed()
    with pytest.raises(ReadError, match="expected 090f04ab") as caught:
        ocr._weights()
    assert caught.value.reason is NO_TEXT_FINDER


def test_a_detector_that_fails_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        inputs = outputs = (type("Tensor", (), {"name": "x"}),)

        def infer(self, _: object) -> object:
            raise EngineError("Running it.", ENGINE_RUN)

    monkeypatch.setattr(ocr, "_detector", lambda _: Broken())
    with pytest.raises(ReadError) as caught:
        text_likelihood(np.zeros((8, 8), np.uint8))
    assert caught.value.reason is TEXT_FINDER_FAILED


@needs_weights
@pytest.mark.parametrize("shape", [(1, 1), (33, 70), (64, 95, 3)])
def test_the_likelihood_has_the_picture_s_size(shape: tuple[int, ...]) -> None:
    likelihood = text_likelihood(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    assert likelihood.shape == shape[:2]
    assert likelihood.dtype == np.float32
    assert 0 <= likelihood.min() <= likelihood.max() <= 1


@needs_weights
def test_the_detector_opens_no_socket_and_loads_none_of_the_package_s_code() -> None:
    program = textwrap.dedent("""
        import os, sys
        sys.addaudithook(lambda event, _: os._exit(99) if event.startswith("socket.") else None)
        import numpy as np
        from edge.deidentify.burned_in import find_text
        find_text(np.eye(64, dtype=np.uint8) * 255)
        print(sorted({"rapidocr", "requests", "urllib3"} & set(sys.modules)))
    """)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr

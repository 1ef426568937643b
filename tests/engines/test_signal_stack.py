"""The stack for signals is what it was, whatever a library makes of it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from edge.engines import ENGINES
from tests.conftest import ROOT

linux = pytest.mark.skipif(sys.platform != "linux", reason="the stack is looked at by Linux's own call")

ASK = """
import ctypes
from edge.engines.signal_stack import _Stack, keeping_signal_stack
library = ctypes.CDLL(None)
def stack():
    found = _Stack()
    library.sigaltstack(None, ctypes.byref(found))
    return found.sp, found.flags, found.size
before = stack()
"""


def same(program: str) -> str:
    told = f"{ASK}{textwrap.dedent(program)}\nprint(stack() == before)"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    return ran.stdout.strip()


@linux
def test_another_stack_lasts_no_longer_than_the_block() -> None:
    program = """
        room = ctypes.create_string_buffer(1 << 16)
        with keeping_signal_stack():
            library.sigaltstack(ctypes.byref(_Stack(ctypes.addressof(room), 0, 1 << 16)), None)
            assert stack() != before
    """
    assert same(program) == "True"


@linux
@pytest.mark.skipif(bool(ENGINES["openvino"].missing()), reason="openvino is not installed")
@pytest.mark.parametrize("how", ["open_engine", "open_prepared"])
def test_openvino_leaves_the_stack_for_signals_alone(how: str) -> None:
    program = f"""
        from edge.engines import open_engine, open_prepared
        from edge.testing import tiny_model
        {how}("openvino", tiny_model(), precision="fp32", threads=1).close()
    """
    assert same(program) == "True"

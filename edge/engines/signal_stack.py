"""The stack on which a thread handles signals: left as it was by a library that would put another in its place."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux (sigaltstack(2))."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextlib.contextmanager
def keeping_signal_stack() -> Iterator[None]:
    """While this lasts, the thread's alternate signal stack may be changed; afterwards it is what it was.

    OpenVINO's CPU plugin (2026.4) gives the thread that loads it one that holds no more than the kernel's own frame, so
    that Python's handler of Ctrl-C, which runs on it, can run over its end: the process then dies instead.
    """
    if sys.platform != "linux":
        yield
        return
    library, before = ctypes.CDLL(None), _Stack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)

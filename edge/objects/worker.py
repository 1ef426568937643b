"""The child that makes DICOM objects: results and arrays come in, files go out.

It reads the headers of the sources, which come from elsewhere, and so limits itself as the reading process does
(`edge.read.worker`): memory, no file written, no core dump, and an alarm that ends it even if the parent is gone.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from edge.engines.apart_worker import NO_LIMIT_BYTES, read_tensors, write_tensors
from edge.errors import CodedError
from edge.frames import FrameError, read_frame, write_frame
from edge.objects.build import Builder
from edge.objects.contract import Arrays, Failed, Made, Make, Ready, Settings, Unfit
from edge.objects.unfit import UnfitError
from edge.read.worker import set_alarm, shut_in, take_streams
from edge.reasons import OBJECT_NOT_MADE
from edge.table import Entry
from edge.typed import dump, parse


def main(settings: str) -> None:
    """Serve requests from stdin until it closes. `settings` is a `Settings` document."""
    requests, answers = take_streams()
    told = parse(Settings, json.loads(settings))
    shut_in(told.limit_bytes)
    table: Mapping[str, Entry] = Entry(told.table).load()  # type: ignore[assignment]
    builder = Builder(table)
    write_frame(answers, dump(Ready()))
    builder.prefetch()
    try:
        while (frame := read_frame(requests)) is not None:
            request = parse(Make, frame[0])
            _answer(builder, request, read_tensors(requests, request.arrays, NO_LIMIT_BYTES), told, answers)
    except (BrokenPipeError, FrameError):
        pass  # the parent is gone
    os._exit(0)  # nothing to tidy, and no library's farewell to wait for


def _answer(builder: Builder, request: Make, arrays: Arrays, told: Settings, answers: BinaryIO) -> None:
    """Do as asked and say how it went."""
    made = _attempt(builder, request, arrays, told.seconds)
    if isinstance(made, (Unfit, Failed)):
        write_frame(answers, dump(made))
        return
    write_frame(answers, dump(Made(files=len(made))))
    write_tensors(answers, {name: np.frombuffer(data, np.uint8) for name, data in made.items()})


def _attempt(builder: Builder, request: Make, arrays: Arrays, seconds: float) -> dict[str, bytes] | Unfit | Failed:
    """The one boundary: whatever a builder does short of dying becomes an answer."""
    doing = f"Making {request.view}.dcm"
    set_alarm(seconds)
    try:
        return builder.files(request, arrays)
    except UnfitError as unfit:
        return Unfit(words=str(unfit))
    except CodedError as error:
        return Failed(code=error.reason.code, message=error.message)
    except MemoryError:
        return Failed(code=OBJECT_NOT_MADE.code, message=f"{doing}: it takes more memory than it may.")
    except OSError as error:
        words = "it takes more memory than it may" if error.errno == errno.ENOMEM else "a source could not be read"
        return Failed(code=OBJECT_NOT_MADE.code, message=f"{doing}: {words}.")
    except Exception as error:  # noqa: BLE001 -- libraries raise what they like; the text may quote a source
        return Failed(code=OBJECT_NOT_MADE.code, message=f"{doing}: found something malformed ({_where(error)}).")
    finally:
        set_alarm(0)


def _where(error: BaseException) -> str:
    """The kind of an error and the line of edgerun's own code from which it came, which quote nobody."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if f"{os.sep}edge{os.sep}objects{os.sep}" in code.co_filename:
            place = f" at {os.path.basename(code.co_filename)}:{trace.tb_lineno}"  # noqa: PTH119
        trace = trace.tb_next
    return f"{type(error).__name__}{place}"

"""The child that cleans files: it parses what comes from elsewhere, and limits itself as the reading process does."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from typing import BinaryIO

from pydicom import config

from edge.deidentify.contract import Begin, Do, Failed, Ready, Request
from edge.deidentify.instance import Task, deidentify
from edge.deidentify.ocr import is_installed
from edge.deidentify.secret import Secret
from edge.deidentify.wishes import Wishes
from edge.device import installed_version
from edge.errors import CodedError
from edge.frames import FrameError, read_frame, write_frame
from edge.read.dicom.boundary import quiet
from edge.read.worker import set_alarm, shut_in, take_streams
from edge.reasons import DECODER_DIED, NOT_READABLE, TOO_LARGE
from edge.typed import dump, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the child is told when it is started: nothing that is a secret."""

    limit_bytes: int


def main(settings: str) -> None:
    """Serve requests from stdin until it closes. `settings` is a `Settings` document."""
    requests, answers = take_streams()
    told = parse(Settings, json.loads(settings))
    shut_in(told.limit_bytes)
    config.settings.writing_validation_mode = config.IGNORE
    task: Task | None = None
    try:
        while (frame := read_frame(requests)) is not None:
            request: Begin | Do = parse(Request, frame[0])  # type: ignore[arg-type]
            if isinstance(request, Begin):
                task = _begun(request, told.limit_bytes)
                write_frame(answers, dump(Ready(looks=task.wishes.looks, burned_in=task.wishes.burned_in)))
            elif task is not None:
                _answer(request, task, answers)
    except (BrokenPipeError, FrameError):
        pass  # the parent is gone
    os._exit(0)  # nothing to tidy, and no library's farewell to wait for


def _begun(request: Begin, limit_bytes: int) -> Task:
    looks = request.burned_in != "keep" and is_installed()
    usual = "likely" if looks else "refuse"
    return Task(
        secret=Secret(bytes.fromhex(request.secret)),
        wishes=Wishes(keep=request.keep, burned_in=request.burned_in or usual, looks=looks),  # type: ignore[arg-type]
        links=request.links,
        version=installed_version("edgerun") or "unknown",
        limit_bytes=limit_bytes,
    )


def _answer(request: Do, task: Task, answers: BinaryIO) -> None:
    """Do as asked and say how it went: whatever happens short of dying becomes an answer."""
    set_alarm(request.seconds)
    try:
        with quiet():
            cleaned, data = deidentify(request.path, task)
    except CodedError as error:
        failed = Failed(code=error.reason.code, message=error.message)
    except MemoryError:
        failed = Failed(code=TOO_LARGE.code, message="Cleaning it took more memory than it may.")
    except OSError as error:
        reason = TOO_LARGE if error.errno == errno.ENOMEM else NOT_READABLE
        failed = Failed(code=reason.code, message=f"The system says: {error.strerror or type(error).__name__}.")
    except Exception as error:  # noqa: BLE001 -- libraries raise what they like; the text may quote the file
        failed = Failed(code=DECODER_DIED.code, message=f"Cleaning it failed with {type(error).__name__}.")
    else:
        write_frame(answers, dump(cleaned), [data.cast("B")], data.nbytes)
        return
    finally:
        set_alarm(0)
    write_frame(answers, dump(failed))

"""The error tree: everything that edgerun raises on purpose, each branch with its exit code.

::

    EdgerunError              1   a bug in edgerun, unless one of these
    ├── UsageError            2   the command or the call is wrong
    ├── StoppedError        130   a person interrupted it
    └── CodedError                one that always carries a stable code:
        ├── ReadError         3   the input cannot be read
        ├── PackError         4   the model pack cannot be used
        ├── EngineError       5   the engine cannot run the model
        └── OutputError       8   the result cannot be written

A refusal is no error: it is a result (`edge.findings.Refusal`), and a run in which a scan was refused and none
failed ends with 7. 6 stands for some of many failed, 130 for an interruption.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from edge.reasons import Reason


class ExitCode(IntEnum):
    """What the process says to its caller."""

    DONE = 0
    BUG = 1
    USAGE = 2
    READ = 3
    PACK = 4
    ENGINE = 5
    SOME_FAILED = 6
    REFUSED = 7
    OUTPUT = 8
    INTERRUPTED = 130


class EdgerunError(Exception):
    """Something that edgerun cannot do, in one sentence.

    Parameters
    ----------
    message : str
        What was being done to what, what was found and what was expected. No patient data.
    reason : Reason, optional
        The stable code. Its plain words and its action complete the message.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, reason: Reason | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason

    def __str__(self) -> str:
        if self.reason is None:
            return self.message
        return f"{self.reason.code}: {self.reason.words} {self.message} {self.reason.action}"


class UsageError(EdgerunError):
    """The command line or the call asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class StoppedError(EdgerunError):
    """A person interrupted it; the message says what, and what stays of it."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, message: str = "interrupted. Whole results are kept; the same command does the rest.") -> None:
        super().__init__(message)


class CodedError(EdgerunError):
    """An error that always carries a stable code."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message, reason)
        self.reason: Reason = reason


class ReadError(CodedError):
    """The input is no scan that can be read. Carries an ``R3xx`` reason."""

    exit_code = ExitCode.READ


class PackError(CodedError):
    """The model pack is missing, damaged or unsafe. Carries a ``P4xx`` reason."""

    exit_code = ExitCode.PACK


class EngineError(CodedError):
    """The engine is missing or failed. Carries an ``E5xx`` reason."""

    exit_code = ExitCode.ENGINE


class OutputError(CodedError):
    """A result could not be written. Carries a ``W8xx`` reason."""

    exit_code = ExitCode.OUTPUT

"""The command itself, in a new process: what a person waits for who calls it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bench.answered import check_report, engine_of
from edge.bench.cases import Case
from edge.bench.measured import Query
from edge.bench.warm import Target
from edge.bench.watch import Watch
from edge.child import import_path
from edge.errors import EdgerunError, ExitCode
from edge.typed import parse
from edge.write import REPORT
from edge.write.report import StudyReport

_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1)); from edge.cli import command; command()"
FINE = (ExitCode.DONE, ExitCode.REFUSED)
"""An untrained pack refuses to answer; whether that is all is seen in the reports."""


class CommandError(EdgerunError):
    """`edgerun infer` ended otherwise than it should; the exit code is its own."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = ExitCode(code) if code in set(ExitCode) else ExitCode.BUG  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One call of ``edgerun infer`` for some cases or a folder of them; `out` must not be there yet."""

    target: Target
    paths: tuple[Path, ...]
    roles: Mapping[str, str]
    out: Path

    @classmethod
    def of(cls, target: Target, case: Case, out: Path) -> Command:
        """Return the call for one case."""
        paths = () if case.roles else case.files
        return cls(target=target, paths=paths, roles=case.roles, out=out)

    @property
    def arguments(self) -> list[str]:
        """What follows ``edgerun``."""
        target = self.target
        words = ["infer", "--pack", target.pack, "--out", str(self.out), "--precision", target.precision]
        words += ["--engine", target.engine] if target.engine else []
        words += [word for name, value in target.confirmed.items() for word in ("--confirm", f"{name}={value}")]
        words += [word for path, role in self.roles.items() for word in ("--scan", f"{role}={path}")]
        return [*words, *map(str, self.paths)]


def call(command: Command, watch: Callable[[int], Watch] | None = None) -> Query:
    """Run the command and return how long it took, from its start to its end; its reports are read afterwards.

    Parameters
    ----------
    watch : callable, optional
        Given the number of the process, what looks at it meanwhile, which makes it slower.

    Raises
    ------
    edge.errors.EdgerunError
        It failed, or a scan was refused.
    """
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = _start(command.arguments, said.fileno())
        try:
            with contextlib.nullcontext() if watch is None else watch(process.pid):
                code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - started
        said.seek(0)
        words = said.read().decode("utf-8", "replace")
    reports = _reports(command.out)
    scans = sum(check_report(report) for report in reports)
    if code not in FINE or not reports:
        last = next((line for line in reversed(words.splitlines()) if line.startswith("edgerun:")), "it said nothing")
        raise CommandError(f"Running `edgerun infer` in a process of its own: it ended with {code}: {last}", code)
    return Query(seconds=seconds, stages=stages_in(reports), scans=scans, engine=engine_of(reports))


def _start(arguments: Sequence[str], said: int) -> subprocess.Popen[bytes]:
    # From a checkout the first run writes the bytecode that an installed program has, unless the environment forbids.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _BOOT, json.dumps(import_path()), *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)  # noqa: S603


def _reports(out: Path) -> list[StudyReport]:
    return [parse(StudyReport, json.loads(path.read_bytes())) for path in sorted(out.glob(f"*/{REPORT}"))]


def stages_in(reports: Sequence[StudyReport]) -> dict[str, float]:
    """Return the wall seconds of each stage, of all reports together."""
    seconds: dict[str, float] = {}
    for report in reports:
        for name, taken in report.run.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + taken
    return seconds

"""What `edgerun infer` does once its command line has been read, by Typer or by `edge.cli.plain`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.pipeline import Request
    from edge.read.process import Child

OUT = Path("edgerun-results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command line of `edgerun infer`; what each means is told where Typer reads it (`edge.cli.infer`)."""

    paths: tuple[Path, ...] = ()
    scan: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    pack: str | None = None
    out: Path = OUT
    json: bool = False
    engine: str | None = None
    precision: str = "auto"
    confirm: tuple[str, ...] = ()
    allow_slower: bool = False
    write: tuple[str, ...] = ()
    profile: str | None = None
    language: str = "en"
    identified: bool = False
    explain: str | None = None
    full_resolution: bool = False


def examine(arguments: Arguments, child: Child | None) -> int:
    """Examine the scans, say how it goes, and return the exit code.

    Parameters
    ----------
    child : Child, optional
        The process that will read, where it has been started already.

    Raises
    ------
    edge.errors.EdgerunError
        As `edge.pipeline.run`; `UsageError` where the arguments make no sense.
    """
    from edge.cli.console import Console
    from edge.pipeline import run
    from edge.write.register import register_kept

    request = request_of(arguments)
    out, wanted = request.out, request.options.wanted
    with (
        Console(json=arguments.json, out=out, language=wanted.language) as console,
        register_kept(out, wanted) as keep,
    ):
        for report in run(request, console, child):
            console.show(report)
            keep(report)
    return console.tally.exit_code


def request_of(arguments: Arguments) -> Request:
    """Return what is asked for, each word of it understood.

    Raises
    ------
    UsageError
        The arguments make no sense.
    """
    from edge.cli.pairs import confirmed_in, labels_in, scans_in
    from edge.explain.told import way_of
    from edge.options import Options
    from edge.pipeline import Request
    from edge.roles import absolute
    from edge.wanted import Wanted, language_of, views_of
    from edge.write import WRITERS

    confirmed, named = confirmed_in(arguments.confirm), scans_in(arguments.scan)
    if not arguments.paths and not named:
        raise UsageError("Looking for scans: found no path; give files or folders, or --scan ROLE=PATH.")
    named += labels_in(arguments.labels, named)
    return Request(
        paths=(*arguments.paths, *(path for _, path in named)),
        out=arguments.out,
        pack=arguments.pack,
        options=Options(
            engine=arguments.engine,
            precision=arguments.precision,
            confirmed=confirmed,
            roles=absolute(named),
            wanted=Wanted(
                views=views_of(arguments.write, arguments.profile, tuple(WRITERS)),
                language=language_of(arguments.language),
                identified=arguments.identified,
            ),
            explain=way_of(arguments.explain),
            full_resolution=arguments.full_resolution,
        ),
        allow_slower=arguments.allow_slower,
    )

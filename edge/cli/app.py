"""The Typer application: which commands there are."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from edge.cli import bench, calibrate, deidentify, device, engines, evaluate, infer, pack, prepare, replay


class Group(TyperGroup):
    """Typer would end on an interrupt without a word, and where nobody reads the output as on a bug."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        from edge.errors import ExitCode, StoppedError

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise StoppedError from None
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(ExitCode.OUTPUT)


app = typer.Typer(
    name="edgerun",
    cls=Group,
    help="Run trained imaging models on scans, offline. Not a medical device; not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("infer")(infer.infer)
app.command("bench")(bench.bench)
app.command("device")(device.device)
app.command("engines")(engines.engines)
app.command("prepare")(prepare.prepare)
app.command("evaluate")(evaluate.evaluate)
app.command("calibrate")(calibrate.calibrate)
app.command("replay")(replay.replay)
app.command("deidentify")(deidentify.deidentify)
app.add_typer(pack.app, name="pack")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(f"edgerun {metadata.version('edgerun')}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Run trained imaging models on scans, offline. Not a medical device; not for diagnosis."""

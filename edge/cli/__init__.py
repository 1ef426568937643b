"""The command `edgerun`: one file per command; each parses, calls and prints. Errors are caught here, once."""

from __future__ import annotations

import sys
import traceback

import typer

from edge.cli import infer, pack
from edge.errors import EdgerunError, ExitCode

app = typer.Typer(
    name="edgerun",
    help="Run trained imaging models on scans, offline. Not a medical device; not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("infer")(infer.infer)
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


def main() -> None:
    """Run the command line and leave the process with an exit code of `edge.errors.ExitCode`."""
    try:
        app()
    except EdgerunError as error:
        print(f"edgerun: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("edgerun: interrupted. Whole results are kept; the same command does the rest.", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitCode.OUTPUT)
    except Exception:  # noqa: BLE001 - the last boundary: a bug, said so, with what is needed to mend it
        traceback.print_exc()
        print("edgerun: this is a bug in edgerun. Please report the lines above.", file=sys.stderr)
        sys.exit(ExitCode.BUG)

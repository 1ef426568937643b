"""The command `edgerun`: one file per command; each parses, calls and prints. Errors are caught here, once."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import NoReturn

from edge.errors import EdgerunError, ExitCode


def command() -> NoReturn:
    """Be the process: run `main` and leave at once.

    Every file is flushed and closed by then, and the libraries' farewells take longer than an inference.
    """
    code: int | str | None = ExitCode.DONE
    try:
        main()
    except SystemExit as left:
        code = left.code
    with contextlib.suppress(OSError, ValueError):  # a pipe that nobody reads any more, a stream closed for that
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else ExitCode.DONE if code is None else ExitCode.BUG)


def main() -> None:
    """Run the command line and leave the process with an exit code of `edge.errors.ExitCode`."""
    try:
        if sys.argv[1:2] == ["infer"] and "--help" not in sys.argv:
            _run_while_a_child_starts()
        else:
            from edge.cli.app import app

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


def _run_while_a_child_starts() -> None:
    """Start the process that will read before anything else: it imports what it needs while this one does, too."""
    from edge.read.process import Child

    child = Child.early()
    try:
        from edge.cli.app import app

        app(obj=child)
    finally:
        child.kill()

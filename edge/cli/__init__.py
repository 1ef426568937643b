"""The command `edgerun`: one file per command; each parses, calls and prints. Errors are caught here, once."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from edge.child import collect_seldom, start_reader

if TYPE_CHECKING:
    from subprocess import Popen


def command() -> NoReturn:
    """Be the process: run `main` and leave at once.

    Every file is flushed and closed by then, and the libraries' farewells take longer than an inference.
    """
    _open_streams()
    collect_seldom()
    # OpenBLAS's threads would spin while they wait for work, on the core that the reading process needs.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    code: int | str | None = 0
    try:
        main()
    except SystemExit as left:
        code = left.code
    except KeyboardInterrupt:  # before `main` had the words for it
        code = 130
    with contextlib.suppress(OSError, ValueError):  # a pipe that nobody reads any more, a stream closed for that
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _open_streams() -> None:
    """Lead what a caller has closed to nowhere: `print` takes stdout for a missing stderr, a file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 -- pathlib loads slowly; it stays
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def main() -> None:
    """Run the command line and leave the process with an exit code of `edge.errors.ExitCode`."""
    # Before any other import: the process that will read has as many to make, and makes them meanwhile.
    reader = start_reader() if sys.argv[1:2] == ["infer"] and "--help" not in sys.argv else None
    from edge.errors import EdgerunError, ExitCode, StoppedError

    try:
        if reader is None:
            from edge.cli.app import app

            app()
        else:
            _infer(reader)
    except EdgerunError as error:
        print(f"edgerun: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"edgerun: {StoppedError()}", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitCode.OUTPUT)
    except Exception:  # noqa: BLE001 - the last boundary: a bug, said so, with what is needed to mend it
        import traceback

        traceback.print_exc()
        print("edgerun: this is a bug in edgerun. Please report the lines above.", file=sys.stderr)
        sys.exit(ExitCode.BUG)


def _infer(reader: Popen[bytes]) -> None:
    """Run `edgerun infer`; Typer, which takes long to load, reads what is not plain."""
    try:
        from edge.cli.plain import plain_arguments
        from edge.read.process import Child

        child = Child.early(reader)
    except BaseException:
        with reader:  # which waits for those who listen to it: they hear its end
            reader.kill()
        raise
    try:
        arguments = plain_arguments(sys.argv[2:])
        if arguments is None:
            from edge.cli.app import app

            app(obj=child)
        else:
            from edge.cli.examine import examine

            sys.exit(examine(arguments, child))
    finally:
        child.kill()

"""`edgerun deidentify`: hand studies on with nobody's name in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional

import typer


def deidentify(
    paths: list[Path] = typer.Argument(..., metavar="PATHS", help="DICOM files, or folders of any depth."),
    out: Path = typer.Option(..., help="Folder for the new files; it lies apart from the old ones."),
    keep: Optional[list[str]] = typer.Option(
        None,
        help="Keep what is removed otherwise, parted by commas: dates, device, institution, patient-characteristics, "
        "technique, uids.",
    ),
    burned_in: Optional[str] = typer.Option(
        None,
        help="Text in pictures: blank, likely (blank, but not in plain slices), refuse or keep. By default likely "
        "if edgerun[ocr] is installed, else refuse.",
    ),
    key: Optional[Path] = typer.Option(
        None, help="File of the secret from which new names follow, made if missing. Never hand it on."
    ),
    links: Optional[Path] = typer.Option(None, help="Write a table of old and new names here. Never hand it on."),
    show_names: bool = typer.Option(False, "--show-names", help="Tell the paths of files that are not handed on."),
    json: bool = typer.Option(False, "--json", help="Print what was done on stdout as JSON."),
) -> None:
    """Remove who a study is about (DICOM PS3.15 Annex E), so that it can be handed on. Nothing leaves this machine."""
    from edge.deidentify.run import Order, run
    from edge.deidentify.told import told
    from edge.deidentify.wishes import burned_in_of, keep_of
    from edge.errors import ExitCode

    order = Order(
        paths=tuple(paths), out=out, keep=keep_of(keep or ()), burned_in=burned_in_of(burned_in), key=key, links=links
    )
    show = _Show(names=show_names)
    try:
        record = run(order, progress=show.progress, left=show.left)
    finally:
        show.end()
    if json:
        from json import dumps

        from edge.typed import dump

        print(dumps(dump(record)))
    for line in told(record, out):
        print(line, file=sys.stderr)
    if record.exit_code is not ExitCode.DONE:
        raise typer.Exit(record.exit_code)


class _Show:
    """A bar on a terminal, and, where names may be shown, a line for each file that is not handed on."""

    def __init__(self, *, names: bool) -> None:
        self._names = names
        self._bar: Any = None

    def progress(self, _done: int, total: int) -> None:
        if self._bar is None and total > 1 and sys.stderr.isatty():
            self._bar = typer.progressbar(length=total, label=f"{total} files", file=sys.stderr).__enter__()
        if self._bar is not None:
            self._bar.update(1)

    def left(self, number: int, path: str, error: Any) -> None:
        if self._names:
            shown = "".join(sign if sign.isprintable() else "?" for sign in path)  # a name can hold lines of its own
            print(f"{'left out':12}  {number}  {shown}: {error}", file=sys.stderr)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)

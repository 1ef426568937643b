"""`edgerun calibrate`: a threshold from the labelled scans of this site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import typer

from edge.cli.evaluate import OUT
from edge.cli.pairs import confirmed_in
from edge.errors import UsageError


def calibrate(
    pack: str = typer.Argument(..., metavar="PACK", help="An installed pack's name, or a folder or .edgepack file."),
    labels: Optional[Path] = typer.Argument(None, metavar="LABELS.CSV", help="As for `edgerun evaluate`."),
    sensitivity: float = typer.Option(0.90, help="The share of patients with the finding that is to be found."),
    label: Optional[list[str]] = typer.Option(None, help="Only this label; all findings of the pack by default."),
    threshold_only: bool = typer.Option(False, "--threshold-only", help="Set no probabilities."),
    by: Optional[str] = typer.Option(None, help="Who decides; kept with the threshold, and in no result."),
    yes: bool = typer.Option(False, "--yes", help="Set it without asking."),
    show: bool = typer.Option(False, "--show", help="Show what is set for the pack."),
    remove: bool = typer.Option(False, "--remove", help="Remove what is set: the pack's own threshold holds again."),
    out: Path = typer.Option(OUT, help="Folder for the results of the scans; those of `edgerun evaluate` are used."),
    engine: Optional[str] = typer.Option(None, help="What runs the model; by default as `edgerun infer` chooses."),
    precision: str = typer.Option("auto", help="auto, fp32, fp16 or int8."),
    confirm: Optional[list[str]] = typer.Option(None, metavar="NAME=VALUE", help="As for `edgerun evaluate`."),
    json: bool = typer.Option(False, "--json", help="Print what is proposed or set on stdout, as one JSON document."),
) -> None:
    """Set a threshold for a wanted sensitivity from the labelled scans of this site, beside the pack and not in it."""
    if show or remove:
        if labels is not None or (show and remove):
            raise UsageError("Calibrating: --show and --remove stand alone, without a table.")
        (_remove if remove else _show)(pack, json=json)
        return
    if labels is None:
        raise UsageError("Calibrating: found no table; give one, or --show or --remove.")
    from edge.site.packages import need_statistics

    need_statistics("Calibrating")
    from edge.options import Options
    from edge.site.kept import keep
    from edge.site.propose import Wanted, proposed
    from edge.site.told import proposal_lines

    options = Options(engine=engine, precision=precision, confirmed=confirmed_in(confirm or []))
    wanted = Wanted(
        sensitivity=sensitivity, labels=tuple(label or ()), calibrated=not threshold_only, decided_by=by or None
    )
    found = proposed(pack, labels, out, options, wanted)
    _say("\n".join(proposal_lines(found)))
    kept = keep(found.pack, found.decided) if _agreed(yes=yes) else None
    _say("Not set. The command with --yes sets it." if kept is None else f"Set. {_where(found.pack)}")
    if json:
        _print_json({"set": kept is not None, "sha256": kept.sha256 if kept else None, "decided": found.decided})


def _agreed(*, yes: bool) -> bool:
    """Whether a person wants it: without a terminal nobody can be asked, and then only --yes says so."""
    return yes or (sys.stdin.isatty() and typer.confirm("Set it?", default=False, err=True))


def _show(pack: str, *, json: bool) -> None:
    from edge.pack.store import find_pack
    from edge.site.kept import read_kept
    from edge.site.place import kept_for
    from edge.site.told import kept_lines

    found = find_pack(pack)
    if kept_for(found) is None:
        _say(f"{found.manifest.name}: nothing is set at this site; the pack's own threshold holds.")
        return
    kept = read_kept(found.manifest.name)
    _say("\n".join((*kept_lines(kept, found.sha256), _where(found.manifest.name))))
    if json:
        _print_json({"sha256": kept.sha256, "file": kept.file})


def _remove(pack: str, *, json: bool) -> None:
    from edge.pack.store import find_pack
    from edge.site.kept import remove_kept

    name = find_pack(pack).manifest.name
    removed = remove_kept(name)
    _say(f"{name}: {'removed' if removed else 'nothing was set'}; the pack's own threshold holds.")
    if json:
        _print_json({"removed": removed})


def _where(pack: str) -> str:
    from edge.site.place import site_path

    return str(site_path(pack))


def _say(words: str) -> None:
    print(words, file=sys.stderr)


def _print_json(document: object) -> None:
    from json import dumps

    from edge.typed import dump

    print(dumps(dump(document), ensure_ascii=False))

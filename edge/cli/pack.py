"""`edgerun pack`: what is installed, what a pack says of itself, and whether it is whole and works here."""

from __future__ import annotations

from typing import Any

import typer

app = typer.Typer(
    help="Look at model packs and check them.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

PACK = typer.Argument(..., metavar="PACK", help="An installed pack's name, or a folder or .edgepack file.")
JSON = typer.Option(False, "--json", help="Print JSON on stdout.")


@app.command("list")
def list_packs(json: bool = JSON) -> None:
    """List the installed packs, with what is wrong where one cannot be used."""
    from edge.pack.store import Pack, installed_packs

    rows: list[dict[str, str]] = []
    for pack in installed_packs():
        if isinstance(pack, Pack):
            manifest = pack.manifest
            rows.append({"name": manifest.name, "version": manifest.version, "title": manifest.title})
        else:
            rows.append({"error": str(pack)})
    _print(rows, ["  ".join(row.values()) for row in rows], json=json)


@app.command("show")
def show(
    pack: str = PACK,
    card: bool = typer.Option(False, "--card", help="Print the model card (Markdown) instead."),
    json: bool = JSON,
) -> None:
    """Print what a pack is for, what it says, and how well it was measured."""
    from edge.pack.describe import describe
    from edge.pack.store import find_pack
    from edge.typed import dump

    found = find_pack(pack)
    if card:
        print(found.read_card(), end="")
        return
    document = {"path": found.path, "sha256": found.sha256, "manifest": dump(found.manifest)}
    _print(document, describe(found), json=json)


@app.command("check")
def check(pack: str = PACK, json: bool = JSON) -> None:
    """Check every file's hash, every model's safety, and the golden cases on this machine's engines."""
    from edge.pack.check import check_pack
    from edge.pack.describe import describe_checks
    from edge.pack.store import find_pack
    from edge.typed import dump

    found = find_pack(pack)
    checks = check_pack(found)
    document = {"path": found.path, "sha256": found.sha256, "models": dump(checks)}
    _print(document, describe_checks(found, checks), json=json)


def _print(document: Any, lines: list[str], *, json: bool) -> None:
    if json:
        from json import dumps

        print(dumps(document, ensure_ascii=False))
        return
    print("\n".join(lines))

"""`edgerun engines`: which engines are here, which lack, and how to get them."""

from __future__ import annotations

import typer


def engines(json: bool = typer.Option(False, "--json", help="Print JSON on stdout.")) -> None:
    """List the engines: what is here, what is missing, and how to get it, with and without internet."""
    from edge.ready.here import describe_engines, engines_here
    from edge.typed import dump

    found = engines_here()
    if json:
        from json import dumps

        print(dumps(dump(found), ensure_ascii=False))
        return
    print("\n".join(describe_engines(found)))

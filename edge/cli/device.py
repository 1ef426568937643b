"""`edgerun device`: what this machine is, in plain words."""

from __future__ import annotations

import typer


def device(json: bool = typer.Option(False, "--json", help="Print JSON on stdout.")) -> None:
    """Tell what this machine is: board, memory, GPU, power mode, temperature, and which engines it has."""
    from edge.machine import describe, read_machine
    from edge.typed import dump

    machine = read_machine()
    if json:
        from json import dumps

        print(dumps(dump(machine), ensure_ascii=False))
        return
    print("\n".join(describe(machine)))

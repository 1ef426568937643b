"""Whether `edgerun prepare` chooses rightly: its choice beside every candidate, measured again when it is done.

``python -m benchmarks.prepared [--nets NAME ...] [--rounds N] [--out FILE]``. The candidates are opened in turn in
processes of their own, in an order drawn anew each round, as `prepare` does it. Needs ``edgerun[convert]``.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from benchmarks import figures
from benchmarks.figures import SLOWER, Figure, Outcome, times
from benchmarks.nets import NETS, convert
from benchmarks.packs import recipe_pack
from benchmarks.paired import Paired
from edge.device import machine_name
from edge.engines import available_engines
from edge.pack.store import Pack
from edge.ready.candidates import candidates
from edge.ready.prepare import describe_record, prepare_pack
from edge.ready.record import Chosen, Record
from edge.ready.trial import TrialApart, Visit

ROUNDS = 9
BASE = "fp32 on onnxruntime"
NEAR_PERCENT = 5.0
"""How much more than the best candidate the chosen one may take."""

Visits = dict[str, list[Visit]]
"""By name of the candidate, one of each round."""


def chosen_for(pack: Pack) -> Record:
    """Return what `prepare` chooses."""
    items = candidates(pack.manifest, available_engines())
    return prepare_pack(pack, items, TrialApart(pack), say=lambda _: None)


def measured_again(pack: Pack, record: Record, rounds: int) -> Visits:
    """Return what every candidate that `prepare` could use takes now."""
    usable = {(each.engine, each.file) for each in record.tried if not each.problem}
    items = [it for it in candidates(pack.manifest, available_engines()) if (it.engine, it.model.file) in usable]
    trial, order = TrialApart(pack), random.Random(0)  # noqa: S311 -- an order, no secret
    found: Visits = {item.name: [] for item in items}
    for _ in range(rounds):
        for item in order.sample(items, len(items)):
            found[item.name].append(trial.visit(item))
    return found


def figures_of(net: str, record: Record, visits: Visits) -> list[Figure]:
    """Return how far each of the two choices is from the best, and from ONNX Runtime in FP32."""
    asked: Sequence[tuple[str, Chosen, Callable[[Visit], float]]] = (
        ("one scan", record.one, lambda visit: visit.open_seconds + visit.first_seconds),
        ("a folder", record.many, lambda visit: visit.scan_seconds),
    )
    return [
        figure
        for what, chosen, cost in asked
        for figure in _figures_of(f"{net}, {what}", f"{chosen.precision} on {chosen.engine}", _costs(visits, cost))
    ]


def _costs(visits: Visits, cost: Callable[[Visit], float]) -> Paired:
    return Paired(seconds={name: [cost(visit) for visit in each] for name, each in visits.items()})


def _figures_of(what: str, chosen: str, timed: Paired) -> list[Figure]:
    best, rounds = max(timed.seconds, key=lambda name: timed.ratio(BASE, name)), len(timed.seconds[chosen])
    middle, low, high = (100 * (value - 1) for value in timed.ratio(chosen, best))
    return [
        Figure(
            what=f"{what}: `prepare` chose {chosen}, beside the best, {best}",
            unit=SLOWER, n=rounds, found=middle, low=low, high=high, at_most=NEAR_PERCENT, detail=True,
        ),
        replace(
            times(f"{what}: `prepare` chose {chosen}, beside {BASE}", timed.ratio(BASE, chosen), rounds, at_least=1.0),
            detail=True,
        ),
    ]  # fmt: skip


def worst_of(found: Sequence[Figure]) -> list[Figure]:
    """Return, of all choices, the one that is farthest from the best, and the one that gains least.

    What misses its aim comes before what its interval leaves open, and that before what meets it.
    """
    far = max((figure for figure in found if figure.at_most is not None), key=lambda it: (_missed(it), it.found))
    slow = max((figure for figure in found if figure.at_least is not None), key=lambda it: (_missed(it), -it.found))
    return [
        replace(figure, what=f"{figure.what} (worst of {len(found) // 2} choices)", detail=False)
        for figure in (far, slow)
    ]


def _missed(figure: Figure) -> int:
    return get_args(Outcome).index(figure.outcome())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prepared", description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), help="recipes")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each candidate is measured again")
    figures.add_out(parser)
    asked = parser.parse_args(arguments)
    before, found = figures.load(), list[Figure]()
    print(machine_name())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGERUN_CACHE"] = str(Path(folder) / "cache")  # what is compiled for this is of no use to anybody
        for name in asked.nets:
            pack = recipe_pack(convert(name), Path(folder))
            record = chosen_for(pack)
            print("\n".join(("", *describe_record(record))), flush=True)
            found += figures_of(NETS[name], record, measured_again(pack, record, asked.rounds))
            print("\n".join(map(figures.line_of, found[-4:])), flush=True)
    figures.keep(asked.out, [*worst_of(found), *found], before=before)


if __name__ == "__main__":
    main()

"""Which engine runs a pack in a run: the one that was asked for, the one that was found fastest here, or the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.device import NVIDIA
from edge.engines import ENGINES, available_engines
from edge.errors import EngineError, PackError
from edge.findings import Notice
from edge.pack.manifest import Model
from edge.pack.store import AUTO, Pack
from edge.ready.candidates import candidates
from edge.ready.place import kept_record
from edge.reasons import GOLDEN_FAILED, GOLDEN_NOT_RUN, GPU_LOST, NO_ENGINE, PROVEN_HERE_ONLY

if TYPE_CHECKING:
    from edge.ready.record import Chosen, Record, Tried

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a run asks for.

    Parameters
    ----------
    engine : str, optional
        By name; None leaves it to the record of `edgerun prepare`, else to the order of the engines.
    precision : str
        See `edge.pack.store.Pack.choose_model`.
    allow_slower : bool
        Whether another engine may run where the GPU that was found fastest is gone.
    """

    engine: str | None = None
    precision: str = AUTO
    allow_slower: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An engine and its model.

    Parameters
    ----------
    recorded : bool
        Whether the pack was prepared for it.
    notices : tuple of Notice
        What every result from it must say.
    """

    engine: str
    model: Model
    recorded: bool = False
    notices: tuple[Notice, ...] = ()


def is_settled(pack: Pack, wish: Wish) -> bool:
    """Return whether the engine is the same however many scans a run has."""
    record = kept_record(pack.sha256) if _is_free(wish) else None
    return record is None or isinstance(record, str) or record.many_from == 1


def plan(pack: Pack, wish: Wish, scans: int, say: Say) -> Plan:
    """Return what runs a pack.

    A record is obeyed as long as it holds: for the same pack, machine and versions of packages. One that does not is
    told of, and the first engine that the model is proven for runs, as on a machine where nothing was prepared.

    Parameters
    ----------
    scans : int
        How many scans the run has.
    say : callable
        Hears of a record that does not hold.

    Raises
    ------
    EngineError
        ``E500`` no engine is installed; ``E504`` the GPU that was found fastest is gone.
    PackError
        ``P406``; ``P408``: a record that holds says that what was asked for gives wrong answers here.
    """
    record = kept_record(pack.sha256)
    if not _is_free(wish):
        return _asked(pack, wish, record)
    if record is None:
        return first_engine(pack, wish)
    if isinstance(record, str):
        return _not_held(pack, wish, record, say)
    chosen = record.chosen(scans)
    if _is_lost(chosen, record):
        if not wish.allow_slower:
            raise EngineError(_lost_words(pack, chosen, record), GPU_LOST)
        return without_gpu(pack, wish, chosen.engine)
    if problem := record.differs():
        return _not_held(pack, wish, problem, say)
    return _recorded(pack, chosen) or _not_held(pack, wish, "the pack does not let its choice run", say)


def first_engine(pack: Pack, wish: Wish) -> Plan:
    """Return the first engine, of those that can run here, that the model is proven for.

    Raises
    ------
    EngineError
        ``E500``.
    PackError
        ``P406``.
    """
    return _first_of(pack, wish, (wish.engine,) if wish.engine else available_engines())


def _first_of(pack: Pack, wish: Wish, engines: Sequence[str]) -> Plan:
    if not engines:
        raise EngineError("Choosing an engine: none is installed.", NO_ENGINE)
    model, name = pack.choose_model(wish.precision, engines)
    return Plan(engine=name, model=model, notices=_unproven(pack, model, name))


def _unproven(pack: Pack, model: Model, engine: str) -> tuple[Notice, ...]:
    """What is to be said where the pack has known answers and no preparation that holds has run them on this engine."""
    record = kept_record(pack.sha256)
    if not pack.manifest.golden or (record and not isinstance(record, str) and record.proves(model, engine)):
        return ()
    return (Notice(reason=GOLDEN_NOT_RUN, severity="warn", detail=f"Engine {engine}, {model.precision}."),)


def without_gpu(pack: Pack, wish: Wish, lost: str) -> Plan:
    """Return what runs where the GPU is gone and a person allowed a slower engine; every result says so.

    Raises
    ------
    EngineError, PackError
        As of `first_engine`; ``P408`` as of `plan`.
    """
    engines = tuple(name for name in available_engines() if not ENGINES[name].device)  # the GPU may show itself still
    found = _first_of(pack, wish, engines)
    _check_right(pack, found, kept_record(pack.sha256))
    detail = f"Ran on {found.engine} instead of {lost}, as --allow-slower lets it."
    return replace(found, notices=(Notice(reason=GPU_LOST, severity="warn", detail=detail), *found.notices))


def _is_free(wish: Wish) -> bool:
    return wish.engine is None and wish.precision == AUTO


def _not_held(pack: Pack, wish: Wish, problem: str, say: Say) -> Plan:
    until = "Until then the first engine that it is proven for runs."
    say(f"{pack.manifest.name}: {problem}; run `edgerun prepare`. {until}")
    return first_engine(pack, wish)


def _lost_words(pack: Pack, chosen: Chosen | Tried, record: Record) -> str:
    device = ENGINES[chosen.engine].device
    gone = record.machine.gpu if device == NVIDIA and record.machine.gpu else device
    return f"Running {pack.manifest.name} on {chosen.engine}: {gone} is not there."


def _is_lost(chosen: Chosen | Tried, record: Record) -> bool:
    """Whether what was chosen needs a device that is not here any more."""
    entry = ENGINES.get(chosen.engine)
    if entry is None or not entry.device:
        return False
    return entry.device in entry.missing() or (entry.device == NVIDIA and _gpu_is_silent(record))


def _gpu_is_silent(record: Record) -> bool:
    from edge.gpu import find_gpu  # noqa: PLC0415 - a machine without a GPU loads nothing for one

    return record.machine.gpu_uuid is not None and find_gpu() is None


def _recorded(pack: Pack, chosen: Chosen | Tried) -> Plan | None:
    """The plan for a choice, if the manifest lets it run: a record is not what decides that."""
    for item in candidates(pack.manifest, available_engines()):
        if (item.engine, item.model.precision, item.model.file) == (chosen.engine, chosen.precision, chosen.file):
            notices = () if item.judged else (_proven_here(chosen.engine),)
            return Plan(engine=item.engine, model=item.model, recorded=True, notices=notices)
    return None


def _proven_here(engine: str) -> Notice:
    return Notice(reason=PROVEN_HERE_ONLY, severity="warn", detail=f"Engine {engine}.")


def _asked(pack: Pack, wish: Wish, record: Record | str | None) -> Plan:
    """What was asked for by name: if no gate has seen it, only where a record that holds says that it is right here."""
    if record is None or isinstance(record, str):
        return first_engine(pack, wish)
    proven = (each for each in record.tried if not (each.judged or each.problem) and each.golden)
    wanted = wish.precision in (AUTO, "fp32")
    found = next((each for each in proven if wanted and each.engine == wish.engine), None)
    if found and _is_lost(found, record):
        raise EngineError(_lost_words(pack, found, record), GPU_LOST)
    if record.differs():
        return first_engine(pack, wish)
    chosen = (_recorded(pack, found) if found else None) or first_engine(pack, wish)
    _check_right(pack, chosen, record)
    return chosen


def _check_right(pack: Pack, chosen: Plan, record: Record | str | None) -> None:
    """Refuse what gave wrong answers when the pack was prepared here: its maker's gate never saw this machine."""
    if record is None or isinstance(record, str):
        return
    wanted = chosen.engine, chosen.model.precision, chosen.model.file
    same = (each for each in record.tried if (each.engine, each.precision, each.file) == wanted)
    wrong = next((each for each in same if each.problem.startswith(GOLDEN_FAILED.code)), None)
    if wrong is not None:
        found = f"`edgerun prepare` found {wrong.precision} on {wrong.engine} wrong here: {wrong.problem}"
        raise PackError(
            f"Choosing an engine for {pack.manifest.name}: {found} Choose another engine, or prepare it again.",
            GOLDEN_FAILED,
        )

"""A pack is prepared for this machine: candidates are compiled, measured in turn, proven, and the fastest recorded."""

from __future__ import annotations

import datetime as dt
import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from edge.engines import ENGINES, Progress, available_engines, check_available
from edge.errors import CodedError, EngineError
from edge.pack.store import Pack
from edge.ready.candidates import Candidate, candidates
from edge.ready.choose import crossover, fastest
from edge.ready.machine import engine_versions, this_machine
from edge.ready.record import Chosen, KnownAnswer, Measured, Record, Tried, write_record
from edge.ready.trial import Trial, TrialApart, Visit
from edge.reasons import NO_ENGINE

ROUNDS = 5
STRICTER = 0.5
"""Of a tolerance: how far an engine may be from a known answer that nothing else speaks for."""

Say = Callable[[str], None]


def prepare_here(pack: Pack, engine: str | None, say: Say, progress: Progress | None = None) -> Record:
    """Prepare a pack for this machine, write the record and return it.

    Parameters
    ----------
    engine : str, optional
        The only one to try; None tries all that are here.
    say : callable
        Hears how far it is.
    progress : callable, optional
        Hears how far compiling a model is; see `edge.engines.Progress`.

    Raises
    ------
    EngineError
        ``E500``.
    PackError
        ``P403`` to ``P408``: the pack is not whole.
    edge.errors.OutputError
        ``W800`` or ``W801``: the record cannot be written.
    """
    if engine is not None:
        check_available(engine)
    engines = (engine,) if engine is not None else available_engines()
    record = prepare_pack(pack, candidates(pack.manifest, engines), TrialApart(pack, progress=progress), say=say)
    write_record(record)
    return record


def prepare_pack(
    pack: Pack, items: Sequence[Candidate], trial: Trial, *, say: Say, rounds: int = ROUNDS, seed: int | None = None
) -> Record:
    """Return which candidate is the fastest here, for one scan and for a folder, with everything that was found.

    Each round opens every candidate once in a process of its own, in an order drawn anew, so that a machine whose
    speed drifts slows all alike. One that dies, hangs or gives wrong answers is told with its words, and the others go
    on.

    Parameters
    ----------
    items : sequence of Candidate
        The preferred one first; see `edge.ready.candidates`.
    say : callable
        Hears how far it is.
    seed : int, optional
        Of the order.

    Raises
    ------
    EngineError
        ``E500``: none can be used; the message tells why for each.
    """
    tries = [_Try(candidate=item) for item in items]
    for each in tries:
        say(f"{each.candidate.name}: compiling and loading{_patience(each.candidate)}")
        each.attempt(partial(each.compiled, trial))
    _measure(tries, trial, say, rounds, random.Random(seed))  # noqa: S311 -- an order, no secret
    for each in tries:
        if each.usable and not each.candidate.judged:
            _prove(each, trial, say)
    one, many = _proven(tries, trial, say, _to_first), _proven(tries, trial, say, _after_it)
    if one is None or many is None:
        told = "; ".join(f"{each.candidate.name}: {each.problem}" for each in tries) or "there is no candidate"
        raise EngineError(f"Preparing {pack.manifest.name}: {told}", NO_ENGINE)
    return _record(pack, tries, one, many)


@dataclass(slots=True, kw_only=True, eq=False)
class _Try:
    """A candidate, and what was found of it so far."""

    candidate: Candidate
    compile_seconds: float = 0.0
    visits: list[Visit] = field(default_factory=list)
    golden: tuple[KnownAnswer, ...] | None = None
    problem: str = ""

    @property
    def usable(self) -> bool:
        return not self.problem

    def attempt(self, action: Callable[[], None]) -> None:
        """Do something that may be the end of this candidate, and of nothing else."""
        try:
            action()
        except CodedError as error:
            self.problem = f"{error.reason.code}: {error.message}"

    def compiled(self, trial: Trial) -> None:
        self.compile_seconds = trial.compile(self.candidate)

    def visited(self, trial: Trial) -> None:
        self.visits.append(trial.visit(self.candidate))

    def proven(self, trial: Trial) -> None:
        share = 1.0 if self.candidate.judged else STRICTER
        found = trial.prove(self.candidate)
        self.golden = tuple(
            KnownAnswer(name=each.name, largest_difference=each.largest_difference, allowed=share * each.tolerance)
            for each in found
            if math.isfinite(each.largest_difference)  # JSON has no other numbers; the problem below tells of them
        )
        wrong = [
            f"{each.name} by {each.largest_difference:.4f}, allowed {share * each.tolerance:.4f}"
            for each in found
            if not each.largest_difference <= share * each.tolerance
        ]
        if wrong:
            self.problem = f"P408: It does not give the known answers: {'; '.join(wrong)}."

    def measured(self) -> Measured:
        """Return the medians over the rounds."""
        peaks = [visit.peak_bytes for visit in self.visits if visit.peak_bytes is not None]
        return Measured(
            rounds=len(self.visits),
            open_seconds=statistics.median(visit.open_seconds for visit in self.visits),
            first_seconds=statistics.median(visit.first_seconds for visit in self.visits),
            scan_seconds=statistics.median(visit.scan_seconds for visit in self.visits),
            compile_seconds=self.compile_seconds,
            peak_bytes=max(peaks, default=None),
        )

    def tried(self) -> Tried:
        item = self.candidate
        return Tried(
            engine=item.engine,
            precision=item.model.precision,
            file=item.model.file,
            judged=item.judged,
            provider=self.visits[-1].provider if self.visits else None,
            measured=self.measured() if self.visits else None,
            golden=self.golden or (),
            problem=self.problem,
        )


def _patience(candidate: Candidate) -> str:
    entry = ENGINES.get(candidate.engine)
    return " (this may take minutes)" if entry and entry.device else ""


def _measure(tries: Sequence[_Try], trial: Trial, say: Say, rounds: int, order: random.Random) -> None:
    for number in range(1, rounds + 1):
        alive = [each for each in tries if each.usable]
        order.shuffle(alive)
        for each in alive:
            say(f"{each.candidate.name}: round {number} of {rounds}")
            each.attempt(partial(each.visited, trial))


def _prove(each: _Try, trial: Trial, say: Say) -> None:
    """Run the known answers, once."""
    if each.golden is None:
        say(f"{each.candidate.name}: known answers")
        each.attempt(partial(each.proven, trial))


def _to_first(visit: Visit) -> float:
    """Seconds to the first result."""
    return visit.open_seconds + visit.first_seconds


def _after_it(visit: Visit) -> float:
    """Seconds of each further scan."""
    return visit.scan_seconds


def _proven(tries: Sequence[_Try], trial: Trial, say: Say, cost: Callable[[Visit], float]) -> _Try | None:
    """The fastest that gives the known answers; the next one where the fastest does not."""
    while usable := [each for each in tries if each.usable]:
        first, *others = usable
        steady = [each for each in others if _is_steadily_faster(each, first, cost)]
        best = fastest([first, *steady], partial(_beside, base=first, cost=cost))
        _prove(best, trial, say)
        if best.usable:
            return best
    return None


def _beside(each: _Try, base: _Try, cost: Callable[[Visit], float]) -> float:
    """How many times as long it takes as another."""
    return statistics.median(_ratios(each, base, cost))


def _is_steadily_faster(each: _Try, first: _Try, cost: Callable[[Visit], float]) -> bool:
    """Whether it is in all rounds but one: on a busy machine a median of few also favours what is slower."""
    ratios = _ratios(each, first, cost)
    return sum(ratio < 1 for ratio in ratios) >= len(ratios) - 1


def _ratios(each: _Try, base: _Try, cost: Callable[[Visit], float]) -> list[float]:
    """Within each round, as the machine may be slower in the next."""
    return [cost(own) / cost(other) for own, other in zip(each.visits, base.visits, strict=True)]


def _record(pack: Pack, tries: Sequence[_Try], one: _Try, many: _Try) -> Record:
    start = crossover(one.measured(), many.measured()) if one is not many else 1
    if start == 1:  # nothing to cross over to
        many = one
    base = next(each for each in tries if each.usable)
    return Record(
        pack=pack.manifest.name,
        pack_sha256=pack.sha256,
        prepared_utc=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        machine=this_machine(),
        versions=engine_versions(),
        one=_chosen(one, _why(one, base, _to_first, "to the first result")),
        many=_chosen(many, _why(many, base, _after_it, "for each further scan")),
        many_from=start,
        tried=tuple(each.tried() for each in tries),
    )


def _chosen(each: _Try, why: str) -> Chosen:
    item = each.candidate
    return Chosen(engine=item.engine, precision=item.model.precision, file=item.model.file, judged=item.judged, why=why)


def _why(each: _Try, base: _Try, cost: Callable[[Visit], float], what: str) -> str:
    own = statistics.median(map(cost, each.visits))
    ratio = "" if each is base else f", {1 / _beside(each, base, cost):.2f} times as fast as {base.candidate.name}"
    return f"{_told(own)} {what}{ratio}"


def _told(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def describe_record(record: Record) -> list[str]:
    """Return what was found, line by line."""
    lines = [f"{record.pack}: prepared for {record.machine.processor}, {record.machine.cores} cores"]
    lines += [_describe_tried(each) for each in record.tried]
    one = f"  one scan     {record.one.precision} on {record.one.engine}: {record.one.why}"
    if record.many_from == 1:
        return [*lines, one.replace("one scan ", "any scans"), f"{'':15}{record.many.why}"]
    many = f"{record.many.precision} on {record.many.engine}: {record.many.why}"
    return [*lines, one, f"  a folder     {many}", f"               from {record.many_from} scans on"]


def _describe_tried(each: Tried) -> str:
    found, name = each.measured, f"{each.precision} on {each.engine}"
    if each.problem or found is None:
        return f"  not          {name}: {each.problem}"
    peak = f", {found.peak_bytes / 1e6:.0f} MB" if found.peak_bytes else ""
    told = f"{_told(found.open_seconds)} to open, {_told(found.scan_seconds)} a scan{peak}"
    proven = "" if each.judged else "; proven here only"
    return f"  measured     {name}: {told}{proven}"

"""What came of a study, put into the report's words."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from uuid import UUID

from edge.check import relied_on
from edge.choose import Choice
from edge.device import versions
from edge.engines import EngineFacts
from edge.errors import ExitCode, ReadError
from edge.findings import Findings, Notice, Refusal, State, state_of
from edge.hashes import sha256_of
from edge.options import Options
from edge.pack.store import Pack
from edge.reasons import NOTHING_THERE
from edge.register.labels import told_lengths
from edge.scan import Acquisition, Found, Identity, LeftOut, Scan, Series, Source, StudyIndex
from edge.site.named import SiteReport
from edge.site.place import site_sha256
from edge.words import message, say
from edge.write import Outcome
from edge.write.of_findings import findings_report, slice_report
from edge.write.of_pack import pack_report
from edge.write.report import (
    SYNTHETIC,
    FindingsReport,
    PatientReport,
    ReasonReport,
    ResultReport,
    Run,
    ScanReport,
    StudyReport,
    found_in,
    looked_for,
    of_left_out,
    of_notice,
    of_reason,
    there_in,
    uncertain_in,
)
from edge.write.words import moved_words

GRAVEST_FIRST: tuple[State, ...] = ("finding", "uncertain", "failed", "not-analysed", "no-finding", "done")


COUNTED: Mapping[State, str] = {
    "finding": message("{count} finding"),
    "uncertain": message("{count} uncertain (needs a reader)"),
    "no-finding": message("{count} no finding"),
    "done": message("{count} done (nothing was looked for)"),
    "not-analysed": message("{count} not analysed"),
    "failed": message("{count} failed"),
}


class Tally:
    """Counts what came of a run, for its last words and its exit code."""

    def __init__(self) -> None:
        self._states: Counter[State] = Counter()
        self._failures: list[str] = []
        self._results: Counter[State] = Counter()

    def add(self, report: StudyReport) -> None:
        """Count one study."""
        self._states[report.state] += 1
        self._results.update(result.state for result in report.results)
        self._results[report.state] += not report.results
        self._failures += [result.failure.code for result in report.results if result.failure]

    def words(self, total: int) -> str:
        """Return the counts in one line; studies that were not reached are counted, too."""
        always = ("finding", "no-finding", "not-analysed", "failed")
        counts_of = [(words, self._states[state], state in always) for state, words in COUNTED.items()]
        told = [(words, count) for words, count, wanted in counts_of if wanted or count]
        if missed := total - self.studies:
            told.append((message("{count} not reached"), missed))
        counts = say(", ").join(say(words, count=count) for words, count in told)
        return say("{total} studies: {counts}.", total=total, counts=counts)

    @property
    def studies(self) -> int:
        """How many were counted."""
        return sum(self._states.values())

    @property
    def exit_code(self) -> ExitCode:
        """What the process should say: the first digit of a code is the exit code of its kind."""
        failed, all_of_them = self._results["failed"], sum(self._results.values())
        if failed and failed < all_of_them:
            return ExitCode.SOME_FAILED
        if failed:
            return ExitCode(int(self._failures[0][1]))
        return ExitCode.REFUSED if self._results["not-analysed"] else ExitCode.DONE


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One study's part of a request: what its report must be an answer to.

    Where no engine is asked for, the request leaves it open, and so its answer may come from any engine that may run
    the pack: when `edgerun prepare` finds another one the fastest, what is finished stays as it is, with the engine
    that ran in its report, and only what is missing or failed is done by the new one.

    Parameters
    ----------
    study : str
        The study's key.
    sources : mapping
        SHA-256 by path, of every file of the study; empty where a file cannot be read.
    pack : Pack, optional
    options : Options
    site_sha256 : str
        Of the file with this site's thresholds for the pack; empty where there is none.
    """

    study: str
    sources: Mapping[str, str]
    pack: Pack | None
    options: Options = field(default_factory=Options)
    site_sha256: str = ""

    @classmethod
    def of(cls, study: StudyIndex, pack: Pack | None, options: Options) -> Asked:
        """Return the request for one study; its files are read to hash them."""
        paths = [path for series in study.series for path in series.paths]
        paths += [path for out in study.left_out for path in out.paths]
        sources = {path: sha256_of(Path(path)) for path in paths}
        site = site_sha256(pack) if pack else ""
        return cls(study=study.key, sources=sources, pack=pack, options=options, site_sha256=site)

    @property
    def folder(self) -> str:
        """Name of the study's folder: it holds no patient data, and another request gets another folder.

        So a second run over other files of the study, or with other options, never takes the place of a first.
        """
        contents = hashlib.sha256(json.dumps([sorted(self.sources.values()), self._told]).encode()).hexdigest()
        return f"{self.study}-{self.pack.manifest.name if self.pack else 'no-pack'}-{contents[:8]}"

    @property
    def _told(self) -> list[object]:
        return self._told_of(self.options)

    def _told_of(self, options: Options) -> list[object]:
        site = [["site", self.site_sha256]] if self.site_sha256 else []
        return [self.pack.sha256 if self.pack else None, *options.told(), *site]

    @cached_property
    def sha256(self) -> str:
        """Of everything that the answer depends on."""
        parts = [sorted(self.sources.items()), self._told, versions()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def uid_of(self, paths: Sequence[str]) -> str:
        """Return the UID of the result of some files: the same for the same request (PS3.5 B.2), wherever they lie."""
        roles = {self._content_of(path): role for path, role in self.options.roles.items()}
        contents = [sorted(map(self._content_of, lot)) for lot in (self.sources, paths)]
        parts = [contents, self._told_of(replace(self.options, roles=roles)), versions()]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
        return f"2.25.{UUID(bytes=digest[:16], version=5).int}"

    def _content_of(self, path: str) -> str:
        """What a file or folder is known by: the SHA-256 of what it holds, or its path where that cannot be read."""
        folder = os.path.join(path, "")  # noqa: PTH118 -- with the separator at its end
        held = (told for own, told in self.sources.items() if told and own.startswith(folder))
        return self.sources.get(path) or ",".join(sorted(held)) or path

    def sources_of(self, paths: Sequence[str]) -> tuple[Source, ...]:
        """Return files with their hashes."""
        return tuple(Source(path=path, sha256=self.sources[path]) for path in paths)


def studies_in(found: Found) -> tuple[StudyIndex, ...]:
    """Return the studies, with each file that should have been one and could not be read as a study of its own.

    Raises
    ------
    ReadError
        There is nothing to examine and nothing that failed: the first thing that was left out says why.
    """
    alone = tuple(
        StudyIndex(
            key=hashlib.sha256(out.paths[0].encode("utf-8", "surrogateescape")).hexdigest()[:16],
            series=(),
            left_out=(out,),
        )
        for out in found.left_out
        if out.reason.grave
    )
    if not found.studies and not alone:
        if not found.left_out:
            raise ReadError("Looking for scans: no file was found.", NOTHING_THERE)
        first = found.left_out[0]
        more = f" {len(found.left_out) - 1} more files were left out, too." if len(found.left_out) > 1 else ""
        raise ReadError(f"Reading {first.paths[0]}: {first.detail}{more}", first.reason)
    return found.studies + alone


def examined(
    findings: Findings | Refusal,
    warnings: Sequence[Notice],
    scans: Mapping[str, Scan],
    engine: EngineFacts,
    asked: Asked,
    vouched: Mapping[str, str],
    site: SiteReport | None = None,
) -> Outcome:
    """Return the outcome for the scans of one examination that were read and looked at; the first stands for all."""
    first, *others = scans
    scan = scans[first]
    state = state_of(findings)
    refusals = tuple(of_notice(note) for note in findings.notices) if isinstance(findings, Refusal) else ()
    seen = None if isinstance(findings, Refusal) else findings
    told = told_lengths((role, each.lengths_told) for role, each in scans.items())
    said = None if seen is None else findings_report(seen, lengths_told=told)
    result = ResultReport(
        state=state,
        summary=_summary(state, said, refusals),
        uid=asked.uid_of([source.path for each in scans.values() for source in each.sources]),
        scan=_scan_report(scan, asked),
        pack=pack_report(asked.pack, asked.options.wanted.language, engine),
        engine=engine if seen else None,
        site=site if seen else None,
        findings=said,
        refusals=refusals,
        warnings=tuple(of_notice(note) for note in warnings),
        notes=tuple(dict.fromkeys(note for each in scans.values() for note in each.warnings)),
        confirmed=vouched,
        others={name: _scan_report(scans[name], asked) for name in others},
        seen=None if seen is None else slice_report(scan, seen),
    )
    return Outcome(result=result, scan=scan, findings=seen)


def not_examined(series: Series, notices: Sequence[Notice], asked: Asked) -> Outcome:
    """Return the outcome for a series that no pack is made for; it was not decoded."""
    refusals = tuple(of_notice(note) for note in notices)
    return Outcome(result=_without_findings("not-analysed", refusals, series, series.paths, asked))


def not_read(out: LeftOut, asked: Asked, series: Series | None = None) -> Outcome:
    """Return the outcome for what could not be read or examined: failed, or refused where it could not be trusted."""
    state: State = "not-analysed" if out.reason.refuses else "failed"
    return Outcome(result=_without_findings(state, (of_reason(out.reason, out.detail),), series, out.paths, asked))


def study_report(
    study: StudyIndex, choice: Choice, results: Sequence[ResultReport], asked: Asked, seconds: Mapping[str, float]
) -> StudyReport:
    """Return the report of a study, not sealed yet.

    Its state is the gravest of its results: "no finding" is said only where everything that a finding could be in
    was examined.
    """
    state: State = next((s for s in GRAVEST_FIRST if any(item.state == s for item in results)), "not-analysed")
    left_out = [out for out in study.left_out if not out.reason.grave] + list(choice.passed_over)
    first = next((item.summary for item in results if item.state == state), "Nothing here can be analysed.")
    more = f" ({len(results) - 1} more results.)" if len(results) > 1 else ""
    more += f" {len(choice.passed_over)} other series of the study: not examined." if choice.passed_over else ""
    return StudyReport(
        study=study.key,
        folder=asked.folder,
        state=state,
        summary=f"{first}{more}",
        results=tuple(results),
        left_out=tuple(of_left_out(out) for out in left_out),
        software=versions(),
        request_sha256=asked.sha256,
        options=asked.options,
        content_sha256="",
        run=Run(
            finished_utc=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
            seconds={stage: round(value, 6) for stage, value in seconds.items()},
        ),
    )


def _without_findings(
    state: State, reasons: tuple[ReasonReport, ...], series: Series | None, paths: Sequence[str], asked: Asked
) -> ResultReport:
    scan = ScanReport(
        study_instance_uid=series.identity.study_instance_uid if series else None,
        series_instance_uid=series.identity.series_instance_uid if series else None,
        stack=None,
        unit=None,
        grid=None,
        acquisition=_told(series.acquisition) if series else Acquisition(),
        sources=asked.sources_of(paths),
        patient=_patient(series.identity, asked) if series else None,
    )
    return ResultReport(
        state=state,
        summary=_summary(state, None, reasons),
        uid=asked.uid_of(paths),
        scan=scan,
        pack=pack_report(asked.pack, asked.options.wanted.language),
        refusals=reasons if state == "not-analysed" else (),
        failure=reasons[0] if state == "failed" else None,
        confirmed=relied_on(series.acquisition, asked.options.confirmed) if series else {},
    )


def _summary(state: State, found: FindingsReport | None, reasons: Sequence[ReasonReport]) -> str:
    """One sentence for a person in a hurry."""
    if found is None:
        words = " ".join(f"{reason.code}: {reason.words}" for reason in reasons)
        return f"{'Failed' if state == 'failed' else 'Not analysed'}. {words}"
    if found.kind == "registration":
        return f"Registered: the moving scan was moved by {moved_words(found)}. Nothing was looked for."
    if found.kind == "translation":
        return f"Made a {SYNTHETIC} image: {found.makes}. Nothing was looked for."
    if not looked_for(found):
        return f"Done: {', '.join(there_in(found)) or 'nothing marked'}. Nothing was looked for."
    said, unsure = found_in(found), uncertain_in(found)
    doubt = f"Uncertain, needs a reader: {', '.join(unsure)}."
    if said:
        told = f"Finding: {', '.join(f'{title} ({urgency})' for title, urgency in said)}."
        return f"{told} {doubt}" if unsure else told
    looked = f"Looked for: {', '.join(looked_for(found))}."
    return f"{doubt} {looked}" if unsure else f"No finding. {looked}"


def _scan_report(scan: Scan, asked: Asked) -> ScanReport:
    return ScanReport(
        study_instance_uid=scan.identity.study_instance_uid,
        series_instance_uid=scan.identity.series_instance_uid,
        stack=scan.stack,
        unit=scan.unit,
        grid=scan.stored or (scan.slide or scan).grid,
        decoded=scan.grid if scan.stored else None,
        lengths_told=scan.lengths_told,
        acquisition=_told(scan.acquisition),
        sources=scan.sources,
        patient=_patient(scan.identity, asked),
    )


def _patient(identity: Identity, asked: Asked) -> PatientReport | None:
    """The patient, where the report is to name them."""
    if not asked.options.wanted.identified:
        return None
    return PatientReport(name=identity.patient_name, number=identity.patient_id, birth_date=identity.birth_date)


def _told(acquisition: Acquisition) -> Acquisition:
    """The acquisition without its free texts, into which people write names."""
    return replace(acquisition, description=None, device=None)

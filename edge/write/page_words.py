"""The report of a result -> what its page of paper says, paragraph by paragraph, the gravest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.findings import LabelScore, Region
from edge.scan import Identity, Scan
from edge.site.named import site_lines
from edge.words import kept_in_order, message, say
from edge.write.report import BoxReport, PatientReport, ReasonReport, ResultReport, ScanReport, said_in, vouched
from edge.write.words import label_lines, map_words, seen_alone_words

LETTERS = message("Letters beside a picture: R right, L left, A front, P back, H head, F feet of the patient.")
SEXES = {"M": message("male"), "F": message("female"), "O": message("other")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Some words, and whether they stand out."""

    text: str
    bold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something that the page asks for; `value` is empty where nobody knows it and it is to be written by hand."""

    name: str
    value: str = ""


def patient_fields(scan: Scan | None, told: ScanReport) -> list[Field]:
    """Return who was examined and when, as far as the files tell.

    Parameters
    ----------
    scan : Scan, optional
        None where no pixel was decoded: then the patient is who the report names, where it does.
    told : ScanReport
    """
    who = scan.identity if scan is not None else _who(told.patient)
    sex = told.acquisition.sex if scan is not None or told.patient is not None else None
    return [
        Field(name=say("Patient"), value=name_written(who.patient_name)),
        Field(name=say("Number"), value=who.patient_id or ""),
        Field(name=say("Born"), value=date_written(who.birth_date)),
        Field(name=say("Sex"), value=say(SEXES[sex]) if sex in SEXES else ""),
        Field(name=say("Examined"), value=date_written(who.study_date)),
    ]


def _who(patient: PatientReport | None) -> Identity:
    if patient is None:
        return Identity()
    return Identity(patient_name=patient.name, patient_id=patient.number, birth_date=patient.birth_date)


def said_paragraphs(result: ResultReport) -> list[Paragraph]:
    """Return what was found, with score, threshold and urgency; or why there is nothing, and what to do."""
    if result.findings is None:
        return [paragraph for reason in result.reasons for paragraph in _reason(reason)]
    lines, common = label_lines(result)
    weighs = result.state in ("finding", "uncertain")
    said = [Paragraph(text=line.text, bold=weighs and not index) for index, line in enumerate(lines)]
    said += [Paragraph(text=text) for text in _urgencies(said_in(result.findings))]
    if result.seen is not None:
        said.append(Paragraph(text=seen_alone_words(result.seen)))
    letters = [say(LETTERS)] if result.scan.grid is not None and result.scan.grid.space == "patient" else []
    if result.findings.kind == "classification":
        common += map_words(result.findings)
    return said + [Paragraph(text=text) for text in (*common, *_thresholds(result), *letters)]


def beside_paragraphs(result: ResultReport) -> list[Paragraph]:
    """Return what must be said beside it: warnings, each with its code, notes, and who vouched for what."""
    said = []
    for item in result.warnings:
        words = say("Warning {code}: {words}", code=item.code, words=item.words)
        said.append(Paragraph(text=f"{words} {item.action}"))
    if result.confirmed:
        said.append(Paragraph(text=say("Vouched for by a person: {what}", what=vouched(result))))
    return [*said, *(Paragraph(text=say("Note: {note}", note=note)) for note in result.notes)]


def _reason(reason: ReasonReport) -> list[Paragraph]:
    said = [Paragraph(text=f"{reason.code}: {reason.words}", bold=True)]
    if reason.detail:
        said.append(Paragraph(text=kept_in_order(reason.detail)))
    return [*said, Paragraph(text=say("What to do: {action}", action=reason.action))]


def _urgencies(items: Sequence[LabelScore | Region | BoxReport]) -> list[str]:
    """How soon a reader should look, for each label once, where no rule of the pack has told it with the label."""
    told = {}
    for item in items:
        weighed = item.positive and item.finding and item.urgency_reason is None
        if weighed and item.urgency is not None and item.name not in told:
            why = say("so the pack rates this finding")
            told[item.name] = say(
                "Urgency of {title}: {urgency} ({why}).", title=item.title, urgency=say(item.urgency), why=why
            )
    return list(told.values())


def _thresholds(result: ResultReport) -> list[str]:
    """Where the thresholds come from: this site's own, and of the pack those of labels that had none of the site."""
    if result.findings is None or result.pack is None:
        return []
    own = result.site.labels if result.site is not None else {}
    titles = {item.name: item.title for item in said_in(result.findings) if item.threshold is not None}
    rules: dict[str, list[str]] = {}
    for name, title in titles.items():
        if name in result.pack.thresholds and name not in own:
            rules.setdefault(result.pack.thresholds[name], []).append(title)
    of_pack = [
        say("Threshold of {titles}: set by the pack ({rule}).", titles=say(", ").join(named), rule=rule)
        for rule, named in rules.items()
    ]
    return site_lines(result) + of_pack


def name_written(written: str | None) -> str:
    """Return (0010,0010) as people write it: its alphabetic group (PS3.5 6.2.1), the family's name first.

    Where that group is empty the next one stands for it: a name in another script is better than none.

    Examples
    --------
    >>> name_written("Doe^Jane^^Dr=ignored"), name_written("=\u738b^\u5c0f\u6771")
    ('Doe, Jane Dr', '\u738b, \u5c0f\u6771')
    """
    group = next((group for group in (written or "").split("=") if group.strip("^ ")), "")
    family, *rest = (part.strip() for part in group.split("^"))
    others = " ".join(part for part in rest if part)
    return ", ".join(part for part in (family, others) if part)


def date_written(written: str | None) -> str:
    """Return a date of DICOM as ISO 8601 writes it; as it is where it is none.

    Examples
    --------
    >>> date_written("19800131"), date_written("1980.01.31")
    ('1980-01-31', '1980.01.31')
    """
    if written is None or len(written) != 8 or not written.isdecimal():
        return written or ""
    return f"{written[:4]}-{written[4:6]}-{written[6:]}"

"""What only its maker can say of a model, for its card: the table ``[card]`` of a description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from edge.pack.words import Text
from edge.typed import Matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Every field may be left out: the card then says that the maker does not state it.

    The fields are those of the CHAI Applied Model Card, version 0.2, that neither a manifest nor a conversion tells;
    what each is for, `ASKED` says. A text may have several lines, of which each becomes a point.
    """

    developer: Text | None = None
    contact: Text | None = None
    release_stage: Text | None = None
    release_date: Annotated[str, Matches(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a date such as 2026-05-31")] | None = None
    availability: Text | None = None
    health_records: tuple[Text, ...] = ()
    regulatory_approval: Text | None = None
    workflow: Text | None = None
    users: Text | None = None
    how_to_use: Text | None = None
    patients: Text | None = None
    cautioned_settings: Text | None = None
    known_risks: Text | None = None
    known_biases: Text | None = None
    risk_level: Text | None = None
    architecture: Text | None = None
    foundation_models: Text | None = None
    input_sources: Text | None = None
    training_data: Text | None = None
    bias_mitigation: Text | None = None
    maintenance: Text | None = None
    security: Text | None = None
    accountability: Text | None = None
    funding: Text | None = None
    third_parties: Text | None = None
    stakeholders: Text | None = None
    testing_data: Text | None = None
    why_this_data: Text | None = None
    why_these_subgroups: Text | None = None
    why_these_margins: Text | None = None
    evaluations: Text | None = None
    clinical_trial: Text | None = None
    publications: Text | None = None
    reimbursement: Text | None = None
    consent: Text | None = None


ASKED: Mapping[str, str] = {
    "developer": "who made the model",
    "contact": "where its maker can be asked: an address that stays",
    "release_stage": "such as research, pilot or general",
    "release_date": "such as 2026-05-31",
    "availability": "in which countries it may be had",
    "health_records": "health record systems that it was tried with",
    "regulatory_approval": "which authority approved what and when, or none",
    "workflow": "when in the work of a clinic it is used, and who acts on its result",
    "users": "for whom it was made",
    "how_to_use": "what a user does, step by step",
    "patients": "sex, condition, setting and origin of the patients that it is for",
    "cautioned_settings": "where and for what it must not be used",
    "known_risks": "what else can go wrong, beyond the limits",
    "known_biases": "for whom it is known to be worse, and ethical considerations",
    "risk_level": "what a wrong result can do to a patient",
    "architecture": "the network in words",
    "foundation_models": "models that it was begun from, or none",
    "input_sources": "sites and devices that the scans come from",
    "training_data": "what it was trained on: source, number, patients, who labelled it and how",
    "bias_mitigation": "what was done against biases, or nothing",
    "maintenance": "who watches over it, and how it is updated",
    "security": "practices and accreditations",
    "accountability": "who answers for what it does",
    "funding": "who paid for it",
    "third_parties": "what others brought in, beyond the credits",
    "stakeholders": "who was asked while it was designed, or nobody",
    "testing_data": "patients, sites and devices of the scans that judge, and who labelled them how",
    "why_this_data": "why these scans stand for the patients to come",
    "why_these_subgroups": "why these groups were judged",
    "why_these_margins": "why a copy may be that much worse",
    "evaluations": "reports of other evaluations",
    "clinical_trial": "trials, with their registration, or none",
    "publications": "papers about it",
    "reimbursement": "whether its use is paid for",
    "consent": "what patients are told or asked",
}
"""By field: what a maker is asked."""

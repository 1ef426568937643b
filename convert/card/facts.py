"""What a card tells beside the figures: release, uses, warnings, data, resources."""

from __future__ import annotations

import re

from convert.card.form import Listed, Said, Section, lines_of
from convert.card.subjects import subjects
from convert.card.words import UNTRAINED, change_words, label_titles, set_words, task_words
from convert.document import Conversion
from convert.gate.judge import ALL
from convert.stated import Stated
from edge.pack.manifest import ClassificationTask, Input, Label, Manifest

_UNVERIFIED = "The maker states this; nobody has verified it for this card."
_NO_DEVICE = re.compile(r"\b(no|not an?)\s+medical[\s-]+device", re.IGNORECASE)


def facts(conversion: Conversion, manifest: Manifest, stated: Stated) -> tuple[Section, ...]:
    """Return the sections before the key metrics, and, last, that behind them."""
    return (
        _basic(manifest, stated),
        _release(manifest, stated),
        _summary(conversion, manifest),
        _uses(manifest, stated),
        _warnings(conversion, manifest, stated),
        _trust(conversion, manifest, stated),
        _resources(conversion, stated),
    )


def _told(key: str, title: str, text: str | None, lines: tuple[str, ...] = (), *, lacking: str = "") -> Said:
    """A field of what is known and, behind it, of what the maker states, after which it lacks nothing."""
    more = lines_of(text or "")
    return Said(key=key, title=title, lines=(*lines, *more), lacking="" if more else lacking)


def _basic(manifest: Manifest, stated: Stated) -> Section:
    return Section(
        key="BasicInfo",
        title="Basic information",
        parts=(
            Said(key="ModelName", title="Model name", lines=(f"{manifest.title} (pack {manifest.name})",)),
            _told("ModelDeveloper", "Model developer", stated.developer),
            _told("DeveloperContact", "Developer contact", stated.contact),
        ),
    )


def _release(manifest: Manifest, stated: Stated) -> Section:
    untrained = manifest.status == "architecture-only"
    stage = ("Architecture only: no release of a trained model.",) if untrained else ()
    return Section(
        key="ReleaseInfo",
        title="Release information",
        parts=(
            _told("ReleaseStage", "Release stage", stated.release_stage, stage),
            _told("ReleaseDate", "Release date", stated.release_date),
            Said(key="ReleaseVersion", title="Version", lines=(manifest.version,)),
            _told("GlobalAvailability", "Global availability", stated.availability),
            Listed(
                key="EHRCompatibility",
                item="EHR",
                title="Compatible health record systems",
                items=stated.health_records,
            ),
            Said(key="RegulatoryApproval", title="Regulatory approval", lines=_regulatory(manifest, stated)),
        ),
    )


def _regulatory(manifest: Manifest, stated: Stated) -> tuple[str, ...]:
    """A maker's word that it is no medical device is repeated; a claim of approval only where it is one by name."""
    denied = _NO_DEVICE.search(manifest.intended_use)
    lines = ("Not a medical device, as the maker says under intended use.",) if denied else ()
    claimed = lines_of(stated.regulatory_approval or "")
    return (*lines, *claimed, _UNVERIFIED) if claimed else lines


def _summary(conversion: Conversion, manifest: Manifest) -> Section:
    every = subjects(conversion, manifest)
    inside = ", ".join(f"{item.name} ({item.verdict})" for item in every if item.in_pack)
    outside = ", ".join(f"{item.name} ({item.verdict})" for item in every if not item.in_pack)
    lines = [*([UNTRAINED] if manifest.status == "architecture-only" else []), task_words(manifest.task)]
    lines.append(f"In the pack: {inside}. The verdicts compare with the reference; none says that it is good enough.")
    lines += [f"Built and left out of the pack: {outside}."] if outside else []
    words = [word for item in manifest.inputs for word in (*item.accepts.modality, *item.accepts.body_part)]
    keywords = dict.fromkeys([manifest.task.kind, *words, *label_titles(manifest).values()])
    return Section(
        key="ModelSummary",
        title="Model summary",
        parts=(
            Said(key="Summary", title="Summary", lines=tuple(lines)),
            Listed(key="Keywords", item="Keyword", title="Keywords", items=tuple(keywords)),
        ),
    )


def _uses(manifest: Manifest, stated: Stated) -> Section:
    ages = tuple(_age(item) for item in manifest.inputs if item.accepts.age_years is not None)
    scans = tuple(f"{_scan(item)} Scans of another kind are refused." for item in manifest.inputs)
    return Section(
        key="UsesAndDirections",
        title="Uses and directions",
        parts=(
            _told(
                "IntendedUseAndWorkflow",
                "Intended use and workflow",
                stated.workflow,
                lines_of(manifest.intended_use),
                lacking="the clinical workflow around it",
            ),
            _told("PrimaryIntendedUsers", "Primary intended users", stated.users),
            _told("HowToUse", "How to use", stated.how_to_use),
            _told(
                "TargetedPatientPopulation",
                "Targeted patient population",
                stated.patients,
                ages,
                lacking="sex, condition, setting and origin of the patients",
            ),
            _told(
                "CautionedOutOfScopeSettings",
                "Cautioned out-of-scope settings and use cases",
                stated.cautioned_settings,
                scans,
                lacking="settings and uses that the maker cautions against, beyond its limits below",
            ),
        ),
    )


def _age(item: Input) -> str:
    youngest, oldest = item.accepts.age_years or (0.0, 0.0)
    return (
        f"Age: {youngest:g} to {oldest:g} years ({item.name}). A scan that tells another age is refused; one that "
        "tells none is examined with a warning."
    )


def _scan(item: Input) -> str:
    accepts = item.accepts
    asked = {"modality": accepts.modality, "body part": accepts.body_part, "view": accepts.view}
    told = [f"{name} {' or '.join(words)}" if words else f"any {name}" for name, words in asked.items()]
    size = f"at least {accepts.least_size} x {accepts.least_size} points"
    return f"Input {item.name}: {', '.join(told)}; {accepts.colour} {accepts.stack}; {size}."


def _warnings(conversion: Conversion, manifest: Manifest, stated: Stated) -> Section:
    risks = [*([UNTRAINED] if manifest.status == "architecture-only" else []), *lines_of(manifest.limits)]
    risks += [
        f"{item.name} is in the pack although it was not shown to be as good as the reference; it runs only where it "
        "is asked for by name, and every result says so."
        for item in subjects(conversion, manifest)
        if item.in_pack and item.verdict == "inconclusive"
    ]
    return Section(
        key="Warnings",
        title="Warnings",
        parts=(
            _told("KnownRisksAndLimitations", "Known risks and limitations", stated.known_risks, tuple(risks)),
            _told(
                "KnownBiasesOrEthicalConsiderations",
                "Known biases or ethical considerations",
                stated.known_biases,
                _biases(conversion, manifest),
                lacking="biases of the model itself, and ethical considerations",
            ),
            _told("ClinicalRiskLevel", "Clinical risk level", stated.risk_level),
        ),
    )


def _biases(conversion: Conversion, manifest: Manifest) -> tuple[str, ...]:
    """The subgroups in which a file of the pack was not shown to be as good as the reference."""
    titles = label_titles(manifest)
    return tuple(
        f"{subject.name}: {change_words(row, titles)}"
        for subject in subjects(conversion, manifest)
        for row in (subject.judgement.comparisons if subject.judgement and subject.in_pack else ())
        if row.group != ALL and row.verdict != "passed"
    )


def _trust(conversion: Conversion, manifest: Manifest, stated: Stated) -> Section:
    credit = (*manifest.licence.credits, f"Licence of the pack: {manifest.licence.spdx}")
    transparency = Section(
        key="TransparencyInformation",
        title="Transparency information",
        parts=(
            _told("FundingSource", "Funding source of the technical implementation", stated.funding),
            _told("ThirdPartyInformation", "Third-party information", stated.third_parties, credit),
            _told("StakeholdersConsulted", "Stakeholders consulted during design", stated.stakeholders),
        ),
    )
    return Section(
        key="TrustIngredients",
        title="Trust ingredients",
        parts=(_system(conversion, manifest, stated), transparency),
    )


def _system(conversion: Conversion, manifest: Manifest, stated: Stated) -> Section:
    kind = f"ONNX graph for {manifest.task.kind}, from: {conversion.origin}"
    return Section(
        key="AISystemFacts",
        title="AI system facts",
        parts=(
            Said(key="OutcomesAndOutputs", title="Outcomes and outputs", lines=_outputs(manifest)),
            _told("ModelType", "Model type", stated.architecture, (kind,), lacking="the architecture in words"),
            _told("FoundationModels", "Foundation models used", stated.foundation_models),
            _told(
                "InputDataSource",
                "Input data source",
                stated.input_sources,
                tuple(_scan(item) for item in manifest.inputs),
                lacking="the sites and devices that the scans come from",
            ),
            Said(key="OutputAndInputDataTypes", title="Output and input data types", lines=_types(manifest)),
            _told(
                "DevelopmentDataCharacterization",
                "Development data characterization",
                stated.training_data,
                _development(conversion, manifest),
                lacking="the data that the model was trained on, unless the third-party information names them",
            ),
            *_promises(manifest, stated),
        ),
    )


def _promises(manifest: Manifest, stated: Stated) -> tuple[Said, ...]:
    """What a maker does about the model beside building it."""
    map_output = manifest.task.map_output if isinstance(manifest.task, ClassificationTask) else None
    maps = ("The model gives a class activation map with each score.",) if map_output else ()
    return (
        _told("BiasMitigationApproaches", "Bias mitigation approaches", stated.bias_mitigation),
        _told("OngoingMaintenance", "Ongoing maintenance", stated.maintenance),
        _told("Security", "Security and compliance practices or accreditations", stated.security),
        _told(
            "Transparency",
            "Transparency, intelligibility and accountability mechanisms",
            stated.accountability,
            maps,
            lacking="accountability",
        ),
    )


def _outputs(manifest: Manifest) -> tuple[str, ...]:
    return (task_words(manifest.task), *(_said_of(label) for label in manifest.task.labels))


def _said_of(label: Label) -> str:
    code = f", {label.code.scheme} {label.code.value} {label.code.meaning}" if label.code else ""
    finding = f"a finding, urgency: {label.urgency}" if label.finding else "no finding"
    return f"{label.title} ({label.name}{code}): {finding}"


def _types(manifest: Manifest) -> tuple[str, ...]:
    fed = [
        f"Input {item.name}: {item.accepts.colour} {item.accepts.stack}, which becomes float32 of "
        f"{' x '.join(str(size) for size in item.shape)} ({item.axes[1:]})"
        for item in manifest.inputs
    ]
    each = "a score from 0 to 1 for each label"
    output = each if isinstance(manifest.task, ClassificationTask) else "a mask for each label"
    return (*fed, f"Output: {output}")


def _development(conversion: Conversion, manifest: Manifest) -> tuple[str, ...]:
    uses = {"calibrate": "Showed INT8 the ranges of its numbers", "tune": "Thresholds and layers were chosen on"}
    return tuple(
        f"{uses[item.use]}: {set_words(item, label_titles(manifest))}" for item in conversion.sets if item.use in uses
    )


def _resources(conversion: Conversion, stated: Stated) -> Section:
    pack = conversion.pack
    report = f"The conversion report of {pack.name} {pack.version} ({conversion.format}, version 1)."
    consent = "Patient consent or disclosure required or suggested"
    return Section(
        key="Resources",
        title="Resources",
        parts=(
            _told("EvaluationReferences", "Evaluation references", stated.evaluations, (report,)),
            _told("ClinicalTrial", "Clinical trial", stated.clinical_trial),
            _told("PeerReviewedPublications", "Peer-reviewed publications", stated.publications),
            _told("ReimbursementStatus", "Reimbursement status", stated.reimbursement),
            _told("PatientConsentOrDisclosure", consent, stated.consent),
        ),
    )

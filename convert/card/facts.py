"""What a card tells beside the figures: release, uses, warnings, data, resources."""

from __future__ import annotations

import re

from convert.card.form import Listed, Said, Section, lines_of
from convert.card.subjects import subjects
from convert.card.words import UNTRAINED, change_words, label_titles, set_words, task_words
from convert.document import Conversion
from convert.gate.judge import ALL
from edge.pack.manifest import ClassificationTask, Input, Label, Manifest

_NO_DEVICE = re.compile(r"\b(no|not an?)\s+medical[\s-]+device", re.IGNORECASE)


def facts(conversion: Conversion, manifest: Manifest) -> tuple[Section, ...]:
    """Return the sections before the key metrics, and, last, that behind them."""
    return (
        _basic(manifest),
        _release(manifest),
        _summary(conversion, manifest),
        _uses(manifest),
        _warnings(conversion, manifest),
        _trust(conversion, manifest),
        _resources(conversion),
    )


def _basic(manifest: Manifest) -> Section:
    return Section(
        key="BasicInfo",
        title="Basic information",
        parts=(
            Said(key="ModelName", title="Model name", lines=(f"{manifest.title} (pack {manifest.name})",)),
            Said(key="ModelDeveloper", title="Model developer"),
            Said(key="DeveloperContact", title="Developer contact"),
        ),
    )


def _release(manifest: Manifest) -> Section:
    untrained = manifest.status == "architecture-only"
    stage = ("Architecture only: no release of a trained model.",) if untrained else ()
    return Section(
        key="ReleaseInfo",
        title="Release information",
        parts=(
            Said(key="ReleaseStage", title="Release stage", lines=stage),
            Said(key="ReleaseDate", title="Release date"),
            Said(key="ReleaseVersion", title="Version", lines=(manifest.version,)),
            Said(key="GlobalAvailability", title="Global availability"),
            Listed(key="EHRCompatibility", item="EHR", title="Compatible health record systems"),
            Said(key="RegulatoryApproval", title="Regulatory approval", lines=_regulatory(manifest)),
        ),
    )


def _regulatory(manifest: Manifest) -> tuple[str, ...]:
    """A maker's word that it is no medical device is repeated; a claim of approval is not."""
    denied = _NO_DEVICE.search(manifest.intended_use)
    return ("Not a medical device, as the maker says under intended use.",) if denied else ()


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


def _uses(manifest: Manifest) -> Section:
    ages = tuple(_age(item) for item in manifest.inputs if item.accepts.age_years is not None)
    scans = tuple(f"{_scan(item)} Scans of another kind are refused." for item in manifest.inputs)
    return Section(
        key="UsesAndDirections",
        title="Uses and directions",
        parts=(
            Said(
                key="IntendedUseAndWorkflow",
                title="Intended use and workflow",
                lines=lines_of(manifest.intended_use),
                lacking="the clinical workflow around it",
            ),
            Said(key="PrimaryIntendedUsers", title="Primary intended users"),
            Said(key="HowToUse", title="How to use"),
            Said(
                key="TargetedPatientPopulation",
                title="Targeted patient population",
                lines=ages,
                lacking="sex, condition, setting and origin of the patients",
            ),
            Said(
                key="CautionedOutOfScopeSettings",
                title="Cautioned out-of-scope settings and use cases",
                lines=scans,
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


def _warnings(conversion: Conversion, manifest: Manifest) -> Section:
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
            Said(key="KnownRisksAndLimitations", title="Known risks and limitations", lines=tuple(risks)),
            Said(
                key="KnownBiasesOrEthicalConsiderations",
                title="Known biases or ethical considerations",
                lines=_biases(conversion, manifest),
                lacking="biases of the model itself, and ethical considerations",
            ),
            Said(key="ClinicalRiskLevel", title="Clinical risk level"),
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


def _trust(conversion: Conversion, manifest: Manifest) -> Section:
    credit = (*manifest.licence.credits, f"Licence of the pack: {manifest.licence.spdx}")
    transparency = Section(
        key="TransparencyInformation",
        title="Transparency information",
        parts=(
            Said(key="FundingSource", title="Funding source of the technical implementation"),
            Said(key="ThirdPartyInformation", title="Third-party information", lines=credit),
            Said(key="StakeholdersConsulted", title="Stakeholders consulted during design"),
        ),
    )
    return Section(
        key="TrustIngredients", title="Trust ingredients", parts=(_system(conversion, manifest), transparency)
    )


def _system(conversion: Conversion, manifest: Manifest) -> Section:
    kind = f"ONNX graph for {manifest.task.kind}, from: {conversion.origin}"
    map_output = manifest.task.map_output if isinstance(manifest.task, ClassificationTask) else None
    maps = ("The model gives a class activation map with each score.",) if map_output else ()
    return Section(
        key="AISystemFacts",
        title="AI system facts",
        parts=(
            Said(key="OutcomesAndOutputs", title="Outcomes and outputs", lines=_outputs(manifest)),
            Said(key="ModelType", title="Model type", lines=(kind,), lacking="the architecture in words"),
            Said(key="FoundationModels", title="Foundation models used"),
            Said(
                key="InputDataSource",
                title="Input data source",
                lines=tuple(_scan(item) for item in manifest.inputs),
                lacking="the sites and devices that the scans come from",
            ),
            Said(key="OutputAndInputDataTypes", title="Output and input data types", lines=_types(manifest)),
            Said(
                key="DevelopmentDataCharacterization",
                title="Development data characterization",
                lines=_development(conversion, manifest),
                lacking="the data that the model was trained on, unless the third-party information names them",
            ),
            Said(key="BiasMitigationApproaches", title="Bias mitigation approaches"),
            Said(key="OngoingMaintenance", title="Ongoing maintenance"),
            Said(key="Security", title="Security and compliance practices or accreditations"),
            Said(
                key="Transparency",
                title="Transparency, intelligibility and accountability mechanisms",
                lines=maps,
                lacking="accountability",
            ),
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


def _resources(conversion: Conversion) -> Section:
    pack = conversion.pack
    report = f"The conversion report of {pack.name} {pack.version} ({conversion.format}, version 1)."
    return Section(
        key="Resources",
        title="Resources",
        parts=(
            Said(key="EvaluationReferences", title="Evaluation references", lines=(report,)),
            Said(key="ClinicalTrial", title="Clinical trial"),
            Said(key="PeerReviewedPublications", title="Peer-reviewed publications"),
            Said(key="ReimbursementStatus", title="Reimbursement status"),
            Said(key="PatientConsentOrDisclosure", title="Patient consent or disclosure required or suggested"),
        ),
    )

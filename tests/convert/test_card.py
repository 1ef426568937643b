"""The model card: CHAI's structure, everything that was measured, and nothing that was not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convert.card import NOT_STATED, card_json, card_markdown
from convert.card.words import UNTRAINED, number
from convert.document import Conversion, Run, Trail, TrailStep
from edge.errors import UsageError
from edge.pack.manifest import Manifest
from tests.convert.cards import binary, comparison, hostile, judged, multi_label, segmentation, untrained, with_models

METRIC = ("MetricGoal", "Results", "Interpretation", "TestType", "TestingDataDescription",
          "ValidationProcessAndJustification")  # fmt: skip
CHAI: Mapping[str, tuple[str, ...]] = {
    "": ("BasicInfo", "ReleaseInfo", "ModelSummary", "UsesAndDirections", "Warnings", "TrustIngredients", "KeyMetrics",
         "Resources", "Bibliography"),
    "BasicInfo": ("ModelName", "ModelDeveloper", "DeveloperContact"),
    "ReleaseInfo": ("ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability", "EHRCompatibility",
                    "RegulatoryApproval"),
    "ReleaseInfo/EHRCompatibility": ("EHR",),
    "ModelSummary": ("Summary", "Keywords"),
    "ModelSummary/Keywords": ("Keyword",),
    "UsesAndDirections": ("IntendedUseAndWorkflow", "PrimaryIntendedUsers", "HowToUse", "TargetedPatientPopulation",
                          "CautionedOutOfScopeSettings"),
    "Warnings": ("KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel"),
    "TrustIngredients": ("AISystemFacts", "TransparencyInformation"),
    "TrustIngredients/AISystemFacts": (
        "OutcomesAndOutputs", "ModelType", "FoundationModels", "InputDataSource", "OutputAndInputDataTypes",
        "DevelopmentDataCharacterization", "BiasMitigationApproaches", "OngoingMaintenance", "Security",
        "Transparency"),
    "TrustIngredients/TransparencyInformation": ("FundingSource", "ThirdPartyInformation", "StakeholdersConsulted"),
    "KeyMetrics": ("UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"),
    **{f"KeyMetrics/{name}": METRIC for name in ("UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability")},
    **{f"KeyMetrics/{name}/Results": ("MetricResult",) for name in
       ("UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability")},
    "Resources": ("EvaluationReferences", "ClinicalTrial", "PeerReviewedPublications", "ReimbursementStatus",
                  "PatientConsentOrDisclosure"),
}  # fmt: skip
"""Elements by path, in order: v0.2/schema.xsd of github.com/coalition-for-health-ai/mc-schema (commit 1c77360)."""

NEVER = ("fda", "approved", "cleared", "ce mark", "certified")


Sample = Callable[[], tuple[Conversion, Manifest]]
SAMPLES: tuple[Sample, ...] = (binary, multi_label, untrained, segmentation)
every_sample = pytest.mark.parametrize("sample", SAMPLES)


def fields(card: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every text and list of the card with its path."""
    if isinstance(card, dict):
        for key, value in card.items():
            yield from fields(value, f"{path}/{key}".lstrip("/"))
    else:
        yield path, card


def results(card: Mapping[str, Any], metric: str) -> list[dict[str, Any]]:
    found = card["AppliedModelCard"]["KeyMetrics"][metric]["Results"]["MetricResult"]
    return [json.loads(item["ValueJson"]) for item in found]


def field(sample: tuple[Conversion, Manifest], path: str) -> Any:
    return dict(fields(card_json(*sample)["AppliedModelCard"]))[path]


@every_sample
def test_the_json_has_the_elements_of_chai_and_no_others(sample: Sample) -> None:
    card = card_json(*sample())["AppliedModelCard"]
    for path, names in CHAI.items():
        element = card
        for key in filter(None, path.split("/")):
            element = element[key]
        assert tuple(element) == names, path
    assert {path.rpartition("/")[0] for path, _ in fields(card)} <= set(CHAI)


@every_sample
def test_every_leaf_is_a_text_or_a_list_that_holds_something(sample: Sample) -> None:
    for path, value in fields(card_json(*sample())["AppliedModelCard"]):
        assert isinstance(value, (str, list)), path
        assert value or path == "Bibliography", path


@every_sample
def test_every_figure_has_a_label_and_a_value_of_a_kind_that_chai_shows(sample: Sample) -> None:
    needs = {"single": {"value"}, "estimate_ci": {"estimate", "lower", "upper", "level"}}
    for path, value in fields(card_json(*sample())["AppliedModelCard"]):
        for item in value if path.endswith("MetricResult") else ():
            assert set(item) == {"Label", "ValueJson"}
            held = json.loads(item["ValueJson"])
            assert held is None or needs[held["kind"]] <= set(held)


@every_sample
def test_the_card_is_json_and_the_same_bytes_twice(sample: Sample) -> None:
    first, second = (json.dumps(card_json(*sample()), allow_nan=False) for _ in range(2))
    assert first == second
    assert card_markdown(*sample()).encode() == card_markdown(*sample()).encode()


def test_another_day_writes_the_same_card() -> None:
    conversion, manifest = binary()
    later = replace(conversion, run=Run(date="2032-01-01", seconds={"judge": 9.0}, peak_bytes=5))
    assert card_json(later, manifest) == card_json(conversion, manifest)
    assert card_markdown(later, manifest) == card_markdown(conversion, manifest)


@pytest.mark.parametrize("sample", [binary, multi_label, segmentation])
def test_every_measured_figure_stands_in_both_views_with_interval_n_and_data(sample: Sample) -> None:
    conversion, manifest = sample()
    page, told = (
        card_markdown(conversion, manifest),
        results(card_json(conversion, manifest), "UsefulnessUsabilityEfficacy"),
    )
    for item in conversion.candidates:
        for row in item.evidence:
            low, high = row.interval or (0.0, 0.0)
            cells = f"| {row.value:.4f} | {low:.4f} to {high:.4f} | {row.n} | {row.data} |"
            assert any(line.startswith(f"| {item.name}") and line.endswith(cells) for line in page.splitlines())
            wanted = {"estimate": row.value, "lower": low, "upper": high, "level": 95, "n": row.n, "data": row.data,
                      "precision": row.precision, "engine": row.engine, "metric": row.metric}  # fmt: skip
            assert any(value.items() >= wanted.items() for value in told)


@pytest.mark.parametrize("sample", [binary, segmentation])
def test_every_comparison_stands_in_both_views(sample: Sample) -> None:
    conversion, manifest = sample()
    page, card = card_markdown(conversion, manifest), card_json(conversion, manifest)
    for item in conversion.candidates:
        for row in item.judgement.comparisons if item.judgement else ():
            margin = -row.margin if row.higher_is_better else row.margin
            was = "none" if row.metric == "flips" else number(row.reference)
            ends = [was, number(row.candidate), number(row.bound, signed=True), f"{margin:+.4f}", row.verdict]
            group = "all" if row.group == "all" else row.group
            assert f"| {group} | {row.n} | {' | '.join(ends)} |" in page
            metric = "SafetyReliability" if row.group == "all" else "FairnessEquity"
            wanted = {
                "metric": row.metric,
                "group": row.group,
                "n": row.n,
                "margin": row.margin,
                "verdict": row.verdict,
            }
            assert any(value.items() >= wanted.items() for value in results(card, metric))


def test_subgroups_stand_under_fairness_alone() -> None:
    card = card_json(*binary())
    assert {value["group"] for value in results(card, "FairnessEquity")} == {"sex=M", "sex=F"}
    assert {value.get("group", "all") for value in results(card, "SafetyReliability")} == {"all"}


def test_a_skipped_subgroup_is_told_as_too_few_scans() -> None:
    said = field(binary(), "KeyMetrics/FairnessEquity/Interpretation")
    assert "Too few scans to tell (fewer than 20 of a class): int8 on onnxruntime: bright: site=B (12 scans)" in said
    assert "not judged: compare the column of the reference" in said


def test_an_unsure_subgroup_is_a_known_bias() -> None:
    said = field(binary(), "Warnings/KnownBiasesOrEthicalConsiderations")
    assert "int8 on onnxruntime: sensitivity of Bright in sex=F (n = 57)" in said
    assert "about 912 scans would tell" in said
    assert "sex=M" not in said


def test_a_file_that_nobody_receives_has_no_known_bias() -> None:
    conversion, manifest = binary()
    without = (conversion, replace(manifest, models=manifest.models[:1]))
    assert field(without, "Warnings/KnownBiasesOrEthicalConsiderations") == NOT_STATED
    assert any(row["group"] == "sex=F" and not row["in_pack"] for row in results(card_json(*without), "FairnessEquity"))


def test_without_subgroups_the_card_says_that_nothing_is_known() -> None:
    card = card_json(*multi_label())
    assert results(card, "FairnessEquity") == [None]
    said = field(multi_label(), "KeyMetrics/FairnessEquity/Interpretation")
    assert said == "No subgroup was judged: how the model does in any group of patients is not known."
    assert "KeyMetrics/FairnessEquity/Results" in card["not_stated"]


def test_each_verdict_is_told_with_what_speaks_against_it() -> None:
    said = field(binary(), "KeyMetrics/SafetyReliability/Interpretation")
    assert "- fp32 on onnxruntime: the reference: the others are compared with it; it is not judged itself." in said
    assert (
        "- int8 on openvino (not in the pack): rejected, because: its influence map is blank; specificity of Bright"
        in said
    )
    assert "- int8 on onnxruntime: inconclusive, because: sensitivity of Bright in sex=F" in said


def test_a_passed_file_says_on_how_much_it_rests() -> None:
    conversion, manifest = binary()
    small = replace(
        conversion.candidates[1], judgement=judged("passed", comparison("auc", "bright", np.random.default_rng()))
    )
    manifest = with_models(manifest, conversion.candidates[0], small)
    sample = (replace(conversion, candidates=(conversion.candidates[0], small)), manifest)
    said = field(sample, "KeyMetrics/SafetyReliability/Interpretation")
    assert "- int8 on onnxruntime: passed: every one of its comparisons passed (1)." in said


def test_a_model_that_the_conversion_does_not_know_has_the_manifests_word() -> None:
    conversion, manifest = binary()
    sample = (replace(conversion, candidates=conversion.candidates[:1]), manifest)
    said = field(sample, "KeyMetrics/SafetyReliability/Interpretation")
    assert "int8 on onnxruntime: inconclusive, by the manifest; this conversion does not tell why." in said
    assert [row for row in results(card_json(*sample), "UsefulnessUsabilityEfficacy") if row["precision"] == "int8"]


def test_what_was_left_out_is_marked_wherever_it_stands() -> None:
    conversion, manifest = binary()
    page = card_markdown(conversion, manifest)
    lines = [line for line in page.splitlines() if "int8 on openvino" in line]
    assert len(lines) > 5
    assert all("not in the pack" in line or "left out of the pack" in line for line in lines)
    told = [row for metric in CHAI["KeyMetrics"] for row in results(card_json(conversion, manifest), metric)]
    assert all(row["in_pack"] == (row["engine"] == "onnxruntime") for row in told)


def test_an_inconclusive_file_in_the_pack_is_a_known_risk() -> None:
    assert "int8 on onnxruntime is in the pack although it was not shown" in field(
        binary(), "Warnings/KnownRisksAndLimitations"
    )


def test_thresholds_are_told_with_rule_and_data() -> None:
    page = card_markdown(*binary())
    assert "| int8 on onnxruntime | Bright | 0.4200 | sensitivity of at least 90.0% | val.csv | 300 |" in page
    told = [row for row in results(card_json(*binary()), "SafetyReliability") if "rule" in row]
    assert [row["value"] for row in told] == [0.41, 0.42, 0.43]
    assert {(row["chosen_on"], row["n"]) for row in told} == {("val.csv", 300)}


def test_a_threshold_that_nobody_measured_has_no_scans() -> None:
    assert "| fp32 on onnxruntime | Pleural air | 0.5000 | fixed | no data | none |" in card_markdown(*multi_label())


def test_thresholds_chosen_on_the_judging_set_are_warned_of() -> None:
    conversion, manifest = binary()
    path, words = "KeyMetrics/UsefulnessUsabilityEfficacy/Interpretation", "elsewhere the figures will be worse"
    assert words not in field((conversion, manifest), path)
    same = tuple(replace(item, sha256="3" * 64) for item in conversion.sets)
    assert words in field((replace(conversion, sets=same), manifest), path)
    named = tuple(replace(item, words="val.csv") for item in conversion.sets if item.use == "evaluate")
    assert words in field((replace(conversion, sets=named), manifest), path)


def test_size_time_and_memory_are_told_with_the_machine() -> None:
    page = card_markdown(*binary())
    assert "| int8 on onnxruntime | 1.23 MB | 12.34 ms | 333 MB |" in page
    assert "Measured on: eight cores." in page
    told = [row for row in results(card_json(*binary()), "UsefulnessUsabilityEfficacy") if row.get("unit")]
    assert {"value": 12.344, "unit": "ms", "engine": "openvino"}.items() <= told[-2].items()


def test_what_could_not_be_run_takes_no_time_of_zero() -> None:
    assert "| fp32 on onnxruntime | 4.44 MB | could not be run | not measured |" in card_markdown(*untrained())
    assert {row["unit"] for row in results(card_json(*untrained()), "UsefulnessUsabilityEfficacy")} == {"bytes"}


def test_what_is_told_and_not_judged_stands_in_both_views() -> None:
    assert "| int8 on onnxruntime | calibration error of Bright | 0.0345 |" in card_markdown(*binary())
    told = results(card_json(*binary()), "UsefulnessUsabilityEfficacy")
    assert any(row.get("metric") == "calibration-error" and row["value"] == 0.0345 for row in told)


def test_a_figure_that_is_no_number_is_null_and_said() -> None:
    told = [row for row in results(card_json(*segmentation()), "SafetyReliability") if row.get("metric") == "hd95-mm"]
    assert [(row["value"], row["bound"], row["reference"]) for row in told] == [(None, None, 3.5)]
    assert "| 3.5000 | not a number | infinite |" in card_markdown(*segmentation())


def test_an_untrained_model_says_in_every_place_that_no_figure_is_about_a_disease() -> None:
    paths = ["ModelSummary/Summary", "Warnings/KnownRisksAndLimitations"]
    paths += [f"KeyMetrics/{name}/Interpretation" for name in CHAI["KeyMetrics"]]
    for path in paths:
        assert UNTRAINED in field(untrained(), path)
        assert UNTRAINED not in field(binary(), path)


@every_sample
def test_what_is_not_known_is_said_and_listed_in_both_views(sample: Sample) -> None:
    conversion, manifest = sample()
    card, page = card_json(conversion, manifest), card_markdown(conversion, manifest)
    said = {path.removesuffix("/EHR").removesuffix("/MetricResult")
            for path, value in fields(card["AppliedModelCard"]) if NOT_STATED in str(value)}  # fmt: skip
    assert said == set(card["not_stated"])
    listed = page.partition("## What is not stated\n\n")[2].splitlines()
    assert len(listed) == len(said)
    assert all(line.startswith("- ") for line in listed)
    assert {"BasicInfo/ModelDeveloper", "ReleaseInfo/ReleaseDate", "Warnings/ClinicalRiskLevel"} <= said


def test_a_field_that_tells_in_part_is_listed_with_what_it_lacks() -> None:
    conversion, manifest = binary()
    accepts = replace(manifest.inputs[0].accepts, age_years=(18.0, 90.0), modality=("DX", "CR"))
    manifest = replace(manifest, inputs=(replace(manifest.inputs[0], accepts=accepts),))
    path = "UsesAndDirections/TargetedPatientPopulation"
    assert field((conversion, manifest), path).startswith("- Age: 18 to 90 years (image).")
    assert path in card_json(conversion, manifest)["not_stated"]
    last = card_markdown(conversion, manifest).partition("## What is not stated")[2]
    assert "Targeted patient population (in part: sex, condition, setting and origin of the patients)" in last
    assert "modality DX or CR" in field((conversion, manifest), "UsesAndDirections/CautionedOutOfScopeSettings")


@every_sample
def test_no_card_speaks_of_an_approval_that_it_does_not_know(sample: Sample) -> None:
    text = (card_markdown(*sample()) + json.dumps(card_json(*sample()))).lower()
    assert not [words for words in NEVER if re.search(rf"\b{words}\b", text)]


def test_the_regulatory_status_follows_the_intended_use() -> None:
    path = "ReleaseInfo/RegulatoryApproval"
    assert field(binary(), path) == "Not a medical device, as the maker says under intended use."
    conversion, manifest = binary()
    for claim in ("FDA approved medical device.", "Screening.", "Sold as a medical device."):
        assert field((conversion, replace(manifest, intended_use=claim)), path) == NOT_STATED


def test_a_search_tells_how_many_models_it_tried() -> None:
    conversion, manifest = binary()
    step = TrailStep(
        given_back=(), bytes=9, metric="auc", label="bright", difference=-0.02, margin=0.005, latency_ms=1.0,
        higher_is_better=True,
        accepted=False,
    )  # fmt: skip
    trail = Trail(engine="openvino", steps=(step, replace(step, given_back=("conv",), accepted=True)))
    said = field((replace(conversion, trails=(trail,)), manifest), "KeyMetrics/SafetyReliability/" + METRIC[-1])
    assert "- INT8 models tried for openvino on the scans to choose on: 2, good enough: 1" in said


def test_nothing_is_said_of_a_test_or_of_margins_where_nothing_was_tested() -> None:
    for name in CHAI["KeyMetrics"]:
        assert field(untrained(), f"KeyMetrics/{name}/TestType") == NOT_STATED
        assert "margin" not in field(untrained(), f"KeyMetrics/{name}/ValidationProcessAndJustification")
        assert field(binary(), f"KeyMetrics/{name}/TestType").startswith("Measured by")


def test_limits_licence_labels_notes_and_sets_are_told() -> None:
    page = card_markdown(*multi_label())
    for words in ("Knows nothing.", "Data of a ward", "Licence of the pack: MIT", "SCT 60046008", "urgency: urgent",
                  "Dropout was removed", "train.csv: 200 scans", "ward.csv: 480 scans", "onnx 1.19.0",
                  "a" * 64):  # fmt: skip
        assert words in page


def test_hostile_text_is_harmless_to_a_reader_of_the_json() -> None:
    for path, value in fields(card_json(*hostile())["AppliedModelCard"]):
        texts = (
            [value] if isinstance(value, str) else [item["Label"] if isinstance(item, dict) else item for item in value]
        )
        assert not any("<" in text or "](" in text.replace("\\](", "") for text in texts), path


def test_a_line_of_a_maker_that_shows_nothing_is_no_line() -> None:
    conversion, manifest = binary()
    said = field((conversion, replace(manifest, limits="One.\n\u202e\n \nTwo.")), "Warnings/KnownRisksAndLimitations")
    assert said.startswith("- One.\n- Two.\n- int8")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"version": "2.0.0"}, "the pack in the conversion report is 'tiny 1.0.0', expected 'tiny 2.0.0'"),
        ({"status": "architecture-only"}, "the status in the conversion report is 'trained'"),
        ({"sha256": "c" * 64}, "the file of fp32 on onnxruntime in the conversion report is 'aaaa"),
        ({"verdict": "passed"}, "the verdict on fp32 on onnxruntime in the conversion report is 'reference'"),
    ],
)
def test_a_conversion_of_another_pack_is_refused(changes: dict[str, Any], problem: str) -> None:
    conversion, manifest = binary()
    if set(changes) & {"sha256", "verdict"}:
        manifest = replace(manifest, models=(replace(manifest.models[0], **changes), *manifest.models[1:]))
    else:
        manifest = replace(manifest, **changes)
    for view in (card_json, card_markdown):
        with pytest.raises(UsageError, match=re.escape(problem)):
            view(conversion, manifest)

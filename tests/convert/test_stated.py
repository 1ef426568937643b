"""What a maker says in ``[card]`` stands in the card, where CHAI has its place, and nowhere else."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convert.card import NOT_STATED, card_json, card_markdown
from convert.describe import draft, parse_description, to_manifest
from convert.outputs import CARD, CARD_JSON
from convert.recipes.contract import recipe_description
from convert.road import Ways, travel
from convert.stated import ASKED, Stated
from edge.pack.store import open_pack
from edge.testing import tiny_manifest, tiny_model
from edge.typed import dump
from tests.conftest import ROOT
from tests.convert.cards import HOSTILE, binary, untrained
from tests.convert.descriptions import TOML, answer, filled, refusal
from tests.convert.scans import Heard, bench, brightness_net, quick

FIELDS = tuple(field.name for field in dataclasses.fields(Stated))
PLACES = {
    "developer": "BasicInfo/ModelDeveloper",
    "contact": "BasicInfo/DeveloperContact",
    "release_stage": "ReleaseInfo/ReleaseStage",
    "release_date": "ReleaseInfo/ReleaseDate",
    "availability": "ReleaseInfo/GlobalAvailability",
    "health_records": "ReleaseInfo/EHRCompatibility/EHR",
    "regulatory_approval": "ReleaseInfo/RegulatoryApproval",
    "workflow": "UsesAndDirections/IntendedUseAndWorkflow",
    "users": "UsesAndDirections/PrimaryIntendedUsers",
    "how_to_use": "UsesAndDirections/HowToUse",
    "patients": "UsesAndDirections/TargetedPatientPopulation",
    "cautioned_settings": "UsesAndDirections/CautionedOutOfScopeSettings",
    "known_risks": "Warnings/KnownRisksAndLimitations",
    "known_biases": "Warnings/KnownBiasesOrEthicalConsiderations",
    "risk_level": "Warnings/ClinicalRiskLevel",
    "architecture": "TrustIngredients/AISystemFacts/ModelType",
    "foundation_models": "TrustIngredients/AISystemFacts/FoundationModels",
    "input_sources": "TrustIngredients/AISystemFacts/InputDataSource",
    "training_data": "TrustIngredients/AISystemFacts/DevelopmentDataCharacterization",
    "bias_mitigation": "TrustIngredients/AISystemFacts/BiasMitigationApproaches",
    "maintenance": "TrustIngredients/AISystemFacts/OngoingMaintenance",
    "security": "TrustIngredients/AISystemFacts/Security",
    "accountability": "TrustIngredients/AISystemFacts/Transparency",
    "funding": "TrustIngredients/TransparencyInformation/FundingSource",
    "third_parties": "TrustIngredients/TransparencyInformation/ThirdPartyInformation",
    "stakeholders": "TrustIngredients/TransparencyInformation/StakeholdersConsulted",
    "testing_data": "KeyMetrics/UsefulnessUsabilityEfficacy/TestingDataDescription",
    "why_this_data": "KeyMetrics/UsefulnessUsabilityEfficacy/ValidationProcessAndJustification",
    "why_these_subgroups": "KeyMetrics/FairnessEquity/ValidationProcessAndJustification",
    "why_these_margins": "KeyMetrics/SafetyReliability/ValidationProcessAndJustification",
    "evaluations": "Resources/EvaluationReferences",
    "clinical_trial": "Resources/ClinicalTrial",
    "publications": "Resources/PeerReviewedPublications",
    "reimbursement": "Resources/ReimbursementStatus",
    "consent": "Resources/PatientConsentOrDisclosure",
}


def says(**fields: str) -> Stated:
    """Every field that is not given says its own name."""
    words: dict[str, Any] = {name: f"of {name}" for name in FIELDS} | fields
    return Stated(**words | {"health_records": (words["health_records"],), "release_date": "2031-02-03"})


def at(card: Any, path: str) -> Any:
    for key in path.split("/"):
        card = card[key]
    return card


def one(name: str) -> Stated:
    return Stated(**{name: getattr(says(), name)})


# In the card ---------------------------------------------------------------------------------------------


def test_every_field_has_its_place_and_is_asked_for() -> None:
    assert set(PLACES) == set(FIELDS) == set(ASKED)
    assert len(set(PLACES.values())) == len(PLACES)


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_said_stands_in_its_place_and_no_longer_lacks(name: str) -> None:
    card = card_json(*binary(), one(name))
    words = "2031-02-03" if name == "release_date" else f"of {name}".replace("_", "\\_")
    found = at(card["AppliedModelCard"], PLACES[name])
    assert words in (found if isinstance(found, str) else found[0])
    path = PLACES[name].removesuffix("/EHR")
    assert path not in card["not_stated"]
    before = card_json(*binary())
    changed = set(before["not_stated"]) - set(card["not_stated"])
    places = {place.removesuffix("/EHR") for place in PLACES.values()}
    assert changed <= places | {"KeyMetrics/FairnessEquity/TestingDataDescription"}
    assert changed <= {path} or name == "testing_data"


def test_a_card_of_which_all_is_said_lacks_nothing_that_a_maker_can_tell() -> None:
    assert card_json(*binary(), says())["not_stated"] == []
    page = card_markdown(*binary(), says())
    assert NOT_STATED not in page.partition("\n## ")[2].partition("## What is not stated")[0]
    lacking = card_json(*untrained(), says())["not_stated"]
    assert all(path.startswith("KeyMetrics/") for path in lacking)


def test_what_is_said_stands_behind_what_is_known() -> None:
    found = at(card_json(*binary(), one("workflow"))["AppliedModelCard"], PLACES["workflow"])
    assert found == "- Shows the way. Not a medical device.\n- of workflow"


def test_several_lines_are_several_points() -> None:
    page = card_markdown(*binary(), Stated(how_to_use="Open it.\n\nRead it.\n"))
    assert "**How to use:**\n\n- Open it.\n- Read it.\n" in page


def test_an_approval_is_told_as_the_makers_word() -> None:
    conversion, manifest = binary()
    manifest = replace(manifest, intended_use="Screening.")
    stated = Stated(regulatory_approval="Cleared by an authority.")
    found = at(card_json(conversion, manifest, stated)["AppliedModelCard"], PLACES["regulatory_approval"])
    assert found == "- Cleared by an authority.\n- The maker states this; nobody has verified it for this card."


def test_hostile_words_of_a_maker_do_nothing() -> None:
    words = f"{HOSTILE}\n\n## Approved\n1. yes\n====="
    page = card_markdown(*binary(), says(**{name: words for name in FIELDS if name != "release_date"}))
    assert "<" not in page
    assert "\u202e" not in page
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == [line for line in card_markdown(*binary()).splitlines() if line.startswith("#")]


# In a description ----------------------------------------------------------------------------------------


def test_a_description_says_what_it_wants_to_and_the_manifest_holds_none_of_it() -> None:
    text = TOML + '\n[card]\ndeveloper = "A laboratory"\nrelease_date = "2031-02-03"\nhealth_records = ["One"]\n'
    description = parse_description(text.encode(), "pack.toml")
    assert description.card == Stated(developer="A laboratory", release_date="2031-02-03", health_records=("One",))
    assert "laboratory" not in json.dumps(dump(to_manifest(description, tiny_manifest().models)))
    assert parse_description(json.dumps(dump(description)).encode(), "pack.json") == description


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('develper = "A laboratory"', "$.card.develper: unknown key, did you mean 'developer'?"),
        ('developer = " "', "$.card.developer: found ' ', expected a text that is not empty"),
        ("developer = 3", "$.card.developer: found 3, expected a string"),
        ('developer = "FILL IN: who"', "$.card.developer: still to be filled in"),
        ('release_date = "May 2031"', "$.card.release_date: found 'May 2031', expected a date such as"),
        ("release_date = 2031-02-03", "$.card.release_date: found the date 2031-02-03, expected a text: put it in"),
        ('health_records = "One"', "$.card.health_records: found 'One', expected an array"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(line: str, message: str) -> None:
    assert message in refusal(f"{TOML}\n[card]\n{line}\n")


def test_a_draft_asks_for_every_field_in_comments() -> None:
    text = draft(tiny_model(), "any")
    start = text.index("# [card]")
    assert [line.split(" ")[1] for line in text[start:].splitlines()[1:]] == list(FIELDS)
    assert parse_description(filled(text, answer).encode(), "pack.toml").card == Stated()
    asked = text[:start] + text[start:].replace("\n# ", "\n").replace("# [card]", "[card]")
    told = filled(asked, lambda line: '"2031-02-03"' if line.startswith("release_date") else answer(line))
    card = parse_description(told.encode(), "pack.toml").card
    assert all(getattr(card, name) for name in FIELDS)


def test_the_page_of_the_workshop_names_every_field() -> None:
    page = (ROOT / "docs" / "workshop.md").read_text(encoding="utf-8")
    assert [name for name in FIELDS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("recipe", ["chest-pneumonia", "brain-tissue"])
def test_the_trained_recipes_say_what_is_known_of_them(recipe: str) -> None:
    card = parse_description(recipe_description(recipe).encode(), recipe).card
    known = ("developer", "architecture", "foundation_models", "training_data", "testing_data", "risk_level", "users")
    assert all(getattr(card, name) for name in known)
    assert card.regulatory_approval is None


# On the road ---------------------------------------------------------------------------------------------


def test_both_views_of_the_card_are_written_with_it(tmp_path: Path) -> None:
    made = bench(tmp_path / "in", brightness_net(), card={"developer": "A laboratory", "users": "Tests"})
    with quick():
        travel(made.road(tmp_path / "out", Ways(precisions=("fp32",))), Heard())
    pack = tmp_path / "out" / "workshop"
    assert "**Model developer:** A laboratory\n" in (pack / CARD).read_text(encoding="utf-8")
    card = json.loads((tmp_path / "out" / CARD_JSON).read_text(encoding="utf-8"))
    assert at(card["AppliedModelCard"], PLACES["users"]) == "Tests"
    assert open_pack(pack).manifest.card is not None

"""Typed documents: what the annotations say is what is taken, told apart, written and published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pack import manifest as manifest_types
from edge.pack.manifest import Manifest
from edge.testing import golden_case, tiny_manifest, tiny_segmentation
from edge.typed import Between, Matches, TypedError, bind, dump, parse, schema, signature_schema

Colour = Annotated[str, Matches(r"[a-z]+", "a colour in lower case")]


@dataclass(frozen=True, kw_only=True)
class Circle:
    kind: Literal["circle"]
    radius: Annotated[float, Between(0.0, 10.0)]


@dataclass(frozen=True, kw_only=True)
class Line:
    kind: Literal["line", "ray"]
    ends: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    name: Colour
    count: Annotated[int, Between(1, 9)]
    shown: bool = True
    scale: float = 1.0
    shape: Circle | Line | None = None
    tags: Annotated[tuple[str, ...], Between(0, 3)] = ()
    notes: Mapping[str, Circle] = field(default_factory=dict)
    extra: object = None
    level: Literal[1, "top", True] = "top"
    nothing: None = None


LEAST: dict[str, object] = {"name": "red", "count": 1}


def drawing(**changes: object) -> Drawing:
    return parse(Drawing, {**LEAST, **changes})


def problem(value: object, kind: type[Any] = Drawing) -> str:
    with pytest.raises(TypedError) as caught:
        parse(kind, value)
    assert str(caught.value).startswith(caught.value.path)
    return str(caught.value)


def test_what_may_be_left_out_has_its_default() -> None:
    assert drawing() == Drawing(name="red", count=1)


def test_every_kind_of_value_is_taken() -> None:
    document = {
        "shown": False,
        "scale": 2.5,
        "shape": {"kind": "ray", "ends": [0, 1.5]},
        "tags": ["a", "b"],
        "notes": {"here": {"kind": "circle", "radius": 10}},
        "extra": {"any": [1, None]},
        "level": 1,
        "nothing": None,
    }
    found = drawing(**document)
    assert found.shape == Line(kind="ray", ends=(0.0, 1.5))
    assert found.notes == {"here": Circle(kind="circle", radius=10.0)}
    assert (found.shown, found.scale, found.tags, found.level) == (False, 2.5, ("a", "b"), 1)
    assert found.extra == {"any": [1, None]}


def test_an_unknown_key_is_refused_with_its_path_and_a_suggestion() -> None:
    assert problem({**LEAST, "cuont": 3}) == "$.cuont: unknown key, did you mean 'count'?"


def test_an_unknown_key_like_no_other_is_refused_with_those_that_there_are() -> None:
    said = problem({**LEAST, "zzzzzzzz": 3})
    assert said.startswith("$.zzzzzzzz: unknown key, expected one of 'name', 'count'")


def test_a_missing_key_is_named() -> None:
    assert problem({"name": "red"}) == "$.count: missing"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": True}, "$.count: found True, expected a whole number"),
        ({"count": 1.0}, "$.count: found 1.0, expected a whole number"),
        ({"count": "1"}, "$.count: found '1', expected a whole number"),
        ({"count": None}, "$.count: found null, expected a whole number"),
        ({"count": 0}, "$.count: found 0, expected a number from 1 to 9"),
        ({"count": 10}, "$.count: found 10, expected a number from 1 to 9"),
        ({"shown": 1}, "$.shown: found 1, expected true or false"),
        ({"shown": "true"}, "$.shown: found 'true', expected true or false"),
        ({"scale": True}, "$.scale: found True, expected a number"),
        ({"scale": float("nan")}, "$.scale: found nan, expected a finite number"),
        ({"scale": float("-inf")}, "$.scale: found -inf, expected a finite number"),
        ({"scale": "1"}, "$.scale: found '1', expected a number"),
        ({"name": 3}, "$.name: found 3, expected a string"),
        ({"name": "Red"}, "$.name: found 'Red', expected a colour in lower case"),
        ({"name": "red\n"}, "$.name: found 'red\\n', expected a colour in lower case"),
        ({"nothing": 0}, "$.nothing: found 0, expected null"),
        ({"level": 2}, "$.level: found 2, expected one of 1, 'top', True"),
        ({"level": 1.0}, "$.level: found 1.0, expected one of 1, 'top', True"),
        ({"tags": "ab"}, "$.tags: found 'ab', expected an array"),
        ({"tags": ["a", 2]}, "$.tags[1]: found 2, expected a string"),
        ({"tags": ["a"] * 4}, "$.tags: found 4, expected a length from 0 to 3"),
        ({"notes": []}, "$.notes: found [], expected an object"),
        ({"notes": {"x": {"kind": "circle", "radius": 11}}}, "$.notes.x.radius: found 11.0, expected a number from 0"),
        ({"notes": {"x": 1}}, "$.notes.x: found 1, expected an object"),
        ({"shape": []}, "$.shape: found [], expected an object"),
        ({"shape": {}}, "$.shape.kind: missing, expected one of 'circle', 'line', 'ray'"),
        ({"shape": {"kind": "box"}}, "$.shape.kind: found 'box', expected one of 'circle', 'line', 'ray'"),
        ({"shape": {"kind": ["circle"]}}, "$.shape.kind: found ['circle'], expected one of"),
        ({"shape": {"kind": "circle", "ends": [1, 2]}}, "$.shape.ends: unknown key, expected one of 'kind', 'radius'"),
        ({"shape": {"kind": "line", "ends": [1]}}, "$.shape.ends: found 1 values, expected 2"),
        ({"shape": {"kind": "line", "ends": [1, 2, 3]}}, "$.shape.ends: found 3 values, expected 2"),
        ({"shape": {"kind": "line", "ends": [1, "2"]}}, "$.shape.ends[1]: found '2', expected a number"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(changes: dict[str, object], said: str) -> None:
    assert problem({**LEAST, **changes}).startswith(said)


@pytest.mark.parametrize("value", [[], "x", 1, None, True])
def test_a_document_that_is_no_object_is_refused(value: object) -> None:
    assert problem(value).startswith("$: found")


def test_a_whole_number_stands_for_a_number_and_becomes_one() -> None:
    assert type(drawing(scale=2).scale) is float


def test_a_whole_number_beyond_every_float_is_refused_and_does_not_overflow() -> None:
    assert "expected a finite number" in problem({**LEAST, "scale": 10**400})


def test_half_of_a_surrogate_pair_is_refused_for_it_could_not_be_written() -> None:
    assert "UTF-8" in problem({**LEAST, "tags": [json.loads(r'"\ud800"')]})


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(problem({**LEAST, "count": "x" * 10_000})) < 120


@pytest.mark.parametrize("value", [1, 9])
def test_both_ends_of_a_range_belong_to_it(value: int) -> None:
    assert drawing(count=value).count == value


@given(st.integers())
def test_a_range_takes_what_lies_in_it_and_nothing_else(value: int) -> None:
    if 1 <= value <= 9:
        assert drawing(count=value).count == value
    else:
        assert "expected a number from 1 to 9" in problem({**LEAST, "count": value})


def test_an_open_range_ends_on_one_side_only() -> None:
    Between(low=1).check(10**12, "$")
    with pytest.raises(TypedError, match="from 1 to inf"):
        Between(low=1).check(0, "$")


def stretch(
    image: str, *, height: Annotated[int, Between(1, 8)], kind: Literal["a", "b"] = "a", by: tuple[float, ...] = ()
) -> str:
    """Make it longer.

    And tell nobody.
    """
    return f"{image}{height}{kind}{by}"


def test_options_are_bound_to_the_parameters_of_a_function() -> None:
    options = bind(stretch, {"height": 3, "by": [1, 2.5]}, "$.steps[0]")
    assert stretch("x", **options) == "x3a(1.0, 2.5)"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "$.steps[0].height: missing"),
        ({"height": 9}, "$.steps[0].height: found 9, expected a number from 1 to 8"),
        ({"height": 3, "knid": "b"}, "$.steps[0].knid: unknown key, did you mean 'kind'?"),
        ({"height": 3, "image": "y"}, "$.steps[0].image: unknown key"),
        ({"height": 3, "kind": "c"}, "$.steps[0].kind: found 'c', expected one of 'a', 'b'"),
        ({"height": 3, "by": [1, None]}, "$.steps[0].by[1]: found null, expected a number"),
        ([3], "$.steps[0]: found [3], expected an object"),
    ],
)
def test_wrong_options_are_refused_with_their_path(options: object, said: str) -> None:
    with pytest.raises(TypedError) as caught:
        bind(stretch, options, "$.steps[0]")
    assert str(caught.value).startswith(said)


def test_the_schema_of_options_says_what_bind_takes() -> None:
    assert signature_schema(stretch) == {
        "type": "object",
        "description": "Make it longer.",
        "properties": {
            "height": {"type": "integer", "minimum": 1, "maximum": 8},
            "kind": {"enum": ["a", "b"]},
            "by": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["height"],
        "additionalProperties": False,
    }


def test_what_is_written_is_read_back_the_same() -> None:
    whole = drawing(shape={"kind": "line", "ends": [1, 2]}, tags=["a"], notes={"n": {"kind": "circle", "radius": 1}})
    assert parse(Drawing, json.loads(json.dumps(dump(whole)))) == whole


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        dump({"deep": [value]})


@pytest.mark.parametrize(
    "manifest",
    [
        tiny_manifest(),
        tiny_manifest(task=tiny_segmentation()),
        tiny_manifest(golden=(golden_case("golden/a.png", b"x", score=0.5),)),
    ],
    ids=["classification", "segmentation", "golden"],
)
def test_a_manifest_survives_being_written_and_read(manifest: Manifest) -> None:
    assert parse(Manifest, json.loads(json.dumps(dump(manifest)))) == manifest


NAMES = st.from_regex(r"[a-z0-9]{1,5}(-[a-z0-9]{1,5}){0,2}", fullmatch=True)
TEXTS = st.text(max_size=20).filter(lambda text: bool(text.strip()))


@st.composite
def codes(draw: st.DrawFn) -> manifest_types.Code:
    return manifest_types.Code(
        scheme=draw(st.sampled_from(("SCT", "RADLEX", "DCM", "LN"))), value=draw(TEXTS), meaning=draw(TEXTS)
    )


@st.composite
def labels(draw: st.DrawFn) -> manifest_types.Label:
    return manifest_types.Label(
        name=draw(NAMES),
        title=draw(TEXTS),
        code=draw(st.none() | codes()),
        finding=draw(st.booleans()),
        urgency=draw(st.sampled_from(("routine", "soon", "urgent"))),
    )


@st.composite
def accepts(draw: st.DrawFn) -> manifest_types.Accepts:
    ages = st.floats(0, 120)
    return manifest_types.Accepts(
        modality=tuple(draw(st.lists(TEXTS, max_size=2))),
        stack=draw(st.sampled_from(("picture", "volume", "frames"))),
        colour=draw(st.sampled_from(("grey", "rgb"))),
        age_years=draw(st.none() | st.tuples(ages, ages)),
        least_size=draw(st.integers(1, 65536)),
    )


@st.composite
def evidence(draw: st.DrawFn) -> manifest_types.Evidence:
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    return manifest_types.Evidence(
        precision=draw(st.sampled_from(("fp32", "fp16", "int8"))),
        engine=draw(NAMES),
        label=draw(NAMES),
        data=draw(TEXTS),
        metric=draw(NAMES),
        value=draw(numbers),
        interval=draw(st.none() | st.tuples(numbers, numbers)),
        n=draw(st.integers(1, 10**9)),
    )


@given(labels() | accepts() | evidence())
def test_every_part_of_a_manifest_survives_and_fits_its_schema(part: object) -> None:
    document = json.loads(json.dumps(dump(part)))
    assert parse(type(part), document) == part
    jsonschema.validate(document, schema(type(part), title="Part", identifier="urn:test:part"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 12) | st.floats(allow_nan=False, allow_infinity=False) | st.text("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "radius", "ends"]), inner),
    max_leaves=5,
)
LIKELY = st.fixed_dictionaries(
    {"name": st.sampled_from(["red", "Red", 1]), "count": st.integers(-1, 11) | st.just("1")},
    optional={
        "shown": st.booleans() | st.integers(0, 1),
        "scale": JSON,
        "shape": st.fixed_dictionaries(
            {"kind": st.sampled_from(["circle", "line", "box"])},
            optional={"radius": st.floats(-1, 11), "ends": st.lists(st.integers(0, 3), max_size=3)},
        )
        | JSON,
        "tags": st.lists(st.text("ab"), max_size=4) | JSON,
        "notes": st.dictionaries(st.text("xy"), JSON, max_size=2),
        "nmae": JSON,
    },
)


def only_whole_floats_differ(value: object) -> bool:
    """JSON Schema calls 1.0 an integer (draft 2020-12, 6.1.1); the parser does not."""
    if isinstance(value, dict):
        return any(map(only_whole_floats_differ, value.values()))
    if isinstance(value, list):
        return any(map(only_whole_floats_differ, value))
    return isinstance(value, float) and value.is_integer()


@given(LIKELY)
def test_the_parser_and_the_schema_agree(document: dict[str, object]) -> None:
    published = schema(Drawing, title="Drawing", identifier="urn:test:drawing")
    fits = jsonschema.Draft202012Validator(published).is_valid(document)
    try:
        parse(Drawing, document)
    except TypedError:
        assert not fits or only_whole_floats_differ(document)
    else:
        assert fits


def test_a_type_that_holds_itself_has_a_schema() -> None:
    published = schema(Tree, title="Tree", identifier="urn:test:tree")
    jsonschema.validate({"children": [{"children": []}]}, published)
    assert published["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


@dataclass(frozen=True, kw_only=True)
class Tree:
    children: tuple[Tree, ...]

"""The conversion report as a page: nothing left out, nothing from outside, nothing that misleads."""

from __future__ import annotations

import base64
import dataclasses
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest

mpl = pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from convert.document import CandidateTold, Conversion, LayerTold  # noqa: E402
from convert.gate.judge import Comparison, Judgement  # noqa: E402
from convert.report import figures, plots, render  # noqa: E402
from convert.report.forest import BEYOND, TIP, WIDTH, axis_of, whisker_of  # noqa: E402
from convert.report.tables import MOST_COLUMNS, WORST_LAYERS, evidence_tables, layer_table  # noqa: E402
from convert.report.wording import words_of  # noqa: E402
from edge.pack.manifest import Manifest  # noqa: E402
from tests.convert import conversions  # noqa: E402
from tests.convert.conversions import compare, judged  # noqa: E402

VOID = {"meta", "img", "br", "link", "input", "hr"}
HOSTILE = "\"><script>alert('1')</script><img src=x onerror=y>&amp;{{ 7 * 7 }} $x^$ \u75c5"
SAMPLES = {
    "binary": conversions.binary,
    "fourteen": conversions.fourteen,
    "segmentation": conversions.segmentation,
    "detection": conversions.detection,
    "registration": conversions.registration,
    "untrained": conversions.untrained,
}
TITLES = {"pneumonia": "Pneumonia"}


class Page(HTMLParser):
    """A page as a browser would read it, and whether its tags meet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h2", "h3"):
            self.headings.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if {"h2", "h3"} & set(self.open):
            self.headings[-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module", params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> tuple[Conversion, Manifest, str]:
    conversion, manifest = SAMPLES[request.param]()
    return conversion, manifest, render(conversion, manifest)


def page_of(conversion: Conversion, manifest: Manifest) -> Page:
    return Page(render(conversion, manifest))


def with_verdict(judgement: Judgement) -> CandidateTold:
    return replace(conversions.bare(("int8", "openvino")), judgement=judgement)


def rests_on(judgement: Judgement) -> str:
    return " ".join(words_of(with_verdict(judgement), TITLES, is_reference=False).rests_on)


def spoilt(value: Any) -> Any:
    """The same data with hostile words in place of every text that is free."""
    fixed = {"format", "status", "verdict", "precision", "use", "metric", "label", "group", "kind", "name", "mode"}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {
            field.name: spoilt(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in fixed
        }
        return replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(spoilt(item) for item in value)
    if isinstance(value, dict):
        return {name: spoilt(item) for name, item in value.items()}
    return f"{HOSTILE} {value}" if isinstance(value, str) else value


def test_the_page_is_whole_html(sample: tuple[Conversion, Manifest, str]) -> None:
    *_, html = sample
    assert html.lstrip().startswith("<!DOCTYPE html>\n<html lang")
    page = Page(html)
    assert page.open == []
    assert [tag for tag, count in Counter(tag for tag, _ in page.tags).items() if tag in ("html", "body", "h1")] == [
        "html",
        "body",
        "h1",
    ]


def test_nothing_comes_from_outside_and_nothing_runs(sample: tuple[Conversion, Manifest, str]) -> None:
    *_, html = sample
    page = Page(html)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base", "form"} == set()
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.values("src"))
    assert "http" not in html.replace("data:image/svg+xml;base64,", "")
    assert "url(" not in html
    assert "@import" not in html


def test_every_link_leads_to_a_place_on_the_page(sample: tuple[Conversion, Manifest, str]) -> None:
    page = Page(sample[2])
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)


def test_every_picture_is_xml_with_ids_of_its_own_and_no_text_no_date(sample: tuple[Conversion, Manifest, str]) -> None:
    *_, html = sample
    pictures = [base64.b64decode(source.partition(",")[2]).decode() for source in Page(html).values("src")]
    pictures += re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    for picture in pictures:
        elements = list(ET.fromstring(picture).iter())
        ids = [element.attrib["id"] for element in elements if "id" in element.attrib]
        assert len(set(ids)) == len(ids)
        assert "dc:date" not in picture
        assert "script" not in {str(element.tag).rpartition("}")[2] for element in elements}


def test_a_picture_that_says_something_says_it_in_words_too(sample: tuple[Conversion, Manifest, str]) -> None:
    conversion, _, html = sample
    pictures = [attributes for tag, attributes in Page(html).tags if tag == "img"]
    labels = {curves.label for told in conversion.candidates for curves in told.curves}
    assert all("alt" in attributes for attributes in pictures)
    boxed = {curve.label for told in conversion.candidates for curve in told.free_response}
    drawn = 2 * len(labels) + len(boxed) + len(conversion.trails)
    assert sum(bool(attributes["alt"]) for attributes in pictures) == drawn


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_conversion_gives_the_same_bytes_whatever_the_settings(name: str) -> None:
    first = render(*SAMPLES[name]())
    with mpl.rc_context({"lines.linewidth": 9.0, "svg.fonttype": "none", "svg.hashsalt": "other", "font.size": 30}):
        assert render(*SAMPLES[name]()) == first


def test_every_candidate_stands_with_its_engine_and_verdict(sample: tuple[Conversion, Manifest, str]) -> None:
    conversion, _, html = sample
    page = Page(html)
    for told in conversion.candidates:
        assert told.name in page.text
        assert f"{told.engine} {told.engine_version}" in page.text
        assert told.sha256 in page.text
        if told.judgement is not None:
            qualified = ": n too small" if told.judgement.verdict == "inconclusive" else ""
            assert f"{told.name}: {told.judgement.verdict}{qualified}" in page.headings


def test_every_comparison_has_a_row_with_its_numbers_and_verdict(sample: tuple[Conversion, Manifest, str]) -> None:
    conversion, _, html = sample
    rows = [" ".join(Page(row).words).split() for row in re.findall(r"<tr><td class.*?</tr>", html, flags=re.DOTALL)]
    for told in conversion.candidates:
        for item in told.judgement.comparisons if told.judgement else ():
            places = figures.decimals(item.margin)
            wanted = {
                figures.count(item.n),
                figures.fixed(item.reference, places),
                figures.fixed(item.candidate, places),
                figures.signed(item.candidate - item.reference, places),
                figures.signed(item.bound, places),
                item.verdict,
            }
            assert any(wanted <= set(row) for row in rows), item


def test_problems_skipped_groups_notes_and_credits_are_told(sample: tuple[Conversion, Manifest, str]) -> None:
    conversion, manifest, html = sample
    text = Page(html).text
    judgements = [told.judgement for told in conversion.candidates if told.judgement]
    told = [words for item in judgements for words in (*item.problems, *item.skipped)]
    for words in (*told, *conversion.notes, *manifest.licence.credits, manifest.licence.spdx, conversion.origin):
        assert words in text
    for words in (manifest.intended_use, manifest.limits, conversion.machine, conversion.run.date):
        assert words in text


def test_hostile_words_change_no_tag() -> None:
    conversion, manifest = conversions.binary()
    plain, bad = page_of(conversion, manifest), page_of(spoilt(conversion), spoilt(manifest))
    assert [tag for tag, _ in bad.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in bad.tags] == [sorted(attributes) for _, attributes in plain.tags]
    assert HOSTILE.partition(" $")[0] in bad.text


def test_hostile_words_reach_no_picture() -> None:
    conversion, manifest = conversions.binary()
    sources = [
        page_of(*pair).values("src") for pair in ((conversion, manifest), (spoilt(conversion), spoilt(manifest)))
    ]
    assert sources[0] == sources[1]


def test_hostile_groups_and_labels_are_text() -> None:
    conversion, manifest = conversions.binary()
    row = compare("auc", HOSTILE, 900, (0.9, 0.9), 0.0001, group=f"site={HOSTILE}")
    changed = replace(conversion, candidates=(conversion.candidates[0], with_verdict(judged([row]))))
    page = page_of(changed, manifest)
    assert "script" not in {tag for tag, _ in page.tags}
    assert f"site={HOSTILE}" in page.text


def test_an_untrained_network_says_first_that_nothing_is_about_a_disease() -> None:
    text = page_of(*conversions.untrained()).text
    assert text.index("nothing in this report is about a disease") < text.index("Intended use")
    assert "nothing in this report is about a disease" not in page_of(*conversions.binary()).text


def test_every_page_says_that_it_is_not_for_diagnosis(sample: tuple[Conversion, Manifest, str]) -> None:
    text = Page(sample[2]).text
    assert text.index("Not for diagnosis.") < text.index("Verdicts")


def test_what_was_not_judged_is_neither_passed_nor_rejected() -> None:
    conversion, manifest = conversions.untrained()
    text = page_of(conversion, manifest).text
    assert text.count("not judged") == len(conversion.candidates) - 1
    assert "passed" not in text
    assert "rejected" not in text


def test_times_are_said_to_be_one_run_of_the_engine_alone_on_the_machine() -> None:
    conversion, manifest = conversions.binary()
    text = page_of(conversion, manifest).text
    assert "median of the engine alone for one scan" in text
    assert f"from one run on {conversion.machine}" in text
    assert "17.6 ms 0.42 \u00d7 reference" in text
    assert "7.40 MB 3.8 times smaller" in text


def test_what_did_not_run_has_no_time_and_no_ratio() -> None:
    text = page_of(*conversions.segmentation()).text
    assert "did not run rejected" in text


def test_sections_without_content_are_left_out() -> None:
    headings = page_of(*conversions.untrained()).headings
    assert headings == ["Verdicts", "Files", "Machine and run", "Licence and credits"]


def test_a_segmentation_has_no_curves_and_no_thresholds() -> None:
    page = page_of(*conversions.segmentation())
    absent = {"Receiver operating characteristics", "Reliability of the scores", "Thresholds", "Evidence"}
    assert not absent & set(page.headings)
    assert "all labels together" in page.text
    assert "95% Hausdorff distance" in page.text
    assert not page.values("src")


def test_a_detection_has_free_response_curves_with_their_figures() -> None:
    page = page_of(*conversions.detection())
    assert "Free-response curves" in page.headings
    assert "Receiver operating characteristics" not in page.headings
    for told in conversions.detection()[0].candidates:
        assert f"{told.name}: FROC {told.free_response[0].froc:.3f}" in page.text
    assert "false positives per scan" in page.text


def test_a_registration_is_about_pairs_and_has_no_labels() -> None:
    page = page_of(*conversions.registration())
    assert not {"Free-response curves", "Receiver operating characteristics", "Thresholds"} & set(page.headings)
    assert "all pairs of scans" in page.text
    assert "all labels together" not in page.text
    assert "target registration error in mm" in page.text


def test_free_response_curves_of_other_boxes_look_different() -> None:
    drawn = [
        plots.DrawnBoxes(name=told.name, pen=plots.pen_of(None), curve=told.free_response[0], operating=None)
        for told in conversions.detection()[0].candidates
    ]
    first, second = (plots.free_response([each]) for each in drawn)
    assert first != second
    at = drawn[0].curve.points[2]
    assert plots.free_response([replace(drawn[0], operating=at)]) != first
    empty = replace(drawn[0].curve, points=())
    assert plots.free_response([replace(drawn[0], curve=empty)]).startswith(b"<?xml")


def test_what_lies_beyond_the_axis_of_false_positives_stands_at_its_end() -> None:
    (told, _) = conversions.detection()[0].candidates
    curve = told.free_response[0]
    ends = [
        replace(curve, points=(replace(curve.points[0], false_positives=value), curve.points[1]))
        for value in (0.0, plots.FALSE_POSITIVES[0])
    ]
    one, other = (
        plots.free_response([plots.DrawnBoxes(name="a", pen=plots.pen_of(0), curve=each, operating=None)])
        for each in ends
    )
    assert one == other


def test_no_heading_is_empty_or_followed_by_nothing(sample: tuple[Conversion, Manifest, str]) -> None:
    *_, html = sample
    assert all(heading.strip() for heading in Page(html).headings)
    assert not re.search(r"</h[23]>\s*</?(section|h2|main)", html)
    assert not re.search(r"<(ul|tbody|dd|p)[^>]*>\s*</\1>", html)


def test_a_conversion_of_nothing_is_still_a_page() -> None:
    conversion, manifest = conversions.untrained()
    page = page_of(replace(conversion, candidates=(), notes=(), origin="", versions={}), manifest)
    assert page.headings == ["Machine and run", "Licence and credits"]


def test_subgroups_stand_apart() -> None:
    html = render(*conversions.binary())
    page = Page(html)
    assert page.headings.count("Comparisons over all scans") == 5
    assert page.headings.count("Comparisons in subgroups") == 2
    apart = html[html.index("Comparisons in subgroups") :]
    assert "site=north clinic" in apart


def test_the_reference_is_drawn_first_and_solid() -> None:
    assert plots.pen_of(None).dash == "solid"
    pens = [plots.pen_of(index) for index in range(30)]
    assert len({(pen.colour, pen.dash) for pen in pens}) == 30
    assert "solid" not in {pen.dash for pen in pens}
    html = render(*conversions.binary())
    legend = html[html.index('class="few"') :]
    assert legend.index("fp32 on onnxruntime") < legend.index("fp32 on openvino")


def test_what_is_the_same_of_all_candidates_is_said_once_below_a_plot() -> None:
    text = page_of(*conversions.fourteen()).text
    assert text.count("3,000 scans each") == len(conversions.FINDINGS)
    assert "AUC 0.934 each" not in text


def test_a_bin_of_few_scans_is_hollow() -> None:
    conversion, _ = conversions.binary()
    curves = conversion.candidates[0].curves[0]
    few = replace(curves, reliability=tuple(replace(bin_, n=plots.FEW - 1) for bin_ in curves.reliability))
    full, hollow = (
        plots.reliability([plots.Drawn(name="a", pen=plots.pen_of(0), curves=each, operating=None)])
        for each in (curves, few)
    )
    assert hollow.count(b"fill: #ffffff") == full.count(b"fill: #ffffff") + len(curves.reliability)


def test_the_templates_are_in_the_package() -> None:
    folder = resources.files("convert.report") / "templates"
    assert {"report.html.jinja", "parts.html.jinja", "style.css"} <= {item.name for item in folder.iterdir()}


def test_a_passed_verdict_counts_its_comparisons() -> None:
    row = compare("auc", "pneumonia", 900, (0.9, 0.9), 0.0001)
    assert rests_on(judged([row])) == "The one comparison lies within its margin, over up to 900 scans."
    rows = [row, replace(row, group="sex=F", n=400)]
    words = "All 2 comparisons lie within their margins, over up to 900 scans; 1 of them in subgroups."
    assert rests_on(judged(rows)) == words


def test_a_rejected_verdict_names_the_worst_first_with_both_values() -> None:
    rows = [
        compare("auc", "pneumonia", 900, (0.9, 0.88), 0.0001),
        compare("specificity", "pneumonia", 600, (0.8, 0.6), 0.0001),
    ]
    words = rests_on(judged(rows))
    told = "Specificity of Pneumonia: 0.8000 with the reference, 0.6000 here: 0.2000 worse, where 0.0100 is allowed"
    assert f"{told} (600 negative scans)." in words
    assert words.index("Specificity") < words.index("AUC")


def test_changed_decisions_are_told_as_a_share_of_the_decisions() -> None:
    row = compare("flips", "pneumonia", 900, (0.0, 0.08), 0.001)
    assert "0.0800 of the decisions differ from the reference's, where 0.0100 is allowed" in rests_on(judged([row]))


def test_a_loss_in_a_metric_where_lower_is_better_is_told_as_worse() -> None:
    row = compare("hd95-mm", "pneumonia", 90, (4.0, 6.0), 0.01, margin=0.2)
    assert "4.000 with the reference, 6.000 here: 2.000 worse, where 0.200 is allowed" in rests_on(judged([row]))


def test_a_problem_alone_rejects_and_is_told() -> None:
    judgement = Judgement(verdict="rejected", problems=("The process ended with signal 11",), told={})
    assert rests_on(judgement) == "The process ended with signal 11."


def test_an_inconclusive_verdict_says_how_many_scans_are_needed() -> None:
    row = compare("sensitivity", "pneumonia", 390, (0.9, 0.899), 0.02)
    told = words_of(with_verdict(judged([row])), TITLES, is_reference=False)
    assert (told.word, told.qualified) == ("inconclusive", "n too small")
    assert row.n_needed is not None
    words = " ".join(told.rests_on)
    assert f"390 positive scans do not tell; about {figures.about(row.n_needed)} positive scans needed." in words
    assert "passed" not in words
    assert "rejected" not in words


def test_an_inconclusive_verdict_says_where_more_scans_would_not_help() -> None:
    row = compare("auc", "pneumonia", 390, (0.9, 0.89), 0.02)
    assert row.n_needed is None
    words = rests_on(judged([row]))
    assert "more scans would not make it pass" in words
    assert "needed" not in words


def test_a_verdict_names_three_comparisons_and_counts_the_others() -> None:
    rows = [compare("auc", f"label-{at}", 900, (0.9, 0.7), 0.0001) for at in range(5)]
    words = rests_on(judged(rows))
    assert words.count("with the reference") == 3
    assert "And 2 more" in words


def test_a_verdict_without_comparisons_says_so() -> None:
    assert rests_on(Judgement(verdict="inconclusive", told={})) == "Nothing was compared."


def test_the_shapes_of_the_three_verdicts_differ() -> None:
    html = render(*conversions.binary())
    shapes = {
        word: re.findall(rf'<td class="word {word}"><svg[^>]*>(.*?)</svg>', html, flags=re.DOTALL)[0].strip()
        for word in ("passed", "rejected", "inconclusive")
    }
    assert len(set(shapes.values())) == 3
    assert 'fill="#fff"' in shapes["inconclusive"]


def whisker(row: Comparison, *others: Comparison) -> tuple[float, float, float, float]:
    axis = axis_of([row, *others])
    found = whisker_of(row, axis)
    assert found is not None
    return found.point, found.bound, axis.margin, axis.zero


def test_what_is_worse_lies_to_the_left_whichever_way_the_metric_runs() -> None:
    for metric, values in (("auc", (0.9, 0.897)), ("flips", (0.0, 0.006))):
        point, bound, margin, zero = whisker(compare(metric, "x", 900, values, 0.0004))
        assert margin < bound < point < zero


def test_a_bound_beyond_the_margin_is_drawn_beyond_it() -> None:
    point, bound, margin, zero = whisker(compare("auc", "x", 90, (0.9, 0.9), 0.005))
    assert bound < margin < point == zero


def test_what_lies_far_beyond_is_an_arrow_at_the_edge() -> None:
    point, bound, margin, _ = whisker(compare("auc", "x", 90, (0.9, 0.5), 0.001))
    assert (point, bound) == (BEYOND, TIP)
    assert point < margin


def test_every_mark_stays_within_the_plot() -> None:
    rows = [compare("auc", "x", 90, (0.5, 0.5 + gain), 0.01) for gain in (-0.4, -0.02, -0.004, 0.0, 0.01, 0.4)]
    for row in rows:
        point, bound, margin, zero = whisker(row, *rows)
        assert 0 <= bound <= point <= WIDTH
        assert 0 < margin < zero < WIDTH


def test_what_is_no_number_has_no_mark_and_a_dash() -> None:
    row = replace(compare("auc", "pneumonia", 9, (0.9, 0.9), 0.1), candidate=float("nan"), bound=float("nan"))
    assert whisker_of(row, axis_of([row])) is None
    conversion, manifest = conversions.binary()
    changed = replace(conversion, candidates=(conversion.candidates[0], with_verdict(judged([row]))))
    text = page_of(changed, manifest).text
    assert figures.NOTHING in text
    assert "nan" not in text.lower().replace("non", "")


def test_a_margin_of_nothing_is_drawn_and_written() -> None:
    row = compare("hd95-mm", "pneumonia", 90, (0.0, 0.3), 0.01, margin=0.0)
    point, *_ = whisker(row)
    assert point == BEYOND
    conversion, manifest = conversions.binary()
    changed = replace(conversion, candidates=(conversion.candidates[0], with_verdict(judged([row]))))
    assert "0.3000 worse, where 0.0000 is allowed" in page_of(changed, manifest).text


def test_what_heads_all_rows_alike_is_said_once() -> None:
    (table,) = evidence_tables(conversions.binary()[0], TITLES)
    assert table.heads == ("Label", "Metric", "n")
    assert table.common == (("Data", conversions.DATA), ("Intervals", conversions.METHOD))
    assert table.rows[0].head == ("Pneumonia", "AUC", "2,400")


def test_figures_of_other_data_stand_in_rows_of_their_own() -> None:
    conversion, _ = conversions.binary()
    first, second, *_ = conversion.candidates
    moved = replace(second, evidence=tuple(replace(item, data="another set") for item in second.evidence))
    (table,) = evidence_tables(replace(conversion, candidates=(first, moved)), TITLES)
    assert table.heads == ("Label", "Metric", "n", "Data")
    assert len(table.rows) == 6
    assert table.rows[0].cells[1] == figures.NOTHING


def test_many_candidates_are_spread_evenly_over_tables() -> None:
    conversion, _ = conversions.binary()
    many = tuple(replace(conversion.candidates[0], name=f"c{at}") for at in range(MOST_COLUMNS + 2))
    tables = evidence_tables(replace(conversion, candidates=many), TITLES)
    assert [len(table.candidates) for table in tables] == [4, 4]


def test_the_worst_layers_stand_first_and_unhurt_ones_nowhere() -> None:
    table = layer_table(conversions.layers(121))
    assert table is not None
    values = [float(row.snr.replace(figures.MINUS, "-")) for row in table.rows]
    assert values == sorted(values)
    assert len(values) == WORST_LAYERS
    assert layer_table([LayerTold(node="a", operator="Conv", snr_db=None)]) is None


def test_a_layer_that_is_more_error_than_signal_points_to_the_left() -> None:
    table = layer_table([LayerTold(node=str(at), operator="Conv", snr_db=snr) for at, snr in enumerate((-5.0, 15.0))])
    assert table is not None
    assert table.zero == 25.0
    assert [(row.start, row.width) for row in table.rows] == [(0.0, 25.0), (25.0, 75.0)]


def test_each_step_of_the_search_names_what_it_gave_back_itself() -> None:
    conversion, manifest = conversions.binary()
    text = page_of(conversion, manifest).text
    for trail in conversion.trails:
        assert [step.accepted for step in trail.steps].count(True) == 1
    assert text.count("not accepted") == sum(len(trail.steps) - 1 for trail in conversion.trails)
    nodes = conversion.trails[0].steps[-1].given_back
    searched = text[text.index("The search for the INT8 model") : text.index("Scans that were used")]
    assert all(searched.count(f"{node}") == 1 for node in nodes)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figures.decimals(0.005), 4),
        (figures.decimals(0.2), 3),
        (figures.decimals(0.0), 4),
        (figures.fixed(-0.00004, 4), "0.0000"),
        (figures.fixed(-0.5, 1), "\u22120.5"),
        (figures.fixed(float("inf"), 1), "\u2013"),
        (figures.signed(0.01, 4), "+0.0100"),
        (figures.signed(float("nan"), 4), "\u2013"),
        (figures.significant(0.0), "0"),
        (figures.significant(1234.0), "1,234"),
        (figures.measure(12.3456), "12.35"),
        (figures.about(7106), "7,200"),
        (figures.about(9), "9"),
        (figures.size(None), "\u2013"),
        (figures.size(999), "999 B"),
        (figures.size(28_123_456), "28.1 MB"),
        (figures.milliseconds(0.0), "did not run"),
        (figures.seconds(200.0), "3 min 20 s"),
        (figures.ratio(1.0, 0.0), "\u2013"),
        (figures.smaller(104, 100), "1.04 times larger"),
        (figures.smaller(0, 100), "\u2013"),
    ],
)
def test_numbers_are_written_as_people_read_them(written: object, expected: object) -> None:
    assert written == expected

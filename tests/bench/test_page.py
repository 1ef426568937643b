"""The page: well-formed, whole in itself, true to the report, and safe with any name."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from edge.bench.compare import compare
from edge.bench.page import page
from edge.bench.report import BenchReport
from edge.bench.soak import soak_of
from edge.bench.words import cautions, lead, tail_words, terminal
from edge.page.tables import MISSING
from tests.bench.reports import QUIET, UNTOLD, machine, pack, report, scenario

HOSTILE = '<script src="http://evil.example/x.js">alert("&amp;")</script>\'"><img src=x onerror=alert(1)>'


def tree(text: str) -> ET.Element:
    """The page as XML, which a browser need not, but can, read it as."""
    assert text.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(text.partition("\n")[2])


def words(text: str) -> str:
    return " ".join("".join(tree(text).itertext()).split())


def full() -> BenchReport:
    """With everything that a page can have."""
    made = report(
        scenario("cold-start", [900.0 + number for number in range(10)]),
        scenario("folder", [4000.0], each=20),
        scenario("single-stream", [10.0 + number / 50 for number in range(700)]),
        scenario("multi-stream", [80.0 + number for number in range(50)], each=8),
        left_out={"offline": "nobody asked"},
    )
    return replace(made, comparison=compare(made, report(machine=machine(name="Another"))))


class Tags(HTMLParser):
    """As a browser reads it: every element is closed in its turn."""

    VOID = ("meta", "br", "img", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.seen.append(tag)


def test_the_page_is_well_formed_to_xml_and_to_html() -> None:
    text = page(full())
    assert tree(text).tag == "html"
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert {"table", "svg", "h1", "style"} <= set(tags.seen)


def test_the_page_needs_no_network_no_script_and_no_other_file() -> None:
    root = tree(page(full()))
    assert not any(item.tag in ("script", "link", "img", "iframe", "object") for item in root.iter())
    attributes = {name for item in root.iter() for name in item.attrib}
    assert not attributes & {"src", "href", "xlink:href", "srcset", "action", "style"}
    assert re.findall(r"https?://|url\(|@import", page(full())) == []
    policy = next(item for item in root.iter("meta") if item.get("http-equiv") == "Content-Security-Policy")
    assert policy.get("content") == "default-src 'none'; style-src 'unsafe-inline'"


def test_any_name_is_shown_as_it_is_and_runs_nothing() -> None:
    made = full()
    hostile = replace(
        made,
        pack=replace(made.pack, title=HOSTILE, intended_use=HOSTILE, name=HOSTILE),
        machine=machine(name=HOSTILE, power_mode=HOSTILE, software={HOSTILE: HOSTILE}),
        confirmed={HOSTILE: HOSTILE},
        not_measured={HOSTILE: HOSTILE},
        scans=(replace(made.scans[0], name=HOSTILE),),
    )
    text = page(hostile)
    root = tree(text)
    assert not any(item.tag in ("script", "img") for item in root.iter())
    heading = next(root.iter("h1"))
    assert heading.text == HOSTILE
    assert "<script" not in text


def test_the_page_says_how_long_a_scan_waits_with_its_bounds() -> None:
    said = words(page(full()))
    assert "single-stream" in said
    assert "at most" in said
    assert "n too small: 10, needs 44" in said
    assert "n too small: 10, needs 459" in said
    assert "offline: left out, as nobody asked." in said


def test_every_column_of_stages_ends_with_the_wall_time() -> None:
    made = full()
    root = tree(page(made))
    total = next(row for row in root.iter("tr") if row.get("class") == "total")
    shown = [float("".join(cell.itertext())) for cell in list(total)[1:]]
    assert shown == [pytest.approx(1e3 * s.seconds / s.scans, abs=0.01) for s in made.scenarios]
    table = next(table for table in root.iter("table") if total in list(table.iter("tr")))
    rows = [row for row in table.iter("tr") if row is not total and next(iter(row)).tag == "td"]
    columns = [[float("".join(cell.itertext()) or 0) for cell in list(row)[1:]] for row in rows]
    assert [sum(column) for column in zip(*columns, strict=True)] == [pytest.approx(value, abs=0.03) for value in shown]


def test_what_was_not_measured_says_so_and_why_and_is_nowhere_zero() -> None:
    bare = scenario(memory=None, energy=(), conditions=UNTOLD)
    text = page(report(bare, machine=machine(power_mode=None, memory_bytes=None), soak=None))
    root = tree(text)
    cells = next(row for row in root.iter("tr") if len(list(row)) == 8 and next(iter(row)).tag == "td")
    assert ["".join(cell.itertext()) for cell in cells][1:] == [MISSING] * 7
    assert "nothing here tells it" in words(text)


def test_an_untrained_pack_phantoms_a_busy_and_a_throttled_machine_are_told_first() -> None:
    busy = replace(UNTOLD, load=(7.0, 7.0), throttled={"cpu0 core_throttle_count": 3})
    made = report(scenario(conditions=busy), pack=pack(status="architecture-only"), origin="phantom")
    said = list(cautions(made))
    assert len(said) == 4
    assert "untrained (architecture-only)" in said[0]
    assert "phantoms" in said[1]
    assert "load of 7.0 on 2 cores" in said[2]
    assert "cpu0 core_throttle_count" in said[3]
    assert all(sentence in words(page(made)) for sentence in said)


def test_a_machine_that_slows_itself_down_in_the_soak_alone_is_told_of_too() -> None:
    made = report()
    assert made.soak is not None
    hot = replace(made, soak=replace(made.soak, conditions=replace(QUIET, throttled={"thermal zone 0": 3})))
    assert "The machine slowed itself down: thermal zone 0." in "".join(cautions(hot))
    rows = [["".join(cell.itertext()) for cell in row] for row in tree(page(hot)).iter("tr")]
    assert [row[6] for row in rows if row[:1] == ["soak"]] == ["thermal zone 0"]


def test_the_slowest_scans_of_a_soak_are_told_beside_its_median() -> None:
    samples = [(float(second), 30.0 if second % 50 == 0 else 10.0, None) for second in range(1, 501)]
    made = report(soak=soak_of(samples, 1.0, QUIET))
    assert any("p99 30 ms, 3.00 times p50" in line for line in terminal(made))
    assert "p99" in words(page(made))


def test_a_soak_of_an_earlier_version_has_no_percentiles_and_is_told_without() -> None:
    made = report()
    assert made.soak is not None
    assert tail_words(replace(made.soak, quantiles=())) == ""


def test_a_quiet_machine_with_a_trained_pack_needs_no_caution() -> None:
    assert list(cautions(report())) == []


def test_the_first_sentence_holds_the_figures_that_matter() -> None:
    said = lead(full())
    assert said.startswith("One scan takes 905 ms from the command to the report, 17 ms once everything is loaded")
    assert said.endswith("and a folder gives 18,000 scans an hour.")
    assert lead(report(scenario("folder", [1000.0]))).startswith("A folder gives")
    assert lead(report(scenario("multi-stream"))) == ""


def test_the_terminal_hears_every_scenario_and_the_comparison() -> None:
    said = "\n".join(terminal(full()))
    for name in ("cold-start", "folder", "single-stream", "multi-stream", "bare engine", "soak", "Differs: machine"):
        assert name in said
    assert "offline: left out, as nobody asked." in said


def test_a_report_of_nothing_but_the_ceiling_is_a_page_too() -> None:
    text = page(replace(report(), scenarios=(), soak=None))
    assert "bare engine" in words(text)
    assert "How long a scan waits" not in words(text)

"""`edgerun bench` as a whole: what it measures, writes, refuses and leaves behind."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from edge.bench import scenarios
from edge.bench.bench import NAMES, measure
from edge.bench.files import PAGE, TRUTH, beside, place_of, write_bench
from edge.bench.progress import Progress
from edge.bench.report import BenchReport, from_json, to_json
from edge.bench.scenarios import energy_of
from edge.bench.watch import Watched
from edge.errors import OutputError, PackError, UsageError
from edge.schemas import generate
from edge.testing import golden_case, tiny_manifest, write_tiny_pack
from tests.bench.reports import report
from tests.bench.scans import asked, picture, write_pack_of_two
from tests.conftest import Edgerun

SCHEMA = jsonschema.Draft202012Validator(generate("bench/report.schema.json"))


def nobody(_: str) -> None:
    """Hears and does nothing."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few starts of processes, small phantoms."""
    monkeypatch.setattr(scenarios, "COLD_STARTS", 2)
    monkeypatch.setattr("edge.bench.phantoms.PICTURE", (32, 32))


def test_a_run_on_the_embedded_pack_fits_the_schema_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    made = measure(asked("chest-pneumonia", scratch_in=tmp_path, soak_minutes=0.001), nobody)
    assert set(tmp_path.iterdir()) == before
    document = json.loads(to_json(made))
    SCHEMA.validate(document)
    assert from_json(json.dumps(document).encode(), "x") == made
    assert [scenario.name for scenario in made.scenarios] == [name for name in NAMES if name != "ceiling"]
    assert made.ceiling is not None
    assert made.ceiling.overhead_percent > 0
    assert made.soak is not None
    assert made.origin == "golden"
    assert len(made.pack.known_answers) == len(made.scans) == 4
    assert [model.ran for model in made.pack.models].count(True) == 1
    assert made.comparison is None
    for scenario in made.scenarios:
        each = 1e3 * scenario.seconds / scenario.scans
        assert math.fsum(stage.ms for stage in scenario.stages) == pytest.approx(each)
        assert len(scenario.latencies_ms) == scenario.queries
        assert scenario.engine == made.engine


def test_a_report_that_was_changed_fits_the_schema_no_more() -> None:
    document = json.loads(to_json(report()))
    SCHEMA.validate(document)
    wrong: list[dict[str, object]] = [{"format_version": 2}, {"scenarios": {}}, {"origin": "found"}, {"more": 1}]
    for spoiled in wrong:
        assert not SCHEMA.is_valid({**document, **spoiled})
        with pytest.raises(UsageError, match="compare with"):
            from_json(json.dumps({**document, **spoiled}).encode(), "x")


def test_only_what_was_asked_for_is_measured(tmp_path: Path, tiny_pack: Path) -> None:
    told: list[str] = []
    request = asked(tiny_pack, picture(tmp_path / "a.png"), names=("single-stream",))
    made = measure(request, told.append)
    assert [(scenario.name, scenario.queries) for scenario in made.scenarios] == [("single-stream", 3)]
    assert (made.ceiling, made.soak, made.origin) == (None, None, "given")
    assert "single-stream: " in told
    assert not any("cold" in words for words in told)


def test_a_multi_stream_query_holds_as_many_scans_as_were_asked_for(tmp_path: Path, tiny_pack: Path) -> None:
    made = measure(asked(tiny_pack, picture(tmp_path / "a.png"), names=("multi-stream",), a_query=3), nobody)
    (scenario,) = made.scenarios
    assert (scenario.scans_a_query, scenario.scans) == (3, 9)


def test_a_pack_of_several_scans_has_no_folder_and_says_why(tmp_path: Path) -> None:
    pack = write_pack_of_two(tmp_path / "two")
    made = measure(asked(pack, names=("folder", "offline", "cold-start", "multi-stream")), nobody)
    assert [scenario.name for scenario in made.scenarios] == ["cold-start", "multi-stream"]
    assert set(made.left_out) == {"folder", "offline"}
    assert made.origin == "phantom"


def test_an_untrained_pack_is_measured_and_said_to_be_one(tmp_path: Path) -> None:
    pack = write_tiny_pack(tmp_path / "pack", replace(tiny_manifest(), status="architecture-only"))
    made = measure(asked(pack, names=("single-stream", "offline")), nobody)
    assert made.pack.status == "architecture-only"
    assert [scenario.engine for scenario in made.scenarios] == [None, None]
    assert made.engine.name == "onnxruntime"


def test_a_known_answer_that_does_not_come_out_ends_the_bench_before_it_begins(tmp_path: Path) -> None:
    scan = picture(tmp_path / "scan.png")
    manifest = tiny_manifest(golden=(golden_case("golden/a.png", scan.read_bytes(), score=0.5),))
    pack = write_tiny_pack(tmp_path / "pack", manifest)
    (pack / "golden").mkdir()
    (pack / "golden" / "a.png").write_bytes(scan.read_bytes())
    with pytest.raises(PackError) as raised:
        measure(asked(pack), nobody)
    assert raised.value.reason.code == "P408"


def test_there_is_no_scenario_by_another_name(tiny_pack: Path) -> None:
    with pytest.raises(UsageError, match="single-stream"):
        measure(asked(tiny_pack, names=("server",)), nobody)


def test_an_earlier_run_of_another_pack_is_refused_before_anything_is_measured(tiny_pack: Path) -> None:
    with pytest.raises(UsageError, match="one and the same pack"):
        measure(asked(tiny_pack, earlier=report()), pytest.fail)


def test_an_interrupt_leaves_nothing(
    tmp_path: Path, tiny_pack: Path, edgerun: Edgerun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scenarios, "single_stream", interrupted)
    out = tmp_path / "reports" / "new"
    ran = edgerun("bench", tiny_pack, picture(tmp_path / "a.png"), "--scenario", "single-stream", "--out", out)
    assert ran.code == 130
    assert not (tmp_path / "reports").exists()


def test_a_disk_that_takes_nothing_is_an_error_with_its_code(
    tmp_path: Path, tiny_pack: Path, edgerun: Edgerun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.bench.bench.tempfile.TemporaryDirectory", full)
    ran = edgerun("bench", tiny_pack, picture(tmp_path / "a.png"), "--out", tmp_path / "out")
    assert ran.code == 8
    assert "W801" in ran.err or "W800" in ran.err


def test_energy_is_what_is_above_idle() -> None:
    watched = Watched(
        seconds=10.0, memory=None, mhz=None, celsius={}, throttled=None, joules={"a": 90.0, "b": 5.0}, load=None
    )
    (found,) = energy_of(watched, 4, {"a": 4.0})
    assert (found.name, found.joules_a_scan, found.watts, found.idle_watts) == ("a", 12.5, 9.0, 4.0)


def test_the_report_and_its_page_are_written_whole(tmp_path: Path) -> None:
    place = write_bench(tmp_path / "new", report())
    assert sorted(path.name for path in place.iterdir()) == [PAGE, TRUTH]
    assert from_json((place / TRUTH).read_bytes(), "x") == report()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_page_that_cannot_be_written_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == PAGE:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr("edge.bench.files.write_whole", full)
    with pytest.raises(OutputError) as raised:
        write_bench(tmp_path / "new", report())
    assert raised.value.reason.code.startswith("W8")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / TRUTH).write_text("{}", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    now = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
    for name in ("old", "file"):
        with pytest.raises(UsageError, match="is there already"):
            place_of(tmp_path / name, "tiny", now)
    assert place_of(tmp_path / "empty", "tiny", now) == tmp_path / "empty"
    assert write_bench(tmp_path / "empty", report()).is_dir()
    assert str(place_of(None, "tiny", now)).replace("\\", "/") == "edgerun-bench/tiny-20260102-030405"


def test_a_parent_folder_stays_only_if_something_lies_in_it(tmp_path: Path) -> None:
    place = tmp_path / "parent" / "new"
    with beside(place):
        pass
    assert not place.parent.exists()
    with beside(place):
        write_bench(place, report())
    assert (place / PAGE).is_file()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_for_each_scenario_and_on_a_terminal_its_queries() -> None:
    plain, terminal = io.StringIO(), Terminal()
    for stream in (plain, terminal):
        progress = Progress(stream)
        for words in ("cold-start: ", "1 of at most 2", "2 of at most 2", "folder: "):
            progress(words)
        progress.end()
    assert plain.getvalue() == "cold-start\nfolder\n"
    assert "\rcold-start: 1 of at most 2" in terminal.getvalue()
    assert terminal.getvalue().endswith("folder: \n")


def test_the_command_writes_says_and_prints_what_it_measured(tmp_path: Path, tiny_pack: Path, edgerun: Edgerun) -> None:
    scan, out = picture(tmp_path / "a.png"), tmp_path / "first"
    arguments = ("bench", tiny_pack, scan, "--scenario", "single-stream", "--queries", 8)
    first = edgerun(*arguments, "--out", out, "--json")
    assert first.code == 0
    (document,) = first.reports
    SCHEMA.validate(document)
    assert document == json.loads((out / TRUTH).read_text(encoding="utf-8"))
    assert str(tmp_path) not in json.dumps(document)
    assert "single-stream" in first.err
    assert str(out / PAGE) in first.err
    second = edgerun(*arguments, "--out", tmp_path / "second", "--compare", out / TRUTH)
    assert (second.code, second.out) == (0, "")
    assert "times the earlier run" in second.err
    assert "Beside the run of" in (tmp_path / "second" / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--scenario", "server"), 2, "Choosing scenarios"),
        (("--confirm", "modality"), 2, "--confirm 'modality'"),
        (("--scan", "t1="), 2, "--scan 't1='"),
        (("--compare", "nowhere.json"), 2, "Reading nowhere.json to compare with"),
        (("--engine", "steam"), 2, "steam"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_told_before_anything_is_measured(
    tmp_path: Path, tiny_pack: Path, edgerun: Edgerun, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = edgerun("bench", tiny_pack, picture(tmp_path / "a.png"), "--out", tmp_path / "out", *words)
    assert ran.code == code
    assert said in ran.err
    assert not (tmp_path / "out").exists()


def test_a_scan_that_is_refused_ends_the_command_with_its_code(tmp_path: Path, edgerun: Edgerun) -> None:
    ran = edgerun("bench", "chest-pneumonia", picture(tmp_path / "a.png"), "--out", tmp_path / "out")
    assert ran.code == 7
    assert "C7" in ran.err
    assert not (tmp_path / "out").exists()


def test_every_report_type_is_described() -> None:
    described = generate("bench/report.schema.json")
    assert described["$id"] == "urn:edgerun:bench:1"
    assert BenchReport.__doc__ is not None
    assert all(item.get("description") for item in described["$defs"].values())

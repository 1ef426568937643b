"""From a request to the report on the disk; what is interrupted says so and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bench.bench import Asked
from edge.bench.command import bench_to
from edge.bench.measured import Limits, Tell
from edge.bench.progress import Progress
from edge.bench.report import BenchReport
from edge.bench.warm import Target
from edge.errors import ExitCode, StoppedError
from edge.testing import write_tiny_pack


@pytest.mark.parametrize(("title", "doing"), [("", "getting ready"), ("single-stream: ", "single-stream")])
def test_an_interrupt_says_what_was_measured_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, title: str, doing: str
) -> None:
    def interrupted(_: Asked, tell: Tell) -> BenchReport:
        if title:
            tell(title)
        raise KeyboardInterrupt

    monkeypatch.setattr("edge.bench.command.measure", interrupted)
    pack = write_tiny_pack(tmp_path / "tiny")
    asked = Asked(target=Target(pack=str(pack)), limits=Limits(most=3, seconds=0.1))
    with pytest.raises(
        StoppedError, match=f"^Measuring tiny: it was interrupted .{doing}.. There is no report"
    ) as caught:
        bench_to(asked, tmp_path / "new" / "and" / "deep" / "report")
    assert caught.value.exit_code == ExitCode.INTERRUPTED
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_what_is_done_is_known_until_it_is_ended() -> None:
    progress = Progress()
    progress("folder: ")
    progress("128 studies")
    assert progress.doing == "folder"
    progress.end()
    assert progress.doing == "getting ready"

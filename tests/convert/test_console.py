"""What `edgerun-convert` says while it works, and how its options are read."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import typer

from convert.cli import main
from convert.cli.console import (
    WIDTH,
    Console,
    description_of,
    files_of,
    method_of,
    precisions_of,
    read_file,
    shapes_of,
)
from edge.errors import ExitCode, UsageError
from tests.convert.scans import BRIGHT, SENSITIVE, converted, describe


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


# What is said --------------------------------------------------------------------------------------------


def test_a_line_is_a_line_on_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        Console()("loading net.onnx")
    assert (out.getvalue(), err.getvalue()) == ("", "loading net.onnx\n")


def test_on_a_terminal_a_bar_grows_in_its_place() -> None:
    say = Console()
    with redirect_stderr(Terminal()) as terminal:
        for done in (1, 2, 3):
            say.count(done, 3, "scans")
    first, second, third = terminal.getvalue().split("\r")[1:]
    assert first == f"[{'#' * 10}{'.' * 20}] 1 of 3 scans"
    assert second == f"[{'#' * 20}{'.' * 10}] 2 of 3 scans"
    assert third == f"[{'#' * WIDTH}] 3 of 3 scans\n"


def test_a_line_does_not_run_into_a_bar_that_is_not_full() -> None:
    say = Console()
    with redirect_stderr(Terminal()) as terminal:
        say.count(1, 3, "scans")
        say("stopping")
        say("stopped")
    assert terminal.getvalue().endswith("1 of 3 scans\nstopping\nstopped\n")


def test_a_full_bar_is_ended_once() -> None:
    say = Console()
    with redirect_stderr(Terminal()) as terminal:
        say.count(1, 1, "scans")
        say("next")
    assert terminal.getvalue().endswith("1 of 1 scans\nnext\n")


def test_where_nobody_sees_a_bar_there_is_a_line_now_and_then() -> None:
    say = Console()
    with redirect_stderr(io.StringIO()) as pipe:
        for done in range(1, 251):
            say.count(done, 250, "scans")
    assert pipe.getvalue().splitlines() == ["100 of 250 scans", "200 of 250 scans", "250 of 250 scans"]


# How options are read ------------------------------------------------------------------------------------


def test_shapes_are_read_by_input() -> None:
    assert shapes_of(["image=1x3x224x224", "age=1"]) == {"image": (1, 3, 224, 224), "age": (1,)}
    assert shapes_of([]) is None


@pytest.mark.parametrize("word", ["image", "image=", "=1x2", "image=1xax3", "image=1x-3", "image=1x²"])
def test_a_shape_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="expected INPUT=SIZES"):
        shapes_of([word])


def test_methods_are_known_by_name() -> None:
    assert method_of("entropy") == "entropy"
    with pytest.raises(UsageError, match="--method 'guess': expected one of minmax, entropy, percentile"):
        method_of("guess")


def test_fp32_is_always_one_of_the_precisions() -> None:
    assert precisions_of([]) == ("fp32", "fp16", "int8")
    assert precisions_of(["int8"]) == ("fp32", "int8")
    assert precisions_of(["int8", "fp32", "int8"]) == ("fp32", "int8")
    with pytest.raises(UsageError, match="--precision 'int4': expected one of fp32, fp16, int8"):
        precisions_of(["int4"])


def test_files_are_read_by_precision() -> None:
    assert files_of(["int8=a=b.onnx", "fp16=c.onnx"], "--candidate") == {
        "int8": Path("a=b.onnx"),
        "fp16": Path("c.onnx"),
    }


@pytest.mark.parametrize("word", ["int8", "int4=a.onnx", "=a.onnx", "a.onnx"])
def test_a_file_without_its_precision_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="expected PRECISION=FILE"):
        files_of([word], "--candidate")


def test_two_files_of_one_precision_are_refused() -> None:
    with pytest.raises(UsageError, match="found int8 twice"):
        files_of(["int8=a.onnx", "int8=b.onnx"], "--candidate")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.onnx: No such file"):
        read_file(tmp_path / "gone.onnx")


def test_a_model_needs_a_description_and_a_recipe_brings_its_own(tmp_path: Path) -> None:
    own = describe(tmp_path / "pack.json", BRIGHT, {"bright": SENSITIVE})
    assert description_of(own, "unet2d").name == "workshop"
    assert description_of(None, "unet2d").status == "architecture-only"
    with pytest.raises(UsageError, match=r"--describe is missing\. `edgerun-convert init` drafts one"):
        description_of(None, "net.onnx")


# The command ---------------------------------------------------------------------------------------------


def test_an_error_is_one_line_and_its_exit_code() -> None:
    ran = converted("build", "net.onnx", "--out", "nowhere")
    assert ran.code == 2
    assert ran.err.startswith("edgerun-convert: Building net.onnx: --describe is missing.")
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_who_interrupts_is_told_that_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted = typer.Typer()

    @interrupted.command()
    def build() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("convert.cli.app", interrupted)
    monkeypatch.setattr("sys.argv", ["edgerun-convert"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == ExitCode.INTERRUPTED
    assert "edgerun-convert: interrupted." in capsys.readouterr().err


def test_help_names_every_step() -> None:
    text = converted("--help").out
    assert all(name in text for name in ("init", "build", "export", "optimise", "quantise", "gate", "assemble"))


@pytest.mark.parametrize("command", ["scans", "train", "pack"])
def test_a_recipe_that_does_not_exist_is_refused(command: str, tmp_path: Path) -> None:
    extra = ["--examples", tmp_path / "examples"] if command == "pack" else []
    ran = converted(command, "chest-pneumona", "--data", tmp_path / "x.npz", "--out", tmp_path / "out", *extra)
    assert ran.code == 2
    assert "chest-pneumonia" in ran.err
    assert not (tmp_path / "out").exists()

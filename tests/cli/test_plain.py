"""A command line that is read without Typer means what Typer would have read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from edge.cli import infer as infer_module
from edge.cli.app import app
from edge.cli.examine import Arguments
from edge.cli.plain import FLAGS, MANY, ONE, plain_arguments

EVERY_OPTION = [word for option in ONE for word in (option, "x")] + [
    *(word for option in MANY for word in (option, "a=1", option, "b=2")),
    *FLAGS,
]
PLAIN = [
    ["scan.dcm"],
    ["scan.dcm", "--pack", "chest-pneumonia", "--out", "results"],
    ["--json", "one", "two words", "--out", "a b", "../three"],
    ["--confirm", "view=AP", "stick", "--confirm", "laterality=L"],
    ["--scan", "t1=a.nii.gz", "--scan", "t2=b.nii.gz", "--labels", "t1=c.nii.gz"],
    ["scan.dcm", "--json", "--json"],
    ["scan.dcm", "--confirm", "view=--pack"],
    ["scän.dcm", "--language", "ar", "--write", "page,sr", "--write", "fhir"],
    ["infer"],
    [],
    ["films", *EVERY_OPTION],
]
LEFT_TO_TYPER = [
    ["scan.dcm", "--no-such-option"],
    ["scan.dcm", "--pack"],
    ["scan.dcm", "--pack", "--json"],
    ["scan.dcm", "--pack", ""],
    ["scan.dcm", "--pack", "one", "--pack", "two"],
    ["scan.dcm", "--out=results"],
    ["scan.dcm", "-h"],
    ["--", "-scan.dcm"],
    ["-"],
    [""],
    ["scan.dcm", "--pac", "chest-pneumonia"],
    ["scan.dcm", "--json=yes"],
]


def read_by_typer(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Arguments:
    """What Typer makes of the words after ``infer``."""
    read: list[Arguments] = []

    def keep(arguments: Arguments, child: object) -> int:  # noqa: ARG001 -- as `examine` has it
        read.append(arguments)
        return 0

    monkeypatch.setattr(infer_module, "examine", keep)
    app(["infer", *words], standalone_mode=False)
    return read[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Typer reads every command line there")
@pytest.mark.parametrize("words", PLAIN, ids=" ".join)
def test_a_plain_command_line_means_what_typer_reads(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain_arguments(words) == read_by_typer(words, monkeypatch)


@pytest.mark.parametrize("words", LEFT_TO_TYPER, ids=" ".join)
def test_what_is_not_plain_is_left_to_typer(words: list[str]) -> None:
    assert plain_arguments(words) is None


def test_every_option_takes_as_many_values_as_typer_has_it_take() -> None:
    command: Any = typer.main.get_command(app)
    options = {option.opts[0]: option for option in command.commands["infer"].params if option.opts[0].startswith("--")}
    kinds = {
        name: "flag" if option.is_flag else "many" if option.multiple else "one" for name, option in options.items()
    }
    known = dict.fromkeys(FLAGS, "flag") | dict.fromkeys(MANY, "many") | dict.fromkeys(ONE, "one")
    assert known == {name: kinds.get(name) for name in known}


def test_nothing_of_a_plain_command_line_is_expanded_or_resolved(tmp_path: Path) -> None:
    odd = str(tmp_path / "*" / ".." / "$HOME")
    read = plain_arguments([odd, "--out", odd])
    assert read is not None
    assert (read.paths, read.out) == ((Path(odd),), Path(odd))

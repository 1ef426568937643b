"""What the documents say is true: their commands exist, their codes and numbers are the program's."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from convert.cli import main as convert_main
from edge.errors import ExitCode
from edge.reasons import REASONS
from tests.conftest import ROOT, Edgerun

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(page: str, program: str = "edgerun") -> list[str]:
    """Every command of a page's shell blocks that calls a program of ours, without its remark."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)).replace("\\\n", " ")
    parts = [part for line in blocks.splitlines() for part in line.partition("#")[0].split("&&")]
    found = [part.strip().removeprefix(".venv/bin/").removeprefix(".venv-convert/bin/") for part in parts]
    return [part for part in found if part.startswith(f"{program} ")]


def all_commands(program: str) -> list[str]:
    """Of all pages, each once."""
    return sorted({command for page in PAGES for command in commands(page.read_text(encoding="utf-8"), program)})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("command", all_commands("edgerun"))
def test_every_option_on_a_page_exists(edgerun: Edgerun, command: str) -> None:
    words = shlex.split(command)[1:]
    verb = words[:2] if words[0] == "pack" else words[:1]
    help_text = edgerun(*verb, "--help").out
    assert "Usage" in help_text
    assert all(word in help_text for word in words if word.startswith("--"))


@pytest.mark.parametrize("command", all_commands("edgerun-convert"))
def test_every_option_of_the_workshop_on_a_page_exists(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)[1:]
    monkeypatch.setattr(sys, "argv", ["edgerun-convert", words[0], "--help"])
    with pytest.raises(SystemExit) as left:
        convert_main()
    help_text = capsys.readouterr().out
    assert left.value.code in (None, ExitCode.DONE)
    assert all(word in help_text for word in words if word.startswith("--"))


def test_the_readme_lists_every_exit_code() -> None:
    table = README.partition("## Exit codes")[2].partition("##")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, flags=re.MULTILINE)] == [int(c) for c in ExitCode]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_code_in_a_page_exists(page: Path) -> None:
    assert set(re.findall(r"\b[RPECW]\d{3}\b", page.read_text(encoding="utf-8"))) <= set(REASONS)


def test_the_readme_gives_the_packs_own_figures() -> None:
    manifest = json.loads((ROOT / "edge/packs/chest-pneumonia/manifest.json").read_text(encoding="utf-8"))
    flat = " ".join(README.split())
    own = [f for f in manifest["evidence"] if f["engine"] == "onnxruntime" and f["precision"] == "fp32"]
    names = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity"}
    figures = [figure for figure in own if figure["metric"] in names]
    assert len(figures) == 3
    for figure in figures:
        value, (low, high), words = figure["value"], figure["interval"], names[figure["metric"]]
        assert re.search(rf"{words} {value:.3f} \((95% interval )?{low:.3f} to {high:.3f}\)", flat), figure["metric"]


def test_the_readme_shows_what_the_command_prints(edgerun: Edgerun, tmp_path: Path) -> None:
    shown = README.partition("The first one ends like this:")[2].split("```")[1].strip().splitlines()
    ran = edgerun("infer", ROOT / "examples" / "chest-pneumonia-0000.dcm", "--out", tmp_path)
    printed = ran.err.replace(f"{ROOT}/", "").replace(str(tmp_path), "results").strip().splitlines()
    key = re.compile(r"results/[0-9a-f]{16}-chest-pneumonia-[0-9a-f]{8}")
    assert [key.sub("results/KEY", line) for line in printed] == [key.sub("results/KEY", line) for line in shown]

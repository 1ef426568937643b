"""The technician's page is true: its commands run, its codes are all there, its files and options exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.reasons import REASONS
from tests.conftest import ROOT, Edgerun

PAGE = (ROOT / "docs" / "jetson.md").read_text(encoding="utf-8")
STICK = "/media/stick"
COMPILES = ("prepare", "engines")
"""They work on this user's folder of compiled models, so that here only their help is asked."""


def lines() -> list[str]:
    """Every command of the page's shell blocks, continued lines joined, without remarks."""
    blocks = [re.sub(r"(?m)^ +", "", block) for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)]
    joined = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in joined if line.strip()]


def commands(program: str) -> list[str]:
    return [line for line in lines() if line.split()[0] == program]


@pytest.mark.parametrize("command", [line for line in commands("edgerun") if line.split()[1] not in COMPILES])
def test_every_command_of_edgerun_runs(edgerun: Edgerun, tmp_path: Path, command: str) -> None:
    stick = tmp_path / "stick"
    (stick / "examples").mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "chest-pneumonia-0000.dcm", stick / "examples")
    words = shlex.split(command.replace(STICK, str(stick)).replace("~", str(tmp_path)))[1:]
    ran = edgerun(*words)
    assert ran.code == 0, ran.err
    assert words[0] != "infer" or "FINDING" in ran.err


@pytest.mark.parametrize("verb", COMPILES)
def test_the_commands_that_compile_exist(edgerun: Edgerun, verb: str) -> None:
    assert f"edgerun {verb}" in lines()
    assert "Usage" in edgerun(verb, "--help").out


@pytest.mark.parametrize("command", commands("make"))
def test_every_target_of_make_exists(command: str) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    ran = subprocess.run(
        [make, "--dry-run", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    needed = set(re.findall(r"requirements/[\w.-]+", ran.stdout))
    assert {f"requirements/{name}.txt" for name in re.findall(r"stick-(\S+?)[/ ]", ran.stdout)} <= needed
    assert not [name for name in needed if not (ROOT / name).exists()]


def test_the_table_has_every_code_of_the_engines_and_a_thing_to_do() -> None:
    table = re.findall(r"(?m)^\| (E\d{3}) \| (.+?) \| (.+?) \|$", PAGE)
    assert [code for code, _, _ in table] == sorted(code for code in REASONS if code.startswith("E5"))
    assert all(len(row[1]) > 10 and len(row[2]) > 6 for row in table)


@pytest.mark.parametrize("line", ["Machine", "Jetson", "Power mode", "Temperature", "Engine"])
def test_what_is_read_over_the_phone_is_what_the_command_prints(line: str) -> None:
    assert f'"{line}"' in (ROOT / "edge" / "machine.py").read_text(encoding="utf-8")


def test_each_run_of_the_image_has_no_network_and_no_place_to_write_but_the_volume() -> None:
    runs = [line for line in commands("docker") if line.startswith("docker run")]
    assert len(runs) == 2
    for run in runs:
        words = shlex.split(run)
        assert words[words.index("--network") + 1] == "none"
        assert "--read-only" in words
        mounted = [words[i + 1].split(":") for i, word in enumerate(words) if word == "--volume"]
        assert [place[1] for place in mounted if place[2:] != ["ro"]] == ["/data"]


def test_the_image_is_built_from_the_file_and_for_the_jetpacks_that_it_knows() -> None:
    dockerfile = (ROOT / "Dockerfile.jetson").read_text(encoding="utf-8")
    builds = [line for line in commands("docker") if line.startswith("docker build")]
    assert len(builds) == 2
    for build in builds:
        assert "--file Dockerfile.jetson" in build
        for chosen in re.findall(r"JETPACK=(\S+)", build):
            assert f"AS jetpack-{chosen}\n" in dockerfile


def test_the_page_names_the_folder_and_user_that_the_image_has() -> None:
    dockerfile = (ROOT / "Dockerfile.jetson").read_text(encoding="utf-8")
    for said in ("/data/packs", "/data/cache", "/data/results", "10001:10001"):
        assert said in PAGE
        assert said in dockerfile


def test_the_installer_says_what_the_page_says_of_it() -> None:
    installer = (ROOT / "requirements" / "install.sh").read_text(encoding="utf-8")
    for said in ("a file is damaged", "there is no $python here", "edgerun is installed", "$HOME/edgerun"):
        assert said in installer
    assert "a file is damaged" in PAGE
    assert "there is no python3.12" in PAGE

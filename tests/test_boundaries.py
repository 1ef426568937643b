"""What may import what, what may be called where, and what a command may load: the walls of the house."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edge.check import HEADER_CHECKS, SCAN_CHECKS
from edge.engines import ENGINES
from edge.prepare import STEPS
from edge.read import READERS
from edge.table import Entry
from edge.tasks import TASKS
from edge.write import WRITERS
from tests.conftest import ROOT

EDGE = sorted((ROOT / "edge").rglob("*.py"))
CONVERT = sorted((ROOT / "convert").rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
TABLES: dict[str, Mapping[str, Entry]] = {
    "READERS": READERS,
    "STEPS": STEPS,
    "HEADER_CHECKS": HEADER_CHECKS,
    "SCAN_CHECKS": SCAN_CHECKS,
    "ENGINES": ENGINES,
    "TASKS": TASKS,
    "WRITERS": WRITERS,
}
NETWORK = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "socketserver", "asyncio", "requests", "xmlrpc"}
MEMORY_OF_PROGRAMS = {"pickle", "marshal", "shelve", "dill", "joblib"}
TENSORRT = "edge/engines/tensorrt"
OWNERS = {
    "tensorrt": {f"{TENSORRT}/library.py"},
    "tensorrt_rtx_bindings": {f"{TENSORRT}/library.py"},
    "cuda": {f"{TENSORRT}/memory_cuda_python.py"},
    "pycuda": {f"{TENSORRT}/memory_pycuda.py"},
    "onnxruntime": {"edge/engines/onnxruntime.py"},
    "nibabel": {"edge/read/nifti.py", "edge/write/nifti.py"},
    "openvino": {"edge/engines/openvino.py"},
    "onnx": {"edge/testing.py", "edge/detect/planted.py"},
    "typer": {
        f"edge/cli/{name}.py"
        for name in (
            *("app", "bench", "calibrate", "console", "deidentify", "device", "engines", "evaluate", "infer", "pack"),
            *("prepare", "replay"),
        )
    },
    "fpdf": {"edge/write/page_sheet.py", "edge/write/shaped.py"},
    "uharfbuzz": {"edge/write/shaped.py"},
    "segno": {"edge/write/page_sheet.py"},
    "babel": {"edge/words/catalogues.py"},
    "sklearn": {"edge/site/figures.py", "edge/site/curves.py", "edge/site/logistic.py"},
    "scipy": {"edge/site/figures.py", "edge/site/threshold.py", "edge/truth/overlap.py"},
}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def top(name: str) -> str:
    return name.partition(".")[0]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", EDGE, ids=name_of)
def test_the_runtime_imports_no_torch_no_workshop_no_network_and_no_pickle(path: Path) -> None:
    banned = {"torch", "convert", "benchmarks", "tests", "click"} | NETWORK | MEMORY_OF_PROGRAMS
    assert {top(name) for name in imports(path)} & banned == set()


@pytest.mark.parametrize("path", [path for path in CONVERT if "recipes" not in path.parts], ids=name_of)
def test_only_export_and_recipes_import_torch(path: Path) -> None:
    assert name_of(path) == "convert/export.py" or "torch" not in {top(name) for name in imports(path)}


@pytest.mark.parametrize("package", OWNERS)
def test_a_heavy_package_is_imported_only_by_its_owner(package: str) -> None:
    found = {name_of(path) for path in EDGE if package in {top(name) for name in imports(path)}}
    assert found <= OWNERS[package]


@pytest.mark.parametrize("path", EDGE + CONVERT, ids=name_of)
def test_names_become_code_through_tables_alone(path: Path) -> None:
    """`import_module` stands where tables are followed; nothing is evaluated, no subclass or attribute is hunted."""
    called = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    plain = {function.id for function in called if isinstance(function, ast.Name)}
    methods = {function.attr for function in called if isinstance(function, ast.Attribute)}
    assert plain & {"__import__", "eval", "exec"} == set()
    assert methods & {"import_module", "__subclasses__"} <= ({"import_module"} if path.name == "table.py" else set())


@pytest.mark.parametrize("path", EDGE + CONVERT, ids=name_of)
def test_input_is_never_checked_with_assert(path: Path) -> None:
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, rows in TABLES.items() for name in rows])
def test_every_row_of_every_table_leads_to_code(table: str, name: str) -> None:
    if missing := TABLES[table][name].missing():
        pytest.skip(f"{name} needs {missing}")
    assert callable(TABLES[table][name].load())


def test_lint_bans_torch_and_the_workshop_from_the_runtime() -> None:
    trespasser = str(ROOT / "edge" / "trespasser.py")
    for package in ("torch", "convert", "socket"):
        command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--stdin-filename", trespasser, "-"]
        ran = subprocess.run(
            command, input=f"import {package}\n", capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert "TID251" in ran.stdout, package


def loaded_by(arguments: str) -> set[str]:
    """Modules that are loaded when the command has run, and their packages."""
    program = textwrap.dedent(f"""
        import sys
        sys.argv = ["edgerun", *{arguments.split()!r}]
        from edge.cli import main
        try:
            main()
        except SystemExit:
            pass
        print("\\n" + " ".join(sys.modules), file=sys.stderr)
    """)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    names = set(ran.stderr.splitlines()[-1].split())
    return names | {top(name) for name in names}


@pytest.mark.parametrize(
    "command",
    [
        *("--help", "infer --help", "bench --help", "pack --help", "engines --help", "prepare --help", "--version"),
        *("evaluate --help", "calibrate --help", "replay --help", "deidentify --help"),
    ],
)
def test_help_loads_nothing_heavy(command: str) -> None:
    heavy = {"numpy", "pydicom", "cv2", "onnxruntime", "nibabel", "imagecodecs", "openvino", "rich", "torch"}
    assert loaded_by(command) & heavy == set()


SLOW_TO_START = {
    *("typer", "pydantic", "rich", "matplotlib", "scipy", "sklearn", "edge.cli.app", "edge.site.evaluate"),
    *("edge.write.regions", "edge.write.boxes", "edge.write.checkerboard", "edge.write.page", "edge.objects.build"),
}
"""What the report of one classified film needs none of; each would show in how long a person waits for it."""


@pytest.fixture(scope="module")
def loaded_by_inference(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return loaded_by(f"infer examples/chest-normal-0234.dcm --out {tmp_path_factory.mktemp('out')}")


def test_inference_leaves_parsing_of_files_to_its_child(loaded_by_inference: set[str]) -> None:
    assert loaded_by_inference & {"pydicom", "nibabel", "imagecodecs", "torch"} == set()


def test_inference_of_a_film_loads_nothing_that_it_does_not_need(loaded_by_inference: set[str]) -> None:
    assert "edge.write.influence" in loaded_by_inference
    assert loaded_by_inference & SLOW_TO_START == set()


def test_the_reading_process_is_started_before_anything_else_is_imported() -> None:
    program = "import sys, edge.cli; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(ran.stdout.split())
    assert {name for name in loaded if top(name) == "edge"} == {"edge", "edge.child", "edge.cli"}
    assert loaded & {"dataclasses", "pathlib", "json", "traceback", "numpy"} == set()


def test_inference_opens_no_connection(tmp_path: Path) -> None:
    """Any use of a socket, in the command or in its child, ends the process at once."""
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent("""
            import os, sys
            def watch(event, arguments):
                if event.startswith("socket."):
                    os._exit(99)
            sys.addaudithook(watch)
        """),
        encoding="utf-8",
    )
    scan, out = "examples/chest-normal-0234.dcm", str(tmp_path / "out")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    control = subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], env=environment, check=False)
    assert control.returncode == 99
    command = [sys.executable, "-m", "edge.cli", "infer", scan, "--out", out]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr

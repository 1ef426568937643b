"""`edgerun device`."""

from __future__ import annotations

from edge.device import versions
from tests.conftest import Edgerun


def test_a_technician_reads_what_the_machine_is(edgerun: Edgerun) -> None:
    ran = edgerun("device")
    assert ran.code == 0
    assert ran.err == ""
    assert {"Machine", "System", "GPU", "Engine"} <= {line[:13].strip() for line in ran.out.splitlines()}
    assert "onnxruntime: can be used" in ran.out


def test_a_program_reads_one_document(edgerun: Edgerun) -> None:
    (document,) = edgerun("device", "--json").reports
    assert document["versions"] == versions()
    assert document["jetson"] is None or document["jetson"]["chip"].startswith("tegra")

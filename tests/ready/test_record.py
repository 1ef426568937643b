"""The record: what is written is read, what is damaged is not obeyed, what was measured elsewhere does not hold."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import OutputError
from edge.pack.store import Pack
from edge.ready.place import record_path
from edge.ready.record import Record, read_record, write_record
from edge.typed import dump
from tests.ready.found import chosen, pack_with, record_of

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions")


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return pack_with(tmp_path)


def record(pack: Pack, **changes: Any) -> Record:
    return record_of(pack, chosen("onnxruntime"), chosen("openvino", "int8"), **changes)


def test_what_is_written_is_read(pack: Pack) -> None:
    write_record(record(pack))
    assert read_record(pack.sha256) == record(pack)


def test_it_lies_beside_the_compiled_models_under_the_name_of_its_pack(pack: Pack, tmp_path: Path) -> None:
    path = write_record(record(pack))
    assert path == tmp_path / "prepared-models" / "prepared" / f"{pack.sha256}.json"
    assert list(path.parent.iterdir()) == [path]


@posix
def test_its_folder_is_the_users_own(pack: Pack) -> None:
    folder = write_record(record(pack)).parent
    assert [stat.S_IMODE(place.stat().st_mode) for place in (folder, folder.parent)] == [0o700, 0o700]


def test_of_a_pack_that_was_never_prepared_there_is_none(pack: Pack) -> None:
    assert read_record(pack.sha256) is None


DAMAGE: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "cut short": lambda told: json.dumps(told).encode()[:-20],
    "no JSON": lambda _: b"\xff\xfe",
    "empty": lambda _: b"",
    "nested": lambda _: b"[" * 100_000,
    "another version": lambda told: json.dumps({**told, "format_version": 2}).encode(),
    "an unknown key": lambda told: json.dumps({**told, "faster": True}).encode(),
    "a key that lacks": lambda told: json.dumps({key: told[key] for key in told if key != "one"}).encode(),
    "a negative number": lambda told: json.dumps({**told, "many_from": -1}).encode(),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_one_that_is_damaged_is_none_and_that_is_said(pack: Pack, how: str) -> None:
    path = write_record(record(pack))
    path.write_bytes(DAMAGE[how](dump(record(pack))))
    assert read_record(pack.sha256) == "the record of its preparation cannot be read"


@posix
def test_one_that_others_could_have_written_is_not_obeyed(pack: Pack, tmp_path: Path) -> None:
    path = write_record(record(pack))
    path.chmod(0o666)
    found = "found the permissions 0666, expected 0644"
    assert read_record(pack.sha256) == f"the record of its preparation is not to be trusted: {found}"
    path.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o644)
    path.symlink_to(tmp_path / "elsewhere")
    assert read_record(pack.sha256) == "the record of its preparation is not to be trusted: it is a link"


def test_one_of_another_pack_is_not_taken(pack: Pack) -> None:
    path = write_record(record(pack, pack_sha256="0" * 64))
    path.rename(record_path(pack.sha256))
    assert read_record(pack.sha256) == "the record of its preparation is another pack's"


def test_one_that_cannot_be_written_leaves_the_earlier_one(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(record(pack))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError):
        write_record(record(pack, many_from=99))
    assert read_record(pack.sha256) == record(pack)


def test_a_file_in_the_place_of_the_folder_is_an_error_of_writing(pack: Pack, tmp_path: Path) -> None:
    (tmp_path / "prepared-models").write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        write_record(record(pack))


def test_few_scans_get_one_engine_and_many_the_other(pack: Pack) -> None:
    found = record(pack, many_from=10)
    assert [found.chosen(scans).engine for scans in (1, 9, 10, 11)] == ["onnxruntime"] * 2 + ["openvino"] * 2


def test_where_there_is_nothing_to_cross_over_to_all_get_the_same(pack: Pack) -> None:
    found = record_of(pack, chosen("openvino"))
    assert {found.chosen(scans).engine for scans in (1, 1000)} == {"openvino"}


def test_one_that_was_made_here_and_now_holds(pack: Pack) -> None:
    assert record(pack).differs() == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"processor": "another"},
        {"cores": 99},
        {"gpu_uuid": "GPU-2", "gpu": "another"},
        {"driver": "1"},
        {"power_mode": "15W"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_machine_is_told(pack: Pack, changes: dict[str, Any]) -> None:
    found = record(pack)
    told = replace(found, machine=replace(found.machine, **changes)).differs()
    assert told == "prepared on another machine, GPU, driver or power mode"


@pytest.mark.parametrize(
    ("package", "version"),
    [("onnxruntime", "1.0.0"), ("edgerun", "0.0.1"), ("python", "3.9.1"), ("tensorrt", "10.3.0")],
    ids=["an engine", "edgerun", "python", "one that is here no more"],
)
def test_another_version_is_told_by_name(pack: Pack, package: str, version: str) -> None:
    found = record(pack)
    told = replace(found, versions={**found.versions, package: version}).differs()
    assert told == f"prepared with another version of {package}"


def test_an_engine_that_came_since_is_told(pack: Pack) -> None:
    found = record(pack)
    without = {name: version for name, version in found.versions.items() if name != "openvino"}
    assert replace(found, versions=without).differs() == "prepared with another version of openvino"


def test_what_reads_scans_may_change(pack: Pack) -> None:
    assert not {"pydicom", "nibabel", "imagecodecs"} & set(record(pack).versions)

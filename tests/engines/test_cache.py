from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.engines.cache import (
    ENTRY,
    KEY_BYTES,
    KEY_FILE,
    LIMIT_BYTES,
    MAGIC,
    Conditions,
    Store,
    cache_folder,
    open_store,
)
from edge.errors import EngineError, OutputError, UsageError
from edge.reasons import CACHE_UNSAFE
from edge.write.files import UNFINISHED
from tests.conftest import ROOT

PAYLOAD = bytes(range(256)) * 8
posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and owners are POSIX's")
CONDITIONS = Conditions(
    kind="test-plan",
    engine="tensorrt",
    model_sha256="ab" * 32,
    precision="fp16",
    versions={"tensorrt": "10.3.0", "cuda": "12.6"},
    machine={"gpu": "Orin", "uuid": "00ff", "sm": "8.7", "power mode": "MAXN"},
    settings={"image": "1x1x28x28"},
)
CHANGES = {
    "kind": replace(CONDITIONS, kind="other"),
    "engine": replace(CONDITIONS, engine="openvino"),
    "model": replace(CONDITIONS, model_sha256="cd" * 32),
    "precision": replace(CONDITIONS, precision="fp32"),
    "version": replace(CONDITIONS, versions={"tensorrt": "10.3.1", "cuda": "12.6"}),
    "one more version": replace(CONDITIONS, versions={**CONDITIONS.versions, "driver": "1"}),
    "machine": replace(CONDITIONS, machine={**CONDITIONS.machine, "uuid": "00fe"}),
    "power mode": replace(CONDITIONS, machine={**CONDITIONS.machine, "power mode": "15W"}),
    "shapes": replace(CONDITIONS, settings={"image": "1x1x28x29"}),
    "a value in another field": replace(CONDITIONS, settings={}, machine={**CONDITIONS.machine, "image": "1x1x28x28"}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(folder: Path) -> Store:
    return open_store(folder)


def entry(folder: Path) -> Path:
    (path,) = folder.glob(f"*{ENTRY}")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def assert_distrusted(store: Store, folder: Path, words: str) -> None:
    """It is treated as absent, with the reason told, and is gone; what is compiled anew is used."""
    found = store.get(CONDITIONS)
    assert found.payload is None
    assert words in found.why
    assert not list(folder.glob(f"*{ENTRY}"))
    store.put(CONDITIONS, b"anew")
    assert store.get(CONDITIONS).payload == b"anew"


def test_what_was_kept_is_found_again_even_by_another_process(store: Store, folder: Path) -> None:
    store.put(CONDITIONS, PAYLOAD)
    assert open_store(folder).get(CONDITIONS).payload == PAYLOAD


def test_an_empty_payload_is_kept_too(store: Store) -> None:
    store.put(CONDITIONS, b"")
    assert store.get(CONDITIONS).payload == b""


def test_what_was_never_kept_is_not_found_and_nothing_is_said_of_trust(store: Store) -> None:
    found = store.get(CONDITIONS)
    assert found.payload is None
    assert "nothing was prepared" in found.why


@pytest.mark.parametrize("other", CHANGES.values(), ids=CHANGES)
def test_any_other_condition_is_another_entry(store: Store, other: Conditions) -> None:
    store.put(CONDITIONS, PAYLOAD)
    assert store.get(other).payload is None
    store.put(other, b"other")
    assert (store.get(CONDITIONS).payload, store.get(other).payload) == (PAYLOAD, b"other")


def test_the_order_in_which_conditions_are_named_does_not_matter(store: Store) -> None:
    store.put(CONDITIONS, PAYLOAD)
    turned = replace(CONDITIONS, machine=dict(list(CONDITIONS.machine.items())[::-1]))
    assert store.get(turned).payload == PAYLOAD


def test_a_second_payload_replaces_the_first(store: Store) -> None:
    store.put(CONDITIONS, PAYLOAD)
    store.put(CONDITIONS, b"second")
    assert store.get(CONDITIONS).payload == b"second"
    assert len(store.entries()) == 1


def test_one_that_was_dropped_is_gone_and_may_be_dropped_again(store: Store) -> None:
    store.put(CONDITIONS, PAYLOAD)
    store.drop(CONDITIONS)
    store.drop(CONDITIONS)
    assert store.get(CONDITIONS).payload is None


REGIONS: dict[str, Callable[[int], int]] = {
    "magic": lambda _: 3,
    "length of the head": lambda _: len(MAGIC),
    "length of the payload": lambda _: len(MAGIC) + 8,
    "head": lambda _: len(MAGIC) + 16 + 5,
    "first of the payload": lambda size: size - 32 - len(PAYLOAD),
    "last of the payload": lambda size: size - 33,
    "first of the code": lambda size: size - 32,
    "last of the code": lambda size: size - 1,
}


@pytest.mark.parametrize("place", REGIONS.values(), ids=REGIONS)
def test_one_bit_changed_anywhere_is_distrusted(store: Store, folder: Path, place: Callable[[int], int]) -> None:
    store.put(CONDITIONS, PAYLOAD)
    data = bytearray(entry(folder).read_bytes())
    data[place(len(data))] ^= 1
    entry(folder).write_bytes(data)
    assert_distrusted(store, folder, "not to be trusted")


@pytest.mark.parametrize("keep", [0, 5, 40, -PAYLOAD.__len__() - 32, -33, -32, -1])
def test_one_that_was_cut_short_is_distrusted(store: Store, folder: Path, keep: int) -> None:
    store.put(CONDITIONS, PAYLOAD)
    entry(folder).write_bytes(entry(folder).read_bytes()[:keep])
    assert_distrusted(store, folder, "not to be trusted")


def test_one_with_something_after_it_is_distrusted(store: Store, folder: Path) -> None:
    store.put(CONDITIONS, PAYLOAD)
    entry(folder).write_bytes(entry(folder).read_bytes() + b"\0")
    assert_distrusted(store, folder, "its head is not that")


def test_two_that_were_swapped_are_both_distrusted(store: Store, folder: Path) -> None:
    other = CHANGES["shapes"]
    store.put(CONDITIONS, PAYLOAD)
    store.put(other, PAYLOAD)
    first, second = sorted(folder.glob(f"*{ENTRY}"))
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    assert store.get(CONDITIONS).payload is None
    assert store.get(other).payload is None
    assert not list(folder.glob(f"*{ENTRY}"))


def test_one_from_another_machine_is_distrusted(store: Store, folder: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    open_store(theirs).put(CONDITIONS, b"a program of theirs")
    (folder / entry(theirs).name).write_bytes(entry(theirs).read_bytes())
    assert_distrusted(store, folder, "its code is not one that this store made")


def test_two_stores_never_have_the_same_key(tmp_path: Path) -> None:
    keys = set()
    for name in "ab":
        open_store(tmp_path / name)
        keys.add((tmp_path / name / KEY_FILE).read_bytes())
    assert len(keys) == 2
    assert {len(key) for key in keys} == {KEY_BYTES}


@posix
def test_a_link_in_the_place_of_an_entry_is_distrusted_and_what_it_leads_to_stays(store: Store, folder: Path) -> None:
    store.put(CONDITIONS, PAYLOAD)
    moved = folder.parent / "moved"
    path = entry(folder)
    path.rename(moved)
    path.symlink_to(moved)
    assert_distrusted(store, folder, "it is a link")
    assert moved.is_file()


@posix
def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(store: Store, folder: Path) -> None:
    store.put(CONDITIONS, PAYLOAD)
    path = entry(folder)
    path.unlink()
    os.mkfifo(path)
    assert_distrusted(store, folder, "it is no plain file")


@posix
@pytest.mark.parametrize("bits", [0o620, 0o602])
def test_an_entry_that_others_may_write_to_is_distrusted(store: Store, folder: Path, bits: int) -> None:
    store.put(CONDITIONS, PAYLOAD)
    entry(folder).chmod(bits)
    assert_distrusted(store, folder, f"found the permissions {bits:04o}")


@posix
def test_an_entry_of_another_user_is_distrusted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(CONDITIONS, PAYLOAD)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    found = store.get(CONDITIONS)
    assert found.payload is None
    assert f"found the owner {own}" in found.why


@posix
def test_folder_key_and_entries_are_private(store: Store, folder: Path) -> None:
    store.put(CONDITIONS, PAYLOAD)
    assert mode(folder) == 0o700
    assert mode(folder / KEY_FILE) == 0o600
    assert mode(entry(folder)) == 0o600


def unsafe(folder: Path) -> str:
    with pytest.raises(EngineError) as caught:
        open_store(folder)
    assert caught.value.reason is CACHE_UNSAFE
    return caught.value.message


@posix
@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(folder: Path, bits: int) -> None:
    folder.mkdir()
    folder.chmod(bits)
    assert f"found the permissions {bits:04o}, expected 07" in unsafe(folder)


@posix
def test_a_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert f"found the owner {own}, expected {own + 1}" in unsafe(folder)


@posix
def test_a_link_to_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    assert "found a link, expected a folder" in unsafe(folder)


@posix
@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(store: Store, folder: Path, bits: int) -> None:
    store.put(CONDITIONS, PAYLOAD)
    (folder / KEY_FILE).chmod(bits)
    assert f"found the permissions {bits:04o}, expected 0600" in unsafe(folder)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(store: Store, folder: Path, length: int) -> None:
    store.put(CONDITIONS, PAYLOAD)
    (folder / KEY_FILE).write_bytes(bytes(length))
    assert "another length" in unsafe(folder)


@posix
def test_a_key_that_is_a_link_is_refused(store: Store, folder: Path, tmp_path: Path) -> None:
    store.put(CONDITIONS, PAYLOAD)
    (folder / KEY_FILE).rename(tmp_path / "elsewhere")
    (folder / KEY_FILE).symlink_to(tmp_path / "elsewhere")
    assert "it is a link" in unsafe(folder)


def test_without_its_key_nothing_that_was_kept_is_used(store: Store, folder: Path) -> None:
    store.put(CONDITIONS, PAYLOAD)
    (folder / KEY_FILE).unlink()
    assert_distrusted(open_store(folder), folder, "its code is not one")


def test_a_file_in_the_place_of_the_folder_is_an_error_of_writing(folder: Path) -> None:
    folder.write_bytes(b"")
    with pytest.raises(OutputError, match="cache"):
        open_store(folder)


def aged(folder: Path, store: Store, names: str) -> dict[str, Conditions]:
    """Entries of equal size, the first the one that was not used for the longest."""
    made = {name: replace(CONDITIONS, model_sha256=name * 64) for name in names}
    for age, conditions in enumerate(made.values()):
        store.put(conditions, PAYLOAD)
        path = store._path(conditions)
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
    assert folder.is_dir()
    return made


def kept(store: Store) -> str:
    return "".join(item.conditions.model_sha256[0] for item in store.entries() if item.conditions)


def test_entries_are_listed_with_their_conditions_and_the_longest_unused_first(store: Store, folder: Path) -> None:
    aged(folder, store, "abc")
    first = store.entries()[0]
    assert kept(store) == "abc"
    assert first.conditions == replace(CONDITIONS, model_sha256="a" * 64)
    assert first.bytes == (folder / (first.key + ENTRY)).stat().st_size
    assert first.used_at == 1_000_000


def test_what_was_used_last_goes_last(store: Store, folder: Path) -> None:
    made = aged(folder, store, "abc")
    store.get(made["a"])
    assert kept(store) == "bca"


def test_what_was_not_used_for_the_longest_makes_room(store: Store, folder: Path) -> None:
    aged(folder, store, "abc")
    size = store.entries()[0].bytes
    small = open_store(folder, limit_bytes=3 * size)
    small.put(replace(CONDITIONS, model_sha256="d" * 64), PAYLOAD)
    assert kept(small) == "bcd"
    assert sum(item.bytes for item in small.entries()) <= 3 * size


def test_one_that_is_replaced_needs_no_room_beside_itself(store: Store, folder: Path) -> None:
    made = aged(folder, store, "abc")
    small = open_store(folder, limit_bytes=3 * store.entries()[0].bytes)
    small.put(made["b"], PAYLOAD)
    assert sorted(kept(small)) == ["a", "b", "c"]


def test_one_that_is_larger_than_all_may_be_is_refused_and_nothing_else_goes(store: Store, folder: Path) -> None:
    aged(folder, store, "abc")
    small = open_store(folder, limit_bytes=len(PAYLOAD) - 1)
    with pytest.raises(OutputError, match=f"found {len(PAYLOAD)} bytes, expected no more than EDGERUN_CACHE_BYTES"):
        small.put(CONDITIONS, PAYLOAD)
    assert kept(store) == "abc"


def test_clearing_removes_every_entry_and_keeps_the_key(store: Store, folder: Path) -> None:
    aged(folder, store, "abc")
    key = (folder / KEY_FILE).read_bytes()
    assert store.clear() == 3
    assert store.entries() == ()
    assert (folder / KEY_FILE).read_bytes() == key


@pytest.mark.parametrize("data", [b"", MAGIC, MAGIC + bytes(16), MAGIC + b"\xff" * 40, b"[" * 5000])
def test_an_entry_that_is_none_is_listed_without_conditions(store: Store, folder: Path, data: bytes) -> None:
    (folder / ("0" * 64 + ENTRY)).write_bytes(data)
    (found,) = store.entries()
    assert (found.conditions, found.bytes) == (None, len(data))
    assert store.clear() == 1


def test_a_writer_that_is_killed_leaves_nothing_that_is_used(folder: Path) -> None:
    script = f"""
        import os, sys
        from pathlib import Path
        from tests.engines.test_cache import CONDITIONS, PAYLOAD
        from edge.engines import cache
        store = cache.open_store(Path(sys.argv[1]))
        os.fsync = lambda handle: os.kill(os.getpid(), {int(signal.SIGTERM)})
        store.put(CONDITIONS, PAYLOAD)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder)]
    ended = subprocess.run(command, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ended.returncode != 0
    assert len(list(folder.glob(f"{UNFINISHED}*"))) == 1
    store = open_store(folder)
    assert store.get(CONDITIONS).payload is None
    assert store.entries() == ()


def test_what_a_killed_writer_left_is_removed_once_it_must_be_dead(store: Store, folder: Path) -> None:
    old, young = folder / f"{UNFINISHED}old", folder / f"{UNFINISHED}young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (1_000_000, 1_000_000))
    store.put(CONDITIONS, PAYLOAD)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_failed_write_leaves_nothing_and_what_was_there_stays(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(CONDITIONS, PAYLOAD)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        store.put(CONDITIONS, b"second")
    monkeypatch.undo()
    assert store.get(CONDITIONS).payload == PAYLOAD
    assert not list(folder.glob(f"{UNFINISHED}*"))


def test_what_cannot_be_read_for_the_moment_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan takes minutes to build: that too many files are open is no reason to throw it away."""
    store.put(CONDITIONS, PAYLOAD)

    def busy(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", busy)
    found = store.get(CONDITIONS)
    assert (found.payload, found.why) == (None, "what was prepared cannot be read: Too many open files")
    monkeypatch.undo()
    assert store.get(CONDITIONS).payload == PAYLOAD


def test_the_folder_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGERUN_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    open_store().put(CONDITIONS, PAYLOAD)
    assert entry(tmp_path / "chosen").is_file()


@posix
def test_the_folder_is_else_the_users_own_place_for_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EDGERUN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "edgerun"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "edgerun"


def test_the_folder_on_windows_is_in_the_users_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EDGERUN_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache_folder() == tmp_path / "edgerun" / "cache"


def test_how_much_is_kept_is_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, store: Store, folder: Path
) -> None:
    assert store._limit_bytes == LIMIT_BYTES
    monkeypatch.setenv("EDGERUN_CACHE_BYTES", "100")
    with pytest.raises(OutputError, match="100"):
        open_store(folder).put(CONDITIONS, PAYLOAD)


@pytest.mark.parametrize("told", ["", "0", "-1", "much", "1e9", "²"])
def test_an_amount_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, folder: Path, told: str) -> None:
    monkeypatch.setenv("EDGERUN_CACHE_BYTES", told)
    with pytest.raises(UsageError, match="expected a number of bytes"):
        open_store(folder)

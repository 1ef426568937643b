"""New names follow from the old ones and a secret, and tell nothing of either."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from edge.deidentify.secret import LEAST_DAYS, MOST_DAYS, Secret, fresh, kept_in
from edge.errors import OutputError, UsageError

ONE, OTHER = Secret(b"1" * 32), Secret(b"2" * 32)


def test_the_same_secret_gives_the_same_names_and_another_one_others() -> None:
    for name in ("uid", "patient", "days", "label"):
        assert getattr(ONE, name)("a") == getattr(Secret(b"1" * 32), name)("a") != getattr(ONE, name)("b")
        assert getattr(ONE, name)("a") != getattr(OTHER, name)("a")
    assert ONE.mark() != OTHER.mark()


def test_a_new_uid_is_one_that_the_standard_allows() -> None:
    for number in range(200):
        uid = ONE.uid(str(number))
        assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", uid)
        assert int(uid[5:]) < 1 << 128


def test_dates_go_back_by_one_to_ten_years_and_by_all_of_them() -> None:
    days = [ONE.days(str(number)) for number in range(3000)]
    assert min(days) >= LEAST_DAYS
    assert max(days) <= MOST_DAYS
    assert max(days) - min(days) > 0.99 * (MOST_DAYS - LEAST_DAYS)


def test_a_secret_does_not_show_itself() -> None:
    assert repr(ONE) == "Secret(...)"
    assert (b"1" * 32).hex() not in ONE.mark()


def test_fresh_secrets_differ() -> None:
    assert fresh() != fresh()


def test_a_key_is_made_once_for_its_owner_alone_and_read_after_that(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = kept_in(path)
    assert kept_in(path) == made
    assert path.read_text() == f"{made.value.hex()}\n"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_a_key_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "key"
    kept_in(path)
    path.chmod(0o644)
    kept_in(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "secret", "ab" * 31, "AB" * 32])
def test_a_file_that_is_no_key_is_not_taken_for_one_and_not_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(UsageError, match="found no key of edgerun's") as raised:
        kept_in(path)
    assert not text or text not in str(raised.value)


def test_a_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="W800"):
        kept_in(tmp_path / "missing" / "key")


def test_of_two_runs_that_make_a_key_at_the_same_time_both_take_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(made: str, path: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        path.write_text("1" * 64)
        link(made, path)

    monkeypatch.setattr(os, "link", late)
    assert kept_in(tmp_path / "key").value.hex() == "1" * 64
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_key_that_cannot_be_finished_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="W801"):
        kept_in(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_made: str, _path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert kept_in(tmp_path / "key") == kept_in(tmp_path / "key")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]

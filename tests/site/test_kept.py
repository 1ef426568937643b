"""What a site decided is whole, its own and unchanged, or nobody uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.errors import OutputError, PackError
from edge.pack.store import store_folder
from edge.reasons import SITE_THRESHOLD_DAMAGED
from edge.site.kept import keep, read_kept, remove_kept
from edge.site.place import kept_for, site_path, site_sha256
from tests.site.cases import tiny
from tests.site.sets import site_label, site_set


def problem(pack: str = "tiny") -> str:
    with pytest.raises(PackError) as caught:
        read_kept(pack)
    assert caught.value.reason is SITE_THRESHOLD_DAMAGED
    return caught.value.message


def test_what_is_kept_is_read_again() -> None:
    decided = site_set()
    kept = keep("tiny", decided)
    assert kept == read_kept("tiny")
    assert kept.file.sets == (decided,)


def test_it_lies_beside_the_packs_and_never_in_one() -> None:
    keep("tiny", site_set())
    assert site_path("tiny") == store_folder().parent / "sites" / "tiny.json"
    assert not site_path("tiny").is_relative_to(store_folder())


def test_a_set_takes_the_place_of_one_that_is_bound_to_the_same() -> None:
    keep("tiny", site_set())
    keep("tiny", site_set(precision="int8"))
    kept = keep("tiny", site_set(labels={"bright": site_label(0.7)}))
    assert [(each.precision, each.labels["bright"].threshold) for each in kept.file.sets] == [
        ("int8", 0.3),
        ("fp32", 0.7),
    ]


def test_every_character_that_is_changed_is_noticed() -> None:
    keep("tiny", site_set())
    path = site_path("tiny")
    whole = path.read_text(encoding="utf-8")
    for old, new in (("0.3", "0.2"), ("Dr A", "Dr B"), ("fp32", "int8"), ('"hits": 38', '"hits": 37')):
        assert whole.count(old)
        path.write_text(whole.replace(old, new, 1), encoding="utf-8")
        assert "other contents than were sealed" in problem()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "edgerun-site"}', "\udcff"])
def test_what_is_no_such_file_is_not_guessed_at(text: str) -> None:
    keep("tiny", site_set())
    site_path("tiny").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert problem().startswith(f"Reading {site_path('tiny')}: ")


def test_a_file_that_was_cut_short_is_noticed() -> None:
    keep("tiny", site_set())
    data = site_path("tiny").read_bytes()
    site_path("tiny").write_bytes(data[: len(data) // 2])
    assert problem().startswith(f"Reading {site_path('tiny')}: ")


def test_the_file_of_another_pack_is_noticed() -> None:
    keep("other", site_set())
    site_path("tiny").write_bytes(site_path("other").read_bytes())
    assert "sealed for tiny" in problem()


def test_a_file_that_others_may_write_is_not_trusted() -> None:
    keep("tiny", site_set())
    site_path("tiny").chmod(0o666)
    assert "permissions" in problem()


def test_a_link_is_not_trusted_even_where_it_leads_nowhere(tmp_path: Path) -> None:
    pack = tiny(tmp_path / "pack")
    site_path("tiny").parent.mkdir(parents=True)
    site_path("tiny").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PackError):
        kept_for(pack)


def test_a_damaged_file_is_not_written_over() -> None:
    keep("tiny", site_set())
    site_path("tiny").write_text("{}", encoding="utf-8")
    with pytest.raises(PackError):
        keep("tiny", site_set())
    assert site_path("tiny").read_text(encoding="utf-8") == "{}"


def test_a_damaged_file_can_be_removed() -> None:
    keep("tiny", site_set())
    site_path("tiny").write_text("{}", encoding="utf-8")
    assert remove_kept("tiny")
    assert not remove_kept("tiny")


def test_where_nothing_was_set_there_is_nothing(tmp_path: Path) -> None:
    pack = tiny(tmp_path / "pack")
    assert kept_for(pack) is None
    assert site_sha256(pack) == ""


def test_its_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    pack = tiny(tmp_path / "pack")
    kept = keep("tiny", site_set())
    assert site_sha256(pack) == kept.sha256
    assert keep("tiny", site_set(rows=96)).sha256 != kept.sha256


def test_a_file_that_cannot_be_read_has_a_hash_of_no_file(tmp_path: Path) -> None:
    pack = tiny(tmp_path / "pack")
    site_path("tiny").mkdir(parents=True)
    assert site_sha256(pack) == "unreadable"


def test_a_full_or_closed_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("EDGERUN_PACKS", str(tmp_path / "file" / "packs"))
    with pytest.raises(OutputError):
        keep("tiny", site_set())


def test_it_is_json_with_a_version() -> None:
    keep("tiny", site_set())
    document = json.loads(site_path("tiny").read_bytes())
    assert (document["format"], document["format_version"], document["pack"]) == ("edgerun-site", 1, "tiny")

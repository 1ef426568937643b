"""SHA-256 of a file: whole however it is read, empty only where a caller asks for that."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge.hashes import hashed, sha256_of


@pytest.mark.parametrize("size", [0, 1, 7, 8, 20])
def test_a_file_is_hashed_whole_with_a_sign_of_life_for_every_piece(tmp_path: Path, size: int) -> None:
    data, heard = bytes(range(size)), list[int]()
    (tmp_path / "a").write_bytes(data)
    found = hashed(tmp_path / "a", lambda: heard.append(1), block=4)
    assert found == hashlib.sha256(data).hexdigest() == sha256_of(tmp_path / "a")
    assert len(heard) == -(-size // 4)


def test_what_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    assert sha256_of(tmp_path) == sha256_of(tmp_path / "gone") == ""
    with pytest.raises(OSError, match="gone"):
        hashed(tmp_path / "gone")

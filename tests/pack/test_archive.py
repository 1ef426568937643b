"""A pack's files: plain ones inside it, whole, bounded, and the very bytes that were hashed."""

from __future__ import annotations

import contextlib
import os
import random
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.engines import open_engine
from edge.errors import PackError
from edge.pack.archive import LARGEST_FILE, LARGEST_MANIFEST, open_archive
from edge.pack.store import MANIFEST, Pack, find_pack, open_pack
from edge.reasons import HASH_MISMATCH, MISSING_FILE, NO_PACK
from edge.testing import MODEL_FILE, tiny_manifest, tiny_model, write_tiny_pack

Build = Callable[[Path], Path]
needs_posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")


def as_folder(place: Path) -> Path:
    return write_tiny_pack(place / "tiny")


def as_zip(place: Path) -> Path:
    return zipped(write_tiny_pack(place / "tiny"))


def zipped(folder: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder.with_suffix(".edgepack")
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


def read_model(pack: Pack) -> bytes:
    data, _ = pack.read_model(pack.manifest.models[0])
    return data


def missing(path: Path, name: str = MODEL_FILE, largest: int = LARGEST_FILE) -> str:
    with pytest.raises(PackError) as caught:
        open_archive(path)(name, largest)
    assert caught.value.reason is MISSING_FILE
    return caught.value.message


both = pytest.mark.parametrize("build", [as_folder, as_zip])


@both
def test_a_pack_is_read_from_a_folder_and_from_a_zip_alike(tmp_path: Path, build: Build) -> None:
    path = build(tmp_path)
    for opened in (open_pack(path), find_pack(str(path))):
        data = read_model(opened)
        assert data == tiny_model()
        open_engine("onnxruntime", data, precision="fp32", threads=1).close()


def test_a_folder_and_its_zip_are_the_same_pack(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    assert open_pack(folder).sha256 == open_pack(zipped(folder)).sha256


@both
def test_a_file_that_is_not_there_is_missed(tmp_path: Path, build: Build) -> None:
    assert missing(build(tmp_path), "golden/none.dcm").startswith("Reading ")


@both
def test_a_pack_without_a_manifest_is_missing_it(tmp_path: Path, build: Build) -> None:
    folder = write_tiny_pack(tmp_path / "tiny")
    (folder / MANIFEST).unlink()
    path = folder if build is as_folder else zipped(folder)
    with pytest.raises(PackError) as caught:
        open_pack(path)
    assert caught.value.reason is MISSING_FILE
    assert MANIFEST in caught.value.message


@both
def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path, build: Build) -> None:
    folder = write_tiny_pack(tmp_path / "tiny")
    (folder / MODEL_FILE).unlink()
    (folder / MODEL_FILE).mkdir()
    missing(folder if build is as_folder else zipped(folder))


@needs_posix
def test_a_folder_in_place_of_a_file_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "pack" / MODEL_FILE).mkdir(parents=True)
    missing(tmp_path / "pack")
    before = os.dup(0)
    os.close(before)
    for _ in range(20):
        missing(tmp_path / "pack")
    after = os.dup(0)
    os.close(after)
    assert after == before


@both
def test_a_file_with_another_content_is_refused_by_its_hash(tmp_path: Path, build: Build) -> None:
    folder = write_tiny_pack(tmp_path / "tiny")
    (folder / MODEL_FILE).write_bytes(tiny_model(opset=17))
    pack = open_pack(folder if build is as_folder else zipped(folder))
    with pytest.raises(PackError) as caught:
        read_model(pack)
    assert caught.value.reason is HASH_MISMATCH
    assert pack.manifest.models[0].sha256 in caught.value.message


@both
def test_a_file_larger_than_allowed_is_not_read(tmp_path: Path, build: Build) -> None:
    path = build(tmp_path)
    size = len(tiny_model())
    assert len(open_archive(path)(MODEL_FILE, size)) == size
    assert f"found {size} bytes, expected a plain file of at most {size - 1}" in missing(path, largest=size - 1)


@both
def test_a_manifest_of_many_megabytes_is_not_even_read(tmp_path: Path, build: Build) -> None:
    folder = write_tiny_pack(tmp_path / "tiny")
    with (folder / MANIFEST).open("ab") as file:
        file.truncate(LARGEST_MANIFEST + 1)
    path = folder if build is as_folder else zipped(folder)
    with pytest.raises(PackError) as caught:
        open_pack(path)
    assert caught.value.reason is MISSING_FILE


def test_a_sparse_file_beyond_two_gigabytes_is_not_read(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    with (folder / MODEL_FILE).open("ab") as file:
        file.truncate(LARGEST_FILE + 1)
    assert f"found {LARGEST_FILE + 1} bytes" in missing(folder)


@both
def test_the_bytes_that_were_hashed_are_the_bytes_that_are_used(tmp_path: Path, build: Build) -> None:
    path = build(tmp_path)
    pack = open_pack(path)
    data = read_model(pack)
    (tmp_path / "tiny" / MODEL_FILE).write_bytes(b"swapped")
    if path.is_file():
        path.write_bytes(b"swapped")
    assert data == tiny_model()
    open_engine("onnxruntime", data, precision="fp32", threads=1).close()
    with pytest.raises(PackError):
        read_model(pack)


# Links and pipes ------------------------------------------------------------------------------------------


@needs_posix
def test_a_link_in_place_of_a_file_is_refused_even_to_the_right_bytes(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    (folder / MODEL_FILE).rename(tmp_path / "elsewhere.onnx")
    (folder / MODEL_FILE).symlink_to(tmp_path / "elsewhere.onnx")
    assert "found a link" in missing(folder)


@needs_posix
def test_a_link_to_nothing_is_refused_as_a_link(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    (folder / MODEL_FILE).unlink()
    (folder / MODEL_FILE).symlink_to("nowhere")
    assert "found a link" in missing(folder)


@needs_posix
def test_a_link_that_is_put_there_after_the_look_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = as_folder(tmp_path)
    (folder / MODEL_FILE).rename(tmp_path / "elsewhere.onnx")
    (folder / MODEL_FILE).symlink_to(tmp_path / "elsewhere.onnx")
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    assert "found a link" not in missing(folder)


@needs_posix
def test_a_link_in_place_of_a_folder_on_the_way_is_refused(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.png").write_bytes(b"x")
    (folder / "golden").symlink_to(tmp_path / "outside")
    assert f"{folder / 'golden'}: found a link" in missing(folder, "golden/a.png")


@needs_posix
def test_the_pack_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    """Whoever links to a pack chose it; what a pack holds was chosen by its maker."""
    (tmp_path / "link").symlink_to(as_folder(tmp_path))
    assert read_model(open_pack(tmp_path / "link")) == tiny_model()


@needs_posix
def test_a_hard_link_is_a_plain_file(tmp_path: Path) -> None:
    """It is no way out: nobody can make one to a file by sending a pack, and its bytes must match the hash."""
    folder = as_folder(tmp_path)
    (folder / MODEL_FILE).rename(tmp_path / "elsewhere.onnx")
    os.link(tmp_path / "elsewhere.onnx", folder / MODEL_FILE)
    assert read_model(open_pack(folder)) == tiny_model()


@needs_posix
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    (folder / MODEL_FILE).unlink()
    os.mkfifo(folder / MODEL_FILE)
    assert "no plain file" in missing(folder)


@needs_posix
def test_a_pipe_in_place_of_a_pack_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.edgepack")
    assert_no_pack(tmp_path / "a.edgepack")


def assert_no_pack(path: Path) -> None:
    with pytest.raises(PackError) as caught:
        open_archive(path)
    assert caught.value.reason is NO_PACK


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", random.Random(7).randbytes(64)])
def test_a_file_that_is_no_zip_is_no_pack(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.edgepack"
    path.write_bytes(data)
    assert_no_pack(path)


@pytest.mark.parametrize("name", ["none", "x" * 5000, "a\x00b"])
def test_a_place_where_nothing_can_be_is_no_pack(tmp_path: Path, name: str) -> None:
    assert_no_pack(tmp_path / name)


# Zips that were made to harm ------------------------------------------------------------------------------


def written(path: Path, *entries: tuple[str, bytes]) -> Path:
    """A zip with these entries, whatever they are called and how often."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own warning of names that stand twice
        for name, data in entries:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..\\x", "C:\\x"])
def test_an_entry_named_to_escape_is_never_written_anywhere(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "deep" / "deeper"
    inside.mkdir(parents=True)
    path = written(inside / "a.edgepack", *contents(tmp_path), (name, b"evil"))
    before = sorted(tmp_path.rglob("*"))
    assert read_model(open_pack(path)) == tiny_model()
    assert sorted(tmp_path.rglob("*")) == before


def contents(tmp_path: Path) -> list[tuple[str, bytes]]:
    folder = write_tiny_pack(tmp_path / "source")
    return [(name, (folder / name).read_bytes()) for name in (MANIFEST, MODEL_FILE)]


@pytest.mark.parametrize("name", [MANIFEST, MODEL_FILE])
def test_a_name_that_stands_twice_in_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    """Two readers could each take another one of them."""
    entries = contents(tmp_path)
    path = written(tmp_path / "a.edgepack", *entries, (name, dict(entries)[name]))
    assert "found 2 of that name" in missing(path, name)


def test_a_zip_of_the_folder_around_a_pack_is_refused_with_how_to_zip_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.edgepack", *[(f"tiny/{name}", data) for name, data in contents(tmp_path)])
    assert "zip what is in the pack's folder, not the folder" in missing(path, MANIFEST)
    assert "not the folder" not in missing(path, "absent.onnx")


def test_a_link_in_a_zip_is_its_text_and_fails_its_hash(tmp_path: Path) -> None:
    path = written(tmp_path / "a.edgepack", contents(tmp_path)[0])
    link = zipfile.ZipInfo(MODEL_FILE)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(PackError) as caught:
        read_model(open_pack(path))
    assert caught.value.reason is HASH_MISMATCH


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_a_device_may_lack_is_refused(tmp_path: Path, compression: int) -> None:
    assert "found compression" in missing(zipped(write_tiny_pack(tmp_path / "tiny"), compression))


def central(path: Path, name: str) -> tuple[bytearray, int]:
    """The bytes of a zip and where its central directory speaks of `name` (APPNOTE 4.3.12)."""
    data = bytearray(path.read_bytes())
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    return data, at


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.edgepack", *contents(tmp_path))
    data, at = central(path, MODEL_FILE)
    data[at + 8] |= 1
    local = data.index(b"PK\x03\x04", 10)
    data[local + 6] |= 1
    path.write_bytes(data)
    assert "damaged, encrypted or unknown" in missing(path)


@pytest.mark.parametrize("declared", [0, 1, 100, 5_000])
def test_an_entry_that_declares_less_than_it_holds_never_gives_more(tmp_path: Path, declared: int) -> None:
    """A bomb: ten million zeros in ten thousand bytes, said to be few."""
    path = written(tmp_path / "a.edgepack", (MODEL_FILE, bytes(10**7)))
    data, at = central(path, MODEL_FILE)
    struct.pack_into("<I", data, at + 24, declared)
    path.write_bytes(data)
    with contextlib.suppress(PackError):
        assert len(open_archive(path)(MODEL_FILE, LARGEST_FILE)) <= declared


def test_an_entry_that_declares_more_than_it_holds_gives_what_it_holds(tmp_path: Path) -> None:
    path = written(tmp_path / "a.edgepack", *contents(tmp_path))
    data, at = central(path, MODEL_FILE)
    struct.pack_into("<I", data, at + 24, LARGEST_FILE)
    path.write_bytes(data)
    assert read_model(open_pack(path)) == tiny_model()


def test_an_entry_whose_compressed_data_are_no_such_thing_is_refused(tmp_path: Path) -> None:
    """The library zlib has an error of its own, which is no OSError and no BadZipFile."""
    path = written(tmp_path / "a.edgepack", (MODEL_FILE, tiny_model()))
    data = bytearray(path.read_bytes())
    data[30 + len(MODEL_FILE)] = 0xFF  # the first byte behind the entry's header (APPNOTE 4.3.7)
    path.write_bytes(data)
    assert "damaged, encrypted or unknown" in missing(path)


def test_an_entry_with_another_checksum_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.edgepack", (MODEL_FILE, tiny_model()))
    data, at = central(path, MODEL_FILE)
    data[at + 16] ^= 1
    path.write_bytes(data)
    assert "damaged, encrypted or unknown" in missing(path)


def test_a_zip_cut_short_anywhere_raises_nothing_else(tmp_path: Path) -> None:
    data = written(tmp_path / "whole", *contents(tmp_path)).read_bytes()
    path = tmp_path / "a.edgepack"
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at])
        with pytest.raises(PackError):
            read_model(open_pack(path))


def test_a_damaged_zip_gives_the_right_bytes_or_a_refusal_and_nothing_else(tmp_path: Path) -> None:
    generator = random.Random(3)
    original = written(tmp_path / "whole", *contents(tmp_path)).read_bytes()
    path = tmp_path / "a.edgepack"
    right = 0
    for _ in range(600):
        data = bytearray(original)
        for _ in range(generator.randint(1, 3)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(data)
        with contextlib.suppress(PackError):
            assert read_model(open_pack(path)) == tiny_model()
            right += 1
    assert 0 < right < 600


def test_the_size_of_a_pack_is_not_bounded_by_its_manifest(tmp_path: Path) -> None:
    """A file may be larger than the manifest may be."""
    folder = write_tiny_pack(tmp_path / "tiny", tiny_manifest())
    (folder / "large").write_bytes(bytes(LARGEST_MANIFEST + 1))
    assert len(open_archive(folder)("large", LARGEST_FILE)) == LARGEST_MANIFEST + 1

import os
from dataclasses import replace
from hashlib import sha256 as digest
from pathlib import Path

import pytest

from quire.command import BadInput
from quire.demo.images import pdf
from quire.items.readers.cache import Cache
from quire.items.readers.reading import read_files
from quire.items.undecodable import remember
from tests.conftest import Encode
from tests.quire.items.readers.test_kinds import BOUNDS


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", BOUNDS)


def entries(cache: Cache) -> list[Path]:
    return sorted(path for path in cache.folder.rglob("*") if path.suffix == ".zip")


def test_an_entry_gives_back_what_was_found(tmp_path: Path, cache: Cache, make_image: Encode) -> None:
    images = [make_image(seed=1), make_image("PNG"), make_image(size=(200, 100))]
    (tmp_path / "a.pdf").write_bytes(pdf(images))
    sha256 = cache.keep(tmp_path / "a.pdf")
    with cache.entry(sha256) as (found, archive):
        assert [(each.page, each.extension, each.problem, each.note) for each in found] == [
            (0, "jpg", "", ""),
            (1, "png", "", "drawn as RGB PNG: it is not stored as JPEG"),
            (2, "", "200 x 100 pixels, over the limit of 10000", ""),
        ]
        assert archive.read("0") == images[0]


@pytest.mark.parametrize("left", [0, 100])
def test_an_entry_that_was_cut_is_made_anew(tmp_path: Path, cache: Cache, make_image: Encode, left: int) -> None:
    (tmp_path / "a.jpg").write_bytes(make_image())
    ((sha256, _),) = read_files([tmp_path / "a.jpg"], cache, 20)
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    entry.write_bytes(whole[:left])
    assert list(read_files([tmp_path / "a.jpg"], cache, 20)) == [(sha256, "")]
    with cache.entry(sha256) as (_, archive):
        assert archive.read("0") == make_image()


def test_an_entry_whose_bytes_changed_is_named(tmp_path: Path, cache: Cache, make_image: Encode) -> None:
    (tmp_path / "a.jpg").write_bytes(make_image())
    sha256 = cache.keep(tmp_path / "a.jpg")
    (entry,) = entries(cache)
    entry.write_bytes(entry.read_bytes().replace(make_image()[100:200], bytes(100)))
    with pytest.raises(BadInput, match=r"\.zip: Bad CRC-32 .*; delete this file of the cache"), cache.entry(sha256) as (_, archive):
        archive.read("0")


def test_an_index_that_is_none_is_named(tmp_path: Path, cache: Cache, make_image: Encode) -> None:
    (tmp_path / "a.jpg").write_bytes(make_image())
    (cache.folder / "index.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(BadInput, match=r"index\.sqlite: file is not a database; delete this file of the cache"):
        list(read_files([tmp_path / "a.jpg"], cache, 20))


def test_a_file_of_the_same_size_that_took_anothers_place_is_read(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "a").write_bytes(b"one")
    ((first, _),) = read_files([tmp_path / "a"], cache, 20)
    changed = (tmp_path / "a").stat().st_mtime_ns
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "b").replace(tmp_path / "a")
    os.utime(tmp_path / "a", ns=(changed, changed))
    ((second, _),) = read_files([tmp_path / "a"], cache, 20)
    assert first != second


def test_files_of_one_content_share_an_entry_and_other_bounds_have_their_own(
    tmp_path: Path, cache: Cache, make_image: Encode
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(make_image())
    read = list(read_files([tmp_path / "a", tmp_path / "b"], cache, 20))
    assert read[0] == read[1]
    assert len(entries(cache)) == 1
    Cache(cache.folder, replace(BOUNDS, max_pixels=9_999)).keep(tmp_path / "a")
    assert len(entries(cache)) == 2


def test_more_files_than_are_read_ahead_come_in_order(
    tmp_path: Path, cache: Cache, make_image: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quire.items.readers.reading.AHEAD", 2)
    monkeypatch.setenv("QUIRE_WORKERS", "3")
    paths = [tmp_path / str(number) for number in range(9)]
    for number, path in enumerate(paths):
        path.write_bytes(make_image(seed=number))
    assert [sha256 for sha256, _ in read_files(paths, cache, 20)] == [cache.keep(path) for path in paths]


def test_an_image_that_could_not_be_decoded_is_rejected_from_then_on(tmp_path: Path, cache: Cache, make_image: Encode) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf([make_image(seed=1), make_image(seed=2)]))
    sha256 = cache.keep(tmp_path / "a.pdf")
    remember(tmp_path, digest(make_image(seed=2)).hexdigest(), "broken data stream")
    with cache.entry(sha256) as (found, _):
        assert [each.problem for each in found] == ["", "damaged: broken data stream"]

import hashlib
import os
import resource
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from quire.command import BadInput, call
from quire.decode import decode
from quire.demo.images import ENCRYPTED, pdf
from quire.items.rows import Columns
from quire.items.tables import Item, read_table
from stages.extract import extract
from tests.conftest import ROOT, Encode, extracted_into, run

BOUNDS: dict[str, Any] = {"source": "embedded", "dpi": 72, "max_pages": 50, "max_pixels": 10**7, "min_side": 1}
BOUNDS |= {"max_images": 1000, "max_bytes": 10**9, "max_memory": 512, "max_seconds": 20.0, "max_shared": 5, "table": None}


def extracted(tmp_path: Path, files: dict[str, bytes], **bounds: Any) -> list[Item]:
    """Run the stage on these files; return its ledger."""
    for name, content in files.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(content)
    extract(tmp_path / "raw", *extracted_into(tmp_path), **BOUNDS | bounds)
    return read_table(tmp_path / "items.csv", Item)


def test_a_row_for_every_image_with_its_bytes(tmp_path: Path, make_image: Encode) -> None:
    (row,) = extracted(tmp_path, {"a.pdf": pdf([make_image()])})
    digest = hashlib.sha256(make_image()).hexdigest()
    assert row == Item(
        key="a_page0_index0",
        source="a.pdf",
        page=0,
        index=0,
        status="kept",
        width=48,
        height=32,
        image_sha256=digest,
        image="a_page0_index0.jpg",
        source_sha256=hashlib.sha256((tmp_path / "raw" / "a.pdf").read_bytes()).hexdigest(),
        group="a.pdf",
    )
    assert (tmp_path / "images" / "a_page0_index0.jpg").read_bytes() == make_image()


def test_only_a_last_image_that_equals_the_first_is_a_repeat(tmp_path: Path, make_image: Encode) -> None:
    one, two = make_image(seed=1), make_image(seed=2)
    rows = extracted(tmp_path, {"one.pdf": pdf([one]), "repeat.pdf": pdf([one, two, one]), "other.pdf": pdf([one, one, two])})
    assert [row.key for row in rows if row.status == "repeat"] == ["repeat_page2_index0"]
    assert len(list((tmp_path / "images").iterdir())) == 6


def test_one_bad_file_costs_one_row_each(tmp_path: Path, make_image: Encode) -> None:
    whole = pdf([make_image(size=(300, 300))])
    bad = {
        "text.pdf": b"text",
        "empty.pdf": b"",
        "locked.pdf": ENCRYPTED,
        "cut.pdf": whole[: len(whole) // 2],
        "blank.pdf": pdf([None]),
    }
    rows = extracted(tmp_path, {"good.pdf": pdf([make_image()])} | bad)
    reasons = {row.source: row.reason or "" for row in rows if row.status == "rejected"}
    assert set(reasons) == set(bad)
    assert reasons["text.pdf"].startswith("neither a PDF nor a JPEG")
    assert reasons["empty.pdf"] == "empty file"
    assert reasons["locked.pdf"].startswith("encrypted")
    assert reasons["cut.pdf"].startswith("damaged")
    assert reasons["blank.pdf"] == "no image on its pages"
    assert [row.source for row in rows if row.status == "kept"] == ["good.pdf"]


def test_image_files_keep_their_bytes_whatever_their_names_say(tmp_path: Path, make_image: Encode) -> None:
    files = {"cat/1.JPEG": make_image(), "dog/1.png": make_image("WEBP"), "plain": make_image("PNG"), ".hidden.jpg": make_image()}
    rows = extracted(tmp_path, files)
    assert [(row.key, row.image, row.page, row.width, row.height) for row in rows] == [
        ("cat__1.JPEG", "cat__1.JPEG", None, 48, 32),
        ("dog__1.png", "dog__1.png.webp", None, 48, 32),
        ("plain", "plain.png", None, 48, 32),
    ]
    assert [(tmp_path / "images" / str(row.image)).read_bytes() for row in rows] == [files[row.source] for row in rows]


def test_an_image_file_that_cannot_be_kept_is_a_row_with_its_reason(tmp_path: Path, make_image: Encode) -> None:
    whole = make_image(size=(200, 200))
    files = {"a.jpg": make_image(), "cut.jpg": whole[: len(whole) // 2], "large.jpg": whole, "n.bmp": make_image("BMP")}
    rows = {row.source: row for row in extracted(tmp_path, files, max_pixels=10_000)}
    assert (rows["cut.jpg"].key, rows["large.jpg"].key, rows["n.bmp"].key) == ("cut.jpg", "large.jpg", None)
    assert rows["large.jpg"].reason == "200 x 200 pixels, over the limit of 10000"
    assert rows["n.bmp"].reason == "neither a PDF nor a JPEG, PNG, WebP, AVIF, HEIC or GIF image"
    cut = extracted(tmp_path, {})[1]
    assert (cut.reason or "").startswith("damaged: ")
    assert (cut.status, cut.image, cut.image_sha256) == ("rejected", None, None)


def test_a_group_is_a_source_joined_with_those_that_hold_an_equal_image(tmp_path: Path, make_image: Encode) -> None:
    one, two, three = (make_image(seed=seed) for seed in range(3))
    files = {"c.pdf": pdf([one, two]), "b.pdf": pdf([two, three]), "z.jpg": three, "a.jpg": make_image(seed=4), "x.txt": b"x"}
    groups = {row.source: row.group for row in extracted(tmp_path, files)}
    assert groups == {"c.pdf": "b.pdf", "b.pdf": "b.pdf", "z.jpg": "b.pdf", "a.jpg": "a.jpg", "x.txt": "x.txt"}


def test_content_that_several_files_hold_is_named_once(
    tmp_path: Path, make_image: Encode, capsys: pytest.CaptureFixture[str]
) -> None:
    logo = make_image(seed=9)
    extracted(tmp_path, {f"{name}.pdf": pdf([make_image(seed=number), logo]) for number, name in enumerate("abc")})
    assert capsys.readouterr().out.count("a_page1_index0: 2 other files hold an equal image") == 1


def test_what_is_over_a_bound_of_a_document_is_a_row_with_its_reason(tmp_path: Path, make_image: Encode) -> None:
    images = [make_image(seed=0), make_image(size=(40, 9)), make_image(seed=1), make_image(seed=2)]
    files = {"a.pdf": pdf(images), "own.jpg": make_image(size=(40, 9))}
    rows = extracted(tmp_path, files, min_side=10, max_images=2)
    assert [(row.key, row.status, row.reason) for row in rows] == [
        ("a_page0_index0", "kept", None),
        ("a_page1_index0", "rejected", "40 x 9 pixels, a side under the minimum of 10"),
        ("a_page2_index0", "kept", None),
        ("a_page3_index0", "rejected", "over the limit of 2 images a document"),
        ("own.jpg", "kept", None),
    ]
    rows = extracted(tmp_path, {}, max_bytes=len(images[0]) + len(images[1]) + 10)
    assert [row.reason for row in rows[2:4]] == [f"over the limit of {len(images[0]) + len(images[1]) + 10} bytes a document"] * 2


def test_what_was_converted_is_noted(tmp_path: Path, make_image: Encode) -> None:
    images = [make_image(), make_image("PNG"), make_image("PNG", mode="RGBA"), make_image(mode="CMYK")]
    assert [row.note for row in extracted(tmp_path, {"a.pdf": pdf(images)})] == [
        None,
        "drawn as RGB PNG: it is not stored as JPEG",
        "drawn as RGB PNG: it has a mask",
        "drawn as RGB PNG: it has a Decode array",
    ]
    (row,) = extracted(tmp_path / "pages", {"a.pdf": pdf([make_image()])}, source="page")
    assert row.note == "the page drawn at 72 dpi"


@pytest.mark.parametrize(("one", "other"), [("a/b.pdf", "a__b.pdf"), ("X.pdf", "x.pdf")])
def test_two_files_of_one_key_are_refused_and_earlier_images_stay(tmp_path: Path, make_image: Encode, one: str, other: str) -> None:
    extracted(tmp_path, {one: pdf([make_image()])})
    with pytest.raises(BadInput, match=f"{one} and {other}: both would be "):
        extracted(tmp_path, {other: pdf([make_image(seed=1)])})
    assert len(list((tmp_path / "images").iterdir())) == 1


def test_a_key_is_the_same_with_and_without_a_namesake(tmp_path: Path, make_image: Encode) -> None:
    (alone,) = extracted(tmp_path, {"a/x.pdf": pdf([make_image(seed=1)])})
    assert extracted(tmp_path, {"x.pdf": pdf([make_image(seed=2)])})[0] == alone
    assert alone.key == "a__x_page0_index0"


def test_a_path_too_long_for_a_file_name_costs_one_row(tmp_path: Path, make_image: Encode) -> None:
    rows = extracted(tmp_path, {"a.jpg": make_image(), f"{'d' * 150}/{'x' * 150}.jpg": make_image(seed=1)})
    assert [(row.status, row.reason) for row in rows[1:]] == [
        ("rejected", "its path makes a name of more than 255 bytes; shorten it")
    ]


def test_of_many_files_only_the_changed_is_opened_and_without_cache_all_is_the_same(tmp_path: Path, make_image: Encode) -> None:
    """Each in a process of its own that notes what it opens, as a DVC stage does."""
    for number in range(12):
        (tmp_path / "raw" / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / f"{number % 2}" / f"{number}.jpg").write_bytes(make_image(seed=number))

    def opened(*, changed: str = "") -> set[str]:
        if changed:
            (tmp_path / "raw" / changed).write_bytes(make_image(seed=99))
        (tmp_path / ".opened").unlink(missing_ok=True)
        spied = {"QUIRE_OPENED": str(tmp_path / ".opened"), "DVC_STAGE": "extract", "DVC_ROOT": str(tmp_path)}
        paths = ("raw", "images", "texts.csv", "table_labels.csv", "items.csv")
        command = [sys.executable, "-m", "stages.extract", *(str(tmp_path / name) for name in paths)]
        run(ROOT, *command, check=True, QUIRE_CACHE=str(tmp_path / ".cache"), **spied)
        lines = (tmp_path / ".opened").read_text().splitlines()
        return {line.removeprefix("extract raw/") for line in lines if line.startswith("extract raw/")}

    def results() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in [tmp_path / "items.csv", *(tmp_path / "images").iterdir()]}

    assert len(opened()) == 12
    assert opened() == set()
    assert opened(changed="1/5.jpg") == {"1/5.jpg"}
    with_cache = results()
    assert opened(changed="new.jpg") == {"new.jpg"}
    (tmp_path / "raw" / "new.jpg").unlink()
    shutil.rmtree(tmp_path / ".cache")
    assert len(opened()) == 12
    assert results() == with_cache


def test_results_are_copies_of_what_the_cache_holds(tmp_path: Path, make_image: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path / "cache"))
    extracted(tmp_path, {"a.jpg": make_image()})
    (tmp_path / "images" / "a.jpg").write_bytes(b"overwritten")
    extracted(tmp_path, {})
    assert (tmp_path / "images" / "a.jpg").read_bytes() == make_image()


def test_another_parameter_reads_anew(tmp_path: Path, make_image: Encode) -> None:
    files = {"a.jpg": make_image(), "b.jpg": make_image(size=(200, 200))}
    assert [row.status for row in extracted(tmp_path, files)] == ["kept", "kept"]
    assert [row.status for row in extracted(tmp_path, files, max_pixels=10_000)] == ["kept", "rejected"]
    assert [row.status for row in extracted(tmp_path, files)] == ["kept", "kept"]


def test_a_full_disk_ends_the_stage_and_is_no_row(tmp_path: Path, make_image: Encode) -> None:
    """A limit on the size of a file stands for it: the index keeps below it, the image does not."""
    large = make_image("PNG", size=(1000, 1000))
    extracted(tmp_path, {"a.jpg": make_image()})
    (tmp_path / "raw" / "b.png").write_bytes(large)
    before = (tmp_path / "items.csv").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(large) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            extracted(tmp_path, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "items.csv").read_bytes() == before


def test_a_file_beside_a_pdf_does_not_take_its_name(tmp_path: Path, make_image: Encode) -> None:
    rows = extracted(tmp_path, {"x.pdf": pdf([make_image()]), "x.xml": b"<xml/>"})
    assert [(row.source, row.key, row.status) for row in rows] == [
        ("x.pdf", "x_page0_index0", "kept"),
        ("x.xml", None, "rejected"),
    ]


def test_a_name_that_is_no_text_costs_one_row(tmp_path: Path, make_image: Encode) -> None:
    extracted(tmp_path, {"good.pdf": pdf([make_image()])})
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/raw/lat\xe9.pdf")).write_bytes(pdf([make_image()]))
    except OSError:
        pytest.skip("this file system takes no name that is not UTF-8")
    rows = extracted(tmp_path, {})
    assert [(row.status, row.reason) for row in rows if row.source != "good.pdf"] == [
        ("rejected", "its name is not UTF-8; rename it")
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("dpi", 0), ("max_pages", 0), ("max_pixels", -1), ("max_pixels", 10**9), ("max_seconds", float("nan"))]
    + [(name, 0) for name in ("min_side", "max_images", "max_bytes", "max_memory")],
)
def test_a_bound_that_is_none_is_refused_by_name(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(BadInput, match=rf"params.yaml: extract.{name}: "):
        call(
            extract,
            [tmp_path, *extracted_into(tmp_path)],
            BOUNDS | {name: value},
        )


def test_bounds_cost_the_file_or_the_image_and_name_it(tmp_path: Path, make_image: Encode) -> None:
    files = {"long.pdf": pdf([make_image()] * 4), "large.pdf": pdf([make_image(size=(200, 200)), make_image()])}
    rows = extracted(tmp_path, files, max_pages=3, max_pixels=10_000)
    reasons = {row.key or row.source: row.reason for row in rows if row.status == "rejected"}
    assert reasons["long.pdf"] == "4 pages, over the limit of 3"
    assert reasons["large_page0_index0"] == "200 x 200 pixels, over the limit of 10000"
    assert [row.key for row in rows if row.status == "kept"] == ["large_page1_index0"]


def test_a_file_that_takes_too_long_costs_one_row(tmp_path: Path, make_image: Encode) -> None:
    slow = pdf([make_image("PNG", size=(1500, 1500))] * 50)
    rows = extracted(tmp_path, {"a.pdf": pdf([make_image()]), "slow.pdf": slow, "z.pdf": pdf([make_image()])}, max_seconds=0.5)
    assert [(row.source, row.status, row.reason) for row in rows] == [
        ("a.pdf", "kept", None),
        ("slow.pdf", "rejected", "not done after 0.5 s of processor time, which is the limit"),
        ("z.pdf", "kept", None),
    ]
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["a_page0_index0.jpg", "z_page0_index0.jpg"]


def test_a_second_run_replaces_the_first_and_gives_the_same_bytes(tmp_path: Path, make_image: Encode) -> None:
    files = {f"{name}.pdf": pdf([make_image(seed=seed)]) for seed, name in enumerate("cab")}
    extracted(tmp_path, files)
    before = (tmp_path / "items.csv").read_bytes()
    extracted(tmp_path, {"d.pdf": pdf([make_image(seed=9)])})
    assert len(list((tmp_path / "images").iterdir())) == 4
    (tmp_path / "raw" / "d.pdf").unlink()
    extracted(tmp_path, {})
    assert (tmp_path / "items.csv").read_bytes() == before
    assert len(list((tmp_path / "images").iterdir())) == 3


def test_nothing_to_keep_is_an_error_and_earlier_images_stay(tmp_path: Path, make_image: Encode) -> None:
    extracted(tmp_path, {"a.pdf": pdf([make_image()])})
    (tmp_path / "raw" / "a.pdf").write_bytes(b"text")
    with pytest.raises(BadInput, match=r"nothing to keep in 1 files; the first: a.pdf: neither a PDF"):
        extracted(tmp_path, {})
    assert (tmp_path / "images" / "a_page0_index0.jpg").exists()
    (tmp_path / "raw" / "a.pdf").unlink()
    with pytest.raises(BadInput, match="no file in it"):
        extracted(tmp_path, {})


def test_the_ledger_of_the_real_set(tmp_path: Path, real_pdfs: Path) -> None:
    extract(real_pdfs, *extracted_into(tmp_path), **BOUNDS)
    rows = read_table(tmp_path / "items.csv", Item)
    assert Counter(row.status for row in rows) == {"kept": 147, "repeat": 25}
    for row in rows:
        if row.image:
            assert decode((tmp_path / "images" / row.image).read_bytes()).size == (row.width, row.height)


def test_four_images_come_from_the_extraction_cases(tmp_path: Path, extraction_cases: Path) -> None:
    extract(extraction_cases, *extracted_into(tmp_path), **BOUNDS)
    assert len(list((tmp_path / "images").iterdir())) == 4


def test_a_table_gives_a_row_each_its_photos_are_no_items_beside(tmp_path: Path, make_image: Encode) -> None:
    table = b"id,title,photo\n1,Bol,img/a.jpg\n2,,img/b.jpg\n3,Verre,img/c.jpg\n4,,\n"
    files = {"p.csv": table, "img/a.jpg": make_image(seed=1), "img/b.jpg": b"\xff\xd8\xffno", "img/d.jpg": make_image(seed=2)}
    rows = extracted(tmp_path, files, table=Columns(key="id", text=["title"], image="photo"))
    assert [(row.key, row.status, row.image, row.text_chars) for row in rows] == [
        ("img__d.jpg", "kept", "img__d.jpg", None),
        ("p__1", "kept", "img__a.jpg", 3),
        ("p__2", "rejected", None, None),
        ("p__3", "kept", None, 5),
        ("p__4", "rejected", None, None),
    ]
    assert (tmp_path / "texts.csv").read_text() == "key,text\np__1,Bol\np__3,Verre\n"
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["img__a.jpg", "img__d.jpg"]


def test_without_its_columns_a_table_is_no_item(tmp_path: Path, make_image: Encode) -> None:
    rows = extracted(tmp_path, {"a.jpg": make_image(), "p.csv": b"id,title\n1,Bol\n"})
    assert [(row.key, row.status) for row in rows] == [("a.jpg", "kept"), (None, "rejected")]
    assert (tmp_path / "texts.csv").read_text() == "key,text\n"

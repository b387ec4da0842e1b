"""The demo's files: 60 PDFs and three photos of cats, dogs and other things, an Ecotag export, every trap of real data inside.

All is drawn by seeded generators: the same bytes on every machine.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pymupdf
from PIL import Image

from quire.demo.drawing import draw, encoded
from quire.items.keys import item_key

SEED = 3
KINDS = ("cat", "dog", "other")
EXPORT = "demo-ecotag.json"
ORDINARY = 48  # documents without a trap but the repeat at the end
CHALLENGES = 6  # images of each kind that are never trained on
TICKS = 638_400_000_000_000_000  # .NET's 100 ns since the year 1; Ecotag's createDate

# A locked PDF has random bytes when a library writes it; by hand it is the same each time.
ENCRYPTED = (
    b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>\nendobj\n"
    b"4 0 obj\n<</Filter/Standard/V 1/R 2/P -44/O<" + b"41" * 32 + b">/U<" + b"42" * 32 + b">>>\nendobj\n"
    b"trailer\n<</Root 1 0 R/Size 5/Encrypt 4 0 R/ID[<" + b"00" * 16 + b"><" + b"00" * 16 + b">]>>\n%%EOF\n"
)  # fmt: skip


class Source(NamedTuple):
    """A file of data/raw, by its path below that, and the kind that each image is, by the file name that the export gives it."""

    path: str
    content: bytes
    shown: dict[str, str]


def files() -> Iterator[tuple[Path, bytes]]:
    """Every file of the demo, relative to the data folder, with its bytes."""
    shown: dict[str, str] = {}
    for source in (*map(_ordinary, range(ORDINARY)), *_odd_images(Random(f"{SEED} odd images")), *_odd_files()):
        yield Path("raw", source.path), source.content
        shown |= source.shown
    yield Path("annotations", EXPORT), (json.dumps(export(shown), indent=1) + "\n").encode()
    for kind in KINDS:
        random = Random(f"{SEED} challenge {kind}")
        for number in range(CHALLENGES):
            yield Path("challenge", kind, f"{number}.jpg"), encoded(draw(kind, random), quality=60)


def _ordinary(number: int) -> Source:
    """A document of one to seven images, the first once more at its end, as the client's producer makes them."""
    path = f"demo-{number:03}.pdf"
    random = Random(f"{SEED} {path}")
    kinds = [random.choice(KINDS) for _ in range(random.choice((1, 3, 4, 5, 6, 7)))]
    images = [encoded(draw(kind, random)) for kind in kinds]
    return _document(path, [*images, images[0]] if len(images) > 1 else images, kinds)


def _document(path: str, pages: Sequence[bytes | None], kinds: Sequence[str], called: str = "") -> Source:
    """A PDF with an image on each page, which the export calls by its key, or as if the document were `called` so."""
    return Source(path, pdf(pages), {f"{item_key(called or path, page, 0)}.png": kind for page, kind in enumerate(kinds) if kind})


def _odd_images(random: Random) -> Iterator[Source]:
    """Images that need care, in where they are, in how they are encoded and in what the export calls them."""

    def image(kind: str) -> bytes:
        return encoded(draw(kind, random))

    shared = image("cat")  # in two documents and a photo
    yield _document("duplicate-1.pdf", [shared, image("dog")], ["cat", "dog"])
    yield _document("duplicate-2.pdf", [image("other"), shared], ["other", "cat"])
    yield Source("photos/1.jpg", shared, {"photos__1.jpg": "cat"})
    yield Source("photos/2.png", encoded(draw("other", random), "PNG"), {"2.png": "other"})
    yield Source("photos/3.webp", encoded(draw("dog", random), "WEBP"), {"3.png": "dog"})  # converted: Ecotag takes no WebP
    yield _document("last-is-no-repeat.pdf", [image(kind) for kind in KINDS], KINDS)
    yield _document("page-without-image.pdf", [image("dog"), None, image("other")], ["dog", "", "other"])
    yield Source("two-on-a-page.pdf", pdf([[image("cat"), image("dog")]]), {})
    grey, cmyk, masked = draw("dog", random).convert("L"), draw("cat", random).convert("CMYK"), _masked(draw("dog", random))
    yield _document("grey-cmyk-mask.pdf", [encoded(grey), encoded(cmyk), encoded(masked, "PNG")], ["dog", "cat", "dog"])
    yield _document("south/catalogue.pdf", [image("cat"), image("other")], ["cat", "other"])
    yield _document("north/catalogue.pdf", [image("cat"), image("other")], ["cat", "other"], "north-catalogue")  # an earlier key


def _masked(image: Image.Image) -> Image.Image:
    """The image with a soft mask that fades to the right."""
    fade = Image.linear_gradient("L").rotate(90).resize(image.size)
    return Image.merge("RGBA", (*image.split(), fade))


def _odd_files() -> Iterator[Source]:
    """Files without an image to be had."""
    whole = pdf([encoded(draw("cat", Random(SEED)))])
    yield Source("damaged.pdf", whole[: len(whole) // 2], {})
    yield Source("empty.pdf", b"", {})
    yield Source("encrypted.pdf", ENCRYPTED, {})
    yield Source("notes.pdf", b"This is a text file that somebody named .pdf.\n", {})


def pdf(pages: Iterable[bytes | list[bytes] | None]) -> bytes:
    """A PDF with a page for each image, its size the image's; a list is several images on one page, None is no image."""
    document = pymupdf.open()
    for content in pages:
        images = content if isinstance(content, list) else [content] if content else []
        sizes = [Image.open(io.BytesIO(image)).size for image in images] or [(300, 200)]
        width, height = max(width for width, _ in sizes), sum(height for _, height in sizes)
        page, top = document.new_page(width=width, height=height), 0
        for image, (right, bottom) in zip(images, sizes, strict=False):
            page.insert_image((0, top, right, top + bottom), stream=image)
            top += bottom
    content = document.tobytes(no_new_id=True)
    assert isinstance(content, bytes)
    return content


def export(shown: dict[str, str]) -> dict[str, Any]:
    """An Ecotag export for images, file name → kind: mostly one vote each, and every trap of voting."""
    names = sorted(shown)
    votes = [("2", name, shown[name]) for name in names if name not in names[5:8]]  # three images that nobody labelled
    votes.append(("2", names[10], _another(shown[names[10]])))  # one annotator, two labels: a conflict
    votes.append(("3", names[20], _another(shown[names[20]])))  # two annotators who differ: a tie
    votes += [("3", name, shown[name]) for name in names[30:40]]  # two annotators who agree
    votes.append(("2", "demo-999_page0_index0.png", "cat"))  # an orphan: no such document
    votes.append(("2", "catalogue_page0_index0.png", "cat"))  # another: there are two such documents
    Random(SEED).shuffle(votes)  # Ecotag's exports have no order
    annotations = [
        {"nameIdentifier": who, "createDate": TICKS + number, "fileName": name, "annotation": {"label": kind}}
        for number, (who, name, kind) in enumerate(votes)
    ]
    about = {"projectName": "demo", "projectType": "ImageClassifier", "datasetName": "demo", "datasetType": "Image"}
    counts = {"numberAnnotationsDone": len(votes), "numberAnnotationsToDo": len(votes)}
    return about | {"classification": "Public"} | counts | {"annotations": annotations}


def _another(kind: str) -> str:
    return KINDS[(KINDS.index(kind) + 1) % len(KINDS)]

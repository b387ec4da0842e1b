"""Draw the demo: 60 PDFs of cats, dogs and other things with an Ecotag export, every trap of real data inside.

It goes into data/raw, data/annotations and data/challenge, tracked by DVC. The same bytes on every machine.
"""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pymupdf
from PIL import Image
from ruamel.yaml import YAML

from quire.command import BadInput
from quire.demo.drawing import draw, jpeg, png
from quire.items.dvc import dvc, track
from quire.items.keys import item_key

SEED = 20
FOLDERS = ("raw", "annotations", "challenge")
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


def documents() -> Iterator[tuple[str, bytes, list[str]]]:
    """Yield each file's name, its bytes, and the kind shown on each page ("" for a page without an image)."""
    random = Random(SEED)
    for number in range(ORDINARY):
        kinds = [random.choice(KINDS) for _ in range(random.choice((1, 3, 4, 5, 6, 7)))]
        images = [jpeg(draw(kind, random)) for kind in kinds]
        if len(images) > 1:  # the client's producer puts the first image at the end once more
            images, kinds = [*images, images[0]], [*kinds, kinds[0]]
        yield f"demo-{number:03}.pdf", pdf(images), kinds
    yield from _traps(random)


def _traps(random: Random) -> Iterator[tuple[str, bytes, list[str]]]:
    cat, dog, other, shared = (draw(kind, random) for kind in ("cat", "dog", "other", "cat"))
    grey, cmyk, masked = draw("dog", random).convert("L"), draw("cat", random).convert("CMYK"), _masked(draw("dog", random))
    yield "last-is-no-repeat.pdf", pdf([jpeg(cat), jpeg(dog), jpeg(other)]), ["cat", "dog", "other"]
    yield "grey-cmyk-mask.pdf", pdf([jpeg(grey), jpeg(cmyk), png(masked)]), ["dog", "cat", "dog"]
    yield "page-without-image.pdf", pdf([jpeg(draw("dog", random)), None, jpeg(draw("other", random))]), ["dog", "", "other"]
    yield "duplicate-1.pdf", pdf([jpeg(shared), jpeg(draw("dog", random))]), ["cat", "dog"]
    yield "duplicate-2.pdf", pdf([jpeg(draw("other", random)), jpeg(shared)]), ["other", "cat"]
    for folder in ("north", "south"):
        yield f"{folder}/catalogue.pdf", pdf([jpeg(draw(kind, random)) for kind in ("cat", "other")]), ["cat", "other"]
    whole = pdf([jpeg(draw("cat", random))])
    yield "damaged.pdf", whole[: len(whole) // 2], []
    yield "empty.pdf", b"", []
    yield "encrypted.pdf", ENCRYPTED, []
    yield "notes.pdf", b"This is a text file that somebody named .pdf.\n", []
    yield "two-on-a-page.pdf", pdf([[jpeg(draw("cat", random)), jpeg(draw("dog", random))]]), []


def _masked(image: Image.Image) -> Image.Image:
    """The image with a soft mask that fades to the right."""
    fade = Image.linear_gradient("L").rotate(90).resize(image.size)
    return Image.merge("RGBA", (*image.split(), fade))


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
    """An Ecotag export for the images of `shown`, key → kind: mostly one vote each, and every trap of voting."""
    keys = sorted(shown)
    votes = [("2", key, shown[key]) for key in keys if key not in keys[5:8]]  # three images that nobody labelled
    votes.append(("2", keys[10], _another(shown[keys[10]])))  # one annotator, two labels: a conflict
    votes.append(("3", keys[20], _another(shown[keys[20]])))  # two annotators who differ: a tie
    votes += [("3", key, shown[key]) for key in keys[30:40]]  # two annotators who agree
    votes.append(("2", "demo-999_page0_index0", "cat"))  # an orphan
    Random(SEED).shuffle(votes)  # Ecotag's exports have no order
    annotations = [
        {"nameIdentifier": who, "createDate": TICKS + number, "fileName": f"{key}.png", "annotation": {"label": kind}}
        for number, (who, key, kind) in enumerate(votes)
    ]
    names = {"projectName": "demo", "projectType": "ImageClassifier", "datasetName": "demo", "datasetType": "Image"}
    return names | {
        "classification": "Public",
        "numberAnnotationsDone": len(votes),
        "numberAnnotationsToDo": len(votes),
        "annotations": annotations,
    }


def _another(kind: str) -> str:
    return KINDS[(KINDS.index(kind) + 1) % len(KINDS)]


def files() -> Iterator[tuple[Path, bytes]]:
    """Every file of the demo, relative to the data folder, with its bytes."""
    shown: dict[str, str] = {}
    for name, content, kinds in documents():
        yield Path("raw", name), content
        repeated = len(kinds) - 1 if name.startswith("demo-") and len(kinds) > 1 else len(kinds)
        shown |= {item_key(name, page, 0): kind for page, kind in enumerate(kinds[:repeated]) if kind}
    yield Path("annotations", EXPORT), (json.dumps(export(shown), indent=1) + "\n").encode()
    random = Random(SEED + 1)
    for kind in KINDS:
        for number in range(CHALLENGES):
            yield Path("challenge", kind, f"{number}.jpg"), jpeg(draw(kind, random), quality=60)


def demo(data: Path) -> None:
    """Fill an empty `data/raw`: from DVC's cache where a pointer names data, else with the drawn demo.

    Raises BadInput where the pointer names other data than the demo and the cache does not hold it.
    """
    pointers = [f"{data / name}.dvc" for name in FOLDERS if (data / f"{name}.dvc").exists()]
    cached = bool(pointers) and all(map(_is_cached, pointers))
    if cached and dvc("checkout", "--quiet", *pointers).returncode == 0 and any((data / "raw").glob("*")):
        print(f"demo: {data / 'raw'} restored from DVC's cache")
        return
    for path, content in files():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)
    if pointers and not _are_named(pointers):
        for path, _ in files():
            (data / path).unlink()
        raise BadInput(f"{data / 'raw'} is empty and {pointers[0]} names data that is not in DVC's cache: `dvc pull` fetches it")
    track(data / name for name in FOLDERS if (data / name).is_dir())
    print(
        f"demo: drew {sum(1 for _ in (data / 'raw').rglob('*.pdf'))} PDFs into {data / 'raw'}, labels into {data / 'annotations'}"
    )


def _is_cached(pointer: str) -> bool:
    """Whether DVC's cache holds what a pointer names: `dvc checkout` would ask the remote for what it does not."""
    md5 = str(YAML(typ="safe").load(Path(pointer))["outs"][0]["md5"])
    cache = Path(dvc("cache", "dir").stdout.strip())
    return Path(cache, "files", "md5", md5[:2], md5[2:]).exists()


def _are_named(pointers: list[str]) -> bool:
    """Whether the files that are here are those that the pointers name, in the cache or not."""
    status = json.loads(dvc("status", "--json", *pointers).stdout)
    states = {state for changes in status.values() for change in changes for state in change.get("changed outs", {}).values()}
    return states <= {"not in cache"}

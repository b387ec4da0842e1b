"""How images are named: `<pdf stem>_page<i>_index<j>.<ext>`; the key is the name without the extension."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

IMAGE_EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


def image_key(document_name: str, page: int, index: int) -> str:
    """The key of an image; both counters start at 0."""
    return f"{document_name}_page{page}_index{index}"


def key_of(file_name: str) -> str:
    """The key that a file name of an export stands for: no folder, no image extension, Unicode composed (NFC)."""
    path = PurePosixPath(file_name.replace("\\", "/"))
    name = path.stem if path.suffix.lower() in IMAGE_EXTENSIONS else path.name
    return unicodedata.normalize("NFC", name)


def document_names(documents: Sequence[str]) -> dict[str, str | None]:
    """Name each document, a path relative to the raw folder, by its stem; namesakes by their whole path.

    `a/x.pdf` and `b/x.pdf` become `a-x` and `b-x`, so that no label can meet the wrong one. Where even that
    is taken the name is None. Case does not tell names apart: on some file systems it does not.
    """
    stems = {document: key_of(PurePosixPath(document).stem) for document in documents}
    shared = Counter(stem.casefold() for stem in stems.values())
    names = {document: stem if shared[stem.casefold()] == 1 else _path_name(document) for document, stem in stems.items()}
    taken = Counter(name.casefold() for name in names.values())
    return {document: name if taken[name.casefold()] == 1 else None for document, name in names.items()}


def _path_name(document: str) -> str:
    return key_of(str(PurePosixPath(document).with_suffix("")).replace("/", "-"))

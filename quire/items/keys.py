"""How images are named: `<pdf stem>_page<i>_index<j>.<ext>`; the key is the name without the extension."""

import hashlib
import re
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
    return _composed(name)


def portable(file_name: str) -> str:
    """The name in the characters that every annotation tool takes: of any other, its code point, `{e9}` for `é`."""
    return re.sub(r"[^a-zA-Z0-9\-_. ()]", lambda found: f"{{{ord(found[0]):x}}}", file_name)


def unportable(file_name: str) -> str:
    """The name that `portable` made this one of."""
    return re.sub(r"\{(10[0-9a-f]{4}|[0-9a-f]{1,5})\}", lambda found: chr(int(found[1], 16)), file_name)


def document_names(documents: Sequence[str]) -> dict[str, str]:
    """Name each document, a path relative to the raw folder, by its stem; namesakes by their whole path.

    `a/x.pdf` and `b/x.pdf` become `a-x` and `b-x`, so that no label can meet the wrong one. Where even that is taken,
    a hash of the path follows. Case does not tell names apart: on some file systems it does not.
    """
    names = {document: _composed(PurePosixPath(document).stem) for document in documents}
    for rename in (_path_name, _hashed_name):
        taken = Counter(name.casefold() for name in names.values())
        names |= {document: rename(document) for document, name in names.items() if taken[name.casefold()] > 1}
    return names


def _path_name(document: str) -> str:
    return _composed(str(PurePosixPath(document).with_suffix("")).replace("/", "-"))


def _hashed_name(document: str) -> str:
    return f"{_path_name(document)}-{hashlib.sha256(document.encode(errors='surrogateescape')).hexdigest()[:8]}"


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)

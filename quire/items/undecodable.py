"""Images that were kept and cannot be decoded: `train` finds them, and `extract` rejects them when it runs next.

For to decode all of a PDF's JPEGs in `extract` would cost two thirds of its speed. What another decoder found is forgotten.
"""

import hashlib
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

from quire import decode, repair
from quire.cache import name_of, open_folder, partial


def remember(folder: Path, sha256: str, reason: str) -> None:
    """Keep, in the cache's folder, why an image of this content cannot be decoded."""
    place = open_folder(folder / "undecodable" / _decoder())
    with partial(place) as begun:
        begun.write_text(reason, encoding="utf-8")
        os.replace(begun, place / sha256)


def remembered(folder: Path, sha256: str) -> str:
    """The reason; "" of an image of which none is known."""
    try:
        return (folder / "undecodable" / _decoder() / sha256).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


@cache
def _decoder() -> str:
    code = [hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest() for module in (decode, repair)]
    return name_of([code, version("pillow")])

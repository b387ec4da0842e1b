"""What was found in files, kept by their content, so that a file that is known is not read again.

An entry is a zip file, not compressed: `found.json` with a row for all that was found, and the bytes of each image under its
number. Its name is made of the file's SHA-256 and of all else that decides: the parameters, the readers' code, the versions of
the libraries.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from quire import decode, repair
from quire.cache import name_of, open_folder, partial
from quire.command import BadInput
from quire.items.readers.kinds import Bounds, Found, read
from quire.items.undecodable import remembered


class Cache:
    """The entries in a folder for one set of bounds."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self.folder, self.bounds = folder, bounds
        code = sorted([decode.__file__, repair.__file__, *map(str, Path(__file__).parent.glob("*.py"))])
        hashes = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in code]
        self.way = name_of([asdict(bounds), *map(version, ("pymupdf", "pillow", "pi-heif")), hashes])
        open_folder(folder)

    def keep(self, path: Path) -> str:
        """Read a file into the cache, unless its content is there; return its SHA-256."""
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.holds(sha256):
            self._write(self._entry(sha256), read(data, self.bounds))
        return sha256

    def holds(self, sha256: str) -> bool:
        """Whether there is a whole entry for files of this content."""
        return zipfile.is_zipfile(self._entry(sha256))

    @contextmanager
    def entry(self, sha256: str) -> Iterator[tuple[list[Found], zipfile.ZipFile]]:
        """What was found in files of this content, without data: these lie in the archive under their number.

        An image that could not be decoded when it was wanted is one with a problem.
        Raises BadInput where the entry was damaged since it was written.
        """
        try:
            with zipfile.ZipFile(self._entry(sha256)) as archive:
                yield [self._judged(Found(**row)) for row in json.loads(archive.read("found.json"))], archive
        except zipfile.BadZipFile as error:
            raise BadInput(f"{self._entry(sha256)}: {error}; delete this file of the cache: it is made anew") from error

    def _judged(self, found: Found) -> Found:
        reason = remembered(self.folder.parent, found.sha256) if found.sha256 else ""
        return replace(found, problem=f"damaged: {reason}", note="") if reason else found

    def _entry(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}-{self.way}.zip"

    def _write(self, entry: Path, found: Iterable[Found]) -> None:
        rows = []
        with partial(self.folder) as written:
            with zipfile.ZipFile(written, "w") as archive:
                for number, each in enumerate(found):
                    archive.writestr(str(number), each.data)
                    sha256 = hashlib.sha256(each.data).hexdigest() if each.data else ""
                    rows.append(asdict(replace(each, data=b"", sha256=sha256)) | {"data": ""})
                archive.writestr("found.json", json.dumps(rows))
            entry.parent.mkdir(exist_ok=True)
            os.replace(written, entry)

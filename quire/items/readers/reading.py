"""Files into the cache, each in a process of its own with a limit; which content a file had is remembered from run to run."""

import signal
import sqlite3
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool
from tqdm import tqdm

from quire.command import BadInput, machine
from quire.items.readers.cache import Cache
from quire.items.readers.limits import allow_processor_time, confine, died

AHEAD = 1000  # files that are being read or wait for it while an earlier one's turn has not come

Work = TypeVar("Work")
Stat = tuple[str, int, int, int]  # absolute path, size, time of change in ns, inode: as DVC tells that a file is as it was


def read_files(paths: Sequence[Path], cache: Cache, max_seconds: float) -> Generator[tuple[str, str]]:
    """Yield for each file, in order, its SHA-256, under which the cache holds what was found in it, or "" and the reason why not.

    A file that is as it was, and whose entry is there, is not opened. A hostile one costs its process and `max_seconds` of the
    processor. Errors of the machine, OSError and MemoryError, are raised.
    """
    index, read = cache.folder / "index.sqlite", dict[Stat, str]()
    stats = [_stat(path) for path in paths]
    known = _recall(index, stats)
    waiting: deque[tuple[Stat, str | ProcessFuture[str]]] = deque()
    bounds = cache.bounds
    pool = ProcessPool(max_workers=machine().workers, initializer=_begin, initargs=(bounds.max_memory, bounds.max_pixels))
    try:
        for path, stat in zip(paths, stats, strict=True):
            here = stat in known and cache.holds(known[stat])
            waiting.append((stat, known[stat] if here else pool.schedule(_keep, (cache, path, max_seconds))))
            if len(waiting) > AHEAD:
                yield _result(*waiting.popleft(), max_seconds, read)
        while waiting:
            yield _result(*waiting.popleft(), max_seconds, read)
    finally:
        pool.stop()
        pool.join()
        _remember(index, read)


def _begin(max_memory: int, max_pixels: int) -> None:
    from quire.items.readers import pdf  # noqa: F401, PLC0415 - what a library takes is no file's

    confine(max_memory, max_pixels)


def _keep(cache: Cache, path: Path, max_seconds: float) -> str:
    allow_processor_time(max_seconds)
    return cache.keep(path)


def _result(stat: Stat, sha256: str | ProcessFuture[str], max_seconds: float, read: dict[Stat, str]) -> tuple[str, str]:
    if isinstance(sha256, str):
        return sha256, ""
    try:
        read[stat] = sha256.result()
    except ProcessExpired as error:
        if error.exitcode == -signal.SIGXCPU:
            return "", f"not done after {max_seconds:g} s of processor time, which is the limit"
        return "", died(error.exitcode)
    return read[stat], ""


def _stat(path: Path) -> Stat:
    found = path.stat()
    return str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ino


def _recall(index: Path, stats: Sequence[Stat]) -> dict[Stat, str]:
    with _database(index) as database:
        asked = "SELECT sha256 FROM files WHERE path = ? AND size = ? AND changed = ? AND inode = ?"
        found = ((stat, database.execute(asked, stat).fetchone()) for stat in stats)
        return {stat: row[0] for stat, row in found if row}


def _remember(index: Path, read: Mapping[Stat, str]) -> None:
    with _database(index) as database, database:
        database.executemany("REPLACE INTO files VALUES (?, ?, ?, ?, ?)", [(*stat, sha256) for stat, sha256 in read.items()])


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INT, changed INT, inode INT, sha256 TEXT)"
            )
            yield database
    except sqlite3.OperationalError as error:  # a full disk, a lock that another run does not let go of
        raise OSError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise BadInput(f"{path}: {error}; delete this file of the cache: it is made anew") from error


def progress(files: list[str], read: Iterable[Work]) -> Iterator[tuple[str, Work]]:
    """Each file with what was read of it: a bar on a terminal, a line for every hundred files in a log."""
    pairs = zip(files, read, strict=True)
    if sys.stderr.isatty():
        yield from tqdm(pairs, "extract", total=len(files), unit="file")
        return
    for number, pair in enumerate(pairs, start=1):
        yield pair
        if number % 100 == 0:
            print(f"extract: {number} of {len(files)} files", flush=True)

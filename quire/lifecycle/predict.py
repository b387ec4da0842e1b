"""Answers for all that lies in folders, PDFs and images, by the served model, its code and the readers of `extract`.

What is read ahead and what waits is bounded, so that memory does not grow with the files but for their names. A run that was
stopped goes on behind the last file that it answered.
"""

import hashlib
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from threading import Semaphore
from typing import Any

from tqdm import tqdm

from quire.command import BadInput, machine, read_parameters
from quire.decode import UndecodableImage
from quire.items.keys import is_utf8, item_key, printable
from quire.items.readers.cache import Cache
from quire.items.readers.kinds import HEAD, Bounds, Found, Kind, is_repeat, kind_of
from quire.items.readers.reading import read_files
from quire.lifecycle.answers import Answered, Journal, write_answers, writer_of
from quire.model.predictor import Predictor
from quire.model.registry import model_folder

AHEAD = 8  # items that are being answered or wait for a thread, for each thread
MANY = 1000  # files whose answers wait for those of an earlier one


@dataclass(frozen=True, slots=True)
class File:
    """A file to be answered, by the folder that was named and the path below it: as texts, for there may be a million."""

    folder: Path
    below: str

    @property
    def path(self) -> Path:
        """The file, as it was named."""
        return self.folder / self.below


def predict(sources: Sequence[Path], out: Path, model: Path) -> tuple[str, int]:
    """Write a row for each item of the sources to `out`; what there is to say, and how many have no answer.

    Raises BadInput for a source that is not there, and for a model that cannot be served.
    """
    writer_of(out)
    files = [file for source in sources for file in _files(source) if not _is(file, out)]
    if not files:
        raise BadInput(f"{', '.join(map(str, sources))}: no file in it")
    parameters = read_parameters("extract")
    bounds = Bounds(**{field.name: parameters[field.name] for field in fields(Bounds)})
    with model_folder(model) as folder:
        predictor = Predictor(folder)
    journal = _journal(out, files, bounds, predictor)
    if journal.files:
        print(f"predict: goes on after {journal.files} of {len(files)} files, which a run before has answered", file=sys.stderr)
    rest = files[journal.files :]
    answers = Answering(predictor, bounds, parameters["max_seconds"]).of(rest)
    pace = 0.1 if sys.stderr.isatty() else 60  # seconds between two states of the bar
    journal.append(tqdm(answers, "predict", len(files), initial=journal.files, unit="file", mininterval=pace))
    failed, said = write_answers(journal, out), journal.summary()
    journal.path.unlink()
    return f"{said}, in {out}", failed


def _files(source: Path) -> list[File]:
    """The file, or all of a folder and its subfolders but hidden ones, sorted."""
    if source.is_file():
        return [File(source.parent, source.name)]
    if not source.is_dir():
        raise BadInput(f"{source}: no such file or folder")
    found = [
        Path(folder, name).relative_to(source).as_posix()
        for folder, _, names in os.walk(source)  # not `rglob`, which remembers every path
        for name in names
        if not name.startswith(".") and Path(folder, name).is_file()
    ]
    return [File(source, below) for below in sorted(found)]


def _is(file: File, out: Path) -> bool:
    return file.path.name == out.name and file.path.resolve() == out.resolve()


def _journal(out: Path, files: Sequence[File], bounds: Bounds, predictor: Predictor) -> Journal:
    """What a run left that asked the same of the same files, which are told as DVC tells them; what others left goes."""
    asked = hashlib.sha256(json.dumps([predictor.sha256, asdict(bounds)]).encode())
    for file in files:
        state = file.path.stat()
        asked.update(json.dumps([str(file.path), state.st_size, state.st_mtime_ns]).encode())
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_name(f".{out.name}.{asked.hexdigest()[:16]}.partial")
    for other in out.parent.glob(f".{out.name}.*.partial"):
        if other != path:
            other.unlink()
    return Journal(path)


class Answering:
    """The model and the readers at work: images on threads, as in the service, and PDFs in confined processes, as in `extract`."""

    def __init__(self, predictor: Predictor, bounds: Bounds, max_seconds: float) -> None:
        self.predictor, self.bounds, self.max_seconds = predictor, bounds, max_seconds
        self.cache = Cache(machine().cache / "extract", bounds)
        self.threads = machine().threads

    def of(self, files: Sequence[File]) -> Iterator[list[Answered]]:
        """The rows of each file, in order."""
        kinds = [_kind(file) for file in files]
        pdfs = [file.path for file, kind in zip(files, kinds, strict=True) if kind == "pdf"]
        waiting: deque[list[Future[Answered]]] = deque()
        free = Semaphore(AHEAD * self.threads)
        with closing(read_files(pdfs, self.cache, self.max_seconds)) as read, ThreadPoolExecutor(self.threads, "predict") as pool:
            for file, kind in zip(files, kinds, strict=True):
                waiting.append([])
                for work in self._of_pdf(file, *next(read)) if kind == "pdf" else [partial(self._of_file, file)]:
                    free.acquire()
                    waiting[-1].append(pool.submit(work))
                    waiting[-1][-1].add_done_callback(lambda _: free.release())
                while waiting and (len(waiting) > MANY or all(each.done() for each in waiting[0])):
                    yield [each.result() for each in waiting.popleft()]
            while waiting:
                yield [each.result() for each in waiting.popleft()]

    def _of_file(self, file: File) -> Answered:
        """The answer for a file that is no PDF: an image, or not."""
        place: dict[str, Any] = {"source": printable(str(file.path)), "key": item_key(printable(file.below))}
        if not is_utf8(str(file.path)):
            return Answered(**place, error="its name is not UTF-8; rename it")
        return self._answer(place, file.path.read_bytes)

    def _of_pdf(self, file: File, sha256: str, reason: str) -> Iterator[Callable[[], Answered]]:
        """A piece of work for each image of a PDF that was read."""
        if reason:
            yield lambda: Answered(source=str(file.path), key=item_key(file.below), error=reason)
            return
        with self.cache.entry(sha256) as (found, archive):
            repeat = is_repeat([each.sha256 for each in found if each.sha256])
            last = next((each for each in reversed(found) if each.sha256), None)
            for number, each in enumerate(found):
                place = _place(file, each) | {"repeat": repeat and each is last}
                if each.problem:
                    yield partial(Answered, **place, error=each.problem)
                else:
                    yield partial(self._answer, place, partial(bytes, archive.read(str(number))))

    def _answer(self, place: dict[str, Any], content: Callable[[], bytes]) -> Answered:
        """The answer for one item at a place, by the steps of the service."""
        if not self.predictor.reads(True, False):
            return Answered(**place, error="the model reads no images")
        try:
            answer = self.predictor.classify_item(self.predictor.prepare(content(), self.bounds.max_pixels), None)
        except UndecodableImage as error:
            return Answered(**place, error=str(error))
        return Answered(
            **place,
            prediction=answer.prediction,
            decision=answer.decision,
            reason=answer.reason,
            confidence=round(answer.confidence, 6),
            unfamiliarity=round(answer.unfamiliarity, 6),
            probabilities=json.dumps({label: round(share, 6) for label, share in answer.probabilities.items()}, ensure_ascii=False),
            model=self.predictor.version,
        )


def _kind(file: File) -> Kind | None:
    """By content; a name that no table can hold makes it none, for it is not read."""
    if not is_utf8(str(file.path)):
        return None
    with file.path.open("rb") as stream:
        return kind_of(stream.read(HEAD))


def _place(file: File, found: Found) -> dict[str, Any]:
    return {
        "source": str(file.path),
        "key": item_key(file.below, found.page, found.index),
        "page": found.page,
        "index": found.index,
    }

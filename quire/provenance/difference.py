"""Where in two files the first difference lies: the row of a table, the tensor of a model, the pixel of an image."""

import csv
import filecmp
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image


@dataclass(frozen=True)
class Place:
    """The first difference, and the largest one between numbers; `gap` is infinite where not only numbers differ."""

    where: str
    gap: float


def first_difference(before: Path, after: Path) -> Place | None:
    """Compare two files, or two folders file by file; None where they are the same to the byte."""
    if before.is_dir() or after.is_dir():
        return _in_folder(before, after)
    if not before.exists() or not after.exists():
        return Place(f"only in {'the new' if after.exists() else 'the committed'} results", math.inf)
    if filecmp.cmp(before, after, shallow=False):
        return None
    compare = COMPARISONS.get(before.suffix, _bytes)
    return compare(before, after) or _bytes(before, after)


def _in_folder(before: Path, after: Path) -> Place | None:
    names = sorted({path.relative_to(folder) for folder in (before, after) for path in folder.rglob("*") if path.is_file()})
    found = [(name, place) for name in names if (place := first_difference(before / name, after / name))]
    if not found:
        return None
    name, place = found[0]
    more = f" (and {len(found) - 1} more files)" if len(found) > 1 else ""
    return Place(f"{name}: {place.where}{more}", max(place.gap for _, place in found))


def _csv(before: Path, after: Path) -> Place | None:
    rows = ([*csv.reader(path.read_text(encoding="utf-8").splitlines())] for path in (before, after))
    header, *old = next(rows)
    new_header, *new = next(rows)
    if header != new_header:
        return Place(f"header: {','.join(header)} became {','.join(new_header)}", math.inf)
    nothing: list[str] = []
    cells = (
        (f"row {number}, column {column}", was, now)
        for number, (row, new_row) in enumerate(zip_longest(old, new, fillvalue=nothing), 1)
        for column, was, now in zip_longest(header, row, new_row)
    )
    return _first(cells)


def _json(before: Path, after: Path) -> Place | None:
    old, new = (dict(_leaves("", json.loads(path.read_text(encoding="utf-8")))) for path in (before, after))
    return _first((f"field {name}", old.get(name), new.get(name)) for name in {**old, **new})


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value


def _text(before: Path, after: Path) -> Place | None:
    lines = zip_longest(*(path.read_text(encoding="utf-8").splitlines() for path in (before, after)))
    return _first((f"line {number}", was, now) for number, (was, now) in enumerate(lines, 1))


def _onnx(before: Path, after: Path) -> Place | None:
    graphs = (onnx.load(path).graph for path in (before, after))
    return _arrays(*({tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer} for graph in graphs))


def _npz(before: Path, after: Path) -> Place | None:
    return _arrays(*(dict(np.load(path, allow_pickle=False)) for path in (before, after)))


def _arrays(before: dict[str, NDArray[Any]], after: dict[str, NDArray[Any]]) -> Place | None:
    places = []
    for name in {**before, **after}:
        if name not in before or name not in after or before[name].shape != after[name].shape:
            return Place(f"tensor {name}: not in both with the same shape", math.inf)
        gaps = _gaps(before[name], after[name])
        if gaps.any():
            index = tuple(int(number) for number in np.argwhere(gaps)[0])
            values = f"{before[name][index]} became {after[name][index]}"
            places.append(Place(f"tensor {name}{list(index)}: {values}", float(gaps.max())))
    return Place(places[0].where, max(place.gap for place in places)) if places else None


def _gaps(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    """How far two arrays of one shape lie apart, element by element; text that differs lies infinitely far apart."""
    if before.dtype.kind in "US" or after.dtype.kind in "US":
        return np.where(before.astype(str) == after.astype(str), 0, math.inf)
    return np.abs(before.astype(np.float64) - after.astype(np.float64))


def _image(before: Path, after: Path) -> Place | None:
    old, new = (np.asarray(Image.open(path).convert("RGB")).astype(np.int64) for path in (before, after))  # (H, W, 3)
    if old.shape != new.shape:
        return Place(f"{old.shape[1]} x {old.shape[0]} pixels became {new.shape[1]} x {new.shape[0]}", math.inf)
    gaps = np.abs(old - new).max(2)  # (H, W)
    if not gaps.any():
        return None
    y, x = (int(number) for number in np.argwhere(gaps)[0])
    return Place(f"pixel x={x}, y={y}: {tuple(old[y, x].tolist())} became {tuple(new[y, x].tolist())}", float(gaps.max()) / 255)


def _bytes(before: Path, after: Path) -> Place:
    old, new = (np.fromfile(path, np.uint8) for path in (before, after))
    shorter = min(len(old), len(new))
    unequal = np.flatnonzero(old[:shorter] != new[:shorter])
    return Place(f"byte {int(unequal[0]) if len(unequal) else shorter}", math.inf)


def _first(values: Iterator[tuple[str, Any, Any]]) -> Place | None:
    places = [Place(f"{where}: {was} became {now}", _gap(was, now)) for where, was, now in values if was != now]
    return Place(places[0].where, max(place.gap for place in places)) if places else None


def _gap(before: Any, after: Any) -> float:
    """The distance between two numbers, or the largest between two cells of packed numbers; infinite for all else."""
    try:
        old, new = ([float(part) for part in str(value).split()] for value in (before, after))
        return max(abs(was - now) for was, now in zip(old, new, strict=True))
    except ValueError:
        return math.inf


COMPARISONS = {
    ".csv": _csv,
    ".json": _json,
    ".md": _text,
    ".npz": _npz,
    ".onnx": _onnx,
    ".png": _image,
    ".jpg": _image,
}

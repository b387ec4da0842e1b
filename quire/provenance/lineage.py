"""Which inputs and which code made a result: hashes that lie in the model file and in the MLflow run."""

import ast
import hashlib
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quire.items.tables import Item

ROOMS = ("quire", "stages")


def imported_files(module: str) -> list[Path]:
    """The repository's own files that a module imports, its own included, sorted; paths relative to the root."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _imports(_file(name))
    return sorted(_file(name).relative_to(Path.cwd()) for name in found)


def _file(module: str) -> Path:
    spec = find_spec(module)
    assert spec, module
    assert spec.origin, module
    return Path(spec.origin)


def _imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in ROOMS:  # from stages import tables
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.split(".")[0] in ROOMS}


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents."""
    return hash_json([[path.as_posix(), hash_file(path)] for path in paths])


def hash_json(value: Any) -> str:
    """SHA-256 of a plain value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def lineage(fitted: Iterable[tuple[Item, str, str, int]], parameters: dict[str, Any], stage: str) -> dict[str, str]:
    """What a model was fitted on, as hashes: of each item but the test set's the label, the set and the fold."""
    rows = [(item.key, item.image_sha256, label, name, fold) for item, label, name, fold in fitted]
    return {
        "images": hash_json([[key, sha256] for key, sha256, *_ in rows]),
        "labels": hash_json([[key, label] for key, _, label, *_ in rows]),
        "split": hash_json([[key, name, fold] for key, _, _, name, fold in rows]),
        "parameters": hash_json(parameters),
        "code": hash_files(imported_files(stage)),
    }

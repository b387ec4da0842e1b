"""What a commit promises of its results, and where two promises differ: stage by stage, inputs before outputs."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from git import GitCommandError, Repo
from ruamel.yaml import YAML

from quire.command import BadInput

Lock = dict[str, dict[str, Any]]  # a stage's deps, params and outs, by its name
LOCK = "dvc.lock"
MACHINE = "model/machine.json"


@dataclass(frozen=True)
class Difference:
    """One thing that two locks say differently. `name` is a path or the dotted name of a parameter."""

    stage: str
    kind: Literal["input", "parameter", "output"]
    name: str


def read_lock(text: str) -> Lock:
    """The stages of a dvc.lock, in its order."""
    return dict(YAML(typ="safe").load(text)["stages"])


def outputs(lock: Lock) -> dict[str, str]:
    """The hash of every output of every stage, by its path."""
    return {path: md5 for stage in lock.values() for path, md5 in _hashes(stage, "outs").items()}


def content_hash(content: bytes) -> str:
    """The hash by which DVC names a file's content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def resolve(root: Path, revision: str) -> str:
    """The commit that a revision names. Raises BadInput where there is none."""
    try:
        return str(Repo(root).git.rev_parse("--verify", "--quiet", f"{revision}^{{commit}}"))
    except GitCommandError as error:
        raise BadInput(f"{revision}: no such commit here") from error


def committed_file(root: Path, commit: str, path: str) -> str | None:
    """A file's text as a commit has it, None where the commit lacks it."""
    try:
        return str(Repo(root).git.show(f"{commit}:{path}"))
    except GitCommandError:
        return None


def differences(before: Lock, after: Lock) -> list[Difference]:
    """Where `after` differs from `before`. What one stage writes and another reads is named once, as an output."""
    made = outputs(before) | outputs(after)
    found: list[Difference] = []
    for name in {**before, **after}:
        old, new = before.get(name, {}), after.get(name, {})
        inputs = [path for path in _unequal(_hashes(old, "deps"), _hashes(new, "deps")) if path not in made]
        found += [Difference(name, "input", path) for path in inputs]
        found += [Difference(name, "parameter", key) for key in _unequal(_parameters(old), _parameters(new))]
        found += [Difference(name, "output", path) for path in _unequal(_hashes(old, "outs"), _hashes(new, "outs"))]
    return found


def _hashes(stage: dict[str, Any], part: str) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in stage.get(part, [])}


def _parameters(stage: dict[str, Any]) -> dict[str, Any]:
    return {name: value for block in stage.get("params", {}).values() for name, value in _flat("", block)}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)


def _unequal(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    missing = object()
    return [name for name in {**before, **after} if before.get(name, missing) != after.get(name, missing)]


def machine_differences(before: str | None, after: str | None) -> list[str]:
    """What differs between two descriptions, as sentences; one that is missing is said to be."""
    if before is None or after is None:
        return [f"the machine of the {'committed' if before is None else 'new'} run was not recorded"]
    old, new = (_machine_flat(json.loads(text)) for text in (before, after))
    return [f"{name} {old.get(name)} became {new.get(name)}" for name in {**old, **new} if old.get(name) != new.get(name)]


def _machine_flat(machine: dict[str, Any]) -> dict[str, Any]:
    libraries: dict[str, Any] = machine["libraries"]
    return {name: value for name, value in machine.items() if name != "libraries"} | libraries

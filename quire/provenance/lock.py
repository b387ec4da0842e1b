"""What a commit promises of its results, and where two promises differ: stage by stage, inputs before outputs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from git import GitCommandError, Repo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from quire.command import BadInput
from quire.items.dvc import content_hash, folder_hash
from quire.provenance.results import MODEL_FOLDER

Lock = dict[str, dict[str, Any]]  # a stage's deps, params and outs, by its name
LOCK = "dvc.lock"


@dataclass(frozen=True)
class Difference:
    """One thing that two locks say differently. `name` is a path or the dotted name of a parameter."""

    stage: str
    kind: Literal["input", "parameter", "output"]
    name: str


def read_lock(text: str) -> Lock:
    """The stages of a dvc.lock, in its order. Raises BadInput for what is none, as a merge leaves it that was not ended."""
    try:
        return dict(YAML(typ="safe").load(text)["stages"])
    except (YAMLError, KeyError, TypeError) as error:
        raise BadInput(f"{LOCK}: not a lock of DVC's: {' '.join(str(error).split())[:200]}") from error


def made_lock(folder: Path) -> Lock:
    """The lock of the results that lie in a folder. Raises BadInput where there are none."""
    if not (folder / LOCK).exists():
        raise BadInput(f"no {LOCK} here, so nothing was made yet: `make repro`")
    return read_lock((folder / LOCK).read_text(encoding="utf-8"))


def promised(root: Path, revision: str) -> Lock:
    """What a commit says of its results. Raises BadInput for an unknown commit and one that promises nothing we could make."""
    text = committed_file(root, resolve(root, revision), LOCK)
    if text is None:
        raise BadInput(f"{revision}: the commit has no {LOCK}, so it promises no result: `make repro`, then commit {LOCK}")
    lock = read_lock(text)
    if is_earlier_layout(lock):
        raise BadInput(
            f"{revision}: its {LOCK} is of an earlier layout of this repository, which this code neither reads nor makes"
        )
    return lock


def is_earlier_layout(lock: Lock) -> bool:
    """Whether a lock was written before the library lay in `quire/`: its stages imported the decoder from `service/`."""
    return any(path.startswith("service/") for stage in lock.values() for path in _hashes(stage, "deps"))


def outputs(lock: Lock) -> dict[str, str]:
    """The hash of every output of every stage, by its path."""
    return {path: md5 for stage in lock.values() for path, md5 in _hashes(stage, "outs").items()}


def model_parts(lock: Lock) -> list[str]:
    """What the lock names of the model: its folder, or in locks of an earlier layout its files."""
    return sorted(path for path in outputs(lock) if path == MODEL_FOLDER or path.startswith(f"{MODEL_FOLDER}/"))


def strays(root: Path, lock: Lock, paths: Iterable[str]) -> list[str]:
    """Those of the paths that are missing in `root`, or are not the files and folders that the lock names."""
    promised = outputs(lock)
    return [path for path in paths if not (root / path).exists() or path_hash(root / path) != promised.get(path)]


def path_hash(path: Path) -> str:
    """The hash by which DVC names a file or a folder."""
    if path.is_file():
        return content_hash(path.read_bytes())
    files = (file for file in path.rglob("*") if file.is_file())
    return folder_hash({file.relative_to(path).as_posix(): content_hash(file.read_bytes()) for file in files})


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
    return {entry["path"]: entry.get("md5", "") for entry in stage.get(part, [])}


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

"""The exports of an annotation tool to data/annotations, as they came."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelling.errors import LabellingError
from labelling.parameters import Parameters
from labelling.push import own_projects
from labelling.status import finished
from labelling.tool import Tool

ANNOTATIONS = Path("data/annotations")


def pull(tool: Tool, name: str, parameters: Parameters) -> None:
    """Write the export of the project and of each of its rounds, where it says something new, and have DVC track it.

    The file's name bears tool, project, UTC time and the content's hash: of one project `import_labels` reads the latest.
    """
    projects = own_projects(tool, parameters.project)
    if not projects:
        raise LabellingError(f"no project {parameters.project} among those that the token's user sees; push first")
    for project in projects:
        pulled = tool.pull(project)
        done, total = len(finished(pulled, parameters.cross_annotation)), len(pulled.names)
        path = keep(pulled.content, f"{name}-{project}", ANNOTATIONS, datetime.now(UTC))
        state = "finished" if done == total else f"unfinished, {total - done} images still wait"
        print(f"pull: {project}: {done} of {total} images answered, {state}; {path or 'nothing new'}")
    command = [sys.executable, "-m", "dvc", "add", "--quiet", str(ANNOTATIONS)]
    tracked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if tracked.returncode:
        raise LabellingError(f"dvc add {ANNOTATIONS}: {tracked.stderr.strip()}")
    print(f"pull: next: make repro, then git add {ANNOTATIONS}.dvc && git commit --all")


def keep(content: bytes, name: str, folder: Path, now: datetime) -> Path | None:
    """Write an export beside the older ones; None where the newest of that name says the same."""
    earlier = sorted(folder.glob(f"{name}-{'[0-9]' * 8}T{'[0-9]' * 6}Z-{'[0-9a-f]' * 8}.json"))
    if earlier and _unordered(json.loads(earlier[-1].read_bytes())) == _unordered(json.loads(content)):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:8]}.json"
    partial = folder / f".{path.name}.partial"  # hidden from import_labels, should this break off
    partial.write_bytes(content)
    os.replace(partial, path)
    return path


def _unordered(value: Any) -> Any:
    """The same for exports that differ in the order of their lists only: Ecotag's has none."""
    if isinstance(value, dict):
        return {key: _unordered(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_unordered(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return value

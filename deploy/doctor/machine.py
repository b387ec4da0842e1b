"""What is installed, what room there is, how DVC links its cache, where MLflow records."""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx
from dvc.config import Config
from dvc_objects.fs import system
from packaging.requirements import Requirement
from packaging.version import Version

from deploy.doctor import Finding

MIN_FREE = 1e9  # bytes
LINKS: dict[str, Callable[[str, str], object]] = {
    "reflink": system.reflink,
    "hardlink": system.hardlink,
    "symlink": system.symlink,
    "copy": shutil.copyfile,
}


def versions(project: Path) -> Finding:
    """What is installed against the lock."""
    lines = re.findall(r"^([A-Za-z0-9].*?==[^\\\n]+)", (project / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    locked = [Requirement(line) for line in lines]
    wanted = [each for each in locked if each.marker is None or each.marker.evaluate()]
    if "+" in _installed("torch"):  # PyTorch's CPU build, which comes without the lock's CUDA
        wanted = [each for each in wanted if _installed(each.name) != "is missing"]
    others = [f"{each.name} {_installed(each.name)}, not {str(each.specifier)[2:]}" for each in wanted if not _is_installed(each)]
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        return Finding("versions", "fix", "; ".join(others[:3]) + more, "touch requirements.lock && make install")
    return Finding("versions", "ok", f"{len(wanted)} packages as locked")


def _is_installed(wanted: Requirement) -> bool:
    try:  # PyTorch's CPU build is 2.15.0+cpu
        return wanted.specifier.contains(Version(version(wanted.name)).public, prereleases=True)
    except PackageNotFoundError:
        return False


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is missing"


def disk(project: Path) -> Finding:
    """Whether another copy of what DVC keeps would fit."""
    cache, free = cache_folder(project), shutil.disk_usage(project).free
    kept = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    said = f"{free / 1e9:.1f} GB free, DVC's cache takes {kept / 1e9:.1f} GB"
    if free < max(MIN_FREE, kept):
        return Finding("disk", "fix", said, "dvc gc --workspace --all-commits, or move the cache: dvc cache dir --local <folder>")
    return Finding("disk", "ok", said)


def cache_folder(project: Path) -> Path:
    """Where DVC's cache is."""
    return Path(Config(str(project / ".dvc"))["cache"].get("dir") or project / ".dvc" / "cache")


def cache_links(project: Path) -> Finding:
    """Which kind of link between cache and data DVC's settings and the file systems allow."""
    wanted = Config(str(project / ".dvc"))["cache"].get("type") or ["reflink", "copy"]
    possible = [kind for kind in wanted if _links(kind, cache_folder(project), project)]
    if not possible:
        said = f"cache.type is {', '.join(wanted)}, which does not work between {cache_folder(project)} and here"
        return Finding("cache links", "fix", said, "dvc config --local cache.type reflink,copy")
    note = "; data take their room twice" if possible[0] == "copy" else ""
    return Finding("cache links", "ok", f"{possible[0]}{note}")


def _links(kind: str, cache: Path, project: Path) -> bool:
    cache.mkdir(parents=True, exist_ok=True)
    (project / ".dvc" / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as source, tempfile.TemporaryDirectory(dir=project / ".dvc" / "tmp") as target:
        Path(source, "file").write_bytes(b"quire")
        try:
            LINKS[kind](str(Path(source, "file")), str(Path(target, "file")))
        except OSError:
            return False
        return True


def mlflow(project: Path) -> Finding:
    """Whether the place that MLflow records into can be written to."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project}/mlflow.db"
    if uri.startswith("http"):
        return _mlflow_server(uri)
    if not uri.startswith("sqlite:///"):
        return Finding("MLflow", "skip", f"{uri.split(':')[0]} is not looked at here")
    place = Path(uri.removeprefix("sqlite:///"))
    if not place.exists():
        return Finding("MLflow", "ok", f"{place.name} is made by the first training")
    try:
        with closing(sqlite3.connect(place, timeout=5)) as database:
            runs = database.execute("select count(*) from runs").fetchone()[0]
            database.execute("begin immediate")
    except sqlite3.Error as error:
        return Finding(
            "MLflow", "fix", f"{place}: {error}", "end what holds it, or move it away: the next training makes a new one"
        )
    return Finding("MLflow", "ok", f"{place.name} holds {runs} runs")


def _mlflow_server(uri: str) -> Finding:
    try:
        httpx.get(f"{uri}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        return Finding("MLflow", "fix", f"{uri} does not answer: {error}", "start it, or unset MLFLOW_TRACKING_URI")
    return Finding("MLflow", "ok", f"{uri} answers")

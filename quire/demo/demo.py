"""Bring the demo in, where data/raw is empty: from DVC's cache, or drawn."""

import json
from pathlib import Path

from ruamel.yaml import YAML

from quire.command import BadInput
from quire.demo.images import files
from quire.items.dvc import dvc, track

FOLDERS = ("raw", "annotations", "challenge")


def demo(data: Path) -> None:
    """Fill an empty `data/raw`: from DVC's cache where a pointer names data, else with the drawn demo.

    Raises BadInput where the pointer names other data than the demo and the cache does not hold it.
    """
    pointers = [f"{data / name}.dvc" for name in FOLDERS if (data / f"{name}.dvc").exists()]
    cached = bool(pointers) and all(map(_is_cached, pointers))
    if cached and dvc("checkout", "--quiet", *pointers).returncode == 0 and any((data / "raw").glob("*")):
        print(f"demo: {data / 'raw'} restored from DVC's cache")
        return
    drawn = dict(files())
    for path, content in drawn.items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)
    if pointers and not _are_named(pointers):
        for path in drawn:
            (data / path).unlink()
        raise BadInput(f"{data / 'raw'} is empty and {pointers[0]} names data that is not in DVC's cache: `dvc pull` fetches it")
    track(data / name for name in FOLDERS)
    count = sum(path.parts[0] == "raw" for path in drawn)
    print(f"demo: drew {count} files into {data / 'raw'}, PDFs and photos, and labels into {data / 'annotations'}")


def _is_cached(pointer: str) -> bool:
    """Whether DVC's cache holds what a pointer names: `dvc checkout` would ask the remote for what it does not."""
    md5 = str(YAML(typ="safe").load(Path(pointer))["outs"][0]["md5"])
    cache = Path(dvc("cache", "dir").stdout.strip())
    return Path(cache, "files", "md5", md5[:2], md5[2:]).exists()


def _are_named(pointers: list[str]) -> bool:
    """Whether the files that are here are those that the pointers name, in the cache or not."""
    status = json.loads(dvc("status", "--json", *pointers).stdout)
    states = {state for changes in status.values() for change in changes for state in change.get("changed outs", {}).values()}
    return states <= {"not in cache"}

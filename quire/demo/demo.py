"""Bring a demo in, where data/raw is empty: that of images from DVC's cache, or drawn."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from quire.command import BadInput
from quire.demo import catalogue, reviews
from quire.demo.images import files
from quire.items.dvc import content_hash, dvc, folder_hash, track

TABLES = {"reviews": reviews.files, "catalogue": catalogue.files}
FOLDERS = ("raw", "annotations", "challenge")


def demo(data: Path) -> None:
    """Fill an empty `data/raw`: from DVC's cache where pointers name data, else with the drawn demo.

    Raises BadInput, and leaves everything as it is, where a pointer names other data than the demo and the cache lacks them.
    """
    pointers = {name: data / f"{name}.dvc" for name in FOLDERS if (data / f"{name}.dvc").exists()}
    named = {name: str(YAML(typ="safe").load(pointer)["outs"][0]["md5"]) for name, pointer in pointers.items()}
    if named and _are_cached(named.values()):
        dvc("checkout", "--quiet", *map(str, pointers.values()))
    if any((data / "raw").glob("*")):
        print(f"demo: {data / 'raw'} restored from DVC's cache")
        return
    drawn = dict(files())
    for name, md5 in named.items():
        if md5 != _folder_hash(drawn, name):
            raise BadInput(f"{data / name}.dvc names data that are not in DVC's cache: `quire store pull` fetches them")
    _write(data, drawn.items())
    track(data / name for name in FOLDERS)
    count = sum(path.parts[0] == "raw" for path in drawn)
    print(f"demo: drew {count} files into {data / 'raw'}, PDFs and photos, and labels into {data / 'annotations'}")


def table_demo(kind: str, data: Path, parameters: Path, examples: Path) -> None:
    """Fill an empty `data/raw` with the demo of a kind of table, and write into `parameters` what its example sets.

    Raises BadInput, and leaves everything as it is, where a pointer names other data than the demo of images.
    """
    pointer = data / "raw.dvc"
    named = YAML(typ="safe").load(pointer)["outs"][0]["md5"] if pointer.exists() else None
    if named and named != _folder_hash(dict(files()), "raw"):
        raise BadInput(f"{pointer} names data of your own: `dvc checkout` or `quire store pull` brings them")
    _write(data, TABLES[kind]())
    for name in FOLDERS[1:]:
        shutil.rmtree(data / name, ignore_errors=True)
        (data / name).mkdir()
    _set(parameters, examples / kind / "params.yaml")
    track(data / name for name in FOLDERS)
    print(f"demo: drew a table of {kind} into {data / 'raw'}, and set {parameters} as {examples / kind}/params.yaml has it")


def _write(data: Path, drawn: Iterable[tuple[Path, bytes]]) -> None:
    for path, content in drawn:
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)


def _set(parameters: Path, example: Path) -> None:
    """Write what an example sets into the parameters; all else, comments too, stays."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True
    written = yaml.load(parameters)
    _merge(written, YAML(typ="safe").load(example))
    yaml.dump(written, parameters)


def _merge(into: dict[str, Any], settings: dict[str, Any]) -> None:
    """Set what `settings` have, block by block; a block without anything takes the place of one that has."""
    for name, value in settings.items():
        if value and isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _are_cached(hashes: Iterable[str]) -> bool:
    """Whether DVC's cache holds content of these hashes: `dvc checkout` would ask the remote for what it does not."""
    cache = Path(dvc("cache", "dir").stdout.strip(), "files", "md5")
    return all((cache / md5[:2] / md5[2:]).exists() for md5 in hashes)


def _folder_hash(drawn: dict[Path, bytes], folder: str) -> str:
    """The hash by which DVC names that folder of what is drawn.

    `dvc status` cannot tell: of what the cache lacks it says so, whatever lies in the folder.
    """
    own = {path.relative_to(folder).as_posix(): content for path, content in drawn.items() if path.parts[0] == folder}
    return folder_hash({path: content_hash(content) for path, content in own.items()})

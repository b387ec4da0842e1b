"""Say what is in an image's layers: a table of their sizes, and the largest packages.

python -m deploy.layers IMAGE
"""

import json
import re
import sys
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from deploy.engine import Engine, find_engine

LIMIT_MB = 220  # of the whole image, compressed, with the model in it
MB = 1e6


@dataclass(frozen=True)
class Layer:
    """A layer: what made it, its bytes, its bytes compressed with gzip, and the bytes of the folders in it."""

    made_by: str
    size: int
    compressed: int
    folders: dict[str, int]


def layers(engine: Engine, image: str) -> list[Layer]:
    """Save the image and look into it, lowest layer first."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "image.tar")
        engine.run("save", "--output", str(archive), image, seconds=300)
        with tarfile.open(archive) as files:
            manifest = json.load(_open(files, "manifest.json"))[0]
            history = json.load(_open(files, manifest["Config"])).get("history", [])
            steps = [step.get("created_by", "") for step in history if not step.get("empty_layer")]
            return [_layer(made_by, _open(files, name)) for made_by, name in zip(steps, manifest["Layers"], strict=True)]


def _open(files: tarfile.TarFile, name: str) -> tarfile.ExFileObject:
    stream = files.extractfile(name)
    assert stream, name
    return stream  # type: ignore[return-value]


def _layer(made_by: str, stream: tarfile.ExFileObject) -> Layer:
    packer, size, compressed = zlib.compressobj(6, wbits=31), 0, 0
    while block := stream.read(1 << 20):
        size += len(block)
        compressed += len(packer.compress(block))
    compressed += len(packer.flush())
    stream.seek(0)
    folders: dict[str, int] = {}
    with tarfile.open(fileobj=stream) as files:
        for file in files:
            folder = _folder(Path(file.name))
            folders[folder] = folders.get(folder, 0) + file.size
    return Layer(made_by, size, compressed, folders)


def _folder(path: Path) -> str:
    """A package's folder, a folder of the bento, else the first two parts of a path."""
    depth = 6 if "site-packages" in path.parts else 4 if path.is_relative_to("app/bento") else 2
    return "/".join(path.parts[:depth])


def compressed_mb(found: list[Layer]) -> float:
    """The megabytes that a registry keeps and a node pulls."""
    return sum(layer.compressed for layer in found) / MB


def table(found: list[Layer], largest: int = 6) -> str:
    """A Markdown table: each layer, and under it its largest folders."""
    lines = ["| MB | compressed | what |", "|---|---|---|"]
    for layer in found:
        lines.append(f"| {layer.size / MB:.1f} | {layer.compressed / MB:.1f} | {_said(layer.made_by)} |")
        for folder, size in sorted(layer.folders.items(), key=lambda item: -item[1])[:largest]:
            if size > MB / 20:
                lines.append(f"| {size / MB:.1f} | | – {folder} |")
    total = sum(layer.size for layer in found) / MB
    return "\n".join([*lines, f"| **{total:.1f}** | **{compressed_mb(found):.1f}** | **the image** |"])


def _said(made_by: str) -> str:
    """The folder that a line of our Containerfile wrote; whatever else made a layer made the base image."""
    ours = re.search(r"/var/lib/quire|/app/\S+", made_by)
    return ours.group() if ours else "the base image"


def main() -> None:
    """Print the table of the image that the command line names."""
    print(table(layers(find_engine(), sys.argv[1])))


if __name__ == "__main__":
    main()

"""Build the image of the commit's bento, check it as it will run, and say what is in it.

python -m deploy.container      with Docker, Podman or Buildah; the SBOM is written to sbom.cdx.json
"""

import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from deploy.bento import bento
from deploy.check import check
from deploy.container_engine import ContainerEngine, find_engine
from deploy.sbom import sbom
from quire.command import BadInput
from quire.model.manifest import read_manifest

CONTAINERFILE = Path(__file__).with_name("Containerfile")
SBOM = Path("sbom.cdx.json")
LIMIT_MB = 220  # of the whole image, compressed, with the model in it


def build(engine: ContainerEngine, tag: str) -> None:
    """Build the image `tag` of the bento of the same tag.

    QUIRE_BUILD_OPTIONS are what `bentoml containerize --opt` takes, such as build-arg=HTTPS_PROXY=…
    """
    built = f"localhost/quire-build:{tag.partition(':')[2]}"
    options = [part for option in os.environ.get("QUIRE_BUILD_OPTIONS", "").split() for part in ("--opt", option)]
    command = [sys.executable, "-m", "bentoml", "containerize", tag, "--backend", engine.name, "--image-tag", built, *options]
    subprocess.run(command, check=True, timeout=1800)
    with tempfile.TemporaryDirectory() as nothing:
        engine.run("build", "--build-arg", f"BUILT={built}", "--tag", tag, "--file", str(CONTAINERFILE), nothing, seconds=600)


def container(root: Path) -> str:
    """Build, check and describe the image. Raises BadInput where it cannot be built or does not hold what it must."""
    engine = find_engine()
    tag = bento(root)
    build(engine, tag)
    if engine.name == "buildah":
        print("container: built, not checked: Buildah runs no services; install Podman for the check", file=sys.stderr)
        return tag
    check(engine, tag)
    describe(engine, tag, root / "model")
    print(f"container: {tag} is ready; what is in it by name and version: {SBOM}")
    return tag


def describe(engine: ContainerEngine, tag: str, model: Path) -> None:
    """Print the image's layers and its size, and write its SBOM. Raises BadInput where it is too large."""
    print(engine.run("history", "--format", "{{.Size}}\t{{.CreatedBy}}", tag))
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "image.tar")
        engine.run("save", "--output", str(archive), tag, seconds=300)
        size = compressed_mb(archive)
        print(f"container: {size:.1f} MB compressed, the limit is {LIMIT_MB}")
        if size > LIMIT_MB:
            raise BadInput(f"{tag}: {size:.1f} MB compressed, the limit is {LIMIT_MB}")
        SBOM.write_text(sbom(archive, tag, read_manifest(model)[1]), encoding="utf-8")


def compressed_mb(archive: Path) -> float:
    """The megabytes that a registry keeps and a node pulls: a saved image through gzip, as its layers go there."""
    packer, size = zlib.compressobj(wbits=31), 0
    with archive.open("rb") as stream:
        while block := stream.read(1 << 20):
            size += len(packer.compress(block))
    return (size + len(packer.flush())) / 1e6


def main() -> None:
    """Build with what this machine has."""
    try:
        container(Path.cwd())
    except (BadInput, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"container: error: {error}")


if __name__ == "__main__":
    main()

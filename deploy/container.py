"""Build the image of the commit's bento, check it as it will run, and say what is in it.

python -m deploy.container      with Docker, Podman or Buildah; the SBOM is written to sbom.cdx.json
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.bento import bento
from deploy.check import check
from deploy.engine import Engine, find_engine
from deploy.layers import LIMIT_MB, compressed_mb, layers, table
from deploy.sbom import sbom
from quire.command import BadInput

CONTAINERFILE = Path(__file__).with_name("Containerfile")
SBOM = Path("sbom.cdx.json")


def build(engine: Engine, tag: str) -> None:
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
    found = layers(engine, tag)
    print(table(found))
    if compressed_mb(found) > LIMIT_MB:
        raise BadInput(f"{tag}: {compressed_mb(found):.0f} MB compressed, the limit is {LIMIT_MB}")
    SBOM.write_text(sbom(engine, tag), encoding="utf-8")
    print(f"container: {tag} is ready; what is in it by name and version: {SBOM}")
    return tag


def main() -> None:
    """Build with what this machine has."""
    try:
        container(Path.cwd())
    except (BadInput, subprocess.SubprocessError) as error:
        sys.exit(f"container: error: {error}")


if __name__ == "__main__":
    main()

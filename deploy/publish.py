"""Push the image of the commit's bento, and print what to deploy: its name and digest.

python -m deploy.publish REGISTRY      for example ghcr.io/<owner>; log in with `docker login` or `podman login` before
"""

import sys
import tempfile
from pathlib import Path

from deploy.bento import bento
from deploy.container_engine import ContainerEngine, find_engine
from quire.command import BadInput


def publish(engine: ContainerEngine, tag: str, registry: str) -> str:
    """Push the image `tag`; give REGISTRY/quire@sha256:…. Raises BadInput with what the engine said."""
    target = f"{registry}/{tag}"
    name = target.rpartition(":")[0]
    engine.run("tag", tag, target)
    if engine.name == "docker":
        engine.run("push", "--quiet", target, seconds=600)
        pushed = engine.run("inspect", "--format", '{{join .RepoDigests "\\n"}}', target).split()
        return next(digest for digest in pushed if digest.startswith(f"{name}@"))
    with tempfile.TemporaryDirectory() as folder:
        digest = Path(folder, "digest")
        engine.run("push", "--digestfile", str(digest), target, seconds=600)
        return f"{name}@{digest.read_text().strip()}"


def main() -> None:
    """Push to the registry that the command line names."""
    try:
        registry = sys.argv[1] if len(sys.argv) == 2 else ""
        if not registry:
            raise BadInput("name the registry: make publish REGISTRY=ghcr.io/<owner>")
        print(publish(find_engine(), bento(Path.cwd()), registry))
    except BadInput as error:
        sys.exit(f"publish: error: {error}")


if __name__ == "__main__":
    main()

"""Docker, Podman or Buildah, by the commands that they share."""

import shutil
import subprocess
from dataclasses import dataclass

from quire.command import BadInput

NAMES = ("docker", "podman", "buildah")


@dataclass(frozen=True)
class ContainerEngine:
    """The command of a container engine."""

    name: str

    def run(self, *arguments: str, seconds: float = 60) -> str:
        """Run a subcommand and give what it printed. Raises BadInput with what it said where it fails."""
        done = subprocess.run([self.name, *arguments], capture_output=True, text=True, check=False, timeout=seconds)
        if done.returncode:
            raise BadInput(f"{self.name} {arguments[0]}: {done.stderr.strip()[-2000:]}")
        return done.stdout


def find_engine() -> ContainerEngine:
    """The first that works here: a Docker client without its daemon does not. Raises BadInput where none does."""
    for name in NAMES:
        if shutil.which(name) and not subprocess.run([name, "info"], capture_output=True, check=False, timeout=60).returncode:
            return ContainerEngine(name)
    raise BadInput("neither Docker nor Podman nor Buildah works here; on Debian: deploy/podman/run make container")

"""What is in an image, by name and version: a CycloneDX document that syft reads from the image, and the model.

Syft (github.com/anchore/syft) finds the Python and the Debian packages with their licences. It comes from source, as
deploy/syft/go.mod and go.sum pin it.
"""

import json
import os
import subprocess
from pathlib import Path

from deploy.go_tool import GoTool
from quire.command import BadInput

SYFT = GoTool(Path(__file__).parent / "syft", "github.com/anchore/syft", "github.com/anchore/syft/cmd/syft")
QUIET = {"SYFT_CHECK_FOR_APP_UPDATE": "false"}


def sbom(archive: Path, tag: str, model_sha256: str) -> str:
    """The document, as JSON, of an image that was saved to `archive`. Raises BadInput with what syft said, and GoError."""
    name, _, version = tag.partition(":")
    source = [f"docker-archive:{archive}", "--source-name", name, "--source-version", version]
    command = [str(SYFT.build()), "scan", *source, "--output", "cyclonedx-json", "--quiet"]
    done = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise BadInput(f"syft: {done.stderr.strip()[-2000:]}")
    document = json.loads(done.stdout)
    hashes = [{"alg": "SHA-256", "content": model_sha256}]
    document["components"].append(
        {"type": "machine-learning-model", "name": "model.json", "version": model_sha256[:12], "hashes": hashes}
    )
    return json.dumps(document, indent=2) + "\n"

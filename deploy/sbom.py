"""What is in an image, by name and version: a CycloneDX document, read from the image itself.

python -m deploy.sbom IMAGE
"""

import json
import sys

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from deploy.engine import Engine, find_engine

# Run inside the image: its Python packages, its Debian packages and its model.
LOOK = """
import hashlib, json, pathlib, subprocess
from importlib.metadata import distributions
listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n"], capture_output=True, text=True, check=True).stdout
model = pathlib.Path("/app/bento/src/model/model.json").read_bytes()
print(json.dumps({"pypi": sorted((d.name, d.version) for d in distributions()),
                  "deb": sorted(line.split() for line in listed.splitlines()), "model": hashlib.sha256(model).hexdigest()}))
"""


def sbom(engine: Engine, image: str) -> str:
    """The document as JSON."""
    seen = json.loads(engine.run("run", "--rm", "--entrypoint", "python", image, "-c", LOOK))
    bom = Bom()
    name, _, version = image.rpartition("/")[2].partition(":")
    bom.metadata.component = root = Component(name=name, version=version, type=ComponentType.CONTAINER)
    for kind, namespace in (("pypi", None), ("deb", "debian")):
        for package, release in seen[kind]:
            purl = PackageURL(kind, namespace, package, release)
            bom.components.add(Component(name=package, version=release, purl=purl, bom_ref=str(purl)))
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=seen["model"])]
    model = Component(name="quire", version=seen["model"][:12], type=ComponentType.MACHINE_LEARNING_MODEL, hashes=hashes)
    bom.components.add(model)
    bom.register_dependency(root, bom.components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)


def main() -> None:
    """Print the document of the image that the command line names."""
    print(sbom(find_engine(), sys.argv[1]))


if __name__ == "__main__":
    main()

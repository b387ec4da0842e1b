"""python -m deploy.minio start | stop: what `make minio` and `make minio-stop` call.

Where AWS_ENDPOINT_URL names a store of one's own, `start` builds and runs nothing and points DVC there.
"""

import argparse
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deploy.minio.build import BuildError
from deploy.minio.server import ServerError, credentials, start, stop
from deploy.store import Store, tell_dvc

FOLDER = Path(".minio")


def own_store() -> Store | None:
    """The store that the environment names, unless it is the MinIO of this folder."""
    endpoint, key = os.environ.get("AWS_ENDPOINT_URL", ""), os.environ.get("AWS_ACCESS_KEY_ID", "")
    kept = credentials(FOLDER) if (FOLDER / "env").exists() else Store("", "")
    if not endpoint or (endpoint == kept.endpoint and key in ("", kept.key)):
        return None
    return Store(endpoint, os.environ.get("QUIRE_BUCKET", "quire"))


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("start", "stop"))
    what = parser.parse_args().what
    try:
        if what == "stop":
            print("minio: stopped; its data stay in .minio" if stop(FOLDER) else "minio: none of this folder runs")
            return
        own = own_store()
        store = own or start(FOLDER, int(os.environ.get("MINIO_PORT", "9000")), os.environ.get("QUIRE_BUCKET", "quire"))
        tell_dvc(Path(), store)
    except (BuildError, ServerError, BotoCoreError, ClientError, OSError, ValueError) as error:
        sys.exit(f"minio: error: {' '.join(str(error).split())}")
    keys = "keys come from the environment" if own else f"keys are in {FOLDER}/env"
    print(f"minio: DVC's remote is s3://{store.bucket}/dvc at {store.endpoint}; {keys}. Next: make push, or make doctor")


if __name__ == "__main__":
    main()

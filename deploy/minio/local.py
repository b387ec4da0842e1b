"""The MinIO of this folder, or a store of one's own: what `quire store start` and `quire store stop` bring about."""

import os
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deploy.minio.server import credentials, start, stop
from deploy.store import Store, StoreError, tell_dvc

FOLDER = Path(".minio")


def own_store() -> Store | None:
    """The store that the environment names, unless it is the MinIO of this folder."""
    endpoint, key = os.environ.get("AWS_ENDPOINT_URL", ""), os.environ.get("AWS_ACCESS_KEY_ID", "")
    kept = credentials(FOLDER) if (FOLDER / "env").exists() else Store("", "")
    if not endpoint or (endpoint == kept.endpoint and key in ("", kept.key)):
        return None
    return Store(endpoint, os.environ.get("QUIRE_BUCKET", "quire"))


def start_store() -> str:
    """Point DVC at the store that AWS_ENDPOINT_URL names, else at a MinIO that is built and run first; says what was done.

    Raises StoreError and OSError.
    """
    own, port = own_store(), os.environ.get("MINIO_PORT", "9000")
    if not port.isdigit():
        raise StoreError(f"MINIO_PORT: a number is wanted, not {port!r}")
    try:
        store = own or start(FOLDER, int(port), os.environ.get("QUIRE_BUCKET", "quire"))
    except (BotoCoreError, ClientError) as error:
        raise StoreError(" ".join(str(error).split())) from error
    tell_dvc(Path(), store)
    keys = "keys come from the environment" if own else f"keys are in {FOLDER}/env"
    return f"DVC's remote is s3://{store.bucket}/dvc at {store.endpoint}; {keys}. Next: quire store push, or quire doctor"


def stop_store() -> str:
    """End the MinIO of this folder; says whether one ran."""
    return "stopped; its data stay in .minio" if stop(FOLDER) else "none of this folder runs"

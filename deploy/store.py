"""The S3 store that holds DVC's data and may hold MLflow's artifacts: where it is, and telling DVC of it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as Botocore
from dvc.config import Config

REMOTE = "store"  # its name in .dvc/config


class StoreError(OSError):
    """A store cannot be built, run or reached from here; the message says why and what helps."""


@dataclass(frozen=True)
class Store:
    """Where an S3 store is, which bucket is ours, and the keys: empty where the environment or AWS's own files hold them."""

    endpoint: str
    bucket: str
    key: str = ""
    secret: str = ""

    def client(self, **settings: Any) -> Any:
        """boto3's client, which gives up in seconds; `settings` are botocore's."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint or None,
            aws_access_key_id=self.key or None,
            aws_secret_access_key=self.secret or None,
            region_name=os.environ.get("AWS_REGION", "us-east-1"),
            config=Botocore(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 1}, **settings),
        )

    def environment(self) -> dict[str, str]:
        """What DVC's remote, boto3 and MLflow read."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "QUIRE_BUCKET": self.bucket,
        }


def of_dvc(project: Path) -> Store | None:
    """The store of DVC's default remote, None where that is none or no S3 store."""
    config = Config(str(project / ".dvc"))
    remote = config["remote"].get(config["core"].get("remote"), {})
    if not str(remote.get("url", "")).startswith("s3://"):
        return None
    bucket = remote["url"].removeprefix("s3://").split("/")[0]
    return Store(remote.get("endpointurl", ""), bucket, remote.get("access_key_id", ""), remote.get("secret_access_key", ""))


def tell_dvc(project: Path, store: Store) -> None:
    """Write the store into .dvc/config.local, which git ignores: its keys too, where it has them."""
    with Config(str(project / ".dvc")).edit("local") as local:
        keys = {"access_key_id": store.key, "secret_access_key": store.secret} if store.key else {}
        local["remote"][REMOTE] = {"url": f"s3://{store.bucket}/dvc", "endpointurl": store.endpoint} | keys
    (project / ".dvc" / "config.local").chmod(0o600)

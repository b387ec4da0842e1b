"""MinIO as go.mod and go.sum pin it.

MinIO gives out neither binaries nor images any more, and its release tags are no Go modules; its last commit is one.
"""

from datetime import UTC, datetime
from pathlib import Path

from deploy.go_tool import GoTool

HERE = Path(__file__).parent
MODULE = "github.com/minio/minio"


def minio() -> GoTool:
    """MinIO, which says of itself which commit it is: without a stamp it would call itself DEVELOPMENT.GOGET."""
    plain = GoTool(HERE, MODULE, MODULE)
    _, made, commit = plain.version.split("-")  # v0.0.0-<UTC time>-<commit>
    time = datetime.strptime(made, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    stamp = {
        "Version": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ReleaseTag": time.strftime("RELEASE.%Y-%m-%dT%H-%M-%SZ"),
        "CommitID": commit,
    }
    return GoTool(HERE, MODULE, MODULE, tuple((f"{MODULE}/cmd.{name}", value) for name, value in stamp.items()))


def build() -> Path:
    """The binary, built first where it is not there yet. Raises GoError."""
    return minio().build()

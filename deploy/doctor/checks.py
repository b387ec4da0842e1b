"""All checks on a project, in the order in which one matters to the next."""

from pathlib import Path

from deploy.doctor import Finding
from deploy.doctor.machine import cache_links, disk, mlflow, versions
from deploy.doctor.project import model, secrets
from deploy.doctor.store import store


def diagnose(project: Path) -> list[Finding]:
    """What store, credentials, versions, disk, MLflow, model and secrets are like here."""
    return [
        *store(project),
        versions(project),
        disk(project),
        cache_links(project),
        mlflow(project),
        model(project),
        secrets(project),
    ]

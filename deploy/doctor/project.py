"""The model against dvc.lock, and secrets where git would show them."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings
from dvc.config import Config

from deploy.doctor import Finding
from quire.provenance.lock import LOCK, model_parts, read_lock, strays

# Of detect-secrets' detectors those that know a form; those that judge by entropy take every hash for a secret.
DETECTORS = ("AWSKey", "BasicAuth", "GitHubToken", "GitLabToken", "JwtToken", "Keyword", "Npm", "OpenAI", "PrivateKey", "PypiToken")


def model(project: Path) -> Finding:
    """Whether the model at hand is the one of dvc.lock."""
    if not (project / LOCK).exists():
        return Finding("model", "skip", "no dvc.lock yet: make repro")
    lock = read_lock((project / LOCK).read_text(encoding="utf-8"))
    parts = model_parts(lock)
    if not parts:
        return Finding("model", "fix", f"{LOCK} names no model", "make repro")
    wrong = strays(project, lock, parts)
    if wrong:
        return Finding("model", "fix", f"{wrong[0]} is not the one of {LOCK}", "dvc checkout or dvc pull brings it")
    return Finding("model", "ok", f"model/ is the one of {LOCK}")


def secrets(project: Path) -> Finding:
    """Whether a tracked file holds one of the keys in use, or what looks like a secret."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=project, capture_output=True, check=False)
    if listed.returncode:
        return Finding("secrets", "skip", "not a git checkout")
    names = [name for name in listed.stdout.decode().split("\0") if (project / name).is_file()]
    found = sorted(_found(project, names, set(keys_in_use(project))))
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        remedy = "take it out, make a new key, keep that in the environment; behind what is none: # pragma: allowlist secret"
        return Finding("secrets", "fix", f"{'; '.join(found[:3])}{more}", remedy)
    return Finding("secrets", "ok", "none in tracked files")


def keys_in_use(project: Path) -> Iterator[bytes]:
    """The secrets that this project works with, from the environment and from files that git ignores."""
    for name, value in os.environ.items():
        if re.search("SECRET|PASSWORD|TOKEN", name):
            yield value.encode()
    for remote in Config(str(project / ".dvc"))["remote"].values():
        yield from (remote[name].encode() for name in ("secret_access_key", "session_token", "password") if name in remote)
    for file in (".env", ".minio/env"):
        if (project / file).exists():
            yield from re.findall(rb"(?m)^\w*(?:SECRET|PASSWORD|TOKEN)\w*=[\"']?([^\s\"']+)", (project / file).read_bytes())


def _found(project: Path, names: list[str], keys: set[bytes]) -> Iterator[str]:
    for name in names:
        content = (project / name).read_bytes()
        yield from (f"{name} holds a key in use" for key in keys if len(key) >= 8 and key in content)
    secrets = SecretsCollection(root=str(project))
    with transient_settings({"plugins_used": [{"name": f"{name}Detector"} for name in DETECTORS]}):
        for name in names:
            secrets.scan_file(name)
    yield from (f"{name}, line {secret.line_number}: {secret.type}" for name, secret in secrets)

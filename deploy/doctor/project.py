"""The model against dvc.lock, and secrets where git would show them."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dvc.config import Config

from deploy.doctor import Finding
from quire.provenance.lock import LOCK, model_parts, read_lock, strays

PATTERNS = {
    "an AWS access key": rb"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a GitHub token": rb"\bgh[pousr]_[A-Za-z0-9]{36,}",
    "a DVC key": rb"(?m)^\s*(secret_access_key|session_token|password)\s*=\s*\S+",
    "an AWS secret": rb"(?i)aws_secret_access_key[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+_-]{20,}",
    "a password in an address": rb"[a-z]+://[^\s:/@\"'{}$<>]+:[^\s/@\"'{}$<>]{6,}@",
}


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
    found = sorted(_found(project, [name for name in listed.stdout.decode().split("\0") if name], set(keys_in_use(project))))
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        remedy = "take it out, make a new key, and keep that in the environment or .dvc/config.local"
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
        if not (project / name).is_file():
            continue
        content = (project / name).read_bytes()
        yield from (f"{name} holds a key in use" for key in keys if len(key) >= 8 and key in content)
        for what, pattern in PATTERNS.items():
            if place := re.search(pattern, content):
                line = len(content[: place.start()].split(b"\n"))
                yield f"{name}, line {line}: {what}"

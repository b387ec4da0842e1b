"""Make the committed model the champion that services load, or go back to the one before.

python -m quire.lifecycle.promote               or: make promote
python -m quire.lifecycle.promote --rollback    or: make rollback
"""

import argparse
import csv
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from git import Repo
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from scipy.stats import binomtest

from quire.command import BadInput
from quire.evaluation.challenge import Challenge, ask, challenge_set
from quire.items.tables import Assignment, Item, Label, read_table
from quire.model.predictor import Predictor
from quire.provenance.lock import LOCK, committed_file, content_hash, outputs, read_lock
from quire.tracking import EXPERIMENT, QUIET, tracking_uri

NAME, ALIAS = "quire", "champion"
MODEL, SPLIT, GATE = "model/model.onnx", "data/split.csv", "reports/gate.json"
SIGNIFICANCE = 0.05  # below this, the champion is better and not by chance
HISTORY = "deploy/promotions.csv"
KEPT = f". The history is {HISTORY}: commit it"
COLUMNS = ["time", "action", "version", "model", "commit", "reason"]


@dataclass(frozen=True)
class Paired:
    """Two models on the same images: how many only one of them gets right."""

    images: int
    champion_alone: int
    candidate_alone: int

    @property
    def p_value(self) -> float:
        """One-sided exact McNemar test (McNemar 1947): the chance of this if the candidate were no worse."""
        discordant = self.champion_alone + self.candidate_alone
        return float(binomtest(self.champion_alone, discordant, alternative="greater").pvalue) if discordant else 1.0

    def __str__(self) -> str:
        alone = f"right alone: champion {self.champion_alone}, candidate {self.candidate_alone}"
        return f"{self.images} images that neither was fitted on, {alone}, p = {self.p_value:.3f}"


def promote(root: Path) -> tuple[bool, str]:
    """Whether the committed model became the champion, and why or why not; either is a line of the history.

    Raises BadInput for results that are not committed and for a registry that does not answer.
    """
    commit, sha256 = _committed(root)
    with _registry(root) as client:
        champion = _champion(client)
        if champion and champion.tags.get("model_sha256") == sha256:
            return True, f"nothing to do, version {champion.version} is the champion already"
        refusal, reason = _judge(root, client, champion)
        version = None if refusal else _register(root, client, commit, sha256, reason)
    _append(root, "refused" if refusal else "promoted", version, sha256, commit, reason)
    return not refusal, f"refused, {reason}{KEPT}" if refusal else f"promoted, version {version}: {reason}{KEPT}"


def rollback(root: Path) -> str:
    """Make the champion before the present one the champion again. Raises BadInput where there is none."""
    held = champions(_history(root))
    if len(held) < 2:
        raise BadInput(f"{HISTORY}: no champion before the present one")
    last, before = held[-1], held[-2]
    with _registry(root) as client:
        client.set_registered_model_alias(NAME, ALIAS, before["version"])
    _append(root, "rolled back", before["version"], before["model"], before["commit"], f"from version {last['version']}")
    return f"version {before['version']} of commit {before['commit']} is the champion again{KEPT}"


def champions(history: list[dict[str, str]]) -> list[dict[str, str]]:
    """The champions that a history leaves standing, the present one last: a rollback takes the last away."""
    standing: list[dict[str, str]] = []
    for row in history:
        if row["action"] == "promoted":
            standing.append(row)
        elif row["action"] == "rolled back":
            standing.pop()
    return standing


def _judge(root: Path, client: MlflowClient, champion: ModelVersion | None) -> tuple[bool, str]:
    gate = json.loads((root / GATE).read_text(encoding="utf-8"))
    failed = [check for check in gate["checks"] if not check["passed"]]
    if failed:
        bounds = ("{metric} is {value}, the bound is {bound} {threshold}".format(**check) for check in failed)
        return True, f"the gate is not passed: {', '.join(bounds)}"
    if champion is None:
        return False, "the gate is passed, and there was no champion"
    paired = _compare(root, client, champion)
    if not paired.images:
        return True, f"no image is held out from version {champion.version} and from this model: freeze the split (make freeze)"
    worse = paired.p_value < SIGNIFICANCE
    return worse, f"{'worse than' if worse else 'no worse than'} version {champion.version}: {paired}"


def _compare(root: Path, client: MlflowClient, champion: ModelVersion) -> Paired:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(download_artifacts(f"models:/{NAME}/{champion.version}", dst_path=folder, tracking_uri=client.tracking_uri))
        seen = {row.key for row in read_table(kept / "split.csv", Assignment) if row.set != "test"}
        candidate, before = Predictor(root / MODEL), Predictor(kept / "model.onnx")
        images = _held_out(root, seen) + challenge_set(root / "data/challenge", candidate.labels)
        right = [_right(model, images) for model in (before, candidate)]
    return Paired(len(images), len(right[0] - right[1]), len(right[1] - right[0]))


def _held_out(root: Path, seen: set[str]) -> list[Challenge]:
    """The test set's images, without those that the champion was fitted on under an earlier split."""
    label_of = {row.key: row.label for row in read_table(root / "data/labels.csv", Label)}
    file_of = {str(row.key): root / "data/images" / str(row.image) for row in read_table(root / "data/items.csv", Item)}
    keys = [row.key for row in read_table(root / SPLIT, Assignment) if row.set == "test" and row.key not in seen]
    return [Challenge(file_of[key], label_of[key], "test") for key in keys]


def _right(model: Predictor, images: list[Challenge]) -> set[Path]:
    answered = zip(images, ask(model, images), strict=True)
    return {image.file for image, answer in answered if answer.prediction == image.label}


def _register(root: Path, client: MlflowClient, commit: str, sha256: str, reason: str) -> str:
    """A new version with the file, its split and its commit, made the champion; its number."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    run = client.create_run(experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT), run_name="promotion")
    for path in (MODEL, SPLIT, "model/places.onnx"):
        client.log_artifact(run.info.run_id, str(root / path), "model")
    client.log_text(run.info.run_id, commit, "model/commit")  # what a service that loads the model says of it
    tags = {"commit": commit, "model_sha256": sha256, "reason": reason}
    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
    made = client.create_model_version(NAME, f"runs:/{run.info.run_id}/model", run.info.run_id, tags=tags)
    client.set_terminated(run.info.run_id)
    client.set_registered_model_alias(NAME, ALIAS, made.version)
    return str(made.version)


def _champion(client: MlflowClient) -> ModelVersion | None:
    found = client.search_registered_models(f"name = '{NAME}'")
    return client.get_model_version_by_alias(NAME, ALIAS) if found and ALIAS in found[0].aliases else None


def _committed(root: Path) -> tuple[str, str]:
    """The commit, and the SHA-256 of its model. Raises BadInput where what lies here is not what HEAD promises."""
    text = committed_file(root, "HEAD", LOCK)
    if text is None:
        raise BadInput(f"HEAD has no {LOCK}: `make repro`, then commit it, so that the model can be found again")
    promised = outputs(read_lock(text))
    for path in (MODEL, SPLIT, GATE):
        content = (root / path).read_bytes() if (root / path).exists() else b""
        if content_hash(content) != promised[path]:
            raise BadInput(f"{path} is not what HEAD's {LOCK} names: `make repro`, then commit {LOCK}, or `dvc checkout`")
    return str(Repo(root).head.commit.hexsha), hashlib.sha256((root / MODEL).read_bytes()).hexdigest()


@contextmanager
def _registry(root: Path) -> Iterator[MlflowClient]:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    uri = tracking_uri(root)
    try:
        yield MlflowClient(uri)
    except MlflowException as error:
        raise BadInput(f"MLFLOW_TRACKING_URI: {uri}: {' '.join(str(error).split())[:300]}") from error


def _history(root: Path) -> list[dict[str, str]]:
    if not (root / HISTORY).exists():
        return []
    with (root / HISTORY).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _append(root: Path, action: str, version: str | None, model: str, commit: str, reason: str) -> None:
    path = root / HISTORY
    path.parent.mkdir(exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if stream.tell() == 0:
            writer.writerow(COLUMNS)
        writer.writerow([datetime.now(UTC).isoformat(timespec="seconds"), action, version or "", model, commit, reason])


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollback", action="store_true")
    back = parser.parse_args().rollback
    try:
        promoted, said = (True, rollback(Path.cwd())) if back else promote(Path.cwd())
    except (BadInput, OSError) as error:
        sys.exit(f"promote: error: {error}")
    print(f"promote: {said}")
    sys.exit(0 if promoted else 1)


if __name__ == "__main__":
    main()

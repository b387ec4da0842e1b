"""Make the committed model the champion that services load, or go back to the one before."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from git import Repo
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from scipy.stats import binomtest

from quire.command import BadInput
from quire.evaluation.challenge import Challenge, ask, challenge_set
from quire.evaluation.gate import Gate
from quire.items.tables import Assignment, Item, Label, read_table
from quire.lifecycle.promotions import HISTORY, append, champions, read_history
from quire.model.predictor import Predictor
from quire.provenance.lock import LOCK, model_parts, promised, strays
from quire.provenance.results import CHALLENGE, GATE, IMAGES, ITEMS, LABELS, MODEL, SPLIT
from quire.tracking import EXPERIMENT, mlflow_client

NAME, ALIAS = "quire", "champion"
SIGNIFICANCE = 0.05  # below this, the champion is better and not by chance
KEPT = f". The history is {HISTORY}: commit it"


@dataclass(frozen=True)
class Paired:
    """Two models on the same images: how many only one of them gets right."""

    images: int
    champion_alone: int
    candidate_alone: int

    @property
    def p_value(self) -> float:
        """One-sided exact McNemar test (McNemar 1947): the chance of this if the candidate were no worse.

        p = P(B ≥ champion_alone), B ~ Binomial(champion_alone + candidate_alone, ½)
        """
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
    with mlflow_client(root) as client:
        champion = _champion(client)
        if champion and champion.tags.get("model_sha256") == sha256:
            return True, f"nothing to do, version {champion.version} is the champion already"
        refusal, reason = _judge(root, client, champion)
        version = None if refusal else _register(root, client, commit, sha256, reason)
    append(root, "refused" if refusal else "promoted", version, sha256, commit, reason)
    return not refusal, f"refused, {reason}{KEPT}" if refusal else f"promoted, version {version}: {reason}{KEPT}"


def rollback(root: Path) -> str:
    """Make the champion before the present one the champion again. Raises BadInput where there is none."""
    held = champions(read_history(root))
    if len(held) < 2:
        raise BadInput(f"{HISTORY}: no champion before the present one")
    last, before = held[-1], held[-2]
    with mlflow_client(root) as client:
        client.set_registered_model_alias(NAME, ALIAS, before["version"])
    append(root, "rolled back", before["version"], before["model"], before["commit"], f"from version {last['version']}")
    return f"version {before['version']} of commit {before['commit']} is the champion again{KEPT}"


def _judge(root: Path, client: MlflowClient, champion: ModelVersion | None) -> tuple[bool, str]:
    """Whether the model here is refused, and the reason for either."""
    gate: Gate = json.loads((root / GATE).read_text(encoding="utf-8"))
    failed = [
        f"{check['figure']} is {check['value']}, the bound is {check['bound'].replace('_', ' ')} {check['threshold']}"
        for check in gate["checks"]
        if not check["passed"]
    ]
    if failed:
        return True, f"the gate is not passed: {', '.join(failed)}"
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
        seen = {row.key for row in read_table(kept / Path(SPLIT).name, Assignment) if row.set != "test"}
        candidate, before = Predictor((root / MODEL).parent), Predictor(kept)
        images = _held_out(root, seen) + challenge_set(root / CHALLENGE, candidate.labels)
        right = [_right(model, images) for model in (before, candidate)]
    return Paired(len(images), len(right[0] - right[1]), len(right[1] - right[0]))


def _held_out(root: Path, seen: set[str]) -> list[Challenge]:
    """The test set's images, without those that the champion was fitted on under an earlier split."""
    label_of = {row.key: row.label for row in read_table(root / LABELS, Label)}
    file_of = {str(row.key): root / IMAGES / str(row.image) for row in read_table(root / ITEMS, Item)}
    keys = [row.key for row in read_table(root / SPLIT, Assignment) if row.set == "test" and row.key not in seen]
    return [Challenge(file_of[key], label_of[key], "test") for key in keys]


def _right(model: Predictor, images: list[Challenge]) -> set[Path]:
    answered = zip(images, ask(model, images), strict=True)
    return {image.file for image, answer in answered if answer.prediction == image.label}


def _register(root: Path, client: MlflowClient, commit: str, sha256: str, reason: str) -> str:
    """A new version with the model's folder, its split and its commit, made the champion; its number."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    run = client.create_run(experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT), run_name="promotion")
    client.log_artifacts(run.info.run_id, str((root / MODEL).parent), "model")
    client.log_artifact(run.info.run_id, str(root / SPLIT), "model")
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
    lock = promised(root, "HEAD")
    for path in strays(root, lock, [*model_parts(lock), SPLIT, GATE]):
        raise BadInput(f"{path} is not what HEAD's {LOCK} names: `make repro`, then commit {LOCK}, or `dvc checkout`")
    return str(Repo(root).head.commit.hexsha), hashlib.sha256((root / MODEL).read_bytes()).hexdigest()

"""Make the committed model the champion that services load, or go back to the one before."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from git import Repo
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from quire.command import BadInput
from quire.decode import UndecodableImage
from quire.evaluation.challenge import challenge_set
from quire.evaluation.gate import Gate
from quire.items.tables import Assignment, Item, Label, read_table, read_texts
from quire.lifecycle.paired import Paired, pair
from quire.lifecycle.promotions import HISTORY, append
from quire.model.manifest import hash_part
from quire.model.predictor import Predictor
from quire.provenance.lock import LOCK, model_parts, promised, strays
from quire.provenance.results import CHALLENGE, GATE, IMAGES, ITEMS, LABELS, MODEL, SPLIT, TEXTS
from quire.tracking import EXPERIMENT, mlflow_client
from quire.training.proportions import Documents

NAME, ALIAS = "quire", "champion"
FITTED = "fitted.csv"  # beside a registered model: the SHA-256 of the images and texts that it was fitted on
KEPT = f". The history is {HISTORY}: commit it"


@dataclass(frozen=True)
class Held:
    """An item that neither model was fitted on."""

    file: Path | None
    text: str | None
    label: str


def promote(root: Path, margin: float, accept: str | None = None) -> tuple[bool, str]:
    """Whether the committed model became the champion, and why or why not; either is a line of the history.

    It must be shown to lose less than `margin` of the champion's right answers, net. Where the documents are too few to show
    that, `accept`, a person's name and reason, takes its place. What is shown to be worse is refused, and what its gate refuses.
    Raises BadInput for results that are not committed and for a registry that does not answer.
    """
    commit, sha256 = _committed(root)
    with mlflow_client(root) as client:
        champion = _champion(client)
        if champion and champion.tags.get("model_sha256") == sha256:
            return True, f"nothing to do, version {champion.version} is the champion already"
        refusal, reason = _judge(root, client, champion, margin, accept)
        version = None if refusal else _register(root, client, commit, sha256, reason, champion)
    append(root, "refused" if refusal else "promoted", version, sha256, commit, reason)
    return not refusal, f"refused, {reason}{KEPT}" if refusal else f"promoted, version {version}: {reason}{KEPT}"


def rollback(root: Path) -> str:
    """Make the champion before the present one, as the registry names it, the champion again.

    Raises BadInput where there is none.
    """
    with mlflow_client(root) as client:
        champion = _champion(client)
        before = champion.tags.get("champion_before") if champion else None
        if champion is None or not before:
            raise BadInput(f"models:/{NAME}@{ALIAS}: the registry names no champion before the present one")
        version = client.get_model_version(NAME, before)
        client.set_registered_model_alias(NAME, ALIAS, before)
    sha256, commit = version.tags["model_sha256"], version.tags["commit"]
    append(root, "rolled back", before, sha256, commit, f"from version {champion.version}")
    return f"version {before} of commit {commit} is the champion again{KEPT}"


def _judge(root: Path, client: MlflowClient, champion: ModelVersion | None, margin: float, accept: str | None) -> tuple[bool, str]:
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
    beside = f"version {champion.version}: {paired}"
    if paired.is_worse:
        return True, f"worse than {beside}"
    if paired.is_no_worse(margin):
        return False, f"no worse than {beside}, margin {margin:g}"
    few = f"too few documents to show it no worse than {beside}, margin {margin:g}"
    return (False, f"{few}; accepted: {accept}") if accept else (True, f"{few}; --accept 'NAME: REASON' takes it all the same")


def _compare(root: Path, client: MlflowClient, champion: ModelVersion) -> Paired:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(download_artifacts(f"models:/{NAME}/{champion.version}", dst_path=folder, tracking_uri=client.tracking_uri))
        seen = (kept / FITTED).read_text(encoding="utf-8").split()[1:] if (kept / FITTED).exists() else None
        candidate, before = Predictor((root / MODEL).parent), Predictor(kept)
        held, documents = ([], np.zeros(0, np.int64)) if seen is None else _held_out(root, {*seen, *_fitted(root)}, candidate)
        return pair(_right(before, held), _right(candidate, held), documents)


def _held_out(root: Path, seen: set[str], candidate: Predictor) -> tuple[list[Held], Documents]:
    """Items of the test set and the challenge set, and their documents, (N,): none of a group with content that is among `seen`."""
    label_of = {row.key: row.label for row in read_table(root / LABELS, Label)}
    tested = {row.key for row in read_table(root / SPLIT, Assignment) if row.set == "test"}
    items = [item for item in read_table(root / ITEMS, Item) if item.status == "kept"]
    known = {item.group for item in items if _contents(item) & seen}
    chosen, texts = [item for item in items if item.key in tested and item.group not in known], read_texts(root / TEXTS)
    held = [
        Held(root / IMAGES / item.image if item.image else None, texts.get(str(item.key)), label_of[str(item.key)])
        for item in chosen
    ]
    fresh = [each for each in challenge_set(root / CHALLENGE, candidate.labels) if hash_part(each.file) not in seen]
    names = [str(item.group) for item in chosen] + [f"challenge {number}" for number in range(len(fresh))]
    return held + [Held(each.file, None, each.label) for each in fresh], np.unique(names, return_inverse=True)[1].astype(np.int64)


def _fitted(root: Path) -> set[str]:
    """The SHA-256 of each image and text that the model here was fitted on."""
    keys = {row.key for row in read_table(root / SPLIT, Assignment) if row.set != "test"}
    return {content for item in read_table(root / ITEMS, Item) if item.key in keys for content in _contents(item)}


def _contents(item: Item) -> set[str]:
    return {content for content in (item.image_sha256, item.text_sha256) if content}


def _right(model: Predictor, held: list[Held]) -> NDArray[np.bool_]:
    """Whether the likeliest label is the item's own, (N,) bool; of an item that the model does not read it is not."""
    return np.array([_prediction(model, item) == item.label for item in held], bool)


def _prediction(model: Predictor, item: Held) -> str | None:
    """Raises BadInput for an image that the service would refuse."""
    if not model.reads(item.file is not None, bool(item.text)):
        return None
    try:
        return model.classify_content(item.file.read_bytes() if item.file else None, item.text).prediction
    except UndecodableImage as error:
        raise BadInput(f"{item.file}: {error}") from error


def _register(root: Path, client: MlflowClient, commit: str, sha256: str, reason: str, champion: ModelVersion | None) -> str:
    """A new version with the model's folder, what it was fitted on and its commit, made the champion; its number."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    run = client.create_run(experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT), run_name="promotion")
    client.log_artifacts(run.info.run_id, str((root / MODEL).parent), "model")
    client.log_text(run.info.run_id, "\n".join(["sha256", *sorted(_fitted(root))]), f"model/{FITTED}")
    client.log_text(run.info.run_id, commit, "model/commit")  # what a service that loads the model says of it
    tags = {"commit": commit, "model_sha256": sha256, "reason": reason, "champion_before": champion.version if champion else ""}
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

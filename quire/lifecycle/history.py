"""What each data version came to, out of git and DVC: figures, what changed, how the model before it did on what was new."""

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from git import Repo

from quire.cache import kept, name_of
from quire.command import BadInput, machine
from quire.decode import UndecodableImage
from quire.evaluation.metrics import Figure, share
from quire.items.tables import Item, Label
from quire.model.manifest import UNSURE, InvalidModel
from quire.model.predictor import Answer, Predictor
from quire.provenance.lock import differences, promised
from quire.provenance.results import IMAGES, ITEMS, LABELS, MODEL_FOLDER
from quire.provenance.revisions import Version, fetch, versions

DETAILS = "reports/details.json"
MAX_NEW = 1000  # items of a batch that the model before is asked about, drawn where there are more
SHOWN = ("accuracy", "answered", "calibration_error")  # of the cross-validation, beside F1 of each class
NEW_ACCURACY, NEW_ANSWERED = "new_batch.accuracy", "new_batch.answered"


@dataclass(frozen=True)
class DataVersion:
    """A state of ledger and labels. `figures` are named as in details.json, with intervals, and those of the new batch."""

    commit: str
    date: str
    items: int
    labels: int
    changed: str
    figures: dict[str, Figure] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, object]:
        """All but the figures."""
        return {name: value for name, value in vars(self).items() if name != "figures"}


def history(root: Path) -> list[DataVersion]:
    """The data versions that HEAD descends from, the oldest first. Raises BadInput where there is none."""
    reached = set(Repo(root).git.rev_list("HEAD").split())
    found = [version for version in versions(root) if version.commit in reached][::-1]
    last = [
        list(same)[-1] for _, same in groupby(found, key=lambda version: [version.hashes.get(path) for path in (ITEMS, LABELS)])
    ]
    if not last:
        raise BadInput("no commit has results yet: `make repro`, then commit dvc.lock")
    return [_described(root, before, version) for before, version in pairwise([None, *last]) if version]


def _described(root: Path, before: Version | None, version: Version) -> DataVersion:
    """Tables that are neither in the cache nor in the remote leave the figures that hang on them out, and it is said so."""
    commit = Repo(root).commit(str(version.commit))
    content, items, labels = version.read(DETAILS), version.rows(ITEMS, Item), version.rows(LABELS, Label)
    figures = _figures(json.loads(content)) if content else {}
    if items is None or labels is None:
        changed = "its tables are out of reach: `dvc fetch --all-commits`"
    else:
        earlier = (before.rows(LABELS, Label) or []) if before else []
        changed = _changed(root, before, version, earlier, labels)
        if before and (new := _new(items, labels, earlier, before)):
            figures |= _on_new(root, before, version, new)
    kept_items = [item for item in items or [] if item.status == "kept"]
    day = commit.committed_datetime.date().isoformat()
    return DataVersion(str(version.commit), day, len(kept_items), len(labels or []), changed, figures)


def _figures(details: Mapping[str, Any]) -> dict[str, Figure]:
    crossed = details["cross_validation"]
    named = {f"cross_validation.{name}": crossed[name] for name in SHOWN}
    return named | {f"cross_validation.classes.{label}.f1": figures["f1"] for label, figures in crossed["classes"].items()}


def _changed(root: Path, before: Version | None, version: Version, earlier: Sequence[Label], labels: Sequence[Label]) -> str:
    if before is None:
        return "the first"
    old, new = ({row.key: row.label for row in rows} for rows in (earlier, labels))
    counts = {
        "labels more": len(new.keys() - old.keys()),
        "labels less": len(old.keys() - new.keys()),
        "labels changed": sum(new[key] != old[key] for key in new.keys() & old.keys()),
    }
    said = [f"{count} {what}" for what, count in counts.items() if count]
    other = differences(promised(root, str(before.commit)), promised(root, str(version.commit)))
    said += sorted(
        {
            f"{each.stage}.{each.name}".replace(f"{each.stage}.{each.stage}.", f"{each.stage}.")
            for each in other
            if each.kind == "parameter"
        }
    )
    code = {each.name for each in other if each.kind == "input" and each.name.endswith((".py", ".lock"))}
    return ", ".join([*said, *([f"{len(code)} files of code"] if code else [])]) or "items without a label"


def _new(items: Sequence[Item], labels: Sequence[Label], earlier: Sequence[Label], before: Version) -> list[tuple[Item, str]]:
    """The labelled items whose key and content had no label before, with their labels; a sample where they are many."""
    known = {row.key for row in earlier}
    contents = {item.image_sha256 for item in before.rows(ITEMS, Item) or [] if item.key in known}
    item_of = {item.key: item for item in items}
    fresh = [(item_of[row.key], row.label) for row in labels if row.key not in known]
    found = [(item, label) for item, label in fresh if item.image and item.image_sha256 not in contents]
    return found if len(found) <= MAX_NEW else random.Random(0).sample(found, MAX_NEW)


class _CannotAsk(Exception):
    """The model before, or an image, is out of reach; what is asked later may be answered."""


def _on_new(root: Path, before: Version, version: Version, new: Sequence[tuple[Item, str]]) -> dict[str, Figure]:
    """How the model before answers what is new; kept in the cache, for what it hangs on never changes."""
    deciding = [before.hashes.get(MODEL_FOLDER), [[item.image_sha256, label] for item, label in new]]

    def ask(path: Path) -> None:
        path.write_text(json.dumps(_asked(root, before, version, new)), encoding="utf-8")

    try:
        entry = kept(machine().cache / "history", name_of(deciding), ask)
    except (_CannotAsk, InvalidModel) as error:
        print(f"history: {str(before.commit)[:7]}'s model was not asked about what is new in {str(version.commit)[:7]}: {error}")
        return {}
    figures: dict[str, Figure] = json.loads(entry.read_text(encoding="utf-8"))
    return figures


def _asked(root: Path, before: Version, version: Version, new: Sequence[tuple[Item, str]]) -> dict[str, Figure]:
    """Raises _CannotAsk, and InvalidModel for a model that this code does not read."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, MODEL_FOLDER)
        if not fetch(root, str(before.commit), MODEL_FOLDER, model):
            raise _CannotAsk("it is neither in the cache nor in the remote")
        predictor = Predictor(model)
        answers = [(_answer(predictor, version, item), label) for item, label in new]
    right = np.array([answer is not None and answer.prediction == label for answer, label in answers], bool)
    answered = np.array([answer is not None and answer.decision != UNSURE for answer, _ in answers], bool)
    documents = np.unique([item.group or item.source for item, _ in new], return_inverse=True)[1]
    return {NEW_ACCURACY: share(right, documents), NEW_ANSWERED: share(answered, documents)}


def _answer(predictor: Predictor, version: Version, item: Item) -> Answer | None:
    """None for an image that the service would refuse."""
    content = version.read(f"{IMAGES}/{item.image}")
    if content is None:
        raise _CannotAsk(f"{item.image} is neither in the cache nor in the remote")
    try:
        return predictor.classify(content)
    except UndecodableImage:
        return None


def as_rows(found: Sequence[DataVersion]) -> tuple[list[str], list[list[str]]]:
    """The history as a table: a column for each figure and for the ends of its interval."""
    names = list(dict.fromkeys(name for version in found for name in version.figures))
    header = [*found[0].facts, *(f"{name}{end}" for name in names for end in ("", ".low", ".high"))]
    rows = []
    for version in found:
        row = [str(fact) for fact in version.facts.values()]
        for name in names:
            figure: Mapping[str, Any] = version.figures.get(name) or {}
            row += [f"{figure[end]:.6f}" if figure else "" for end in ("value", "low", "high")]
        rows.append(row)
    return header, rows

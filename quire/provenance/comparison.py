"""Results held against what a commit promises: which stage and which file differ, where in it, and whether figures still agree."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quire.provenance.difference import Place, first_difference
from quire.provenance.lock import LOCK, Difference, Lock, differences, made_lock
from quire.provenance.results import METRICS
from quire.provenance.revisions import fetch

# How far figures may lie apart on two machines and still be the same result. Stages that sum floating point numbers have
# one; those of the data have none.
TOLERANCE = {"train": 1e-3, "evaluate": 1e-3}
OUT_OF_REACH = "the committed bytes are not here to compare with: neither in DVC's cache nor in its remote"


@dataclass(frozen=True)
class Verdict:
    """What a stage's outputs turned out to be."""

    stage: str
    outputs: int
    different: list[tuple[str, Place | None]]  # a path, and where in it if both contents can be read

    @property
    def tolerated(self) -> dict[str, float]:
        """The files that differ no more than sums on two machines may, with their largest difference."""
        limit = TOLERANCE.get(self.stage, 0)
        return {path: place.gap for path, place in self.different if place and place.gap <= limit}


@dataclass(frozen=True)
class Comparison:
    """What `compare` found."""

    commit: str
    found: list[Difference]
    verdicts: list[Verdict]

    @property
    def is_identical(self) -> bool:
        """Whether every input, parameter and output is the committed one, to the byte."""
        return not self.found

    @property
    def has_equal_figures(self) -> bool:
        """Whether reports/metrics.json is the committed one, or agrees with it within the tolerance."""
        beyond = {path for verdict in self.verdicts for path, _ in verdict.different if path not in verdict.tolerated}
        return METRICS not in beyond

    def report(self) -> str:
        """The comparison in lines: the stages in their order, the first difference, the machine."""
        lines = [f"proof of {self.commit}", *map(_state, self.verdicts)]
        lines += [
            f"  {difference.stage}: the {difference.kind} {difference.name} is not what {LOCK} says"
            for difference in self.found
            if difference.kind != "output"
        ]
        lines += list(self._first_difference()) + list(self._beyond_bytes())
        return "\n".join([*lines, f"{'identical' if self.is_identical else 'NOT identical'} to the committed results"])

    def _first_difference(self) -> Iterator[str]:
        places = [(verdict.stage, path, place) for verdict in self.verdicts for path, place in verdict.different]
        for stage, path, place in sorted(places, key=lambda each: each[2] is None)[:1]:  # the first whose place is known
            yield f"  first difference: stage {stage}, {path}, {place.where if place else OUT_OF_REACH}"

    def _beyond_bytes(self) -> Iterator[str]:
        reason = "another machine may sum floating point numbers otherwise"
        for verdict in self.verdicts:
            for path, gap in verdict.tolerated.items():
                within = f"{TOLERANCE[verdict.stage]:g} (largest difference {gap:.1e})"
                yield f"  beyond bytes: {path} is equal within {within}: {reason}"


def _state(verdict: Verdict) -> str:
    """A stage's line, which names every output that differs."""
    state = "identical"
    if verdict.different:
        names = ", ".join(path for path, _ in verdict.different)
        state = f"{len(verdict.different)} of {verdict.outputs} DIFFERENT: {names}"
    return f"  {verdict.stage:14} {verdict.outputs} outputs {state}"


def compare(root: Path, commit: str, promised: Lock, made: Path) -> Comparison:
    """Hold the results in the folder `made`, the working tree or a clone, against what a commit of `root` promises."""
    found = differences(promised, made_lock(made))
    verdicts = [_verdict(stage, promised, found, root, commit, made) for stage in promised]
    return Comparison(commit, found, verdicts)


def _verdict(stage: str, promised: Lock, found: list[Difference], root: Path, commit: str, made: Path) -> Verdict:
    paths = [difference.name for difference in found if difference.stage == stage and difference.kind == "output"]
    places = [(path, place_of(root, commit, made, path)) for path in paths]
    return Verdict(stage, len(promised[stage].get("outs", [])), places)


def place_of(root: Path, commit: str, made: Path, path: str) -> Place | None:
    """Where the file below `made` differs from the committed one, which lies in the cache, the remote or git."""
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, Path(path).name)
        return first_difference(before, made / path) if fetch(root, commit, path, before) else None

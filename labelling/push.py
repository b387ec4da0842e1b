"""Images to an annotation tool: all that were kept, or a round of those whose label would teach most."""

import hashlib
import re
from collections.abc import Sequence

from labelling.choose import CHOICES, all_images, choose
from labelling.errors import LabellingError
from labelling.parameters import LABELS, Parameters
from labelling.tool import Image, Tool


def push(tool: Tool, parameters: Parameters, only: str | None) -> None:
    """Push and say how many were there, sent and refused. Raises LabellingError where one was refused.

    `only` makes a project of its own, a round, named by what was chosen: the same choice is the same round, so that a
    push that broke off goes on, and a choice after the next training is another.
    """
    if not parameters.colours:
        raise LabellingError(f"params.yaml: import_labels.classes is auto and {LABELS} holds no label yet: list the classes")
    images = choose(only) if only else all_images()
    project = round_name(parameters.project, only, images) if only else parameters.project
    images = list(tool.check(project, images))
    waiting = _waiting(tool, parameters.project, project) if only else set()
    images = [image for image in images if image.name not in waiting]
    if not images:
        print("push: nothing to push: no image was chosen, or those that were wait for an answer in another project")
        return
    pushed = tool.push(project, images)
    print(f"push: {project}: {pushed.there} of {len(images)} were there, {pushed.sent} sent, {len(pushed.refused)} refused")
    if pushed.refused:
        named = "\n".join(f"  {name}: {why}" for name, why in sorted(pushed.refused.items()))
        raise LabellingError(f"refused:\n{named}")


def round_name(project: str, only: str, images: Sequence[Image]) -> str:
    """`<project>-<only>-<hash>`: of the names and contents of the images."""
    chosen = "\n".join(sorted(f"{image.name} {image.sha256}" for image in images))
    return f"{project}-{only}-{hashlib.sha256(chosen.encode()).hexdigest()[:8]}"


def own_projects(tool: Tool, project: str) -> list[str]:
    """The project and its rounds, as far as they are there."""
    rounds = re.compile(rf"{re.escape(project)}(-({'|'.join(CHOICES)})-[0-9a-f]{{8}})?")
    return [name for name in tool.projects() if rounds.fullmatch(name)]


def _waiting(tool: Tool, project: str, but: str) -> set[str]:
    """The images that wait for an answer in another of our projects: nobody is asked twice at once."""
    pulled = [tool.pull(name) for name in own_projects(tool, project) if name != but]
    return {name for each in pulled for name in each.names - {vote.name for vote in each.votes}}

"""How far a project is: answers by annotator, agreement between them, conflicts."""

from collections import Counter, defaultdict
from itertools import combinations

from labelling.agreement import Labels, cohens_kappa
from labelling.errors import LabellingError
from labelling.parameters import Parameters
from labelling.push import own_projects
from labelling.tool import Pulled, Tool
from quire.items.annotations.votes import opinions

SHOWN = 20  # conflicts by name


def status(tool: Tool, parameters: Parameters) -> None:
    """Print how the project and each of its rounds stand."""
    projects = own_projects(tool, parameters.project)
    if not projects:
        raise LabellingError(f"no project {parameters.project} among those that the token's user sees; push first")
    people = tool.people()
    for project in projects:
        print("\n".join(describe(project, tool.pull(project), people, parameters.cross_annotation)))


def describe(project: str, pulled: Pulled, people: dict[str, str], cross_annotation: int) -> list[str]:
    """The lines on one project."""
    labels = by_annotator(pulled)
    done = len(finished(pulled, cross_annotation))
    lines = [f"{project}: {done} of {len(pulled.names)} images have {_answers(cross_annotation)}"]
    for annotator, given in sorted(labels.items()):
        counts = ", ".join(f"{count} {label}" for label, count in sorted(Counter(given.values()).items()))
        lines.append(f"  {annotator} {people.get(annotator, '')}: {len(given)} images: {counts}")
    for one, other in combinations(sorted(labels), 2):
        lines += [f"  {one} and {other}: {agreed}" for agreed in cohens_kappa(labels[one], labels[other])]
    found = conflicts(pulled)
    lines.append(f"  {len(found)} conflicts")
    lines += [f"    {name}: {', '.join(f'{who} {label}' for who, label in said)}" for name, said in sorted(found.items())[:SHOWN]]
    return lines + ([f"    and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])


def by_annotator(pulled: Pulled) -> dict[str, Labels]:
    """Each annotator's latest label of each image."""
    labels: dict[str, Labels] = defaultdict(dict)
    for vote in sorted(pulled.votes, key=lambda vote: vote.date):
        labels[vote.annotator][vote.name] = vote.label
    return dict(labels)


def finished(pulled: Pulled, cross_annotation: int) -> set[str]:
    """The images that as many people answered as were asked to."""
    answered = Counter(name for given in by_annotator(pulled).values() for name in given)
    return {name for name in pulled.names if answered[name] >= cross_annotation}


def conflicts(pulled: Pulled) -> dict[str, list[tuple[str, str]]]:
    """The images of which different things were said, and who said what."""
    given = defaultdict(list)
    for vote in pulled.votes:
        given[vote.name].append(vote)
    said = {name: [(who, label) for who, labels in opinions(votes).items() for label in labels] for name, votes in given.items()}
    return {name: sorted(pairs) for name, pairs in said.items() if len({label for _, label in pairs}) > 1}


def _answers(count: int) -> str:
    return "an answer" if count == 1 else f"{count} answers"

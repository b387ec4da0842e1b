"""What push, pull and status ask of an annotation tool."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from quire.items.annotations.votes import Vote


@dataclass(frozen=True)
class Image:
    """An image of the ledger. `name` is its file's name as the tools take it; `size` is in bytes."""

    key: str
    name: str
    path: Path
    sha256: str
    size: int


@dataclass
class Pushed:
    """What became of the images of a push; `refused` says why, by name."""

    there: int = 0
    sent: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pulled:
    """A project's export as it came, the names of all its images and the votes in it."""

    content: bytes
    names: frozenset[str]
    votes: list[Vote]


class Tool(Protocol):
    """A client of an annotation tool. Every method raises LabellingError, which says what to do."""

    def check(self, project: str, images: Sequence[Image]) -> Sequence[Image]:
        """Check every name before the first call; the images as the tool takes them."""

    def push(self, project: str, images: Sequence[Image]) -> Pushed:
        """Bring project and images about, whatever of them is there already."""

    def projects(self) -> list[str]:
        """The names of all projects that the token's user sees, sorted."""

    def pull(self, project: str) -> Pulled:
        """Read a project as it stands."""

    def people(self) -> dict[str, str]:
        """The e-mail address of each annotator."""

"""Ecotag: a team, a dataset of images that is locked once it is whole, and a project over it."""

import mimetypes
import re
from collections.abc import Callable, Sequence
from typing import Any

import jwt

from labelling.conversion import as_png
from labelling.errors import CallFailed, LabellingError
from labelling.parameters import Parameters
from labelling.session import Bearer, Session
from labelling.tool import Image, Pulled, Pushed
from labelling.upload import Batch, upload_missing
from quire.items.annotations.exports import read_export

FILES, BYTES = 10, 25_000_000  # a request's; Ecotag caps the whole request near 30 MB
LABELS = 90  # a project's
NAME = re.compile(r"[a-zA-Z0-9_-]{3,48}")
FILE_NAME = re.compile(r"[a-zA-Z0-9\-_. (){}]{3,512}")
EXTENSIONS = (".png", ".jpg", ".jpeg")

Found = dict[str, Any]


class Ecotag:
    """A client for one server. `url` ends with /api/server; `token` is a JWT of its OIDC provider."""

    def __init__(self, url: str, token: str, parameters: Parameters) -> None:
        self.session = Session(url, Bearer(token))
        self.token, self.parameters = token, parameters

    def check(self, project: str, images: Sequence[Image]) -> Sequence[Image]:
        """Check the names of project, labels and files, which Ecotag refuses without saying which; make PNGs of others."""
        odd = [name for name in (project, *self.parameters.colours) if not NAME.fullmatch(name)]
        if odd:
            raise LabellingError(f"{odd[0]!r}: Ecotag takes names of 3 to 48 letters, digits, - and _")
        if len(self.parameters.colours) > LABELS:
            raise LabellingError(f"Ecotag takes at most {LABELS} classes, not {len(self.parameters.colours)}")
        for image in images:
            if not FILE_NAME.fullmatch(image.name):
                raise LabellingError(f"{image.path}: Ecotag takes names of 3 to 512 letters, digits and -_. (){{}}")
        return [as_png(image, EXTENSIONS) for image in images]

    def push(self, project: str, images: Sequence[Image]) -> Pushed:
        """Team, dataset, files, lock and project, in this order; what is there already is compared, not made again."""
        team = self._team()
        asked: Found = {"name": project, "type": "Image", "classification": self.parameters.classification, "groupId": team}
        dataset = self._bring("/Datasets", project, asked)
        pushed = self._fill(dataset, project, images)
        if pushed.refused:
            return pushed
        self.session.call("POST", f"/Datasets/{dataset['id']}/lock")
        labels = [{"name": name, "color": colour, "id": str(i)} for i, (name, colour) in enumerate(self.parameters.colours.items())]
        asked = {
            "name": project,
            "datasetId": dataset["id"],
            "groupId": team,
            "annotationType": "ImageClassifier",
            "labels": labels,
        }
        self._bring("/Projects", project, asked | {"numberCrossAnnotation": self.parameters.cross_annotation})
        return pushed

    def projects(self) -> list[str]:
        """The projects of the user's teams."""
        return sorted(row["name"] for row in self._list("/Projects"))

    def pull(self, project: str) -> Pulled:
        """The export, and the names of the dataset's files, for the export lacks what nobody annotated."""
        found = self._named("/Projects", project)
        if found is None:
            raise LabellingError(f"no project {project} among those that the token's user sees")
        dataset = self.session.json("GET", f"/Projects/{found['id']}/{found['datasetId']}")
        content = self.session.call("GET", f"/Projects/{found['id']}/export").content
        return Pulled(content, frozenset(file["fileName"] for file in dataset["files"]), read_export(content, project).votes)

    def people(self) -> dict[str, str]:
        """The e-mail address of each user."""
        return {f"ecotag:{user['nameIdentifier']}": str(user["email"]) for user in self._list("/Users")}

    def _team(self) -> str:
        """The id of the team, with the token's user and the annotators among its members."""
        name, users = self.parameters.team.lower(), self._list("/Users")
        by_email = {str(user["email"]).lower(): user["id"] for user in users}
        unknown = [email for email in self.parameters.annotators if email.lower() not in by_email]
        if unknown:
            raise LabellingError(f"params.yaml: labelling.annotators: {unknown[0]} is no user of Ecotag; logging in once makes one")
        wanted = {self._own_id(users)} | {by_email[email.lower()] for email in self.parameters.annotators}
        team = self._bring("/Groups", name, {"name": name})
        members = set(team["userIds"])
        if not wanted <= members:  # PUT replaces the members
            self.session.call("PUT", "/Groups", json={"id": team["id"], "userIds": sorted(members | wanted)})
        return str(team["id"])

    def _own_id(self, users: list[Found]) -> str:
        try:
            subject = jwt.decode(self.token, options={"verify_signature": False}).get("sub", "computer")
        except jwt.InvalidTokenError as error:
            raise LabellingError("ECOTAG_TOKEN is no JWT") from error
        ids = [str(user["id"]) for user in users if user["nameIdentifier"] == subject]
        if not ids:
            raise LabellingError(f"the token's user {subject!r} is no user of Ecotag; logging in once makes one")
        return ids[0]

    def _fill(self, dataset: Found, name: str, images: Sequence[Image]) -> Pushed:
        """Upload what is missing and hold the dataset against the images: the lock is for good."""
        sizes: dict[str, int] = {}

        def there() -> set[str]:
            sizes.update({file["fileName"]: file["size"] for file in self._dataset(dataset["id"])["files"]})
            return set(sizes)

        if dataset["locked"] == "Locked" and (absent := {image.name for image in images} - there()):
            raise LabellingError(
                f"dataset {name} is locked since its first push and lacks {_listed(absent)}; "
                "`push --only unlabelled` sends new images as a round of their own"
            )
        pushed = upload_missing(images, there, self._sender(dataset["id"]), FILES, BYTES)
        for image in images:
            if image.name in sizes and sizes[image.name] != image.size:
                pushed.refused[image.name] = f"another content is there: {sizes[image.name]} bytes, not {image.size}"
        strange = set(sizes) - {image.name for image in images}
        if strange:
            raise LabellingError(
                f"dataset {name} holds what is not to be pushed: {_listed(strange)}; take another labelling.project"
            )
        return pushed

    def _sender(self, dataset: str) -> Callable[[Batch], dict[str, str]]:
        def send(batch: Batch) -> dict[str, str]:
            parts = [("files", (image.name, image.path.read_bytes(), mimetypes.guess_type(image.name)[0])) for image in batch]
            rows = self.session.json("POST", f"/Datasets/{dataset}/files", files=parts)
            # A row bears no name, and an empty file has none: what remains has the order of what was sent.
            named = zip([image.name for image in batch if image.size], rows, strict=False)
            return {name: str(row["error"]["key"]) for name, row in named if not row["isSuccess"]}

        return send

    def _dataset(self, dataset: str) -> Found:
        found: Found = self.session.json("GET", f"/Datasets/{dataset}")
        return found

    def _list(self, path: str) -> list[Found]:
        found: list[Found] = self.session.json("GET", path)
        return found

    def _named(self, path: str, name: str) -> Found | None:
        return next((row for row in self._list(path) if row["name"] == name), None)

    def _bring(self, path: str, name: str, asked: Found) -> Found:
        """The item of that name: the one that is there, if it is as asked for, or a new one."""
        found = self._named(path, name)
        if found is None:
            try:
                self.session.call("POST", path, json=asked)
            except CallFailed as failure:  # an answer may be lost after the item was made
                found = self._named(path, name)
                if found is None and "AlreadyTakenName" in failure.said:
                    raise LabellingError(
                        f"{path[1:]}: the name {name} is taken by one that you cannot see; take another"
                    ) from failure
                if found is None:
                    raise
        found = found or self._named(path, name)
        if found is None:
            raise LabellingError(f"{path[1:]}: {name} was made and is not listed: the token's user is not in its team")
        _compare(path, found, asked)
        return found


def _compare(path: str, found: Found, asked: Found) -> None:
    for field in asked:
        is_there, value = (_colours(item[field]) if field == "labels" else item[field] for item in (found, asked))
        if is_there != value:
            raise LabellingError(
                f"{path[1:]}: {asked['name']} is there with {field} {is_there}, not {value}; take another labelling.project"
            )


def _colours(labels: list[Found]) -> dict[str, str]:
    return {label["name"]: label["color"].lower() for label in labels}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

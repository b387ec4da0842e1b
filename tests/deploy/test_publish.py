"""What `make publish` says of an image that several registries hold; test_container.py pushes a real one."""

from deploy.container_engine import ContainerEngine
from deploy.publish import publish


class PushedTwice(ContainerEngine):
    """Docker, with an image that a registry of a longer name holds too."""

    def run(self, *arguments: str, seconds: float = 60) -> str:
        return "example.com/team-b/quire@sha256:bb\nexample.com/team/quire@sha256:aa\n" if arguments[0] == "inspect" else ""


def test_the_digest_is_that_of_the_registry_that_was_named() -> None:
    assert publish(PushedTwice("docker"), "quire:1-2", "example.com/team") == "example.com/team/quire@sha256:aa"
    assert publish(PushedTwice("docker"), "quire:1-2", "example.com/team-b") == "example.com/team-b/quire@sha256:bb"

"""The BentoML service: `bentoml serve` in the repository's root.

BentoML brings workers, probes and tracing; all else is answered by the routes of `service.api`.
"""

import ipaddress
import os
import sqlite3
import sys

import bentoml
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from quire.model.manifest import InvalidModel
from service.api import create_app
from service.loaded import copies, copy_checked, wish
from service.reload import Follower
from service.request import State
from service.settings import Settings
from service.store import Store
from service.telemetry import make_folder

HOST = "127.0.0.1"
PROBES = ("/livez", "/readyz", "/healthz")
app = create_app()


class Routes:
    """ASGI middleware that leaves BentoML its probes only: its own layers and pages would cost a third of a request."""

    def __init__(self, bentoml_app: ASGIApp) -> None:
        self.bentoml_app = bentoml_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        own = scope["type"] == "http" and scope["path"] not in PROBES
        await (app if own else self.bentoml_app)(scope, receive, send)


def bound_host(arguments: list[str]) -> str:
    """The address that BentoML will listen on: its --host, its BENTOML_HOST, else this service's default."""
    for position, argument in enumerate(arguments):
        if argument == "--host" and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith("--host="):
            return argument.removeprefix("--host=")
    return os.environ.get("BENTOML_HOST") or HOST


def copy_model(settings: Settings) -> None:
    """Give the workers the copy of the model that they load. Raises InvalidModel for one that cannot be served."""
    folder = copies()
    assert folder, "make_folder comes first"
    folder.mkdir(parents=True)
    wish(copy_checked(settings))


def check_before_listening(settings: Settings, host: str) -> None:
    """Refuse what would fail later.

    Raises InvalidModel for a model that cannot be served, PermissionError for a store that cannot be written to and for a
    public address without auth.
    """
    copy_model(settings)
    try:
        Store(settings).close()
    except (OSError, sqlite3.Error) as error:
        raise PermissionError(f"QUIRE_STORE: {settings.store}: nothing can be kept there: {error}") from error
    loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    if settings.oidc_issuer:
        print(f"quire: tokens of {settings.oidc_issuer} are required", flush=True)
    elif loopback or settings.public_without_auth:
        print(f"quire: no authentication (QUIRE_OIDC_ISSUER is not set), listening on {host}", flush=True)
    else:
        raise PermissionError(
            f"{host} is a public address and QUIRE_OIDC_ISSUER is not set; QUIRE_PUBLIC_WITHOUT_AUTH=true says that this is meant"
        )


@bentoml.service(
    name="quire",
    image=bentoml.images.Image("python:3.11-slim-bookworm", distro="none", python_version="3.11"),  # a distro brings a compiler
    workers=1,
    http={"host": HOST},
    traffic={"timeout": 300},  # the routes bound their own work: BentoML's timeout leaves its thread running
    logging={"access": {"enabled": False}},  # service.telemetry writes a line of its own
    metrics={"enabled": False},  # and its own metrics: BentoML's middleware would cost a tenth of the throughput
    tracing={"excluded_urls": ".*"},  # without an exporter BentoML would still make spans, which cost as much again
)
class Quire:
    """The model, its threads and its store, made once a worker."""

    def __init__(self) -> None:
        app.state.quire = State(Settings())
        Follower(app.state.quire.inference)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Write what waits to be written."""
        app.state.quire.store.close()

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check() -> None:
        """Before anything listens: one clear line and exit status 1 instead of workers that restart for ever."""
        try:
            make_folder()
            check_before_listening(Settings(), bound_host(sys.argv))
        except (InvalidModel, PermissionError) as error:
            sys.exit(f"quire: error: {error}")
        except ValidationError as error:
            problem = error.errors()[0]
            sys.exit(
                f"quire: error: QUIRE_{'.'.join(map(str, problem['loc'])).upper()}: {problem['msg']}, not {problem['input']!r}"
            )

    def __is_ready__(self) -> bool:
        app.state.quire.inference.warm_up()
        return True


Quire.add_asgi_middleware(Routes)  # type: ignore[attr-defined]

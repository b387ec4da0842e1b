"""Take another model without a gap: copy it, check it, then exchange it in every worker while requests go on."""

import fcntl
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from quire.model.manifest import InvalidModel
from service.errors import Refused
from service.inference import Inference
from service.loaded import copies, copy_checked, forget_others, load, wish, wished
from service.request import State, allowed, as_json, on
from service.schema import Reloaded
from service.settings import Settings
from service.telemetry import RELOADS, series

LOOK = 0.2  # seconds between two looks at the version that is wished
PATIENCE = 30  # seconds that the workers have to follow

thread = ThreadPoolExecutor(1, "reload")  # loading takes a second, which no request waits for


class Follower:
    """A worker's thread that serves what is wished, and says in a file of its own which version that is."""

    def __init__(self, inference: Inference) -> None:
        self.inference = inference
        self.refused: str | None = None
        if folder := copies():
            folder.mkdir(parents=True, exist_ok=True)
            self.mark = folder / f"worker-{os.getpid()}"
            self.follow()
            threading.Thread(target=self._keep_following, name="follow", daemon=True).start()

    def follow(self) -> None:
        """Exchange the model where another is wished; the old one answers until then, and ends with its last request."""
        version = wished()
        if version and version not in (self.inference.model.version, self.refused):
            try:
                loaded = load(self.inference.settings)
                loaded.warm_up()
                self.inference.loaded = loaded  # one assignment: a request has the one or the other from beginning to end
            except (InvalidModel, OSError) as error:
                self.refused = version
                print(
                    f"quire: error: the model {version} is refused, {self.inference.model.version} stays: {error}", file=sys.stderr
                )
        self.mark.write_text(self.inference.model.version)

    def _keep_following(self) -> None:
        while True:
            time.sleep(LOOK)
            with suppress(FileNotFoundError):  # the folder goes when the service ends
                if wished() not in (None, self.inference.model.version, self.refused):
                    self.follow()


def exchange(settings: Settings) -> Reloaded:
    """Have every worker serve what QUIRE_MODEL names now. Raises Refused, and then all serve what they served."""
    folder = copies()
    if not folder:
        raise Refused("bad_model", "this service was not started by `bentoml serve`")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers may be asked at once
        try:
            version = copy_checked(settings)
        except (InvalidModel, OSError) as error:
            series(RELOADS, "refused").inc()
            print(f"quire: error: the model is refused, the present one stays: {error}", file=sys.stderr, flush=True)
            raise Refused("bad_model", f"refused, the present model stays: {error}") from error
        wish(version)
        workers = _wait_for(folder, version)
        forget_others(version)
    series(RELOADS, "done").inc()
    return Reloaded(version=version, workers=workers)


def _wait_for(folder: Path, version: str) -> int:
    """How many workers serve that version, once all do. Raises Refused where one does not follow."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        marks = [path for path in folder.glob("worker-*") if _lives(path)]
        if marks and all(path.read_text() == version for path in marks):
            return len(marks)
        time.sleep(LOOK / 2)
    raise Refused("not_followed", f"not every worker serves {version} after {PATIENCE} s; the log says why")


def _lives(mark: Path) -> bool:
    if Path("/proc", mark.name.removeprefix("worker-")).exists():
        return True
    mark.unlink(missing_ok=True)
    return False


async def reload(request: Request) -> Response:
    """Serve what QUIRE_MODEL names now: its folder's files, or the registry's champion."""
    await allowed(request, "admin")
    state: State = request.app.state.quire
    return as_json(await on(thread, exchange, state.settings))

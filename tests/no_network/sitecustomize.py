"""Put on PYTHONPATH: every Python process below notes what it reaches for.

Each connection and look-up of a host beyond this machine, and each file of the project that a DVC stage opens.
"""

import os
import sys
from typing import Any

LOCAL = ("localhost", "127.0.0.1", "::1", None, "", "0.0.0.0", "::")


def _note_file(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and "DVC_STAGE" in os.environ and isinstance(arguments[0], str):
        path = os.path.relpath(os.path.abspath(arguments[0]), os.environ["DVC_ROOT"])  # noqa: PTH100
        if not path.startswith("."):  # elsewhere, or in .git, .dvc, .venv
            with open(os.environ["QUIRE_OPENED"], "a", encoding="utf-8") as log:  # noqa: PTH123
                log.write(f"{os.environ['DVC_STAGE']} {path}\n")


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in LOCAL:
        with open(os.environ["QUIRE_CONNECTIONS"], "a", encoding="utf-8") as log:  # noqa: PTH123
            log.write(f"{event} {name} {' '.join(sys.argv)}\n")


sys.addaudithook(_note)
sys.addaudithook(_note_file)

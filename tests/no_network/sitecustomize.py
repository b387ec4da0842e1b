"""Put on PYTHONPATH: every Python process below notes each connection and look-up of a host beyond this machine."""

import os
import sys
from typing import Any

LOCAL = ("localhost", "127.0.0.1", "::1", None, "", "0.0.0.0", "::")


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

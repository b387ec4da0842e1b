"""A TCP proxy in front of a real server, which cuts all connections after so many bytes and is gone."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit


class Proxy:
    """For a with block: `endpoint` is where clients connect to, `was_cut` whether the limit was reached."""

    def __init__(self, endpoint: str, cut_after: int) -> None:
        place = urlsplit(endpoint)
        self.target = (place.hostname or "", place.port or 80)
        self.left = cut_after
        self.was_cut = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets: list[socket.socket] = []

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for each in [self.listener, *self.sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                self.sockets += [client, server]
                threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.left -= len(data) * upwards
                if self.left < 0:
                    self.was_cut = True
                    self.close()
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

"""A relay before a real store that keeps the head of every request nginx sends it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.sent = bytearray()

    def serve(self) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                client, _ = self.listener.accept()
                store = socket.create_connection(self.target)
                for ends in ((client, store, True), (store, client, False)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, keep: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(1 << 16):
                if keep:
                    self.sent += chunk
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def header(self, name: str) -> list[str]:
        return re.findall(rf"^{name}: (.*)\r$", self.sent.decode("latin-1"), re.M | re.I)


@contextmanager
def relaying(target: tuple[str, int]) -> Iterator[Relay]:
    relay = Relay(target)
    threading.Thread(target=relay.serve, daemon=True).start()
    try:
        yield relay
    finally:
        relay.listener.close()

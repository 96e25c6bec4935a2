"""TLS before a plain server, for one address: what a gateway or a store is on hosts.

It tells the common name of each client whose certificate it has seen, and how much it was sent.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.edge.authority import Authority, Leaf


class Door:
    def __init__(self, behind: tuple[str, int], shown: Leaf, clients: Authority | None) -> None:
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(shown.certificate, shown.key)
        if clients is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(clients.path)
        self.port: int = self._listener.getsockname()[1]
        self.callers: list[str] = []
        self.heard = 0

    def serve(self) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                raw, _ = self._listener.accept()
                threading.Thread(target=self._admit, args=(raw,), daemon=True).start()

    def _admit(self, raw: socket.socket) -> None:
        try:
            client = self._context.wrap_socket(raw, server_side=True)
        except OSError:  # the client trusts another
            return
        shown = client.getpeercert() or {}
        self.callers += [value for part in shown.get("subject", ()) for _, value in part]
        plain = socket.create_connection(self._behind)
        for ends in ((client, plain, True), (plain, client, False)):
            threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, count: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(1 << 16):
                self.heard += len(chunk) if count else 0
                sink.sendall(chunk)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@contextmanager
def door(behind: tuple[str, int], shown: Leaf, clients: Authority | None = None) -> Iterator[Door]:
    made = Door(behind, shown, clients)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.close()

"""HTTP/1.1 over one kept-alive TLS connection, for bytes only.

Blocking, one per thread: OpenSSL works on large buffers with the interpreter's lock released,
which asyncio's TLS can't do, and a small PUT costs one write and one read. It speaks what S3 and
nginx answer: Content-Length or chunked bodies, keep-alive or close. Anything else is a Broken.

A connection that the server had closed while idle is opened again once, unseen by the caller: all
requests here may be repeated (signed bytes to a fixed key, ranges of immutable objects).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Address", "Broken", "Pipe", "Reply", "split"]

_LENGTH = "content-length"
_HEAD_LIMIT = 64 << 10
_BODY_LIMIT = 1 << 20
_CONNECT_SECONDS = 15.0
STALL_SECONDS = 60.0
"""Without one byte moving, a connection counts as broken."""

Source = Callable[[], Iterator[memoryview | bytes]]


class Broken(Exception):
    """The connection failed or made no sense; what it carried may or may not have arrived."""


@dataclass(frozen=True, slots=True)
class Address:
    secure: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes  # of an answer that wasn't streamed


def split(url: str) -> tuple[Address, str]:
    """(where to connect, what to ask for)."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Broken("the server gave an address that isn't one")
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (url.isascii() and url.isprintable()) or " " in target:
        raise Broken("the server gave an address that isn't one")
    return Address(secure, parts.hostname, parts.port or (443 if secure else 80)), target


class Pipe:
    def __init__(self, address: Address, tls: ssl.SSLContext) -> None:
        self._address = address
        self._tls = tls
        self._socket: socket.socket | None = None
        self._pending = b""
        default = 443 if address.secure else 80
        name = f"[{address.host}]" if ":" in address.host else address.host
        self._host = name if address.port == default else f"{name}:{address.port}"

    def close(self) -> None:
        self._pending = b""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def put(self, target: str, headers: Mapping[str, str], length: int, source: Source) -> Reply:
        """`source` is called again when an idle connection proves dead."""
        signed = {name: value for name, value in headers.items() if name.lower() != _LENGTH}
        head = self._head("PUT", target, {**signed, _LENGTH: str(length)})

        def send(sock: socket.socket) -> None:
            first = head
            for piece in source():
                if first and len(piece) <= 64 << 10:
                    sock.sendall(first + piece)
                else:
                    if first:
                        sock.sendall(first)
                    sock.sendall(piece)
                first = b""
            if first:
                sock.sendall(first)

        status, found = self._exchange(send)
        return Reply(status, found, self._body(found))

    def get(
        self,
        target: str,
        headers: Mapping[str, str],
        accept: Callable[[int, Mapping[str, str]], bool],
        sink: Callable[[memoryview], None],
    ) -> Reply:
        """The body of an accepted answer goes to `sink` piece by piece, each valid only during
        the call; any other's is in the reply. What `sink` raises must not be an OSError."""
        head = self._head("GET", target, headers)
        status, found = self._exchange(lambda sock: sock.sendall(head))
        if not accept(status, found):
            return Reply(status, found, self._body(found))
        self._stream(found, sink)
        return Reply(status, found, b"")

    def _head(self, method: str, target: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{k}: {v}" for k, v in headers.items() if k.lower() != "host"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _connect(self) -> socket.socket:
        place = (self._address.host, self._address.port)
        raw = socket.create_connection(place, _CONNECT_SECONDS)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made: socket.socket = raw
            if self._address.secure:
                made = self._tls.wrap_socket(raw, server_hostname=self._address.host)
            made.settimeout(STALL_SECONDS)
        except BaseException:
            raw.close()
            raise
        return made

    def _exchange(self, send: Callable[[socket.socket], None]) -> tuple[int, dict[str, str]]:
        while True:
            fresh = self._socket is None
            try:
                if self._socket is None:
                    self._socket = self._connect()
                return self._request(self._socket, send)
            except (OSError, Broken) as error:
                self.close()
                if fresh or isinstance(error, TimeoutError):
                    if isinstance(error, Broken):
                        raise
                    raise Broken(_reason(error)) from error
            except BaseException:
                self.close()
                raise

    def _request(
        self, sock: socket.socket, send: Callable[[socket.socket], None]
    ) -> tuple[int, dict[str, str]]:
        try:
            send(sock)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
            # A server that refuses early answers and closes: its answer says why.
            try:
                status, headers = self._read_head(sock)
            except (OSError, Broken):
                raise error from None
            headers["connection"] = "close"
            return status, headers
        return self._read_head(sock)

    def _read_head(self, sock: socket.socket) -> tuple[int, dict[str, str]]:
        data = self._pending
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > _HEAD_LIMIT:
                    raise Broken("the answer's headers are too long")
                more = sock.recv(16 << 10)
                if not more:
                    raise Broken("the server closed the connection")
                data += more
                continue
            self._pending = data[end + 4 :]
            status, headers = _parse(data[:end])
            if status >= 200:
                return status, headers
            data = self._pending  # 1xx: the real answer follows

    def _body(self, headers: dict[str, str]) -> bytes:
        """Of an answer that is kept: an error, or the nothing after a PUT."""
        found: list[bytes] = []
        total = 0

        def keep(piece: memoryview) -> None:
            nonlocal total
            total += len(piece)
            if total > _BODY_LIMIT:
                raise Broken("the answer is too long")
            found.append(bytes(piece))

        self._stream(headers, keep)
        return b"".join(found)

    def _stream(self, headers: dict[str, str], sink: Callable[[memoryview], None]) -> None:
        try:
            if headers.get("transfer-encoding", "").lower() == "chunked":
                self._chunked(sink)
            else:
                length = headers.get(_LENGTH, "0")
                if not length.isdigit():
                    raise Broken("the answer's length makes no sense")
                self._exactly(int(length), sink)
        except OSError as error:
            self.close()
            raise Broken(_reason(error)) from error
        except BaseException:
            self.close()
            raise
        if headers.get("connection", "").lower() == "close":
            self.close()

    def _exactly(self, length: int, sink: Callable[[memoryview], None]) -> None:
        if self._pending and length:
            piece = self._pending[:length]
            self._pending = self._pending[length:]
            length -= len(piece)
            sink(memoryview(piece))
        if not length:
            return
        assert self._socket is not None
        room = memoryview(bytearray(min(256 << 10, length)))
        while length:
            filled = 0
            want = min(len(room), length)
            while filled < want:
                count = self._socket.recv_into(room[filled:want])
                if not count:
                    raise Broken("the connection ended in the middle of an answer")
                filled += count
            length -= filled
            sink(room[:filled])

    def _chunked(self, sink: Callable[[memoryview], None]) -> None:
        while True:
            size = self._line().split(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                raise Broken("the answer's chunks make no sense") from None
            if length == 0:
                while self._line():
                    pass
                return
            self._exactly(length, sink)
            self._line()

    def _line(self) -> bytes:
        assert self._socket is not None
        while b"\r\n" not in self._pending:
            more = self._socket.recv(16 << 10)
            if not more or len(self._pending) > _HEAD_LIMIT:
                raise Broken("the connection ended in the middle of an answer")
            self._pending += more
        line, _, self._pending = self._pending.partition(b"\r\n")
        return line


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise Broken("the answer isn't HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(rest[:3]), headers


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it stood still for too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    return error.strerror or type(error).__name__

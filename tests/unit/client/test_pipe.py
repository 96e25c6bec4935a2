"""The byte connection against a real socket that answers as told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from appliance.client.transfer.pipe import Address, Broken, Pipe, split


@contextmanager
def server(answers: list[bytes | None]) -> Iterator[tuple[Pipe, list[bytes]]]:
    """Each request gets the next answer; None closes the connection without one."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []
    waiting = iter(answers)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while (request := _request(connection)) is not None:
                    seen.append(request)
                    answer = next(waiting, None)
                    if answer is None:
                        break
                    connection.sendall(answer)
                    if b"Connection: close" in answer:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    pipe = Pipe(
        Address(False, "127.0.0.1", listener.getsockname()[1]), ssl.create_default_context()
    )
    try:
        yield pipe, seen
    finally:
        pipe.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _request(connection: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def put(pipe: Pipe, body: bytes = b"body") -> int:
    return pipe.put(
        "/k?x=1", {"Content-Length": "999999", "X-A": "b"}, len(body), lambda: iter([body])
    ).status


def yes(_: int, __: Mapping[str, str]) -> bool:
    return True


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "e"\r\n\r\n'


def test_a_put_says_its_length_once_and_keeps_the_connection() -> None:
    with server([OK, OK]) as (pipe, seen):
        assert put(pipe) == 200
        assert put(pipe, bytes(300_000)) == 200
        assert seen[0].lower().count(b"content-length: 4\r\n") == 1
        assert b"999999" not in seen[0]
        assert len(seen[1].partition(b"\r\n\r\n")[2]) == 300_000


def test_an_idle_connection_that_was_closed_is_opened_again() -> None:
    with server([OK, None, OK]) as (pipe, seen):
        assert put(pipe) == 200
        assert put(pipe) == 200
        assert len(seen) == 3


def test_a_fresh_connection_that_breaks_is_broken() -> None:
    with server([None]) as (pipe, _), pytest.raises(Broken, match="closed the connection"):
        put(pipe)


def test_bodies_by_length_and_by_chunks() -> None:
    by_length = b"HTTP/1.1 206 P\r\nContent-Length: 5\r\n\r\nhello"
    by_chunks = (
        b"HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    )
    with server([by_length, by_chunks, by_length]) as (pipe, _):
        for status in (206, 200, 206):
            got = bytearray()
            assert pipe.get("/o", {}, yes, got.extend).status == status
            assert got == b"hello"


def test_a_body_that_ends_early_is_broken() -> None:
    short = b"HTTP/1.1 200 O\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello"
    with server([short]) as (pipe, _), pytest.raises(Broken):
        pipe.get("/o", {}, yes, lambda _: None)


def test_an_answer_that_is_not_accepted_never_reaches_the_sink() -> None:
    refusal = b"HTTP/1.1 403 F\r\nContent-Length: 3\r\n\r\nbad"
    with server([refusal]) as (pipe, _):
        got = bytearray()
        reply = pipe.get("/o", {}, lambda status, _: status == 206, got.extend)
        assert (reply.status, reply.body, got) == (403, b"bad", b"")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 O\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 O\r\nX: " + b"a" * 80_000,
    ],
)
def test_nonsense_is_broken_and_not_a_crash(answer: bytes) -> None:
    with server([answer]) as (pipe, _), pytest.raises(Broken):
        put(pipe)


def test_a_hundred_is_not_the_answer() -> None:
    with server([b"HTTP/1.1 100 Continue\r\n\r\n" + OK]) as (pipe, _):
        assert put(pipe) == 200


def test_addresses() -> None:
    assert split("https://h/a?b=c") == (Address(True, "h", 443), "/a?b=c")
    assert split("https://[::1]:8/a") == (Address(True, "::1", 8), "/a")
    for bad in ("ftp://h/", "https:///x", "https://h/a b", "https://h/\r\nX: y"):
        with pytest.raises(Broken):
            split(bad)

"""The server in front of the application: no client makes another one wait, by what it sends or does not send."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from werkzeug import Request, Response

from alma_leads.server import bodies, connections, front
from tests.support.served import LIMITS, ask, connect, read_answer, served

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
OTHER = "127.0.0.2"
SLOW_S = 1.0


class Application:
    """A WSGI application that shows what it was called with, and can be slow."""

    def __init__(self) -> None:
        self.pieces = 0
        self.closed = threading.Event()
        self.bodies: list[bytes] = []
        self.environ: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        self.environ = environ
        refused = environ.get("alma_leads.refused")
        if refused:
            return Response(refused[1], refused[0])(environ, start_response)
        if request.path == "/slow":
            time.sleep(SLOW_S)
        if request.path == "/large":
            return Response(b"x" * 1_000_000)(environ, start_response)
        if request.path == "/stream":
            return Response(self._endless())(environ, start_response)
        if request.method == "POST":
            self.bodies.append(environ["wsgi.input"].read())
        return Response("fine")(environ, start_response)

    def _endless(self) -> Iterator[bytes]:
        try:
            while True:
                self.pieces += 1
                yield b"x" * 65_536
        finally:
            self.closed.set()


class Served:
    """The one server of these tests, with another application for each."""

    application: Application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.application(environ, start_response)


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[Served, int]]:
    one = Served()
    with served(one) as port:
        yield one, port


@pytest.fixture
def application(_served: tuple[Served, int]) -> Application:
    _served[0].application = Application()
    return _served[0].application


@pytest.fixture
def port(_served: tuple[Served, int], application: Application) -> int:
    return _served[1]


def _post(path: bytes, *, length: int, kind: bytes = b"application/json") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
        path,
        kind,
        length,
    )


@pytest.mark.parametrize(
    "started", [b"", b"GET / HT", _post(b"/upload", length=900) + b"half"], ids=["idle", "head", "body"]
)
def test_unfinished_requests_of_one_client_make_no_other_wait(port: int, started: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(port, source=OTHER)).sendall(started)
        assert ask(port, GET % b"healthz")[0] == 200
        status, seconds = ask(port, _post(b"/leads", length=2) + b"{}")
    assert status == 200
    assert seconds < 1


def test_slow_requests_of_one_client_in_every_thread_make_no_other_wait(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(3 * LIMITS.threads):
            stack.enter_context(connect(port, source=OTHER)).sendall(GET % b"slow")
        time.sleep(0.2)
        healthy, others = ask(port, GET % b"healthz"), ask(port, _post(b"/leads", length=2) + b"{}")
    assert (healthy[0], others[0]) == (200, 200)
    assert max(healthy[1], others[1]) < SLOW_S / 2


def test_pages_that_need_no_database_do_not_wait_for_those_that_do(port: int) -> None:
    with ExitStack() as stack:
        for number in range(2 * LIMITS.threads):  # each from another client, so that all threads are in use
            stack.enter_context(connect(port, source=f"127.0.0.{10 + number}")).sendall(GET % b"slow")
        time.sleep(0.2)
        status, seconds = ask(port, GET % b"quick")
    assert status == 200
    assert seconds < SLOW_S / 2


def test_those_who_wait_are_served_client_by_client(port: int) -> None:
    """A client with one request is not behind all of those that another one has sent before."""
    with ExitStack() as stack:
        for source, number in ((OTHER, 8), ("127.0.0.3", 8)):
            for _ in range(number):
                stack.enter_context(connect(port, source=source)).sendall(GET % b"slow")
        time.sleep(0.2)
        assert ask(port, GET % b"")[1] < SLOW_S * 1.6


def test_too_many_waiting_requests_of_a_client_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "WAITING_PER_CLIENT", 2)
    with served(Application()) as crowded, ExitStack() as stack:
        made = [stack.enter_context(connect(crowded)) for _ in range(LIMITS.threads + 3)]
        for each in made:
            each.sendall(GET % b"slow")
            time.sleep(0.05)
        status, headers, body = read_answer(made[-1])
    assert (status, headers["retry-after"]) == (503, "2")
    assert json.loads(body)["status"] == 503


def test_a_request_is_not_worked_on_after_its_client_hung_up(port: int, application: Application) -> None:
    with ExitStack() as stack:
        for _ in range(LIMITS.threads):
            stack.enter_context(connect(port)).sendall(GET % b"slow")
        time.sleep(0.2)
        waiting = connect(port)
        waiting.sendall(_post(b"/leads", length=4) + b"gone")
        time.sleep(0.2)
        waiting.close()
        assert ask(port, GET % b"")[0] == 200  # in its turn after them
    assert application.bodies == []


def test_a_slow_head_is_cut_off(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with connect(port) as connection:
        connection.sendall(b"GET / HT")
        assert connection.recv(100) == b""
    with connect(port) as connection:  # the second request over a connection, too
        connection.sendall(GET % b"")
        read_answer(connection)
        connection.sendall(b"GET / HT")
        assert connection.recv(100) == b""


def test_a_head_without_end_is_cut_off(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):  # it is closed while we send
            for number in range(1000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))
                time.sleep(0.001)
            assert connection.recv(100) == b""


def test_a_slow_body_gets_408(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.3)
    with connect(port) as connection:
        connection.sendall(_post(b"/leads", length=100) + b"half")
        status, headers, _ = read_answer(connection)
        assert (status, headers["connection"]) == (408, "close")
        assert connection.recv(100) == b""


def test_a_body_that_keeps_coming_has_more_time(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.3)
    monkeypatch.setattr(bodies, "BYTES_PER_SECOND", 100)
    with connect(port) as connection:
        connection.sendall(_post(b"/leads", length=90))
        for _ in range(9):
            connection.sendall(b"x" * 10)
            time.sleep(0.1)
        assert read_answer(connection)[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        _post(b"/leads", length=50) + b'{"a":',
        b"POST /leads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["length", "chunks"],
)
def test_a_torn_body_gets_400(port: int, request_: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection)[0] == 400
        assert connection.recv(100) == b""


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /leads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /leads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
        b"POST /leads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /leads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Bad: a\0b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["not a length", "length too short", "two framings", "two lengths", "NUL", "TLS"],
)
def test_what_is_not_http_gets_a_problem_and_the_connection_is_closed(port: int, request_: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(GET % b"")
        read_answer(connection)  # over a connection that was of use before, too
        connection.sendall(request_)
        status, headers, body = read_answer(connection)
        assert (status, headers["content-type"]) == (400, "application/problem+json")
        assert json.loads(body)["status"] == 400
        assert connection.recv(100) == b""


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET /%s HTTP/1.1\r\nHost: a\r\n" % (b"a" * 8200), 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n" % (b"a" * 8200), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 64, 431),
        (b"GET / HTTP/1.0\r\n", 200),
    ],
    ids=["no host", "two hosts", "long address", "long header", "many headers", "HTTP/1.0"],
)
def test_heads_are_bounded(port: int, head: bytes, expected: int) -> None:
    assert ask(port, head + b"\r\n")[0] == expected


def test_a_body_too_large_for_its_route_gets_413_and_an_answer_for_the_next(
    port: int, application: Application
) -> None:
    for number in range(20):
        with connect(port) as connection:
            connection.sendall(_post(b"/leads", length=500_000))
            if number % 2:
                connection.sendall(b"x" * 500_000)
            status, headers, _ = read_answer(connection)
            assert (status, headers["connection"]) == (413, "close")
        assert ask(port, GET % b"")[0] == 200
    assert application.bodies == []


def test_a_chunked_body_is_bounded_too(port: int, application: Application) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST /leads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"".join(b"3e8\r\n%s\r\n" % (b"x" * 1000) for _ in range(3)))
        assert read_answer(connection)[0] == 413
    assert application.bodies == []


def test_an_upload_that_is_too_large_is_read_on_and_cut_off(port: int, application: Application) -> None:
    with connect(port) as connection:
        connection.sendall(_post(b"/upload", length=400_000, kind=b"multipart/form-data; boundary=b") + b"x" * 400_000)
        assert read_answer(connection)[0] == 200
    assert application.environ["alma_leads.cut_off"] is True
    assert application.bodies == [b"x" * LIMITS.upload_bytes + b"\r\n--b--\r\n"]


def test_a_body_is_handed_over_whole(port: int, application: Application) -> None:
    chunked = (
        b"POST /leads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    )
    assert ask(port, chunked)[0] == 200
    assert (application.bodies, application.environ["CONTENT_LENGTH"]) == ([b"abc"], "3")


def test_one_client_cannot_take_the_room_of_all_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "BODIES_PER_CLIENT_BYTES", 150_000)
    upload = _post(b"/upload", length=90_000, kind=b"multipart/form-data; boundary=b")
    with served(Application()) as port, connect(port, source=OTHER) as first, connect(port, source=OTHER) as second:
        first.sendall(upload)
        time.sleep(0.2)
        second.sendall(upload)
        status, headers, _ = read_answer(second)
        assert (status, headers["connection"]) == (503, "close")
        assert ask(port, upload + b"x" * 90_000)[0] == 200


def test_the_environ_is_that_of_the_request(port: int, application: Application) -> None:
    ask(
        port,
        b"GET //caf%C3%A9%FF?q=%31&%C3%BC HTTP/1.1\r\nHost: localhost\r\nCookie: a=1\r\nCookie: b=2\r\n"
        b"X_API_Key: forged\r\nX-One: 1\r\nX-One: 2\r\n\r\n",
        source=OTHER,
    )
    environ = application.environ
    assert environ["PATH_INFO"].encode("latin-1") == b"//caf\xc3\xa9\xff"
    assert environ["QUERY_STRING"] == "q=%31&%C3%BC"
    assert (environ["HTTP_COOKIE"], environ["HTTP_X_ONE"]) == ("a=1; b=2", "1,2")
    assert "HTTP_X_API_KEY" not in environ
    assert (environ["REMOTE_ADDR"], environ["HTTP_HOST"]) == (OTHER, "localhost")


def test_a_stream_waits_for_its_reader_and_ends_with_it(port: int, application: Application) -> None:
    with connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.sendall(GET % b"stream")
        connection.recv(1000)
        time.sleep(0.3)
        before = application.pieces
        time.sleep(0.3)
        assert application.pieces == before < 200  # nothing is made that nobody takes
        for _ in range(100):
            connection.recv(65_536)
        time.sleep(0.1)
        assert application.pieces > before
    assert application.closed.wait(5)


def test_idle_connections_give_way_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 64)
    with served(Application()) as port, ExitStack() as stack:
        first = stack.enter_context(connect(port, source=OTHER))
        for _ in range(100):
            stack.enter_context(connect(port, source=OTHER))
        assert ask(port, GET % b"")[0] == 200
        assert first.recv(1) == b""


def test_pipelined_requests_are_answered_in_turn(port: int) -> None:
    with connect(port) as connection:
        connection.sendall((GET % b"") * 3)
        data = b""
        while data.count(b"fine") < 3:
            data += connection.recv(65_536)


def test_hundreds_of_pipelined_requests_are_all_answered(port: int, application: Application) -> None:
    """Also when there is more in one packet than is read at once, and bodies lie between the heads."""
    with connect(port) as connection:
        connection.sendall((_post(b"/leads", length=50) + b"x" * 50) * 300)
        data = b""
        while data.count(b"fine") < 300:
            data += connection.recv(65_536)
    assert application.bodies == [b"x" * 50] * 300


def test_thousands_of_pipelined_requests_hold_nobody_up(port: int) -> None:
    with ExitStack() as stack:
        many = [stack.enter_context(connect(port)) for _ in range(60)]
        for connection in many:
            connection.sendall((GET % b"healthz") * 1200)
        began = time.monotonic()
        assert ask(port, GET % b"", source=OTHER)[0] == 200
        assert time.monotonic() - began < 1


def test_a_client_that_gives_up_leaves_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    application = Application()
    with served(application) as port, ExitStack() as stack:
        for _ in range(LIMITS.threads):
            stack.enter_context(connect(port)).sendall(GET % b"slow")
        time.sleep(0.3)
        caplog.clear()  # clients of other tests may have given up just now
        for _ in range(3):
            with connect(port) as connection:
                connection.sendall(_post(b"/leads", length=900) + b"half")
                time.sleep(0.1)
        many = [connect(port, source=OTHER) for _ in range(30)]
        for connection in many:
            connection.sendall((_post(b"/leads", length=2) + b"{}") * 400)
        for connection in many:
            connection.close()
        time.sleep(1)
        assert caplog.records == []
    assert b"half" not in application.bodies


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
def test_a_client_that_takes_nothing_of_its_answer_is_dropped(
    port: int, monkeypatch: pytest.MonkeyPatch, close: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.settimeout(5)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n" + close + b"\r\n")
        time.sleep(1.5)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                taken += len(chunk)
        assert taken < 1_000_000


def test_a_client_that_takes_its_answer_slowly_is_not_dropped(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.settimeout(5)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        taken = 0
        while chunk := connection.recv(20_000):
            taken += len(chunk)
            time.sleep(0.01)
        assert taken > 1_000_000


def test_a_disk_without_room_refuses_a_body_with_507(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "IN_MEMORY_BYTES", 1)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *_args, **_more: open("/dev/full", "w+b"))  # noqa: SIM115, PTH123
    upload = _post(b"/upload", length=90_000, kind=b"multipart/form-data; boundary=b")
    assert ask(port, upload + b"x" * 90_000)[0] == 507

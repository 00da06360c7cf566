"""What a request's body may be: on every route bounded, whole and in UTF-8; and no file is kept that no route takes."""

from __future__ import annotations

import io
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.web.auth import access_of
from alma_leads.web.errors.server_refusals import REFUSED
from tests.conftest import API_KEY, MakeSettings
from tests.support.desk import HTML, value
from tests.support.factories import lead_body, pdf_bytes
from tests.support.routes import UNSAFE, address, methods, rules

KEY = {"X-API-Key": API_KEY}
MB = 1_000_000
BOUNDARY = "b0undary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
URLENCODED = "application/x-www-form-urlencoded"
FIELDS = {name.encode(): text.encode() for name, text in lead_body().items()}


def part(name: bytes, content: bytes = b"", *, file: bytes | None = None, more: bytes = b"") -> bytes:
    """Return a part of a form, byte for byte."""
    about = b'Content-Disposition: form-data; name="%s"' % name
    if file is not None:
        about += b'; filename="%s"' % file
    return b"--%s\r\n%s%s\r\n\r\n%s\r\n" % (BOUNDARY.encode(), about, more, content)


def parts(*parts: bytes) -> bytes:
    """Return the body of a form."""
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY.encode()


def lead_parts(*more: bytes, without: bytes = b"") -> bytes:
    """Return a form that is a good lead, and `more`."""
    return parts(*(part(name, text) for name, text in FIELDS.items() if name != without), *more)


@pytest.fixture
def settings(make_settings: MakeSettings, sqlite_url: str) -> Any:
    """Return settings on SQLite alone: what is refused here never gets to a database."""
    return make_settings(DATABASE_URL=sqlite_url)


@pytest.fixture
def _no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let anything that is spooled to a temporary file fail."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))


TOO_LARGE = {
    "an urlencoded form": (URLENCODED, b"x=" + b"y" * MB),
    "a field": (MULTIPART, parts(part(b"x", b"y" * MB))),
    "a file": (MULTIPART, parts(part(b"x", b"y" * MB, file=b"x.pdf"))),
    "61 parts": (MULTIPART, parts(*[part(b"x", b"y")] * 61)),
    "headers of parts": (MULTIPART, parts(*[part(b"x", more=b";" * 9_000)] * 2)),
    "JSON": ("application/json", b'"' + b"y" * MB + b'"'),
}


@pytest.mark.usefixtures("_no_disk")
@pytest.mark.parametrize("kind", TOO_LARGE)
def test_every_route_refuses_what_is_too_large(app: Flask, desk: FlaskClient, kind: str) -> None:
    mimetype, body = TOO_LARGE[kind]
    checked = 0
    for rule in rules(app):
        with app.app_context():
            takes_file = access_of(rule.endpoint).takes_file
        if takes_file and kind == "a file":
            continue
        for method in methods(rule) & UNSAFE:
            answer = desk.open(address(rule), method=method, content_type=mimetype, data=body)
            assert answer.status_code == 413, (method, rule.rule, answer.data[:200])
            checked += 1
    assert checked > 30


@pytest.mark.usefixtures("_no_disk")
def test_a_body_of_unknown_length_is_refused_where_it_becomes_too_large(client: FlaskClient) -> None:
    for path, *kinds in (
        ("/login", "an urlencoded form", "a field", "a file", "61 parts", "headers of parts"),
        ("/", "an urlencoded form", "a field", "61 parts", "headers of parts"),
        ("/public/leads", "JSON", "a field", "61 parts", "headers of parts"),
    ):
        for kind in kinds:
            mimetype, body = TOO_LARGE[kind]
            stream = io.BytesIO(body)
            environ = {"wsgi.input_terminated": True}
            answer = client.post(path, content_type=mimetype, input_stream=stream, environ_overrides=environ)
            assert answer.status_code == 413, (path, kind)
            assert stream.tell() <= 2 * 131_072, (path, kind)


@pytest.mark.usefixtures("_no_disk")
def test_a_body_of_exactly_the_limit_is_read(client: FlaskClient) -> None:
    body = b'{"first_name": "' + b"y" * 131_000
    body += b" " * (131_072 - len(body) - 2) + b'"}'
    for size, status in ((131_072, 422), (131_073, 413)):
        sent = body + b" " * (size - len(body))
        assert client.post("/public/leads", data=sent, content_type="application/json").status_code == status
        stream = {"input_stream": io.BytesIO(sent), "environ_overrides": {"wsgi.input_terminated": True}}
        answer = client.post("/public/leads", content_type="application/json", **stream)
        assert answer.status_code == status


def test_files_on_a_route_that_takes_them_fill_no_disk(
    make_app: Any, make_settings: MakeSettings, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, all of them together are kept up to RESUME_MAX_BYTES."""
    app = make_app(make_settings(DATABASE_URL=sqlite_url, RESUME_MAX_BYTES=300_000))
    kept: list[int] = []
    real = tempfile.SpooledTemporaryFile.write

    def write(self: Any, data: Any) -> int:
        kept.append(len(data))
        return real(self, data)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", write)
    body = parts(*[part(b"f%d" % number, b"y" * 200_000, file=b"x.pdf") for number in range(9)])
    for path in ("/", "/public/leads"):
        kept.clear()
        assert app.test_client().post(path, data=body, content_type=MULTIPART).status_code in (400, 422)
        assert sum(kept) <= 300_000 + 9  # one more of each, to see that it is too large


LATIN_1 = "José".encode("latin-1")
DEEP = {
    "arrays": b"[" * 21 + b"]" * 21,
    "objects": b'{"a":' * 330 + b"1" + b"}" * 330,
    "both": b'[{"a":' * 11 + b"1" + b"}]" * 11,
    "open": b"[" * 100_000,
    "after a string of brackets": b'["[[\\"", ' + b"[" * 20 + b"]" * 21,
}
UNREADABLE = {
    "Latin-1 in a field": (MULTIPART, lead_parts(part(b"last_name", LATIN_1), without=b"last_name")),
    "Latin-1 in a field that says ASCII": (
        MULTIPART,
        lead_parts(
            part(b"last_name", LATIN_1, more=b"\r\nContent-Type: text/plain; charset=us-ascii"), without=b"last_name"
        ),
    ),
    "Latin-1 in the name of a field": (MULTIPART, lead_parts(part(LATIN_1, b"x"))),
    "Latin-1 in the name of a file": (MULTIPART, lead_parts(part(b"resume", pdf_bytes(), file=b"r\xe9sum\xe9.pdf"))),
    "Latin-1 in an encoded name of a file": (
        MULTIPART,
        lead_parts(part(b"resume", pdf_bytes(), more=b"; filename*=UTF-8''r%E9sum%E9.pdf")),
    ),
    "NUL in a field": (MULTIPART, lead_parts(part(b"last_name", b"a\0b"), without=b"last_name")),
    "NUL in the name of a field": (MULTIPART, lead_parts(part(b"a\0b", b"x"))),
    "NUL in the name of a file": (MULTIPART, lead_parts(part(b"resume", pdf_bytes(), file=b"a\0b.pdf"))),
    "a part without a name": (MULTIPART, lead_parts(b"--b0undary\r\nContent-Disposition: form-data\r\n\r\nx\r\n")),
    "a part without headers": (MULTIPART, lead_parts(b"--b0undary\r\n\r\n\r\nx\r\n")),
    "no end": (MULTIPART, lead_parts()[:-20]),
    "no form at all": (MULTIPART, b"first_name=Sai"),
    "no boundary": ("multipart/form-data", lead_parts()),
    "a boundary in another script": ("multipart/form-data; boundary=\xe9", lead_parts()),
    "JSON in Latin-1": ("application/json", b'{"last_name": "%s"}' % LATIN_1),
    "NUL in a value": ("application/json", b'{"last_name": "a\\u0000b"}'),
    "NUL in a name": ("application/json", b'{"x": [{"a\\u0000b": 1}]}'),
    "half a surrogate": ("application/json", b'{"last_name": "\\ud800"}'),
    "not JSON": ("application/json", b'{"last_name": '),
    "nothing": ("application/json", b""),
    **{f"deep {name}": ("application/json", body) for name, body in DEEP.items()},
}


def test_the_api_refuses_what_cannot_be_read(app: Flask, client: FlaskClient) -> None:
    for kind, (mimetype, body) in UNREADABLE.items():
        answer = client.post("/public/leads", data=body, content_type=mimetype)
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json"), (kind, answer.data)
    assert value(app, "SELECT count(*) FROM leads") == 0


def test_a_browser_gets_a_page_that_says_so(app: Flask, client: FlaskClient) -> None:
    bodies = [(mimetype, body) for mimetype, body in UNREADABLE.values() if mimetype == MULTIPART]
    bodies += [(URLENCODED, body) for body in (b"email=Jos%E9", b"email=Jos\xe9", b"%E9=x", b"email=a%00b")]
    for path in ("/", "/login"):
        for mimetype, body in bodies:
            answer = client.post(path, data=body, content_type=mimetype, headers=HTML)
            assert answer.status_code == 400, (path, body)
            assert "read what was sent" in answer.text.replace("&#39;", "'"), (path, body)
    assert value(app, "SELECT count(*) FROM leads") == 0


def test_a_query_string_is_utf_8_where_it_is_read(client: FlaskClient) -> None:
    assert client.get("/internal/leads?q=Jos%E9", headers=KEY).status_code == 400
    assert client.get("/internal/leads?q=Jos%C3%A9", headers=KEY).status_code == 200
    assert client.get("/?utm_source=Jos%E9", headers=HTML).status_code == 200  # from somebody's advertisement


def test_what_nests_just_enough_is_read(client: FlaskClient) -> None:
    """Brackets in strings do not count, nor how many there are beside each other."""
    beside = b"[[[[" + b"[]," * 100 + b"[]]]]]"
    for body in (b"[" * 20 + b"]" * 20, b'{"a": "' + b'[\\"{' * 99 + b'"}', beside, b'{"a\\\\": ["]"]}'):
        assert client.post("/public/leads", data=body, content_type="application/json").status_code == 422


def test_of_thousands_of_unknown_fields_the_first_are_named(client: FlaskClient) -> None:
    """Naming them all makes the answer eight times as large as the body, and others wait for it."""
    unknown = {f"{number:x}": 1 for number in range(12_000)}
    for path, method, known in (
        ("/public/leads", "POST", lead_body() | {"email": "nobody"}),
        ("/internal/assignments/a@example.com", "PUT", {"attorney": 1}),
    ):
        answer = client.open(path, method=method, json=unknown | known, headers=KEY)
        named = [error["field"] for error in answer.json["errors"]]
        assert (answer.status_code, len(named)) == (422, 61), path
        assert ("email" if method == "POST" else "attorney") in named, path


def test_json_has_one_media_type(client: FlaskClient) -> None:
    body = b'{"status": "REACHED_OUT"}'
    for mimetype in ("application/problem+json", "application/vnd.api+json", "text/json", ""):
        for asked in ("POST /public/leads", "PATCH /internal/leads/1", "PUT /internal/assignments/a@example.com"):
            method, path = asked.split()
            answer = client.open(path, method=method, data=body, content_type=mimetype, headers=KEY)
            assert answer.status_code == 415, (asked, mimetype)


def test_a_form_takes_no_json(desk: FlaskClient) -> None:
    for body in (b'"email"', b"1e9", b"[1]", b'{"first_name": ["Sai"]}', b"{"):
        for path in ("/", "/login", "/internal/leads/1/notes"):
            answer = desk.post(path, data=body, content_type="application/json", headers=HTML)
            assert answer.status_code == 400, (path, body)


class Broken(io.RawIOBase):
    """A body that ends in what a server raises when its chunks are malformed."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def read(self, size: int = -1) -> bytes:
        raise self._error


def test_a_body_with_bad_chunks_is_a_400(client: FlaskClient) -> None:
    for error in (OSError("read timed out"), ValueError("Invalid chunk"), Exception("bad chunk size")):
        for mimetype in ("application/json", MULTIPART):
            environ = {"wsgi.input": Broken(error), "wsgi.input_terminated": True}
            answer = client.post("/public/leads", content_type=mimetype, environ_overrides=environ)
            assert answer.status_code == 400


def test_a_torn_body_is_a_400(client: FlaskClient) -> None:
    """Less came than its Content-Length said."""
    for path, mimetype in (
        ("/public/leads", "application/json"),
        ("/public/leads", MULTIPART),
        ("/", URLENCODED),
        ("/login", MULTIPART),
    ):
        environ = {"wsgi.input": io.BytesIO(b'{"first'), "CONTENT_LENGTH": "500"}
        answer = client.post(path, content_type=mimetype, environ_overrides=environ)
        assert answer.status_code == 400, (path, mimetype, answer.data)


def test_a_request_that_the_server_has_no_room_for_says_when_to_try_again(client: FlaskClient) -> None:
    refused = {REFUSED: (HTTPStatus.SERVICE_UNAVAILABLE, "Too many uploads are arriving.")}
    answer = client.post("/public/leads", environ_overrides=refused)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")

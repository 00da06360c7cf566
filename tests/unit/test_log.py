"""What the log says about a request: a line, with a number that the answer has too, and nothing personal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask import Flask, g

from alma_leads.common.actor import Actor
from alma_leads.common.log import configure_logging
from alma_leads.web.requests.requests_log import log_requests
from tests.conftest import MakeSettings


@pytest.fixture
def _quiet_again(make_settings: MakeSettings) -> Iterator[None]:
    yield
    configure_logging(make_settings())


@pytest.fixture
def app(make_settings: MakeSettings) -> Flask:
    """Return an application that only logs."""
    configure_logging(make_settings())
    app = Flask(__name__)
    log_requests(app)

    @app.get("/people/<email>")
    def person(email: str) -> str:
        if email == "boom":
            raise RuntimeError("broken")
        structlog.get_logger("x").info("looked")
        return str(g.request_id)

    return app


def _lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_one_line_with_route_and_number_but_no_path(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    answer = app.test_client().get("/people/ada@example.com?q=Ada", headers={"X-Request-ID": "chosen-by-a-client"})
    said, line = _lines(capfd)
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/people/<email>", 200)
    assert line["ms"] >= 0
    assert line["request_id"] == said["request_id"] == answer.headers["X-Request-ID"] == answer.text
    assert line["request_id"] != "chosen-by-a-client"
    assert line["address"] == "127.0.0.1"
    assert "ada" not in json.dumps([said, line]).lower()


@pytest.mark.parametrize(
    ("actor", "said"),
    [
        (Actor("user", 7, "Rosa", "192.0.2.1"), {"user": 7}),
        (Actor("key", 3, "script: import", "192.0.2.1"), {"key": 3}),
        (Actor("key", None, "INTERNAL_API_KEY", "192.0.2.1"), {"key": "INTERNAL_API_KEY"}),
        (None, {}),
    ],
)
def test_the_line_says_who_by_number(
    app: Flask, capfd: pytest.CaptureFixture[str], actor: Actor | None, said: dict[str, Any]
) -> None:
    @app.before_request
    def know() -> None:
        if actor is not None:
            g.actor = actor

    app.test_client().get("/people/ada@example.com", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    line = _lines(capfd)[-1]
    assert {name: value for name, value in line.items() if name in ("user", "key")} == said
    assert line["address"] == "192.0.2.1"
    assert "Rosa" not in json.dumps(line)


def test_an_exception_is_logged_by_route_and_with_the_same_number(
    app: Flask, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = app.test_client().get("/people/boom")
    exception, line = _lines(capfd)
    assert answer.status_code == line["status"] == 500
    assert exception["request_id"] == line["request_id"] == answer.headers["X-Request-ID"]
    assert exception["event"] == "exception in /people/<email> [GET]"
    assert "RuntimeError: broken" in exception["exception"]


def test_what_was_not_found_is_logged_without_its_path(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    app.test_client().get("/ada@example.com")
    (line,) = _lines(capfd)
    assert (line["route"], line["status"]) == (None, 404)


def test_each_request_has_its_own_number(app: Flask) -> None:
    client = app.test_client()
    assert len({client.get("/people/x").text for _ in range(20)}) == 20


def test_libraries_log_the_same_way(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("some.library").warning("%s broke", "it", extra={"code": 7})
    (line,) = _lines(capfd)
    assert (line["event"], line["level"], line["code"]) == ("it broke", "warning", 7)
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(("level", "said"), [("DEBUG", 2), ("INFO", 1), ("WARNING", 0)])
@pytest.mark.usefixtures("_quiet_again")
def test_the_level_is_kept(
    make_settings: MakeSettings, capfd: pytest.CaptureFixture[str], level: str, said: int
) -> None:
    configure_logging(make_settings(LOG_LEVEL=level))
    log = structlog.get_logger("y")
    log.debug("detail")
    log.info("event")
    assert len(_lines(capfd)) == said


@pytest.mark.usefixtures("_quiet_again")
def test_a_logger_that_was_used_takes_a_new_level(
    make_settings: MakeSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    log = structlog.get_logger("used already")
    for level in ("ERROR", "INFO"):
        configure_logging(make_settings(LOG_LEVEL=level))
        log.info(level)
    assert [line["event"] for line in _lines(capfd)] == ["INFO"]


@pytest.mark.usefixtures("_quiet_again")
def test_on_a_console_it_is_for_eyes(make_settings: MakeSettings, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging(make_settings(LOG_FORMAT="console"))
    structlog.get_logger("y").info("hello", number=1)
    logging.getLogger("z").warning("there")
    first, second = capfd.readouterr().err.splitlines()
    assert "hello" in first
    assert "number=1" in first
    assert "there" in second


def _recurse(depth: int, words: str) -> list[Any]:
    if depth == 0:
        raise ValueError(words)
    return [_recurse(depth - 1, words) for _ in range(1)]  # two kinds of frames by turns: Python leaves out none


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("logger", ["ours", "a library's"])
@pytest.mark.parametrize(("depth", "words"), [(300, "the last words"), (1, "x" * 500_000 + "the last words")])
@pytest.mark.usefixtures("_quiet_again")
def test_a_traceback_keeps_its_first_and_last_frames_only(
    make_settings: MakeSettings, capfd: pytest.CaptureFixture[str], log_format: str, logger: str, depth: int, words: str
) -> None:
    configure_logging(make_settings(LOG_FORMAT=log_format))
    log = structlog.get_logger("x") if logger == "ours" else logging.getLogger("some.library")
    try:
        _recurse(depth, words)
    except ValueError:
        log.exception("it broke")
    said = capfd.readouterr().err
    assert len(said) < 10_000
    assert "test_a_traceback_keeps" in said
    assert "the last words" in said
    assert "characters left out" in said


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.usefixtures("_quiet_again")
def test_what_stood_in_a_row_that_postgresql_refused_is_left_out(
    make_settings: MakeSettings, capfd: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logging(make_settings(LOG_FORMAT=log_format))
    refusal = "the row was refused\nDETAIL:  Failing row contains (1, ada@example.com,\nAda)."
    try:
        try:
            raise ValueError(refusal)
        except ValueError as error:
            raise RuntimeError(f"(psycopg) {error}\n[SQL: INSERT]") from error
    except RuntimeError:
        structlog.get_logger("x").exception("unhandled exception")
    said = capfd.readouterr().err
    assert said.count("the row was refused") == 2
    assert "[SQL: INSERT]" in said
    assert "ada" not in said.lower()

"""The rate limit of leads: per address, form and API together, never for a replay."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from limits import parse

from alma_leads.web.public import api, intake
from config import Settings
from tests.support.desk import value
from tests.support.factories import lead_body, pdf_bytes


@pytest.fixture
def limited(
    make_app: Callable[[Settings], Flask], make_settings: Callable[..., Settings], database_url: str
) -> Callable[[str], FlaskClient]:
    """Return a maker of clients of an application with another limit."""
    return lambda limit: make_app(make_settings(DATABASE_URL=database_url, RATE_LIMIT_LEADS=limit)).test_client()


def test_too_many_leads_from_one_address(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("2 per minute")

    def send(address: str = "192.0.2.1", **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post("/public/leads", json=lead_body(), headers=names, environ_overrides={"REMOTE_ADDR": address})

    assert [send().status_code for _ in range(3)] == [201, 201, 429]
    refused = send()
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.content_type == "application/problem+json"
    assert send("192.0.2.2").status_code == 201
    form = client.post("/", data=lead_body(), environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert form.status_code == 429
    assert b"Maryada" in form.data


def test_a_customer_with_many_ipv6_addresses_is_one(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("1 per minute")

    def send(address: str) -> int:
        status: int = client.post(
            "/public/leads", json=lead_body(), environ_overrides={"REMOTE_ADDR": address}
        ).status_code
        return status

    assert send("2001:db8:1:2::1") == 201
    assert send("2001:db8:1:2:ffff::9") == 429
    assert send("2001:db8:1:3::1") == 201
    assert send("::ffff:192.0.2.1") == 201
    assert send("192.0.2.1") == 429
    assert send("192.0.2.2") == 201


def test_a_customer_with_many_ipv6_networks_is_one(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("2 per minute")
    seen: list[int] = []
    for number in range(10):
        here = {"REMOTE_ADDR": f"2001:db8:1:{number:x}::1"}
        seen.append(client.post("/public/leads", json=lead_body(), environ_overrides=here).status_code)
    assert seen == [201] * 8 + [429] * 2
    assert client.post("/", data=lead_body(), environ_overrides={"REMOTE_ADDR": "2001:db8:1:ff::1"}).status_code == 429
    elsewhere = {"REMOTE_ADDR": "2001:db8:2::1"}
    assert client.post("/public/leads", json=lead_body(), environ_overrides=elsewhere).status_code == 201


@pytest.mark.parametrize("hop", ["203.0.113.10:{}", "[2001:db8::1]:{}", "::ffff:203.0.113.10", "?{}"])
def test_a_port_makes_no_other_client(
    make_app: Callable[[Settings], Flask], make_settings: Callable[..., Settings], sqlite_url: str, hop: str
) -> None:
    limits = make_settings(DATABASE_URL=sqlite_url, RATE_LIMIT_LEADS="3 per minute", TRUSTED_PROXIES=1)
    client = make_app(limits).test_client()

    def send(number: int) -> int:
        # What a client says of itself stands before what the proxy has added, and is not believed.
        hops = {"X-Forwarded-For": f"6.6.6.{number}, {hop.format(number)}"}
        status: int = client.post("/public/leads", json=lead_body(), headers=hops).status_code
        return status

    assert [send(number) for number in range(50001, 50007)] == [201, 201, 201, 429, 429, 429]
    other = {"X-Forwarded-For": "203.0.113.11:50001"}
    assert client.post("/public/leads", json=lead_body(), headers=other).status_code == 201


def test_a_replay_does_not_count(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("1 per minute")
    body = lead_body()
    answers = [client.post("/public/leads", json=body, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert client.post("/public/leads", json=lead_body()).status_code == 429


class Unread(io.BytesIO):
    """A body that nobody may read."""

    def read(self, *_args: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = readinto = read  # type: ignore[assignment]


@pytest.mark.parametrize("key", [None, "new"])
def test_over_the_limit_no_body_is_read_and_no_key_written(limited: Callable[[str], FlaskClient], key: str) -> None:
    client = limited("1 per minute")
    assert client.post("/public/leads", json=lead_body()).status_code == 201
    headers = {"Idempotency-Key": key} if key else {}
    environ = {"CONTENT_LENGTH": "1000", "CONTENT_TYPE": "application/json", "wsgi.input": Unread()}
    for _ in range(3):
        assert client.post("/public/leads", headers=headers, environ_overrides=environ).status_code == 429
    assert value(client.application, "SELECT count(*) FROM idempotency_keys") == 0


def test_errors_write_no_idempotency_key(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "reserve_key", lambda *_, **__: pytest.fail("a write for nothing"))
    answer = client.post("/public/leads", json=lead_body(email="x"), headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422


@pytest.fixture
def three_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three replays an hour be free."""
    assert str(intake.REPLAYS) == "60 per 1 minute"
    monkeypatch.setattr(intake, "REPLAYS", parse("3 per hour"))


@pytest.mark.usefixtures("three_replays")
def test_replays_are_free_up_to_their_own_limit(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("1 per hour")
    body, key = lead_body(), {"Idempotency-Key": "k"}
    answers = [client.post("/public/leads", json=body, headers=key) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 4 + [429]
    assert len({answer.json["id"] for answer in answers[:4]}) == 1


@pytest.mark.usefixtures("three_replays")
def test_what_only_looks_like_a_replay_uses_one_up(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("1 per hour")
    key = {"Idempotency-Key": "k"}
    statuses = [client.post("/public/leads", json=lead_body(), headers=key).status_code for _ in range(5)]
    assert statuses == [201, 422, 422, 422, 429]
    assert value(client.application, "SELECT count(*) FROM leads") == 1


def test_a_stranger_at_another_network_cannot_take_a_key(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("10 per minute")

    def send(address: str) -> Any:
        headers, here = {"Idempotency-Key": "1"}, {"REMOTE_ADDR": address}
        return client.post("/public/leads", json=lead_body(), headers=headers, environ_overrides=here)

    assert [send(f"192.0.2.{number}").status_code for number in range(3)] == [201] * 3
    assert send("2001:db8::1").status_code == 201
    assert send("2001:db8::ffff").status_code == 422  # the same customer's network
    assert send("2001:db8:0:1::1").status_code == 201


def test_refused_submissions_have_a_limit_ten_times_as_generous(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("2 per hour")
    bad = lead_body(email="x")
    assert [client.post("/public/leads", json=bad).status_code for _ in range(21)] == [422] * 20 + [429]
    assert client.post("/public/leads", json=lead_body()).status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    assert [client.post("/", data=bad, environ_overrides=elsewhere).status_code for _ in range(21)] == [400] * 20 + [
        429
    ]


def test_a_large_refused_submission_counts_like_a_lead(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("2 per hour")
    part = b'--x\r\nContent-Disposition: form-data; name="resume"; filename="a.pdf"\r\n\r\n'
    large = part + b"x" * 140_000 + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    seen = [client.post("/public/leads", data=large, content_type=kind).status_code for _ in range(3)]
    assert seen == [422, 422, 429]
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    for _ in range(3):
        data = {**lead_body(email="x"), "resume": (io.BytesIO(pdf_bytes()), "resume.pdf")}
        small = client.post("/public/leads", data=data, environ_overrides=elsewhere)
        assert small.status_code == 422


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 201), ("same-origin", 201), ("none", 201)]
)
def test_a_page_of_another_site_sends_no_lead(app: Flask, client: FlaskClient, site: str, status: int) -> None:
    headers = {"Sec-Fetch-Site": site}
    answer = client.post("/public/leads", json=lead_body(), headers=headers)
    assert answer.status_code == status
    assert value(app, "SELECT count(*) FROM leads") == (status == 201)
    headers["X-API-Key"] = app.config["SETTINGS"].INTERNAL_API_KEY.get_secret_value()
    assert client.post("/public/leads", json=lead_body(), headers=headers).status_code == 201


def test_a_refused_field_does_not_count(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("1 per minute")
    assert client.post("/public/leads", json=lead_body(email="x")).status_code == 422
    assert client.post("/public/leads", json=lead_body()).status_code == 201

"""The rate limit of leads: per address, form and API together, never for a replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from tests.factories import lead_body


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


def test_a_refused_field_does_not_count(limited: Callable[[str], FlaskClient]) -> None:
    client = limited("1 per minute")
    assert client.post("/public/leads", json=lead_body(email="x")).status_code == 422
    assert client.post("/public/leads", json=lead_body()).status_code == 201

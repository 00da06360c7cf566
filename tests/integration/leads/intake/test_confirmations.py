"""Nobody floods an inbox with confirmations: limits per mailbox and per network, which the lead itself never feels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alma_leads.accounts.core.permissions import Scope
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.leads.intake.confirmations import PER_MAILBOX, PER_NETWORK, Counted, counted_for
from alma_leads.leads.intake.submission_service import forget_old_keys
from tests.support.desk import HTML, add_person, run, sign_in, value
from tests.support.factories import lead_body
from tests.support.keys import new_key

CONFIRMATIONS = "SELECT count(*) FROM outbox_messages WHERE kind = 'lead_confirmation'"
NOTIFICATIONS = "SELECT count(*) FROM outbox_messages WHERE kind = 'lead_notification'"
SUPPRESSED = "SELECT data FROM lead_events WHERE kind = 'confirmation_suppressed' AND lead_id = :id"
SPELLINGS = [
    *(f"ann.lee+{number}@gmail.com" for number in range(4)),
    "annlee@googlemail.com",
    "a.n.n.lee@gmail.com",
    "ANNLEE+x+y@GoogleMail.com",
    "annlee@gmail.com",
]


def send(client: FlaskClient, *, address: str = "192.0.2.1", key: str = "", **changes: Any) -> int:
    """Send a lead and return its number."""
    headers = {"X-API-Key": key} if key else {}
    here = {"REMOTE_ADDR": address}
    answer = client.post("/public/leads", json=lead_body(**changes), headers=headers, environ_overrides=here)
    assert answer.status_code == 201
    number: int = answer.json["id"]
    return number


def had(app: Flask, who: Counted, times: int, **ago: float) -> None:
    """Write down confirmations that were sent."""
    at = to_stamp(utc_now() - timedelta(**ago))
    for _ in range(times):
        run(
            app,
            "INSERT INTO confirmations (mailbox, network, wide_network, at) VALUES (:mailbox, :network, :wide, :at)",
            mailbox="another",
            network=who.network,
            wide=who.wide_network,
            at=at,
        )


def network(app: Flask, address: str) -> Counted:
    """Return how a client counts."""
    with app.app_context():
        return counted_for("someone@example.com", address=address)


def test_all_spellings_of_a_mailbox_share_its_confirmations(app: Flask, client: FlaskClient) -> None:
    key = new_key(app, "import", Scope.CREATE)
    numbers = [send(client, email=email, key=key if at % 2 else "") for at, email in enumerate(SPELLINGS)]
    assert value(app, CONFIRMATIONS) == PER_MAILBOX
    assert value(app, NOTIFICATIONS) == len(SPELLINGS)
    assert [value(app, SUPPRESSED, id=number) is None for number in numbers] == [True] * 5 + [False] * 3
    # Dots are letters elsewhere, and a plus at the beginning is no tag.
    for email in ("ann.lee@example.com", "annlee@example.com", "+annlee@gmail.com"):
        send(client, email=email)
    assert value(app, CONFIRMATIONS) == PER_MAILBOX + 3
    kept = value(app, "SELECT max(mailbox) || max(coalesce(network, '')) FROM confirmations")
    assert len(kept) == 64  # keyed hashes, and no address


def test_a_network_causes_no_more_than_its_confirmations(app: Flask, client: FlaskClient) -> None:
    had(app, network(app, "192.0.2.1"), PER_NETWORK - 1, hours=23.9)
    last, number = send(client), send(client)
    assert value(app, SUPPRESSED, id=last) is None
    assert value(app, SUPPRESSED, id=number) == '{"limit":50,"hours":24,"of":"network"}'
    assert (value(app, CONFIRMATIONS), value(app, NOTIFICATIONS)) == (1, 2)
    send(client, address="192.0.2.2")
    send(client, key=new_key(app, "import", Scope.CREATE))
    assert (value(app, CONFIRMATIONS), value(app, NOTIFICATIONS)) == (3, 4)
    add_person(app)
    sign_in(client)
    page = client.get(f"/internal/leads/{number}", headers=HTML).get_data(as_text=True)
    assert "No confirmation was sent: the sender’s network has caused 50 in 24 hours." in page


def test_ipv6_counts_by_64_and_48(app: Flask, client: FlaskClient) -> None:
    had(app, network(app, "2001:db8:1:2::1"), PER_NETWORK, hours=1)
    assert value(app, SUPPRESSED, id=send(client, address="2001:db8:1:2:ffff::1"))
    assert value(app, SUPPRESSED, id=send(client, address="2001:db8:1:3::1")) is None
    had(app, network(app, "2001:db8:1:9::1"), 3 * PER_NETWORK, hours=1)
    assert value(app, SUPPRESSED, id=send(client, address="2001:db8:1:4::1"))
    assert value(app, SUPPRESSED, id=send(client, address="2001:db8:2:4::1")) is None


def test_a_day_later_it_begins_anew(app: Flask, client: FlaskClient) -> None:
    had(app, network(app, "192.0.2.1"), PER_NETWORK, hours=24.01)
    assert value(app, SUPPRESSED, id=send(client)) is None
    with app.app_context():
        forget_old_keys()
    assert value(app, "SELECT count(*) FROM confirmations") == 1


@pytest.mark.parametrize("limit", ["mailbox", "network"])
def test_submissions_at_the_same_time_have_no_more_than_one(app: Flask, limit: str) -> None:
    if limit == "network":
        had(app, network(app, "192.0.2.1"), PER_NETWORK - 1, hours=1)

    def one(number: int) -> int:
        email = f"ann+{number}@example.com" if limit == "mailbox" else f"ann{number}@example.com"
        return send(app.test_client(), email=email)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(one, range(12)))
    assert value(app, CONFIRMATIONS) == (PER_MAILBOX if limit == "mailbox" else 1)
    assert value(app, NOTIFICATIONS) == 12

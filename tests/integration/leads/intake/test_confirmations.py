"""Nobody floods an inbox with confirmations: limits per mailbox and per network, which the lead itself never feels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from alma_leads.accounts.core.permissions import Scope
from alma_leads.common.extensions import db
from alma_leads.database.base import utc_now
from alma_leads.leads.core import emails
from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.models import LeadEvent
from alma_leads.leads.intake.confirmations import PER_MAILBOX, PER_NETWORK, Quota, quota_of
from alma_leads.leads.intake.models import Confirmation
from alma_leads.leads.intake.submission_service import purge_expired_submission_records
from alma_leads.outbox.models import OutboxMessage
from tests.support.desk import HTML, add_person, count, sign_in, value
from tests.support.factories import lead_body
from tests.support.keys import new_key

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


def had(app: Flask, quota: Quota, times: int, **ago: float) -> None:
    """Store confirmations that were sent."""
    at = utc_now() - timedelta(**ago)
    networks = {"network": quota.network, "wide_network": quota.wide_network}
    with app.app_context():
        db.session.add_all(Confirmation(mailbox="another", at=at, **networks) for _ in range(times))
        db.session.commit()


def confirmations(app: Flask) -> int:
    return count(app, OutboxMessage, OutboxMessage.kind == emails.CONFIRMATION)


def notifications(app: Flask) -> int:
    return count(app, OutboxMessage, OutboxMessage.kind == emails.NOTIFICATION)


def suppressed(app: Flask, lead_id: int) -> str | None:
    """Return the data of the event that no confirmation was sent, or None without one."""
    of_lead = (LeadEvent.lead_id == lead_id, LeadEvent.kind == EventKind.CONFIRMATION_SUPPRESSED)
    data: str | None = value(app, select(LeadEvent.data).where(*of_lead))
    return data


def network(app: Flask, address: str) -> Quota:
    """Return how a client counts."""
    with app.app_context():
        return quota_of("someone@example.com", address=address)


def test_all_spellings_of_a_mailbox_share_its_confirmations(app: Flask, client: FlaskClient) -> None:
    key = new_key(app, "import", Scope.CREATE)
    numbers = [send(client, email=email, key=key if at % 2 else "") for at, email in enumerate(SPELLINGS)]
    assert confirmations(app) == PER_MAILBOX
    assert notifications(app) == len(SPELLINGS)
    assert [suppressed(app, number) is None for number in numbers] == [True] * 5 + [False] * 3
    # Dots are letters elsewhere, and a plus at the beginning is no tag.
    for email in ("ann.lee@example.com", "annlee@example.com", "+annlee@gmail.com"):
        send(client, email=email)
    assert confirmations(app) == PER_MAILBOX + 3
    kept = value(app, select(func.max(Confirmation.mailbox) + func.max(func.coalesce(Confirmation.network, ""))))
    assert len(kept) == 64  # keyed hashes, and no address


def test_a_network_causes_no_more_than_its_confirmations(app: Flask, client: FlaskClient) -> None:
    had(app, network(app, "192.0.2.1"), PER_NETWORK - 1, hours=23.9)
    last, number = send(client), send(client)
    assert suppressed(app, last) is None
    assert suppressed(app, number) == '{"limit":50,"hours":24,"of":"network"}'
    assert (confirmations(app), notifications(app)) == (1, 2)
    send(client, address="192.0.2.2")
    send(client, key=new_key(app, "import", Scope.CREATE))
    assert (confirmations(app), notifications(app)) == (3, 4)
    add_person(app)
    sign_in(client)
    page = client.get(f"/internal/leads/{number}", headers=HTML).get_data(as_text=True)
    assert "No confirmation was sent: the sender’s network has caused 50 in 24 hours." in page


def test_ipv6_counts_by_64_and_48(app: Flask, client: FlaskClient) -> None:
    had(app, network(app, "2001:db8:1:2::1"), PER_NETWORK, hours=1)
    assert suppressed(app, send(client, address="2001:db8:1:2:ffff::1"))
    assert suppressed(app, send(client, address="2001:db8:1:3::1")) is None
    had(app, network(app, "2001:db8:1:9::1"), 3 * PER_NETWORK, hours=1)
    assert suppressed(app, send(client, address="2001:db8:1:4::1"))
    assert suppressed(app, send(client, address="2001:db8:2:4::1")) is None


def test_a_day_later_it_begins_anew(app: Flask, client: FlaskClient) -> None:
    had(app, network(app, "192.0.2.1"), PER_NETWORK, hours=24.01)
    assert suppressed(app, send(client)) is None
    with app.app_context():
        purge_expired_submission_records()
    assert count(app, Confirmation) == 1


@pytest.mark.parametrize("limit", ["mailbox", "network"])
def test_submissions_at_the_same_time_have_no_more_than_one(app: Flask, limit: str) -> None:
    if limit == "network":
        had(app, network(app, "192.0.2.1"), PER_NETWORK - 1, hours=1)

    def one(number: int) -> int:
        email = f"ann+{number}@example.com" if limit == "mailbox" else f"ann{number}@example.com"
        return send(app.test_client(), email=email)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(one, range(12)))
    assert confirmations(app) == (PER_MAILBOX if limit == "mailbox" else 1)
    assert notifications(app) == 12

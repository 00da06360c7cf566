"""The e-mails of a lead: rendered strictly in every variation, with what a stranger typed never becoming mark-up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from alma_leads.accounts.core.emails import ACCOUNT_NOTICE, EMAIL_CHANGE, INVITATION, PASSWORD_RESET, Notice
from alma_leads.leads.core.emails import assigned, confirmation, digest, notification, reminder
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.outbox.rendering import Content, render
from tests.conftest import MakeSettings
from tests.support.outbox import rendered

ROOT = Path(__file__).parents[3]
PUBLIC_URL = "https://intake.alma.example"


@pytest.fixture(autouse=True)
def templates(make_settings: MakeSettings) -> Iterator[None]:
    """Let the templates be found, without the application or its database."""
    app = Flask(__name__, root_path=str(ROOT), template_folder="templates")
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.config["SETTINGS"] = make_settings(PUBLIC_URL=PUBLIC_URL)
    with app.app_context():
        yield


def lead(first_name: str = "Amara", last_name: str = "Okafor") -> LeadIn:
    """Return what a prospect submitted."""
    return LeadIn.model_validate(
        {
            "first_name": first_name,
            "last_name": last_name,
            "email": "amara.okafor@example.com",
            "resume_url": "https://drive.google.com/file/x",
        }
    )


def notice(
    of: LeadIn, *, attorney: str | None = None, file_name: str | None = None, earlier: list[tuple[int, str]]
) -> Content:
    """Return the notification of lead 412."""
    return rendered(notification(of, lead_id=412, attorney_email=attorney, file_name=file_name, earlier=earlier))


def test_every_email_has_its_three_files() -> None:
    folder = ROOT / "templates" / "email"
    kinds = {path.name.split(".")[0] for path in folder.iterdir()} - {"layout"}
    assert kinds >= {"lead_confirmation", "lead_notification", INVITATION, PASSWORD_RESET, EMAIL_CHANGE, ACCOUNT_NOTICE}
    for kind in kinds:
        assert all((folder / f"{kind}.{end}").is_file() for end in ("subject.txt", "txt", "html"))


def test_the_confirmation_repeats_the_first_name_only() -> None:
    message = rendered(confirmation(lead(), lead_id=412))
    assert message.subject == "We have your details"
    for body in (message.text, message.html):
        assert "Dear Amara," in body
        assert "Okafor" not in body
        assert "drive.google.com" not in body
        assert "/internal" not in body


@pytest.mark.parametrize("name", ["evil.example", "https://evil", "a@b", "a/b"])
def test_a_first_name_that_may_be_a_link_is_left_out(name: str) -> None:
    message = rendered(confirmation(lead(first_name=name), lead_id=412))
    for body in (message.text, message.html):
        assert "Hello," in body
        assert name not in body


@pytest.mark.parametrize("earlier", [[], [(87, "REACHED_OUT"), (91, "PENDING")]])
@pytest.mark.parametrize("attorney", [None, "rosa.delgado@alma.example"])
@pytest.mark.parametrize("file_name", [None, "CV Amara Okafor.pdf"])
def test_the_notification_says_who_and_where(
    earlier: list[tuple[int, str]], attorney: str | None, file_name: str | None
) -> None:
    message = notice(lead(), attorney=attorney, file_name=file_name, earlier=earlier)
    assert message.subject == f"{'Again' if earlier else 'New lead'}: Amara Okafor (lead 412)"
    for body in (message.text, message.html):
        assert f"{PUBLIC_URL}/internal/leads/412" in body
        assert (file_name or "drive.google.com") in body
        assert ("is assigned to you" in body) is (attorney is not None)
        assert ("Lead 87, reached out" in body) is bool(earlier)
        assert ("Lead 91, pending" in body) is bool(earlier)
    assert all(len(line) <= 78 for line in message.text.splitlines())


def test_mark_up_in_a_name_stays_text() -> None:
    message = notice(lead(last_name="<b>O'Neill & Co"), file_name="<i>.pdf", earlier=[])
    assert "<b>O" not in message.html
    assert "<i>" not in message.html
    assert "&lt;b&gt;O" in message.html
    assert "<b>O'Neill & Co" in message.text, "the plain text is not for a browser"
    assert message.subject == "New lead: Amara <b>O'Neill & Co (lead 412)"


@pytest.mark.parametrize("by", ["", "Rosa <b>Delgado</b>"])
@pytest.mark.parametrize("passwords", [True, False])
@pytest.mark.parametrize("kind", [INVITATION, PASSWORD_RESET, EMAIL_CHANGE])
def test_an_email_with_a_link_says_who_sent_it_and_for_how_long(kind: str, passwords: bool, by: str) -> None:
    link = f"{PUBLIC_URL}/reset/{'x' * 43}"
    shown = {"link": link, "by": by, "email": "a@b.example", "passwords": passwords}
    message = render(kind, shown, language="en")
    for body in (message.text, message.html):
        assert link in body
        assert "24 hours" in body
        assert kind != INVITATION or ("work account" in body) is not passwords
    assert "<b>D" not in message.html
    assert all(len(line) <= 78 for line in message.text.splitlines())


@pytest.mark.parametrize("by", ["", "Rosa Delgado"])
@pytest.mark.parametrize("notice", list(Notice))
def test_a_notice_says_what_was_done_and_lets_nobody_in(notice: Notice, by: str) -> None:
    facts = {"what": notice.value, "when": "25 November 2026 at 08:40 UTC", "by": by}
    message = render(ACCOUNT_NOTICE, facts, language="en")
    for body in (message.text, message.html):
        assert notice.value in body
        assert (by or "someone signed in as you") in body
        assert "http" not in body


@pytest.mark.parametrize(
    ("recipient", "away", "escalated", "why"),
    [
        ("rosa.delgado@alma.example", "", False, "is assigned to you"),
        (None, "", False, "no active attorney"),
        (None, "Ian Park", False, "Ian Park is away"),
        (None, "", True, "twice the firm's target"),
    ],
)
def test_the_reminder_says_who_waits_and_why_one_gets_it(
    recipient: str | None, away: str, escalated: bool, why: str
) -> None:
    new = reminder(
        lead_id=412,
        name="Amara <b>Okafor",
        email="amara.okafor@example.com",
        received="Tuesday 24 November 2026, 10:00 (Europe/Berlin)",
        due="Wednesday 25 November 2026, 10:00 (Europe/Berlin)",
        recipient=recipient,
        away=away,
        escalated=escalated,
    )
    message = rendered(new)
    assert message.subject == f"{'Still waiting' if escalated else 'Waiting'}: Amara <b>Okafor (lead 412)"
    assert (new.correlation, new.recipient) == ("lead:412", recipient)
    for body in (message.text, message.html):
        assert f"{PUBLIC_URL}/internal/leads/412" in body
        assert why in body
        assert "Wednesday 25 November 2026, 10:00" in body
    assert "<b>O" not in message.html
    assert all(len(line) <= 78 for line in message.text.splitlines())


def test_the_digest_lists_who_waits_longest() -> None:
    leads = ((7, "Amara <b>Okafor", "Tuesday 24 November 2026, 10:00 (UTC)", True), (9, "Bo Li", "today", False))
    message = rendered(digest(user_id=3, recipient="rosa@alma.example", leads=leads, count="30"))
    assert message.subject == "30 leads wait for you"
    for body in (message.text, message.html):
        assert f"{PUBLIC_URL}/internal/leads/7" in body
        assert "and more" in body
        assert f"{PUBLIC_URL}/internal/account" in body
    assert "Amara <b>Okafor, overdue" in message.text
    assert "&lt;b&gt;Okafor" in message.html
    alone = rendered(digest(user_id=3, recipient="rosa@alma.example", leads=leads[:1], count="1"))
    assert alone.subject == "1 lead waits for you"
    assert "and more" not in alone.text


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("waiting", [0, 1, 2])
def test_who_gets_a_prospect_reads_which_lead_waits(several: bool, waiting: int) -> None:
    leads = tuple(
        (number, "Amara <b>Okafor", "Tuesday 24 November 2026, 10:00 (UTC)") for number in range(7, 7 + waiting)
    )
    new = assigned(
        lead_id=412,
        name="Amara <b>Okafor",
        email="amara.okafor@example.com",
        several=several,
        leads=leads,
        more=several,
        by="Rosa <b>Delgado",
        attorney_id=3,
        recipient="ian.park@alma.example",
    )
    message = rendered(new)
    assert new.correlation == ("assigned:3" if several else "lead:412")
    assert ("Amara <b>Okafor (lead 412)" in message.subject) is not several
    for body in (message.text, message.html):
        assert f"{PUBLIC_URL}/internal/leads/{7 if waiting else 412}" in body
        assert {0: "Nothing waits", 1: "This waits", 2: "These wait"}[waiting] in body
        assert ("and more" in body) is (several and waiting > 0)
    assert "<b>O" not in message.html
    assert "<b>D" not in message.html
    assert all(len(line) <= 78 for line in message.text.splitlines())

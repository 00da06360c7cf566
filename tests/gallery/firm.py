"""A firm with some months behind it, made by the product's own use cases at the moments when they would have been."""

from __future__ import annotations

import io
import threading
import unicodedata
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from flask import Flask

from alma_leads.accounts.api_keys import key_service
from alma_leads.accounts.core.models import Role
from alma_leads.accounts.core.permissions import Scope
from alma_leads.accounts.users import user_service
from alma_leads.common.actor import Actor
from alma_leads.database.base import to_stamp
from alma_leads.leads.assignments import absence_service, assignment_service, rule_service
from alma_leads.leads.conflicts import conflict_service
from alma_leads.leads.core.schemas import LeadIn
from alma_leads.leads.core.source import Source
from alma_leads.leads.core.verdict import Verdict
from alma_leads.leads.first_contact.contact_time_service import measure_contact_times
from alma_leads.leads.first_contact.status_service import mark_reached_out
from alma_leads.leads.intake.submission import Submission
from alma_leads.leads.intake.submission_service import submit_lead
from alma_leads.leads.listing import view_service
from alma_leads.leads.notes import note_service
from alma_leads.leads.resume_text.resume_service import read_next_resume
from alma_leads.resumes.service import keep_file
from tests.conftest import TestClock
from tests.support.desk import add_person, run, value
from tests.support.factories import docx_bytes, pdf_with_text
from tests.support.first_contact import firm, set_clock

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 9, 40, tzinfo=BERLIN)


class Prospect(NamedTuple):
    """Someone who sends the form: when, and whose prospect that is ("" the helpdesk's)."""

    ago: timedelta
    first: str
    last: str
    email: str
    attorney: str = ""
    reached_after: timedelta | None = None
    file: str = ""

    @property
    def name_in_latin(self) -> str:
        """The name as the resume's font can write it."""
        return unicodedata.normalize("NFKD", f"{self.first} {self.last}").encode("ascii", "ignore").decode()


def _ago(days: int = 0, hours: int = 0, minutes: int = 0) -> timedelta:
    return timedelta(days=days, hours=hours, minutes=minutes)


LEILA, DANIEL, HANNAH, MARCUS, ROSA = "Leila Haddad", "Daniel Kim", "Hannah Weiss", "Marcus Bell", "Rosa Delgado"
PROSPECTS = [
    Prospect(_ago(0, 0, 4), "Priya", "Raghunathan", "priya.raghunathan@example.in", LEILA),
    Prospect(_ago(0, 0, 48), "Seo-yeon", "Kim", "seoyeon.kim@example.kr"),
    Prospect(_ago(0, 2, 25), "Ioana", "Țepeș", "ioana.tepes@example.ro", DANIEL, file="Țepeș Ioana – CV.pdf"),
    Prospect(_ago(0, 7, 9), "فاطمة الزهراء", "بنعلي", "fatima.benali@example.ma", LEILA),
    Prospect(_ago(0, 12, 36), "José María", "Núñez Ibáñez", "jm.nunez@example.es"),
    Prospect(_ago(0, 15, 52), "Søren", "Kjærgaard", "soren@example.dk", HANNAH),
    Prospect(_ago(0, 18, 20), "Nguyễn", "Thị Minh Khai", "minhkhai.nguyen@example.vn", HANNAH),
    Prospect(_ago(0, 22, 31), "Олена", "Шевченко", "olena.shevchenko@example.com", ROSA),
    Prospect(_ago(0, 23, 43), "Tadesse", "Bekele", "tadesse.b@example.et", MARCUS),
    Prospect(_ago(1, 15, 7), "Ελένη", "Παπαδοπούλου", "eleni.p@example.gr", DANIEL, reached_after=_ago(0, 14)),
    Prospect(_ago(1, 19, 28), "Zoë", "van der Berg", "zoe.vdberg@example.nl", ROSA),
    Prospect(_ago(1, 23, 0), "Łukasz", "Wiśniewski", "lukasz.wisniewski@example.pl"),
    Prospect(_ago(3, 13, 22), "Ananya", "Krishnamurthy-Venkataraman", "ananya.kv@research.example.edu", MARCUS),
    Prospect(_ago(3, 21, 45), "Itzel Xochitl", "Hernández", "itzel.hernandez@example.mx", ROSA, file="CV Itzel.docx"),
    Prospect(_ago(4, 0, 38), "אביגיל", "כהן", "avigail.cohen@example.il"),
    Prospect(_ago(4, 16, 53), "Mehmet", "Yıldırım", "mehmet.yildirim@example.tr", DANIEL, reached_after=_ago(0, 14)),
    Prospect(_ago(5, 19, 35), "Amara", "Okafor", "amara.okafor@example.com", ROSA, file="Amara Okafor resume.pdf"),
    Prospect(_ago(6, 0, 14), "Þórdís", "Jónsdóttir", "thordis@example.is", HANNAH, reached_after=_ago(0, 3)),
    Prospect(_ago(6, 10, 49), "ნინო", "ბერიძე", "nino.beridze@example.ge", LEILA, reached_after=_ago(0, 9)),
    Prospect(_ago(6, 14, 26), "Sai", "Maryada", "sai.maryada@example.in", MARCUS, reached_after=_ago(1, 2)),
    # The same people before
    Prospect(_ago(20, 3, 2), "Amara", "Okafor", "amara.okafor@example.com", ROSA, reached_after=_ago(0, 5)),
    Prospect(_ago(33, 1, 12), "Okafor", "Amara N.", "a.n.okafor@example.org", DANIEL, reached_after=_ago(0, 2)),
    Prospect(_ago(41, 2, 40), "Zoë", "van der Berg", "zoe.vdberg@example.nl", ROSA, reached_after=_ago(1)),
    Prospect(_ago(52, 4, 8), "فاطمة الزهراء", "بنعلي", "fatima.benali@example.ma", LEILA, reached_after=_ago(0, 7)),
]
_FIRST = (
    "Adaeze",
    "Bruno",
    "Chiara",
    "Dmitri",
    "Elif",
    "Farid",
    "Grace",
    "Hiroshi",
    "Ingrid",
    "João",
    "Keiko",
    "Lucía",
    "Noor",
)
_LAST = (
    "Abebe",
    "Bianchi",
    "Castillo",
    "Dang",
    "Eriksen",
    "Farouk",
    "García",
    "Horvat",
    "Ito",
    "Jansen",
    "Kowalska",
    "Moreau",
)


RESUME = """{}

Structural engineer, eight years of bridges and harbours.

EXPERIENCE
2022 -       Lead engineer, coastal bridges, Lagos and Rotterdam
2018 - 2022  Senior engineer, harbour walls
2016 - 2018  Engineer, footbridges

PUBLICATIONS
Fatigue of welded joints in salt air (2024)
Measuring bridges with light (2021)

AWARDS
Young Engineer of the Year 2020

LANGUAGES
English, French, Igbo"""


def settle(app: Flask, clock: TestClock, *, days: int = 0) -> None:
    """Fill an empty database with the firm, and with leads of so many days before; the clock then stands at `NOW`."""
    clock.now = NOW - timedelta(days=days + 60)
    people = {}
    for name in (ROSA, LEILA, DANIEL, HANNAH, MARCUS):
        role = Role.ADMINISTRATOR if name == ROSA else Role.ATTORNEY
        people[name] = Actor("user", add_person(app, name, role=role, time_zone="Europe/Berlin"), name)
    add_person(app, "Ines Duarte", role=Role.VIEWER, time_zone="Europe/Lisbon")
    add_person(app, "Oskar Lund", role=Role.ATTORNEY, active=False)
    set_clock(app, target=16, amber=8)
    with app.app_context():
        _leads(clock, people, days)
    _desk(app, clock, people)
    _mail(app)
    clock.now = NOW
    with app.app_context():
        while read_next_resume(threading.Event()):
            pass
        while measure_contact_times():
            pass


def _leads(clock: TestClock, people: dict[str, Actor], days: int) -> None:
    """Have everything happen in its order, as numbers grow with time."""
    happens = []
    for prospect in [*PROSPECTS, *_earlier(days)]:
        happens.append((NOW - prospect.ago, prospect, False))
        if prospect.reached_after is not None:
            happens.append((NOW - prospect.ago + prospect.reached_after, prospect, True))
    numbers: dict[Prospect, int] = {}
    for moment, prospect, reached in sorted(happens, key=lambda each: (each[0], each[1].email)):
        clock.now = moment
        if reached:
            mark_reached_out(numbers[prospect], actor=people[prospect.attorney or ROSA])
            continue
        if prospect.attorney:
            attorney = f"{prospect.attorney.lower().replace(' ', '.')}@alma.example"
            assignment_service.assign(prospect.email, attorney_email=attorney, actor=people[ROSA])
        lead = LeadIn(
            first_name=prospect.first,
            last_name=prospect.last,
            email=prospect.email,
            resume_url=None if prospect.file else "https://drive.example.com/resume",
        )
        kept = None
        if prospect.file:
            resume = RESUME.format(prospect.name_in_latin)
            content = docx_bytes(*resume.split("\n")) if prospect.file.endswith(".docx") else pdf_with_text(resume)
            kept = keep_file(io.BytesIO(content), file_name=prospect.file)
        source = Source.FORM if len(numbers) % 4 else Source.API
        numbers[prospect] = submit_lead(Submission(lead, kept, source=source)).lead.id


def _earlier(days: int) -> list[Prospect]:
    """Return those of the days before the last week, each reached within the firm's working hours."""
    chance, found, hours = Random(7), [], firm().working
    for day in range(7, days):
        for number in range(chance.randrange(1, 4) if (NOW - timedelta(days=day)).weekday() < 5 else 1):
            first, last = chance.choice(_FIRST), chance.choice(_LAST)
            address = f"{first}.{last}.{day}.{number}@example.net".lower().encode("ascii", "ignore").decode()
            ago = timedelta(days=day, minutes=chance.randrange(20, 900))
            worked = timedelta(minutes=min(int(chance.lognormvariate(5.3, 0.9)), 1800))
            reached_after = hours.add(NOW - ago, worked) - (NOW - ago)
            attorney = chance.choice([LEILA, DANIEL, HANNAH, MARCUS, ROSA, ""])
            found.append(Prospect(ago, first, last, address, attorney, reached_after))
    return found


def _desk(app: Flask, clock: TestClock, people: dict[str, Actor]) -> None:
    """Have people work: notes, a verdict, a view, keys, a colleague who is away, one who is invited."""
    amara, itzel = (lead_of(app, address) for address in ("amara.okafor@example.com", "itzel.hernandez@example.mx"))
    with app.app_context():
        _work(clock, people, amara, itzel)


def _work(clock: TestClock, people: dict[str, Actor], amara: int, itzel: int) -> None:
    rosa, daniel = people[ROSA], people[DANIEL]
    clock.now = NOW - timedelta(days=2, hours=18)
    note_service.add_note(amara, text="Left a message. She travels until Thursday; call on Friday morning.", actor=rosa)
    note_service.add_note(itzel, text="Asks about the O-1. Wants Spanish if we can.", actor=daniel)
    clock.now = NOW - timedelta(hours=1)
    verdict = "Same person, a consultation in October; no other party."
    conflict_service.record_verdict(amara, Verdict.CLEAR, note=verdict, seen="", actor=rosa)
    view_service.save_view(
        owner_id=rosa.id or 0, name="Oldest first", query="status=PENDING&sort=created_at", shared=True
    )
    for name, scopes in (("Website", [Scope.CREATE]), ("Monthly report", [Scope.READ, Scope.EXPORT])):
        key_service.create_key(name, scopes=scopes, networks=[], expires_at=None, actor=rosa)
    turn = [person.id or 0 for name, person in people.items() if name != ROSA]
    rule_service.set_rotation(in_turn=True, shown=turn, taking_part=turn, actor=rosa)
    rule_service.set_domain("research.example.edu", attorney_email="marcus.bell@alma.example", actor=rosa)
    today = NOW.date()
    absence_service.add_absence(
        people[HANNAH].id or 0, first_day=today, last_day=today + timedelta(days=6), actor=people[HANNAH]
    )
    user_service.invite("tomas.reyes@alma.example", name="Tomás Reyes", role=Role.ATTORNEY, actor=rosa)


def _mail(app: Flask) -> None:
    """Let all e-mails be sent but the newest, one that is tried again, and two that were given up."""
    run(
        app,
        "UPDATE outbox_messages SET state = 'sent', attempts = 1, settled_at = created_at WHERE created_at < :today",
        today=to_stamp(NOW - timedelta(minutes=10)),
    )
    for address, state, attempts, words in (
        ("jm.nunez@example.es", "queued", 3, "451 4.7.1 Greylisted, try again in 5 minutes"),
        ("olena.shevchenko@example.com", "dead", 1, "550 5.1.1 <olena.shevchenko@example.com>: no such user here"),
        ("amara.okafor@example.com", "dead", 10, "452 4.2.2 The mailbox is full"),
    ):
        run(
            app,
            "UPDATE outbox_messages SET state = :state, attempts = :attempts, last_error = :words, due_at = :due,"
            " settled_at = CASE WHEN :state = 'dead' THEN created_at END"
            " WHERE id = (SELECT max(id) FROM outbox_messages WHERE recipient = :address)",
            state=state,
            attempts=attempts,
            words=words,
            due=to_stamp(NOW + timedelta(minutes=4)),
            address=address,
        )


def lead_of(app: Flask, address: str) -> int:
    """Return the number of the newest lead from an address."""
    newest = "SELECT max(l.id) FROM leads l JOIN prospects p ON p.id = l.prospect_id WHERE l.email = :address"
    found: int = value(app, newest, address=address)
    return found

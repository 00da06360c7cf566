"""What the frame around every desk page shows: who reads, what waits. Read only by a page that shows it."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from flask import g
from markupsafe import Markup
from sqlalchemy import Row

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import db, settings
from alma_leads.database.base import to_stamp
from alma_leads.database.transactions import reading
from alma_leads.leads.core.attorneys import Attorney
from alma_leads.leads.first_contact.first_contact import firm_zone
from alma_leads.leads.listing import queries
from alma_leads.outbox.pause_service import find_pause
from alma_leads.outbox.queries import count_dead
from alma_leads.resumes.service import lacks_room
from alma_leads.web.auth import may
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import LATE_DAYS, Clock, zone_named
from alma_leads.web.internal.frame.names import initials
from alma_leads.web.internal.frame.toasts import Toast, kept_toasts
from alma_leads.web.sessions import auth_session, reader

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def capped(number: int) -> str:
    """Return a count for people: counting stops at a cap, and "999+" says so."""
    return str(number) if number < queries.COUNT_CAP else f"{queries.COUNT_CAP - 1}+"


def in_words(number: int) -> str:
    """Return "two" for 2; numbers over ten as figures."""
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def reader_clock() -> Clock:
    """Return the present as whoever makes this request sees it."""
    if "zone" not in g:
        g.zone = zone_named(_zone())
    return Clock(g.zone)


def _zone() -> str:
    found = auth_session()
    if found is None:  # a key asks
        return "UTC"
    if found.user.time_zone:
        return str(found.user.time_zone)
    with reading(db.engine) as connection:
        return firm_zone(connection)


class Counts:
    """How many leads and emails there are of each kind, as text: "16" or "999+".

    `waiting` counts those past the firm's target, or without one (`has_target`) those of `LATE_DAYS` ago or more;
    `oldest` is the day of the longest waiting lead, `newest` the highest id.
    """

    def __init__(self, clock: Clock) -> None:
        """Count now."""
        found = queries.count_leads(user_id=reader().id, late=clock.back(LATE_DAYS), now=clock.stamp)
        dead = count_dead(db.session.connection())
        self.total = capped(found.total)
        self.pending = capped(found.pending)
        self.reached_out = capped(found.reached_out)
        self.mine = capped(found.mine)
        self.unassigned = capped(found.unassigned)
        self.overdue = capped(found.overdue)
        self.mail_trouble = capped(found.mail_trouble)
        self.waiting = capped(found.waiting)
        self.has_target = found.has_target
        self.dead = capped(dead) if dead else ""
        self.oldest = clock.day(found.oldest) if found.oldest and found.waiting else ""
        self.newest = found.newest


class Desk:
    """The frame, for `layout/desk.html`. Made for each page; each part is found out when it is first shown."""

    late_days = LATE_DAYS
    late_words = in_words(LATE_DAYS)

    @cached_property
    def clock(self) -> Clock:
        """The reader's clock."""
        return reader_clock()

    @cached_property
    def counts(self) -> Counts:
        """How many leads and emails there are of each kind."""
        return Counts(self.clock)

    @property
    def name(self) -> str:
        """The reader's name."""
        return str(reader().name)

    @property
    def initials(self) -> str:
        """The reader's initials."""
        return initials(reader().name)

    @property
    def theme(self) -> str:
        """The theme the reader chose: "light", "dark" or, following the device, ""."""
        return str(reader().theme)

    @property
    def keys(self) -> bool:
        """Whether the reader wants single-key shortcuts."""
        return bool(reader().single_key_shortcuts)

    @property
    def mail_off(self) -> bool:
        """Whether nothing is sent because no mail server is set."""
        return not settings().SMTP_HOST

    @cached_property
    def mail_pause(self) -> Row[Any] | None:
        """Since when and in which words of its server mail is paused, if it is."""
        return None if self.mail_off else find_pause(db.session())

    @property
    def toasts(self) -> list[Toast]:
        """What the page before wants said on this one."""
        return kept_toasts()

    @cached_property
    def uploads_off(self) -> bool:
        """Whether uploads are refused because too little disk is free."""
        return lacks_room() > 0

    def may(self, permission: str) -> bool:
        """Say whether the reader has the permission with this value, like "outbox:manage"."""
        return may(Permission(permission))


@internal.app_template_filter("stamp")
def stamp(moment: datetime | None) -> str:
    """Return a time as the `moment` macro takes it, "" for None."""
    return to_stamp(moment) if moment else ""


@internal.app_template_filter("breakable")
def breakable(address: str) -> Markup:
    """Return an e-mail address that may break before its @."""
    local, at, domain = address.rpartition("@")
    return Markup("{}<wbr>@{}").format(local, domain) if at else Markup("{}").format(address)


@internal.app_template_filter("with_absence")
def with_absence(attorney: Attorney) -> str:
    """Return "Ian Park", or "Ian Park (away until 3 Dec)": how an attorney is named where one is chosen."""
    if attorney.away_until is None:
        return attorney.name
    return f"{attorney.name} (away until {reader_clock().until_day(attorney.away_until)})"


@internal.app_context_processor
def _offer_desk() -> dict[str, Any]:
    return {"desk": Desk()}

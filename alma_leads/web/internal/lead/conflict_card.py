"""What the conflict check on a lead's page shows: its verdict and, once somebody looked, the earlier leads."""

from __future__ import annotations

from typing import NamedTuple

from alma_leads.database.base import to_stamp
from alma_leads.leads.conflicts.similar import Similar, SimilarLead
from alma_leads.leads.core.lookup import LeadRow
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict
from alma_leads.web.internal.frame.dates import Clock, in_sentence

VERDICT_WORDS = {Verdict.UNCHECKED: "Not checked", Verdict.CLEAR: "Clear", Verdict.CONFLICT: "Conflict"}


class Earlier(NamedTuple):
    """An earlier lead in words. `verdict` is what its own check came to, or ""; `in_conflict` whether that is bad."""

    id: int
    name: str
    email: str
    address: str
    stamp: str
    received: str
    facts: str
    why: tuple[str, ...]
    verdict: str
    in_conflict: bool


class Check(NamedTuple):
    """The card. `seen` names the verdict it shows; without a look, there are no leads and `looked` is False.

    `note` and `error` are what was typed, and why it was not recorded.
    """

    verdict: Verdict
    words: str
    seen: str
    looked: bool = False
    own: tuple[Earlier, ...] = ()
    more_own: bool = False
    others: tuple[Earlier, ...] = ()
    more: bool = False
    note: str = ""
    error: str = ""


def check_of(lead: LeadRow, clock: Clock) -> Check:
    """Return the card of a lead before anybody looked."""
    verdict = Verdict(lead.conflict)
    return Check(verdict, _recorded(verdict, lead.conflict_by, lead.conflict_at, clock), lead.conflict_at or "")


def with_found(check: Check, found: Similar, clock: Clock, *, lead_id: int, list_query: str) -> Check:
    """Return the card with what a look has found. The links lead back to the lead, and it to its list."""
    query = f"?from={lead_id}" + (f"&{list_query}" if list_query else "")
    own, others = (tuple(_earlier(each, clock, query) for each in group) for group in (found.own, found.others))
    return check._replace(looked=True, own=own, more_own=found.more_own, others=others, more=found.more)


def _earlier(similar: SimilarLead, clock: Clock, query: str) -> Earlier:
    lead = similar.lead
    verdict = lead.conflict
    checked_at = to_stamp(lead.conflict_at) if lead.conflict_at else None
    stamp = to_stamp(lead.created_at)
    status = "Reached out" if lead.status is LeadStatus.REACHED_OUT else "Pending"
    return Earlier(
        lead.id,
        f"{lead.first_name} {lead.last_name}",
        lead.email,
        f"/internal/leads/{lead.id}{query}",
        stamp,
        in_sentence(clock.day(stamp)),
        f"{status}, with {lead.attorney_name or 'the helpdesk'}",
        similar.why,
        "" if verdict is Verdict.UNCHECKED else _recorded(verdict, lead.conflict_by, checked_at, clock),
        verdict is Verdict.CONFLICT,
    )


def _recorded(verdict: Verdict, name: str | None, at: str | None, clock: Clock) -> str:
    """Return "Conflict, by Rosa Delgado, 18 Nov, 14:05", or "Not checked" where nobody has said anything."""
    words = VERDICT_WORDS[verdict]
    return f"{words}, by {name}, {in_sentence(clock.moment(at))}" if name and at else words

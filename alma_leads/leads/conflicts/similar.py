"""Earlier leads that may be of the same person: by the address, or by the name however it was written.

Which names come close is asked of the traces (`leads.traces`) by equality alone, so that it costs the same at any
number of leads: each pair of sounds is walked from one name to the next, never along the leads of one name. Only then
are the newest leads of the closest names read.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from alma_leads.database.raw import Sql
from alma_leads.leads.conflicts.likeness import Likeness, likeness, name_key, pairs_near, pairs_of, words_of
from alma_leads.leads.conflicts.traces import ADDRESS, mailbox
from alma_leads.leads.core.lookup import LeadRow

SHOWN = 20
_NAMES = 500  # are looked at in each of two steps: those that sound the same, and those that nearly do
_CLOSEST = 40  # of these names, leads are read


class Why(enum.StrEnum):
    """Why an earlier lead is shown."""

    SIMILAR_ADDRESS = "Similar address"
    SAME_NAME = "Same name"
    VERY_SIMILAR_NAME = "Very similar name"
    SIMILAR_NAME = "Similar name"


class Candidate(NamedTuple):
    """An earlier lead. `created_at` is a stamp, `attorney_name` None without one.

    `conflict` is the verdict of its own check, if anybody has said one. `why` is empty for the same address.
    """

    id: int
    first_name: str
    last_name: str
    email: str
    status: str
    created_at: str
    attorney_name: str | None
    conflict: str
    conflict_by: str | None
    conflict_at: str | None
    why: tuple[Why, ...]


class Similar(NamedTuple):
    """What was found, each at most `SHOWN`: of the same prospect newest first, of others the closest first.

    `more_own` and `more` say whether there are more than that.
    """

    own: list[Candidate]
    more_own: bool
    others: list[Candidate]
    more: bool


_COLUMNS = """
    l.id, l.first_name, l.last_name, l.email, l.status, l.created_at, u.name,
    l.conflict, l.conflict_by, l.conflict_at"""
_ATTORNEY = "LEFT JOIN users u ON u.id = l.attorney_id"
_PROSPECT = Sql("SELECT email FROM prospects WHERE id = :id")
_OWN = Sql(f"""
    SELECT {_COLUMNS} FROM leads l {_ATTORNEY}
    WHERE l.prospect_id = :prospect_id AND l.id < :lead_id ORDER BY l.id DESC LIMIT :most
""")
_SAME_MAILBOX = Sql(f"""
    SELECT {_COLUMNS} FROM leads l {_ATTORNEY} WHERE l.id IN (
      SELECT l.id FROM leads l WHERE l.prospect_id = (SELECT id FROM prospects WHERE email = :mailbox)
      UNION SELECT lead_id FROM lead_traces WHERE trace = '{ADDRESS}' AND detail = :mailbox)
    AND l.id < :lead_id AND l.prospect_id <> :prospect_id ORDER BY l.id DESC LIMIT :most
""")
# From each trace's first name to its next, and on, a step in each trace by turns.
_WALK = """
    WITH RECURSIVE walk (trace, detail) AS (
      SELECT a.trace, (SELECT t.detail FROM lead_traces t WHERE t.trace = a.trace ORDER BY t.detail LIMIT 1)
      FROM {asked}
      UNION ALL
      SELECT w.trace, (SELECT t.detail FROM lead_traces t WHERE t.trace = w.trace AND t.detail > w.detail
                       ORDER BY t.detail LIMIT 1)
      FROM walk w WHERE w.detail IS NOT NULL)
    SELECT trace, detail FROM walk WHERE detail IS NOT NULL LIMIT :most
"""
_NAMES_OF = Sql(
    sqlite=_WALK.format(asked="(SELECT value AS trace FROM json_each(:traces)) a"),
    postgresql=_WALK.format(asked="(SELECT jsonb_array_elements_text(CAST(:traces AS jsonb)) AS trace) a"),
)
_NEWEST = """
    SELECT t.lead_id FROM lead_traces t JOIN leads o ON o.id = t.lead_id
    WHERE t.trace = n.trace AND t.detail = n.detail AND t.lead_id < :lead_id AND o.prospect_id <> :prospect_id
    ORDER BY t.lead_id DESC LIMIT :most
"""
_LEADS_OF = Sql(
    sqlite=f"""
        SELECT {_COLUMNS}, n.detail
        FROM (SELECT json_extract(value, '$[0]') AS trace, json_extract(value, '$[1]') AS detail
              FROM json_each(:names)) n
        CROSS JOIN leads l ON l.id IN ({_NEWEST}) {_ATTORNEY}
    """,
    postgresql=f"""
        SELECT {_COLUMNS}, n.detail
        FROM (SELECT each ->> 0 AS trace, each ->> 1 AS detail
              FROM jsonb_array_elements(CAST(:names AS jsonb)) each) n
        CROSS JOIN LATERAL ({_NEWEST}) f JOIN leads l ON l.id = f.lead_id {_ATTORNEY}
    """,
)


def similar_leads(connection: Connection, lead: LeadRow) -> Similar:
    """Return the leads before `lead` that may be of the same person."""
    before = {"lead_id": lead.id, "prospect_id": lead.prospect_id, "most": SHOWN + 1}
    own = [Candidate._make((*row, ())) for row in _OWN.rows(connection, **before)]
    found = {each.id: each for each in _by_address(connection, before)}
    for each in _by_name(connection, lead, before):
        known = found.get(each.id, each)
        found[each.id] = known if known is each else known._replace(why=(*known.why, *each.why))
    others = list(found.values())
    return Similar(own[:SHOWN], len(own) > SHOWN, others[:SHOWN], len(others) > SHOWN)


def _by_address(connection: Connection, before: dict[str, int]) -> list[Candidate]:
    """Return leads from other addresses of the same mailbox, newest first."""
    prospect = _PROSPECT.row(connection, id=before["prospect_id"])
    assert prospect is not None
    rows = _SAME_MAILBOX.rows(connection, mailbox=mailbox(prospect[0]), **before)
    return [Candidate._make((*row, (Why.SIMILAR_ADDRESS,))) for row in rows]


def _by_name(connection: Connection, lead: LeadRow, before: dict[str, int]) -> list[Candidate]:
    """Return leads with a name like that of `lead`, the closest first and then the newest."""
    words = words_of(first_name=lead.first_name, last_name=lead.last_name)
    pairs = pairs_of(words)
    if not pairs:
        return []
    own_name = name_key(words)
    traces = {own_name: pairs[0]}  # looked for in any case, however many names sound like it
    for asked in (pairs, pairs_near(words)):
        rows = _NAMES_OF.rows(connection, traces=orjson.dumps(asked).decode(), most=_NAMES)
        traces |= {name: trace for trace, name in rows if name != own_name}
    closeness = _closest(own_name, traces)
    names = orjson.dumps([(traces[name], name) for name in closeness]).decode()
    rows = _LEADS_OF.rows(connection, names=names, **before)
    rows = sorted(rows, key=lambda row: (_RANK[closeness[row[-1]]], -row[0]))
    return [Candidate._make((*row[:-1], (closeness[row[-1]],))) for row in rows]


_RANK = {why: rank for rank, why in enumerate(Why)}


def _closest(own_name: str, names: Iterable[str]) -> dict[str, Why]:
    """Return the names that are like `own_name`, and how: the closest, if there are many."""
    found = {name: why for name in names if (why := _why(own_name, name)) is not None}
    return dict(sorted(found.items(), key=lambda each: (_RANK[each[1]], each[0]))[:_CLOSEST])


def _why(own_name: str, name: str) -> Why | None:
    if sorted(own_name.split()) == sorted(name.split()):
        return Why.SAME_NAME
    match likeness(own_name, name):
        case Likeness.VERY_SIMILAR:
            return Why.VERY_SIMILAR_NAME
        case Likeness.SIMILAR:
            return Why.SIMILAR_NAME
        case _:
            return None

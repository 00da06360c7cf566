"""Find earlier leads that may be of the same person: by the address, or by the name however it was written.

Names that come close are looked up by equality of blocking keys alone, so that it costs the same at any number of
leads: for each key a recursive query steps from one name to the next, never along the leads of one name. Only then are
the newest leads of the closest names read.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, TableValuedAlias, and_, bindparam, literal, select, union
from sqlalchemy.orm import aliased

from alma_leads.accounts.core.models import User
from alma_leads.database.functions import json_rows
from alma_leads.leads.conflicts.blocking_keys import ADDRESS, mailbox
from alma_leads.leads.conflicts.models import BlockingKey
from alma_leads.leads.conflicts.name_similarity import (
    NameSimilarity,
    name_key,
    name_similarity,
    nearby_phonetic_keys,
    phonetic_keys,
    words_of,
)
from alma_leads.leads.core.lookup import LeadRow
from alma_leads.leads.core.models import Lead, Prospect

SHOWN = 20
_NAMES = 500  # are looked at in each of two steps: those that sound the same, and those that nearly do
_CLOSEST = 40  # of these names, leads are read


class Why(enum.StrEnum):
    """Why an earlier lead is shown."""

    SIMILAR_ADDRESS = "Similar address"
    SAME_NAME = "Same name"
    VERY_SIMILAR_NAME = "Very similar name"
    SIMILAR_NAME = "Similar name"


class SimilarLead(NamedTuple):
    """An earlier lead, with the name of its attorney, and why it is shown: for no reason but the same address."""

    lead: Row[*tuple[Any, ...]]
    why: tuple[Why, ...] = ()


class Similar(NamedTuple):
    """What was found, each at most `SHOWN`: leads of the same prospect newest first, others the closest first.

    `more_own` and `more` say whether there are more than that.
    """

    own: list[SimilarLead]
    more_own: bool
    others: list[SimilarLead]
    more: bool


_EARLIER = (
    select(
        Lead.id,
        Lead.first_name,
        Lead.last_name,
        Lead.email,
        Lead.status,
        Lead.created_at,
        User.name.label("attorney_name"),
        Lead.conflict,
        Lead.conflict_by,
        Lead.conflict_at,
    )
    .outerjoin(User, User.id == Lead.attorney_id)
    .where(Lead.id < bindparam("lead_id"))
    .order_by(Lead.id.desc())
    .limit(SHOWN + 1)
)
_OWN = _EARLIER.where(Lead.prospect_id == bindparam("prospect_id"))
_PROSPECT_EMAIL = select(Prospect.email).where(Prospect.id == bindparam("prospect_id"))
_SAME_MAILBOX = _EARLIER.where(
    Lead.prospect_id != bindparam("prospect_id"),
    Lead.id.in_(
        union(
            select(Lead.id)
            .join(Prospect, Prospect.id == Lead.prospect_id)
            .where(Prospect.email == bindparam("mailbox")),
            select(BlockingKey.lead_id).where(BlockingKey.key == ADDRESS, BlockingKey.detail == bindparam("mailbox")),
        )
    ),
)


def similar_leads(connection: Connection, lead: LeadRow) -> Similar:
    """Return the leads before `lead` that may be of the same person."""
    before = {"lead_id": lead.id, "prospect_id": lead.prospect_id}
    own = [SimilarLead(row) for row in connection.execute(_OWN, before)]
    found = {each.lead.id: each for each in _by_address(connection, before)}
    for each in _by_name(connection, lead, before):
        known = found.get(each.lead.id)
        found[each.lead.id] = known._replace(why=(*known.why, *each.why)) if known else each
    others = list(found.values())
    return Similar(own[:SHOWN], len(own) > SHOWN, others[:SHOWN], len(others) > SHOWN)


def _by_address(connection: Connection, before: dict[str, int]) -> list[SimilarLead]:
    """Return leads from other addresses of the same mailbox, newest first."""
    email = connection.execute(_PROSPECT_EMAIL, before).scalar_one()
    rows = connection.execute(_SAME_MAILBOX, {**before, "mailbox": mailbox(email)})
    return [SimilarLead(row, (Why.SIMILAR_ADDRESS,)) for row in rows]


def _by_name(connection: Connection, lead: LeadRow, before: dict[str, int]) -> list[SimilarLead]:
    """Return leads with a name like that of `lead`, the closest first and then the newest."""
    words = words_of(first_name=lead.first_name, last_name=lead.last_name)
    keys = phonetic_keys(words)
    if not keys:
        return []
    own_name = name_key(words)
    key_of = {own_name: keys[0]}  # looked for in any case, however many names sound like it
    for asked in (keys, nearby_phonetic_keys(words)):
        rows = connection.execute(_NAMES_OF_KEYS, {"keys": [[key] for key in asked]})
        key_of |= {row.detail: row.key for row in rows if row.detail != own_name}
    closeness = _closest(own_name, key_of)
    names = [[key_of[name], name] for name in closeness]
    leads = connection.execute(_LEADS_WITH_NAMES, {**before, "names": names}).all()
    ranked = sorted(leads, key=lambda row: (_RANK[closeness[row.detail]], -row.id))
    return [SimilarLead(row, (closeness[row.detail],)) for row in ranked]


def _names_of(asked: TableValuedAlias) -> Select[Any]:
    """Return the statement for the names (`detail`) under some keys: step by step, from each to the next."""
    key = asked.c.value[0].as_string()
    name = select(BlockingKey.detail).order_by(BlockingKey.detail).limit(1)
    first = name.where(BlockingKey.key == key).scalar_subquery()
    walk = select(key.label("key"), first.label("detail")).cte("walk", recursive=True)
    following = name.where(BlockingKey.key == walk.c.key, BlockingKey.detail > walk.c.detail).scalar_subquery()
    walk = walk.union_all(select(walk.c.key, following).where(walk.c.detail.is_not(None)))
    return select(walk.c.key, walk.c.detail).where(walk.c.detail.is_not(None)).limit(_NAMES)


def _leads_of(asked: TableValuedAlias) -> Select[Any]:
    """Return the statement for the newest leads of other prospects with some names, given as (key, name)."""
    walk = select(
        asked.c.value[0].as_string().label("key"),
        asked.c.value[1].as_string().label("detail"),
        bindparam("lead_id", type_=Lead.id.type).label("lead_id"),
        literal(0).label("step"),
    ).cte("walk", recursive=True)
    other = aliased(Lead)
    following = (
        select(BlockingKey.lead_id)
        .join(other, other.id == BlockingKey.lead_id)
        .where(
            BlockingKey.key == walk.c.key,
            BlockingKey.detail == walk.c.detail,
            BlockingKey.lead_id < walk.c.lead_id,
            other.prospect_id != bindparam("prospect_id"),
        )
        .order_by(BlockingKey.lead_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    walk = walk.union_all(
        select(walk.c.key, walk.c.detail, following, walk.c.step + 1).where(
            walk.c.lead_id.is_not(None), walk.c.step <= SHOWN
        )
    )
    return _EARLIER.add_columns(walk.c.detail).join(walk, and_(walk.c.lead_id == Lead.id, walk.c.step > 0)).limit(None)


_NAMES_OF_KEYS = _names_of(json_rows("keys"))
_LEADS_WITH_NAMES = _leads_of(json_rows("names"))
_RANK = {why: rank for rank, why in enumerate(Why)}


def _closest(own_name: str, names: Iterable[str]) -> dict[str, Why]:
    """Return the names that are like `own_name`, and how: the closest, if there are many."""
    found = {name: why for name in names if (why := _why(own_name, name)) is not None}
    return dict(sorted(found.items(), key=lambda each: (_RANK[each[1]], each[0]))[:_CLOSEST])


def _why(own_name: str, name: str) -> Why | None:
    if sorted(own_name.split()) == sorted(name.split()):
        return Why.SAME_NAME
    match name_similarity(own_name, name):
        case NameSimilarity.VERY_SIMILAR:
            return Why.VERY_SIMILAR_NAME
        case NameSimilarity.SIMILAR:
            return Why.SIMILAR_NAME
        case _:
            return None

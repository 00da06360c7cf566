"""Use cases of what is done to many leads at once: asking for it, and doing it in batches, however many they are.

Asking writes down the prospects whose turn is to come, so that the set is the one that was seen: a lead that comes in
later is not in it. Each batch is a transaction in which so many prospects have their turn and are struck off. So it
does not matter when this is cut short, or how many workers do it at once: what is left is what is still written down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import islice

import orjson
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from alma_leads.actor import Actor
from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.database.base import from_stamp, to_stamp, utc_now
from alma_leads.database.raw import Sql, id_list, sql_in
from alma_leads.database.session import transaction
from alma_leads.database.transactions import reading, transaction_on
from alma_leads.extensions import db
from alma_leads.leads.assignments.assignments import LOCK, assign_prospects, notify_attorney
from alma_leads.leads.bulk import bulk
from alma_leads.leads.bulk.bulk import BulkAction, Choice, Kind
from alma_leads.leads.core.attorneys import list_active_attorneys
from alma_leads.leads.core.errors import ListChanged
from alma_leads.leads.core.events import EventKind, record_for_leads
from alma_leads.leads.core.models import Prospect
from alma_leads.leads.first_contact.status_service import MARK, MARKED, store_contact_times

AT_ONCE = 500  # people, for whom somebody waits; more are left to the worker
BATCH = 200  # a write transaction of this many is over before anyone notices the wait
WRITTEN_DOWN_TOGETHER = 5000
WORK_FOR_S = 20.0  # the worker has other things to do as well; it is called again
LOCKED_S = 0.1  # somebody has the prospects of a batch in hand: that takes no longer
ABANDONED_AFTER = timedelta(hours=1)
KEPT_FOR = timedelta(days=30)  # the audit log keeps what was asked for

_ASK = Sql("""
    INSERT INTO bulk_actions (kind, attorney_id, up_to, people, leads, actor_kind, actor_id, actor_name, actor_address,
                              asked_at)
    VALUES (:kind, :attorney_id, :up_to, :people, :leads, :actor_kind, :actor_id, :actor_name, :actor_address, :now)
    RETURNING id
""")
_WRITE_DOWN = Sql(
    sqlite="""
    INSERT INTO bulk_action_items (action_id, prospect_id, attorney_id)
    SELECT :id, json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:people)
    """,
    postgresql="""
    INSERT INTO bulk_action_items (action_id, prospect_id, attorney_id)
    SELECT :id, CAST(value->>0 AS integer), CAST(value->>1 AS integer) FROM json_array_elements(CAST(:people AS json))
    """,
)
_READY = Sql("UPDATE bulk_actions SET ready = TRUE WHERE id = :id")
_OLD = Sql("""
    SELECT id FROM bulk_actions
    WHERE finished_at < :finished_before OR (finished_at IS NULL AND NOT ready AND asked_at < :asked_before)
""")
_FORGET = Sql("DELETE FROM bulk_actions WHERE id = :id")
# Prospects that somebody else has in hand are passed over, and have their turn later: so nobody waits here for anybody
# who waits for us. On SQLite whoever is here is the only writer.
_TAKE = Sql(
    sqlite="""
    DELETE FROM bulk_action_items WHERE action_id = :id AND prospect_id IN (
        SELECT prospect_id FROM bulk_action_items WHERE action_id = :id ORDER BY prospect_id LIMIT :limit)
    RETURNING prospect_id, attorney_id
    """,
    postgresql="""
    WITH held AS MATERIALIZED (
        SELECT i.prospect_id FROM bulk_action_items i JOIN prospects p ON p.id = i.prospect_id
        WHERE i.action_id = :id ORDER BY i.prospect_id LIMIT :limit FOR UPDATE OF p SKIP LOCKED)
    DELETE FROM bulk_action_items d USING held WHERE d.action_id = :id AND d.prospect_id = held.prospect_id
    RETURNING d.prospect_id, d.attorney_id
    """,
)
_IS_LEFT = Sql("SELECT 1 FROM bulk_action_items WHERE action_id = :id LIMIT 1")
_MARK = sql_in(f"{MARK} AND id <= :up_to AND prospect_id IN :ids RETURNING id, created_at")
# Of two batches at once, one tells the attorney.
_WAS_TOLD = Sql(
    sqlite="SELECT told FROM bulk_actions WHERE id = :id",
    postgresql="SELECT told FROM bulk_actions WHERE id = :id FOR UPDATE",
)
_COUNT = Sql("""
    UPDATE bulk_actions SET handled = handled + :handled, changed = changed + :changed,
           passed_over = passed_over + :passed_over, told = told OR :told
    WHERE id = :id
""")
_FINISH = Sql("UPDATE bulk_actions SET finished_at = :now WHERE id = :id AND finished_at IS NULL")


def ask(choice: Choice, *, seen: str, actor: Actor) -> BulkAction:
    """Have something done to many leads, as they were seen. It is begun by `work_off`.

    Args:
        choice: what, to which.
        seen: the mark of the plan that `actor` has agreed to.
        actor: who asks.

    Raises:
        ListChanged: these are other leads now, or they are not as they were seen. Nothing was changed.
    """
    with reading(db.engine) as connection:
        plan = bulk.plan(connection, choice)
        if plan.seen != seen:
            raise ListChanged
        action_id = _open(choice, plan, actor)
        people = bulk.people_of(connection, choice)
        while batch := list(islice(people, WRITTEN_DOWN_TOGETHER)):
            with transaction_on(db.engine) as writing:
                _WRITE_DOWN.run(writing, id=action_id, people=orjson.dumps(batch).decode())
    with transaction_on(db.engine) as connection:
        _READY.run(connection, id=action_id)
        action = bulk.get_action(connection, action_id)
        assert action is not None
        _note(connection, action)
    return action


def _open(choice: Choice, plan: bulk.Plan, actor: Actor) -> int:
    with transaction_on(db.engine) as connection:
        row = _ASK.row(
            connection,
            kind=choice.kind.value,
            attorney_id=choice.attorney_id,
            up_to=choice.up_to,
            people=plan.people,
            leads=plan.leads,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            actor_address=actor.address,
            now=to_stamp(utc_now()),
        )
    assert row is not None
    return int(row[0])


def _note(connection: Connection, action: BulkAction) -> None:
    subject = "1 lead" if action.leads == 1 else f"{action.leads} leads"
    if action.kind == Kind.REACHED_OUT:
        trail.record(connection, Action.LEADS_MARKED, actor=action.actor, subject=subject, people=action.people)
        return
    new = action.attorney_name or "the helpdesk"
    trail.record(connection, Action.LEADS_ASSIGNED, actor=action.actor, subject=subject, new=new, people=action.people)


def finish(action: BulkAction) -> BulkAction:
    """Do an action that is small enough to be waited for, and return how it ended. What is locked is left to others."""
    while _do_batch(action):
        pass
    with reading(db.engine) as connection:
        found = bulk.get_action(connection, action.id)
    assert found is not None
    return found


def work_off(*, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Do what has been asked for, for a while; say whether anything is left."""
    until = time.monotonic() + WORK_FOR_S
    while not stopped():
        with reading(db.engine) as connection:
            action = bulk.next_action(connection)
        if action is None:
            return False
        began = time.monotonic()
        if began > until:
            break
        worked = _do_batch(action)
        # As long as the database was busy with this, it is left to those who wait for an answer.
        time.sleep(time.monotonic() - began if worked else LOCKED_S)
    return True


def _do_batch(action: BulkAction) -> bool:
    """Give so many prospects their turn; say whether there were any that nobody else has in hand."""
    with transaction() as session:
        connection = session.connection()
        taken = dict(_TAKE.rows(connection, id=action.id, limit=BATCH))
        if not taken:
            if _IS_LEFT.row(connection, id=action.id) is None:
                _FINISH.run(connection, id=action.id, now=to_stamp(utc_now()))
            return False
        if action.kind == Kind.REACHED_OUT:
            changed, passed_over, told = _mark(connection, action, list(taken)), 0, False
        else:
            changed, passed_over, told = _assign(session, action, taken)
        _COUNT.run(connection, id=action.id, handled=len(taken), changed=changed, passed_over=passed_over, told=told)
    return True


def _mark(connection: Connection, action: BulkAction, prospect_ids: list[int]) -> int:
    now = to_stamp(utc_now())
    ids = id_list(connection, prospect_ids)
    rows = _MARK.rows(connection, ids=ids, up_to=action.up_to, now=now, name=action.actor_name)
    store_contact_times(connection, [(row[0], from_stamp(row[1]), from_stamp(now)) for row in rows])
    marked = [row[0] for row in rows]
    record_for_leads(connection, marked, kind=EventKind.REACHED_OUT, actor=action.actor, at=now, data=MARKED)
    return len(marked)


def _assign(session: Session, action: BulkAction, taken: dict[int, int | None]) -> tuple[int, int, bool]:
    """Return how many leads were changed, how many people were passed over, and whether the attorney was told."""
    serving = list_active_attorneys(session, [action.attorney_id]) if action.attorney_id else []
    attorney = serving[0] if serving else None
    present = session.execute(LOCK.where(Prospect.id.in_(taken)).order_by(Prospect.id))
    others = [each for each in present if each.attorney_id != action.attorney_id]
    as_seen = [each for each in others if each.attorney_id == taken[each.id]]
    if action.attorney_id and attorney is None:  # deactivated since it was asked for
        as_seen = []
    changed = assign_prospects(session, as_seen, attorney=attorney, actor=action.actor)
    told = bool(as_seen) and not _WAS_TOLD.rows(session.connection(), id=action.id)[0][0]
    if told:
        told = notify_attorney(session, as_seen, attorney=attorney, actor=action.actor)
    return changed, len(others) - len(as_seen), told


def forget_old_actions() -> None:
    """Forget what was done long ago, and what a process did not live to write down.

    Whoever asked for that was not told that it will be done.
    """
    now = utc_now()
    with reading(db.engine) as connection:
        rows = _OLD.rows(
            connection, finished_before=to_stamp(now - KEPT_FOR), asked_before=to_stamp(now - ABANDONED_AFTER)
        )
    for row in rows:
        with transaction_on(db.engine) as connection:
            _FORGET.run(connection, id=row[0])

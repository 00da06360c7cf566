"""Use cases of actions on many leads: request one, and process it in batches, however many they are.

A request stores the prospects that are to be processed, so that the set is the one that was seen: a lead that arrives
later is not in it. Each batch is a transaction that processes some prospects and deletes their items. So it does not
matter when this is interrupted, or how many workers do it at once: the items that are left are still to be processed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, bindparam, cast, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from alma_leads.audit import trail
from alma_leads.audit.trail import Action
from alma_leads.common.actor import Actor
from alma_leads.common.extensions import db
from alma_leads.database.base import to_stamp, utc_now
from alma_leads.database.functions import json_rows
from alma_leads.database.session import transaction
from alma_leads.database.transactions import reading
from alma_leads.leads.assignments.assignments import LOCK, assign_prospects, notify_attorney
from alma_leads.leads.bulk import bulk
from alma_leads.leads.bulk.bulk import Choice, Plan
from alma_leads.leads.bulk.models import BulkAction, BulkActionItem, Kind
from alma_leads.leads.core.errors import ListChanged
from alma_leads.leads.core.events import EventKind, record_for_leads
from alma_leads.leads.core.models import Lead, Prospect
from alma_leads.leads.first_contact.status_service import MARK_REACHED_OUT, MARKED, store_contact_times

AT_ONCE = 500  # people, for whom somebody waits; more are left to the worker
BATCH = 200  # a write transaction of this many is over before anyone notices the wait
STORED_TOGETHER = 5000
WORK_FOR_S = 20.0  # the worker has other things to do as well; it is called again
LOCKED_S = 0.1  # another worker has locked the prospects of a batch, but not for longer
ABANDONED_AFTER = timedelta(hours=1)
KEPT_FOR = timedelta(days=30)  # the audit log keeps what was requested

_ITEMS = json_rows("items")
_STORE_ITEMS = insert(BulkActionItem).from_select(
    ["action_id", "prospect_id", "attorney_id"],
    select(
        bindparam("action_id", type_=BulkActionItem.action_id.type),
        cast(_ITEMS.c.value[0].as_string(), BigInteger),
        cast(_ITEMS.c.value[1].as_string(), BigInteger),
    ),
)
# Prospects that another transaction has locked are skipped and processed later, so that nobody waits here for anybody
# who waits for us.
_UNLOCKED = (
    select(BulkActionItem.prospect_id)
    .join(Prospect, Prospect.id == BulkActionItem.prospect_id)
    .where(BulkActionItem.action_id == bindparam("id"))
    .order_by(BulkActionItem.prospect_id)
    .limit(bindparam("limit"))
    .with_for_update(of=Prospect, skip_locked=True)
    .cte("unlocked")
)
_CLAIM = (
    delete(BulkActionItem)
    .where(BulkActionItem.action_id == bindparam("id"), BulkActionItem.prospect_id.in_(select(_UNLOCKED.c.prospect_id)))
    .returning(BulkActionItem.prospect_id, BulkActionItem.attorney_id)
)
_IS_LEFT = select(exists().where(BulkActionItem.action_id == bindparam("id")))
_MARK = MARK_REACHED_OUT.where(
    Lead.id <= bindparam("up_to"), Lead.prospect_id.in_(bindparam("prospects", expanding=True))
)
# Locked: of two batches at once, one notifies the attorney.
_WAS_NOTIFIED = select(BulkAction.notified).where(BulkAction.id == bindparam("id")).with_for_update()
_COUNT = (
    update(BulkAction)
    .where(BulkAction.id == bindparam("action"))
    .values(
        {
            BulkAction.handled: BulkAction.handled + bindparam("more_handled"),
            BulkAction.changed: BulkAction.changed + bindparam("more_changed"),
            BulkAction.skipped: BulkAction.skipped + bindparam("more_skipped"),
            BulkAction.notified: or_(BulkAction.notified, bindparam("now_notified", type_=BulkAction.notified.type)),
        }
    )
)
_FINISH = update(BulkAction).where(BulkAction.id == bindparam("action"), BulkAction.finished_at.is_(None))
_FINISH = _FINISH.values(finished_at=bindparam("now"))


def request(choice: Choice, *, seen: str, actor: Actor) -> BulkAction:
    """Request an action on many leads, as they were seen. It is carried out by `finish` or `process_actions`.

    Args:
        choice: what, to which.
        seen: the hash of the plan that `actor` has agreed to.
        actor: who requests it.

    Raises:
        ListChanged: these are other leads now, or they have changed since they were seen. Nothing was changed.
    """
    with reading(db.engine) as connection:
        plan = bulk.plan(connection, choice)
        if plan.seen != seen:
            raise ListChanged
        action_id = _create(choice, plan, actor)
        for rows in connection.execute(bulk.prospects_of(choice)).partitions(STORED_TOGETHER):
            with transaction() as session:
                items = {"action_id": action_id, "items": [list(row) for row in rows]}
                session.connection().execute(_STORE_ITEMS, items)
    with transaction() as session:
        action = session.get_one(BulkAction, action_id)
        action.ready = True
        _record(session, action)
    return action


def _create(choice: Choice, plan: Plan, actor: Actor) -> int:
    with transaction() as session:
        action = BulkAction(
            kind=choice.kind.value,
            attorney_id=choice.attorney_id,
            up_to=choice.up_to,
            people=plan.people,
            leads=plan.leads,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            actor_address=actor.address,
            requested_at=utc_now(),
        )
        session.add(action)
        session.flush()
        return action.id


def _record(session: Session, action: BulkAction) -> None:
    subject = "1 lead" if action.leads == 1 else f"{action.leads} leads"
    if action.kind == Kind.REACHED_OUT:
        trail.record(session, Action.LEADS_MARKED, actor=action.actor, subject=subject, people=action.people)
        return
    new = action.attorney_name
    trail.record(session, Action.LEADS_ASSIGNED, actor=action.actor, subject=subject, new=new, people=action.people)


def finish(action: BulkAction) -> BulkAction:
    """Process an action that is small enough to wait for, and return its outcome. Locked prospects are left."""
    while _process_batch(action):
        pass
    db.session.close()
    return db.session.get_one(BulkAction, action.id)


def process_actions(*, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Process the requested actions, for a while; return whether anything is left."""
    until = time.monotonic() + WORK_FOR_S
    while not stopped():
        action = bulk.find_next_action()
        if action is None:
            return False
        began = time.monotonic()
        if began > until:
            break
        worked = _process_batch(action)
        # The database was busy with this; for as long again it is left to those who wait for an answer.
        time.sleep(time.monotonic() - began if worked else LOCKED_S)
    return True


def _process_batch(action: BulkAction) -> bool:
    """Process some prospects; return whether there were any that nobody else has locked."""
    with transaction() as session:
        connection = session.connection()
        claim = {"id": action.id, "limit": BATCH}
        claimed = {row.prospect_id: row.attorney_id for row in connection.execute(_CLAIM, claim)}
        if not claimed:
            if not connection.execute(_IS_LEFT, {"id": action.id}).scalar():
                connection.execute(_FINISH, {"action": action.id, "now": utc_now()})
            return False
        if action.kind == Kind.REACHED_OUT:
            changed, skipped, notified = _mark(session, action, list(claimed)), 0, False
        else:
            changed, skipped, notified = _assign(session, action, claimed)
        counts = {"more_handled": len(claimed), "more_changed": changed, "more_skipped": skipped}
        connection.execute(_COUNT, {"action": action.id, "now_notified": notified, **counts})
    return True


def _mark(session: Session, action: BulkAction, prospect_ids: Sequence[int]) -> int:
    now, connection = utc_now(), session.connection()
    change = {"now": now, "name": action.actor_name, "up_to": action.up_to, "prospects": prospect_ids}
    rows = connection.execute(_MARK, change).all()
    store_contact_times(connection, [(row.id, row.created_at, now) for row in rows])
    marked = [row.id for row in rows]
    kind = EventKind.REACHED_OUT
    record_for_leads(connection, marked, kind=kind, actor=action.actor, at=to_stamp(now), data=MARKED)
    return len(marked)


def _assign(session: Session, action: BulkAction, claimed: dict[int, int | None]) -> tuple[int, int, bool]:
    """Return how many leads were changed, how many people were skipped, and whether the attorney was notified."""
    action = session.get_one(BulkAction, action.id)  # its attorney may have been deactivated since
    attorney = action.attorney
    present = session.execute(LOCK.where(Prospect.id.in_(claimed)).order_by(Prospect.id))
    others = [each for each in present if each.attorney_id != action.attorney_id]
    as_seen = [each for each in others if each.attorney_id == claimed[each.id]] if action.can_be_assigned else []
    changed = assign_prospects(session, as_seen, attorney=attorney, actor=action.actor)
    notified = bool(as_seen) and not session.execute(_WAS_NOTIFIED, {"id": action.id}).scalar_one()
    if notified:
        notified = notify_attorney(session, as_seen, attorney=attorney, actor=action.actor)
    return changed, len(others) - len(as_seen), notified


def purge_expired_actions() -> None:
    """Delete actions that finished long ago, and those whose request was interrupted while its items were stored.

    Whoever requested those was not told that they will be processed.
    """
    now = utc_now()
    expired = select(BulkAction.id).where(
        or_(
            BulkAction.finished_at < now - KEPT_FOR,
            BulkAction.finished_at.is_(None) & ~BulkAction.ready & (BulkAction.requested_at < now - ABANDONED_AFTER),
        )
    )
    for action_id in db.session.scalars(expired).all():
        with transaction() as session:  # one for each, since the items of a large action take long to delete
            session.execute(delete(BulkAction).where(BulkAction.id == action_id))

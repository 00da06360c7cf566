"""Use cases of the pause: mail stops while the server takes none from us, and goes on by itself when it does again.

One row, which all workers and the desk read, says since when, why, and when a message is tried next.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, bindparam, case, func, null, select, update
from sqlalchemy.orm import Session

from alma_leads.database.transactions import transaction_on
from alma_leads.outbox import statements
from alma_leads.outbox.mail_settings import FIRST_PROBE_S
from alma_leads.outbox.models import MailPause
from alma_leads.outbox.statements import changed, current_time
from alma_leads.outbox.transport import MailRefused
from alma_leads.outbox.words import printable, without_addresses

log = structlog.get_logger(__name__)

LONGEST_PROBE_S = 300.0

_FIND = select(
    MailPause.since, MailPause.words, MailPause.step, MailPause.code, MailPause.probe_at, MailPause.probes
).where(MailPause.since.is_not(None))
_WORDS: dict[str, Any] = {"words": bindparam("new_words"), "step": bindparam("new_step"), "code": bindparam("new_code")}
_PAUSE = update(MailPause).values(
    since=func.coalesce(MailPause.since, bindparam("now", type_=MailPause.since.type)),
    probe_at=case(
        (MailPause.since.is_(None), bindparam("first_probe", type_=MailPause.probe_at.type)),
        else_=MailPause.probe_at,
    ),
    **_WORDS,
)
# Of two workers one changes the row, and only that one probes.
_TAKE_PROBE = (
    update(MailPause)
    .where(MailPause.probes == bindparam("seen"), MailPause.probe_at <= bindparam("now"))
    .values(probes=MailPause.probes + 1, probe_at=bindparam("next_probe"))
)
_PROBE_SOON = update(MailPause).where(MailPause.since.is_not(None)).values(probe_at=bindparam("now"))
_RESUME = (
    update(MailPause)
    .where(MailPause.since.is_not(None))
    .values(since=null(), words="", step="", code=0, probe_at=null(), probes=0)
)


def find_pause(connection: Connection | Session) -> Row[Any] | None:
    """Return since when mail is paused, in which words and when a message is tried next; None when it is not."""
    rows: list[Row[Any]] = list(connection.execute(_FIND))
    return rows[0] if rows else None


def pause_mail(engine: Engine, refused: MailRefused, *, first_probe_s: float = FIRST_PROBE_S) -> None:
    """Stop sending, or note the latest words of a pause."""
    words = printable(str(refused))
    with transaction_on(engine) as connection:
        new = find_pause(connection) is None
        now = current_time(connection)
        params = {"new_words": words, "new_step": refused.step, "new_code": refused.code}
        connection.execute(_PAUSE, params | {"now": now, "first_probe": now + timedelta(seconds=first_probe_s)})
    if new:
        log.warning("mail paused", step=refused.step, words=without_addresses(words))


def take_probe(engine: Engine, pause: Row[Any], *, first_probe_s: float = FIRST_PROBE_S) -> bool:
    """Return whether this worker is to try one message now. The next try is twice as far away, 5 min at most."""
    wait_s = min(LONGEST_PROBE_S, first_probe_s * 2.0 ** min(pause.probes + 1, 16))
    with transaction_on(engine) as connection:
        now = current_time(connection)
        params = {"seen": pause.probes, "now": now, "next_probe": now + timedelta(seconds=wait_s)}
        return changed(connection, _TAKE_PROBE, **params) == 1


def probe_soon(connection: Connection | Session) -> None:
    """Have the next worker try a message at once, in the caller's transaction."""
    there = connection.connection() if isinstance(connection, Session) else connection
    there.execute(_PROBE_SOON, {"now": current_time(there)})


def ask_for_probe(engine: Engine) -> None:
    """Have the next worker try a message at once: something may have been mended."""
    with transaction_on(engine) as connection:
        probe_soon(connection)


def resume_mail(engine: Engine) -> None:
    """Send again: the server has taken a message, or refused one for its own sake."""
    with transaction_on(engine) as connection:
        resumed = changed(connection, _RESUME)
    if resumed:
        log.warning("mail goes out again")


def give_up_waiting(engine: Engine, pause: Row[Any], *, after_s: float) -> int:
    """Give up the messages that have waited through `after_s` seconds of the pause; return how many there were."""
    with transaction_on(engine) as connection:
        now = current_time(connection)
        waited_since = now - timedelta(seconds=after_s)
        if pause.since > waited_since:
            return 0
        params = {"waited_since": waited_since, "words": pause.words, "now": now}
        given_up = changed(connection, statements.GIVE_UP, **params)
    if given_up:
        log.error("emails given up after a long pause", number=given_up)
    return given_up

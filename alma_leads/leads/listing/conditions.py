"""What can be asked of leads, each as conditions: to start from it, or to hold a lead against it."""

from __future__ import annotations

from typing import Any, NamedTuple

from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.listing.filters import LeadFilter
from alma_leads.outbox.queries import TROUBLED, TROUBLED_MESSAGES, TROUBLED_STATE


class Asked(NamedTuple):
    """One thing that is asked of leads.

    `source` and `drive` start from it; `probe` holds a lead against it, and keeps SQLite from using an index for that;
    `plain` leaves it to the planner. `count_source` and `count_where` count who has it, `names` are its parameters.
    `is_plain` when it asks columns of leads only that stand in an index with the time of arrival. `walked` is what
    such an index is walked with, `due` the index of what is due. `by_rowid` when starting from it is in the order of
    the numbers of leads, as `s.rowid`.
    """

    source: str
    drive: tuple[str, ...]
    probe: tuple[str, ...]
    plain: tuple[str, ...]
    count_source: str
    count_where: tuple[str, ...]
    names: tuple[str, ...] = ()
    is_plain: bool = False
    walked: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    by_rowid: bool = False


_RETURNING = Asked(
    source="prospects r CROSS JOIN leads l ON l.prospect_id = r.id",
    drive=("r.lead_count > 1",),
    probe=("(SELECT r.lead_count FROM prospects r WHERE r.id = l.prospect_id) > 1",),
    plain=("l.prospect_id IN (SELECT r.id FROM prospects r WHERE r.lead_count > 1)",),
    count_source="prospects r",
    count_where=("r.lead_count > 1",),
)
# The number stands behind "lead:", see `leads.emails.correlation`.
MAIL_TROUBLE_IDS = (
    f"SELECT CAST(substr(t.correlation, 6) AS integer) AS id FROM ({TROUBLED}) t WHERE t.correlation LIKE 'lead:%'"
)
_MAIL_TROUBLE = Asked(
    source=f"({MAIL_TROUBLE_IDS}) m CROSS JOIN leads l ON l.id = m.id",
    drive=(),
    probe=(f"EXISTS (SELECT 1 FROM outbox_messages m WHERE m.correlation = 'lead:' || l.id AND ({TROUBLED_STATE}))",),
    # As an array, since PostgreSQL guesses badly how many there are, and would walk the leads instead.
    plain=(f"l.id = ANY(ARRAY({MAIL_TROUBLE_IDS}))",),
    count_source=f"({TROUBLED_MESSAGES}) t",
    count_where=(),
)
# The verdict in so many words, as the status below.
_VERDICT = "l.conflict = 'conflict'"
_IN_CONFLICT = Asked(
    source="leads l INDEXED BY ix_leads_in_conflict",
    drive=(_VERDICT,),
    probe=(f"+{_VERDICT}",),
    # As an array for the same reason as above.
    plain=("l.id = ANY(ARRAY(SELECT c.id FROM leads c WHERE c.conflict = 'conflict'))",),
    count_source="leads l INDEXED BY ix_leads_in_conflict",
    count_where=(_VERDICT,),
)

# Words in a resume on PostgreSQL, for common ones and for rare ones: so that it looks at the leads one by one, or gets
# them from the index of words. Left to itself it walks the leads for a word that hardly any resume has.
_SAYS = "t.words @@ CAST(:resume_query AS tsquery)"
IN_RESUME_COMMON = f"(SELECT {_SAYS} FROM resume_texts t WHERE t.lead_id = l.id)"
IN_RESUME_RARE = f"l.id = ANY(ARRAY(SELECT t.lead_id FROM resume_texts t WHERE {_SAYS}))"

# The status in so many words: an index of pending leads only is used by nothing less.
_OVERDUE = ("l.status = 'PENDING'", "l.due_at <= :overdue_at")
_NOBODY = ("l.id < 0",)


def asked_of(lead_filter: LeadFilter) -> tuple[list[Asked], dict[str, Any]]:
    """Return what `lead_filter` asks, but for the text it searches for, and the parameters."""
    own = {
        "status": ("l.status = :status", lead_filter.status.value if lead_filter.status else None),
        "attorney_id": ("l.attorney_id = :attorney_id", lead_filter.attorney_id),
        "created_from": ("l.created_at >= :created_from", lead_filter.created_from),
        "created_to": ("l.created_at <= :created_to", lead_filter.created_to),
    }
    params = {name: value for name, (_, value) in own.items() if value is not None}
    plain = tuple(condition for condition, value in own.values() if value is not None)
    if lead_filter.unassigned:
        plain = (*plain, "l.attorney_id IS NULL")
    asked = []
    if plain:
        probe = tuple(f"+{condition}" for condition in plain)
        asked.append(
            Asked("leads l", plain, probe, plain, "leads l", plain, tuple(params), is_plain=True, walked=plain)
        )
    if lead_filter.overdue_at is not None:
        if lead_filter.status is LeadStatus.REACHED_OUT:  # what was reached is not overdue
            return [Asked("leads l", _NOBODY, _NOBODY, _NOBODY, "leads l", _NOBODY, is_plain=True)], {}
        asked.append(_overdue(of_someone=lead_filter.attorney_id is not None))
        params["overdue_at"] = lead_filter.overdue_at
    if lead_filter.returning:
        asked.append(_RETURNING)
    if lead_filter.mail_trouble:
        asked.append(_MAIL_TROUBLE)
    if lead_filter.resume_words:
        asked.extend(_in_resume(len(lead_filter.resume_words)))
        params |= _of_resume(lead_filter.resume_words)
    if lead_filter.in_conflict:
        asked.append(_IN_CONFLICT)
    return asked, params


def _in_resume(number: int) -> list[Asked]:
    """Return what asks for so many words in a resume, each by itself: SQLite starts from the rarest.

    PostgreSQL is asked for all at once. A word stands between spaces in a text of SQLite.
    """
    return [
        Asked(
            source="resume_texts_search s CROSS JOIN leads l ON l.id = s.rowid",
            drive=(f"s.resume_texts_search MATCH :resume_match{index}",),
            probe=(
                "EXISTS (SELECT 1 FROM resume_texts t"
                f" WHERE t.lead_id = l.id AND instr(t.words, :resume_word{index}) > 0)",
            ),
            plain=(IN_RESUME_COMMON,) if index == 0 else (),
            count_source="resume_texts_search s",
            count_where=(f"s.resume_texts_search MATCH :resume_match{index}",),
            names=(f"resume_match{index}",),
            by_rowid=True,
        )
        for index in range(number)
    ]


def _of_resume(words: tuple[str, ...]) -> dict[str, str]:
    """Return the parameters of `_in_resume`. Words hold letters, marks and digits only, so that quotes are safe."""
    return {
        **{f"resume_word{index}": f" {word} " for index, word in enumerate(words)},
        **{f"resume_match{index}": f'"{word}"' for index, word in enumerate(words)},
        "resume_query": in_resume_query(words),
    }


def in_resume_query(words: tuple[str, ...]) -> str:
    """Return what PostgreSQL's full-text search is asked for."""
    return " & ".join(f"'{word}'" for word in words)


def _overdue(*, of_someone: bool) -> Asked:
    whose: tuple[str, ...] = ("l.attorney_id = :attorney_id",) if of_someone else ()
    drive, names = (*whose, *_OVERDUE), ("overdue_at", *(["attorney_id"] if of_someone else []))
    source = f"leads l INDEXED BY {'ix_leads_attorney_due' if of_someone else 'ix_leads_due'}"
    status, due = _OVERDUE
    return Asked(
        source,
        drive,
        probe=(f"+{status}", f"+{due}"),
        plain=_OVERDUE,
        count_source=source,
        count_where=drive,
        names=names,
        walked=(status, f"+{due}"),
        due=_OVERDUE,
    )

"""Tables of the business: prospects, their leads, and what happened to each lead."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from alma_leads.database.base import Base, UtcDateTime, text_enum
from alma_leads.leads.core.source import Source
from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict


def _pending_index(name: str, *columns: str, having: str = "") -> Index:
    """Return an index of pending leads only. A statement uses it when it says `status = 'PENDING'` in so many words.

    `status` stands among the columns all the same: without it SQLite would prefer the index by status.
    """
    where = text("status = 'PENDING'" + (f" AND {having}" if having else ""))
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


def _where_given(name: str, *columns: str) -> Index:
    """Return an index of the rows whose first column is not NULL."""
    where = text(f"{columns[0]} IS NOT NULL")
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


def _compared_by_byte(length: int) -> String:
    """Return a type of text whose order is the same on both databases."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Prospect(Base):
    """A person outside, known by a normalised e-mail address. May have an attorney before the first lead."""

    __tablename__ = "prospects"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    attorney_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lead_count: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index(
            "ix_prospects_assigned",
            "email",
            postgresql_where=text("attorney_id IS NOT NULL"),
            sqlite_where=text("attorney_id IS NOT NULL"),
        ),
        Index(
            "ix_prospects_returning", "id", postgresql_where=text("lead_count > 1"), sqlite_where=text("lead_count > 1")
        ),
    )


class Lead(Base):
    """One submission by a prospect. Only its status and its attorney ever change.

    `attorney_id` mirrors the prospect's, so that a list by attorney walks one index. `search_text` and
    `last_name_key` are folded (see `leads.folding`); on SQLite triggers keep `search_text` in the trigram index.
    `reached_out_by` is the name at the time, for the list. `source` is empty for leads older than the column;
    `source_key_id` is the row of the script's key, and empty for INTERNAL_API_KEY, which has none.

    `amber_at` and `due_at` are when the firm's target for a first contact comes near and is passed; there are none
    without a target. They hold for the settings of `clock_version`. `remind_at` is when the next reminder goes out, if
    one will; `reminders` how many have: 1 the attorney's, 2 the helpdesk's as well, or somebody has acted.

    `conflict` is the newest verdict of a conflict check, `conflict_by` the name at the time.
    """

    __tablename__ = "leads"

    id: Mapped[int] = mapped_column(primary_key=True)
    prospect_id: Mapped[int] = mapped_column(ForeignKey("prospects.id"))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254))
    resume_url: Mapped[str | None] = mapped_column(String(2048))
    status: Mapped[LeadStatus] = mapped_column(text_enum(LeadStatus, name="status", length=20))
    attorney_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    content_hash: Mapped[str] = mapped_column(String(64))
    confirmation_queued: Mapped[bool]
    search_text: Mapped[str] = mapped_column(Text)
    last_name_key: Mapped[str] = mapped_column(_compared_by_byte(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reached_out_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reached_out_by: Mapped[str | None] = mapped_column(String(200))
    source: Mapped[Source | None] = mapped_column(text_enum(Source, name="source", length=10))
    source_key_id: Mapped[int | None]
    amber_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    remind_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reminders: Mapped[int] = mapped_column(server_default=text("0"))
    clock_version: Mapped[int] = mapped_column(server_default=text("0"))
    conflict: Mapped[Verdict] = mapped_column(
        text_enum(Verdict, name="conflict", length=10), server_default=text("'unchecked'")
    )
    conflict_by: Mapped[str | None] = mapped_column(String(200))
    conflict_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("(status = 'REACHED_OUT') = (reached_out_at IS NOT NULL)", name="reached_out_at"),
        CheckConstraint("reminders IN (0, 1, 2)", name="reminders"),
        Index("ix_leads_created_at_id", "created_at", "id"),
        Index("ix_leads_updated_at_id", "updated_at", "id"),
        Index("ix_leads_last_name_key_id", "last_name_key", "id"),
        Index("ix_leads_status_created_at_id", "status", "created_at", "id"),
        Index("ix_leads_attorney_id_created_at_id", "attorney_id", "created_at", "id"),
        Index("ix_leads_attorney_id_status_created_at_id", "attorney_id", "status", "created_at", "id"),
        Index("ix_leads_prospect_id_id", "prospect_id", "id"),
        Index(
            "ix_leads_in_conflict",
            "id",
            postgresql_where=text("conflict = 'conflict'"),
            sqlite_where=text("conflict = 'conflict'"),
        ),
        _pending_index("ix_leads_due", "status", "due_at", "id", having="due_at IS NOT NULL"),
        _pending_index("ix_leads_attorney_due", "attorney_id", "status", "due_at", "id", having="due_at IS NOT NULL"),
        _pending_index("ix_leads_remind", "status", "remind_at", "id", having="remind_at IS NOT NULL"),
        _pending_index("ix_leads_clock_version", "status", "clock_version", "id"),
    )


class SavedView(Base):
    """A list of leads that someone gave a name: filters, order and page size as the query string of its address.

    What is relative stays so: "mine" is the reader's own, "the last 7 days" are those before today.
    """

    __tablename__ = "saved_views"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    shared: Mapped[bool] = mapped_column(index=True)
    query: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("owner_id", "name"),)


class ResumeText(Base):
    """What a lead's uploaded resume says, as a worker has read it.

    `words` are those by which it is found, each once and folded: between spaces on SQLite, which keeps an index of them
    by triggers; a `tsvector` on PostgreSQL.
    """

    __tablename__ = "resume_texts"

    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"), primary_key=True)
    words: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))
    body: Mapped[str] = mapped_column(Text)


class ExportProgress(Base):
    """How far an export is that somebody waits for on a page, which gave it a name. See `export_progress`."""

    __tablename__ = "export_progress"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    total: Mapped[int]
    sent: Mapped[int]
    state: Mapped[str] = mapped_column(String(7))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (CheckConstraint("state IN ('running', 'done', 'broken')", name="state"),)


class LeadEvent(Base):
    """Something that happened to a lead: who, what, when, old and new. Only ever added to.

    `data` is a JSON object. A prospect's network address is not kept.
    """

    __tablename__ = "lead_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    data: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("actor_kind IN ('prospect', 'user', 'key', 'system')", name="actor_kind"),
        Index("ix_lead_events_lead_id_id", "lead_id", "id"),
    )


class LeadTrace(Base):
    """What a lead leaves by which the same person is found again. See `leads.traces`."""

    __tablename__ = "lead_traces"

    trace: Mapped[str] = mapped_column(_compared_by_byte(40), primary_key=True)
    detail: Mapped[str] = mapped_column(_compared_by_byte(254), primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"), primary_key=True, index=True)

    __table_args__ = ({"sqlite_with_rowid": False},)


class IdempotencyKey(Base):
    """A script's `Idempotency-Key`. Without `lead_id` its first request still runs, until `lease_until`."""

    __tablename__ = "idempotency_keys"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    lease: Mapped[str] = mapped_column(String(32))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    request_hash: Mapped[str | None] = mapped_column(String(64))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Confirmation(Base):
    """A confirmation of the last day, as it counts for limits: keyed hashes of the mailbox and the client's networks.

    `network` is empty for a submission with an API key, `wide_network` for a client with an IPv4 address.
    """

    __tablename__ = "confirmations"

    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox: Mapped[str] = mapped_column(String(32))
    network: Mapped[str | None] = mapped_column(String(32))
    wide_network: Mapped[str | None] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    __table_args__ = (
        Index("ix_confirmations_mailbox_at", "mailbox", "at"),
        _where_given("ix_confirmations_network_at", "network", "at"),
        _where_given("ix_confirmations_wide_network_at", "wide_network", "at"),
    )


class FirstContactClock(Base):
    """When the firm works, and how soon it means to contact whoever wrote: one row.

    `weekdays` are ISO numbers ("12345" is Monday to Friday), hours are minutes of the day (1440 is midnight at its
    end). `country` and `subdivision` name the public holidays that are kept, or are empty; `closed_days` are further
    days, ISO, one a line. Targets are minutes of working time, or NULL: no target. `version` grows with each change.
    """

    __tablename__ = "first_contact_clock"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
    time_zone: Mapped[str] = mapped_column(String(64))
    weekdays: Mapped[str] = mapped_column(String(7))
    opens_minute: Mapped[int]
    closes_minute: Mapped[int]
    country: Mapped[str] = mapped_column(String(2))
    subdivision: Mapped[str] = mapped_column(String(20))
    closed_days: Mapped[str] = mapped_column(Text)
    target_minutes: Mapped[int | None]
    amber_minutes: Mapped[int | None]

    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("0 <= opens_minute AND opens_minute < closes_minute AND closes_minute <= 1440", name="hours"),
        CheckConstraint("(target_minutes IS NULL) = (amber_minutes IS NULL)", name="target"),
    )


class AssignmentRules(Base):
    """Whether prospects who are new go to attorneys in turn: one row.

    `turn` is how many have, on SQLite. On PostgreSQL a sequence counts (`assignment_turns`): two submissions would wait
    for each other at a row, until the first one's commit has reached the disk.
    """

    __tablename__ = "assignment_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    in_turn: Mapped[bool]
    turn: Mapped[int]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class RotationMember(Base):
    """Someone for whom an administrator has said whether they take part. Without a row attorneys do, others do not."""

    __tablename__ = "rotation_members"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    takes_part: Mapped[bool]


class DomainRule(Base):
    """An attorney who gets the new prospects of a domain and of those below it. `domain` is kept as in addresses."""

    __tablename__ = "domain_rules"

    domain: Mapped[str] = mapped_column(String(253), primary_key=True)
    attorney_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)


class AssignmentImport(Base):
    """A file of assignments that someone has uploaded, to look at what it would change and then to apply it.

    Its counts are of lines. `ready` says that all of them are written down, `told` names the attorneys who have had
    their e-mail, as JSON.
    """

    __tablename__ = "assignment_imports"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_name: Mapped[str] = mapped_column(String(200))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    made_by: Mapped[str] = mapped_column(String(200))
    ready: Mapped[bool]
    new: Mapped[int]
    changed: Mapped[int]
    removed: Mapped[int]
    unchanged: Mapped[int]
    bad: Mapped[int]
    told: Mapped[str] = mapped_column(Text)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AssignmentImportLine(Base):
    """A line that would change something, or cannot be used (`kind` is "bad", with the column and what to do).

    `outcome` is empty before it is applied, then "applied" or, since somebody was faster, "left".
    """

    __tablename__ = "assignment_import_lines"

    import_id: Mapped[int] = mapped_column(ForeignKey("assignment_imports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10))
    value: Mapped[str] = mapped_column(String(254))
    old_id: Mapped[int | None]
    new_id: Mapped[int | None]
    field: Mapped[str] = mapped_column(String(10))
    remedy: Mapped[str] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(10))

    __table_args__ = (
        CheckConstraint("kind IN ('new', 'changed', 'removed', 'bad')", name="kind"),
        CheckConstraint("outcome IN ('', 'applied', 'left')", name="outcome"),
    )


class Absence(Base):
    """Days on which someone is away, ISO, both included, as the firm's clock counts days. A person's never overlap."""

    __tablename__ = "absences"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    first_day: Mapped[str] = mapped_column(String(10))
    last_day: Mapped[str] = mapped_column(String(10))

    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="days"),
        Index("ix_absences_user_id_last_day", "user_id", "last_day"),
    )


class LeadDigest(Base):
    """Someone who wants an e-mail each working morning about the leads that wait. `done_on` is the firm's last day."""

    __tablename__ = "lead_digests"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    done_on: Mapped[str] = mapped_column(String(10))


class BulkAction(Base):
    """What somebody does to many leads at once, and how far it has come.

    `kind` is "reached_out", for leads up to the number `up_to`, or "assigned", to `attorney_id` or else the helpdesk.
    `people` and `leads` are how many there were when it was asked for; `handled` people have had their turn, `changed`
    leads were changed, `passed_over` people were given to somebody else meanwhile. `told`: the attorney was. Until it
    is `ready`, its items are still being written down.
    """

    __tablename__ = "bulk_actions"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    attorney_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    up_to: Mapped[int]
    people: Mapped[int]
    leads: Mapped[int]
    handled: Mapped[int] = mapped_column(server_default=text("0"))
    changed: Mapped[int] = mapped_column(server_default=text("0"))
    passed_over: Mapped[int] = mapped_column(server_default=text("0"))
    told: Mapped[bool] = mapped_column(server_default=false())
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    actor_address: Mapped[str | None] = mapped_column(String(45))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ready: Mapped[bool] = mapped_column(server_default=false())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("kind IN ('reached_out', 'assigned')", name="kind"),
        Index(
            "ix_bulk_actions_unfinished",
            "id",
            postgresql_where=text("finished_at IS NULL"),
            sqlite_where=text("finished_at IS NULL"),
        ),
        Index("ix_bulk_actions_actor_id_id", "actor_id", "id"),
    )


class BulkActionItem(Base):
    """A prospect whose turn in a bulk action has not come yet, and who had it when the action was asked for."""

    __tablename__ = "bulk_action_items"

    action_id: Mapped[int] = mapped_column(ForeignKey("bulk_actions.id", ondelete="CASCADE"), primary_key=True)
    prospect_id: Mapped[int] = mapped_column(primary_key=True)
    attorney_id: Mapped[int | None]

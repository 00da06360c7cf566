"""What can go wrong with a lead, named for what happened. Knows no HTTP."""

from __future__ import annotations

from alma_leads.leads.core.state import LeadStatus
from alma_leads.leads.core.verdict import Verdict


class LeadError(Exception):
    """Something about a lead that the caller must know."""


class LeadNotFound(LeadError):
    """There is no such lead."""

    def __init__(self, lead_id: int) -> None:
        super().__init__(f"There is no lead {lead_id}.")
        self.lead_id = lead_id


class TransitionRefused(LeadError):
    """A lead in `current` cannot become `wanted`."""

    def __init__(self, current: LeadStatus, wanted: LeadStatus) -> None:
        super().__init__(f"A lead that is {current} cannot become {wanted}.")
        self.current = current
        self.wanted = wanted


class LeadChanged(LeadError):
    """The lead is no longer as the caller saw it."""

    def __init__(self, lead_id: int) -> None:
        super().__init__(f"Lead {lead_id} has changed since you read it. Read it again.")
        self.lead_id = lead_id


class NoteNotFound(LeadError):
    """There is no such note, or it was deleted."""

    def __init__(self) -> None:
        super().__init__("There is no such note on this lead, or it was deleted.")


class EmailNotFound(LeadError):
    """The lead has no such e-mail, or none that is sent again."""

    def __init__(self, message_id: int) -> None:
        super().__init__("There is no such email of this lead.")
        self.message_id = message_id


class NotYourNote(LeadError):
    """Somebody else wrote the note."""

    def __init__(self) -> None:
        super().__init__("Only who wrote a note changes or deletes it. Write one of your own instead.")


class NoteChanged(LeadError):
    """The note is no longer as the caller saw it. `text` is what it says now."""

    def __init__(self, text: str) -> None:
        super().__init__("This note was changed in another window since you opened it. Nothing of that is lost.")
        self.text = text


class VerdictChanged(LeadError):
    """Somebody recorded another verdict since the caller looked. Nothing was changed."""

    def __init__(self, verdict: Verdict, name: str) -> None:
        super().__init__(f"Nothing was changed: {name} recorded something else since this page was opened.")
        self.verdict = verdict
        self.name = name


class AssignedMeanwhile(LeadError):
    """A colleague gave the prospect to somebody else since the caller looked. Nothing was changed."""

    def __init__(self, email: str, attorney_name: str | None) -> None:
        whose = f"with {attorney_name}" if attorney_name else "with the helpdesk"
        super().__init__(
            f"Nothing was changed: a colleague was faster, and {email} is {whose} now. Look, and choose again."
        )
        self.email = email


class ListChanged(LeadError):
    """The leads that something was to be done to are others now, or not as they were seen. Nothing was changed."""


class NotAnActiveAttorney(LeadError):
    """The address does not belong to someone who can have prospects."""

    def __init__(self, email: str) -> None:
        super().__init__(f"No active attorney has the address {email}.")
        self.email = email


class AssignmentNotFound(LeadError):
    """No attorney has this prospect."""

    def __init__(self, email: str) -> None:
        super().__init__(f"No attorney has the prospect {email}.")
        self.email = email


class BadDomain(LeadError):
    """No address can have this domain."""

    def __init__(self, typed: str) -> None:
        super().__init__("Enter a domain like example.com")
        self.typed = typed


class BadAbsence(LeadError):
    """Days on which nobody can be away: `field` names the one to change, the message says how."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class IdempotencyConflict(LeadError):
    """The idempotency key was used with another body."""


class IdempotencyRunning(LeadError):
    """The first request with this idempotency key still runs."""


class ResumeGone(LeadError):
    """The kept file is no longer there: it was discarded, or another lead has it."""


class BadAssignments(LeadError):
    """Lines of an import that cannot be used: `problems` is a list of (line number, sentence)."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__(f"{len(problems)} lines cannot be used.")
        self.problems = problems


class ImportNotFound(LeadError):
    """There is no such import, or it was made more than a day ago, or discarded."""

    def __init__(self) -> None:
        super().__init__("There is no such import any more: it is kept for a day. Choose the file again.")


class ViewNotFound(LeadError):
    """There is no saved view with this number that this person may see, or delete."""

    def __init__(self, view_id: int) -> None:
        super().__init__(f"There is no saved view {view_id} for you.")
        self.view_id = view_id


class TooManyViews(LeadError):
    """A person has as many saved views as one may have."""

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} saved views. Delete one first")
        self.most = most


class TooManyForWorkbook(LeadError):
    """An export has more leads than a workbook may have."""

    def __init__(self, leads: int, most: int) -> None:
        super().__init__(
            f"A workbook can have {most:,} leads, and these are {leads:,}. Export them as CSV (/internal/leads.csv), or"
            " filter the list"
        )

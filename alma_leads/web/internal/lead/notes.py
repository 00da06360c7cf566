"""Notes on a lead: written on its page, changed and deleted by their author on a page of their own."""

from __future__ import annotations

from flask import Response, make_response, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.leads.core.errors import NoteChanged
from alma_leads.leads.notes import note_service
from alma_leads.leads.notes.notes import Note
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.back import back, go_back
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.responses import private, wants_part
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.lead.lead_actions import LEAD_ID, swapped_lead
from alma_leads.web.requests.numbers import whole_number

NOTE = f"/leads/{LEAD_ID}/notes/<int(max=9223372036854775807):note_id>"
WRONG = f"Write a note of 1 to {note_service.MAX_LENGTH} characters, without NUL"


@internal.post(f"/leads/{LEAD_ID}/notes")
@access(needs(Permission.UPDATE_LEADS))
def add_note(lead_id: int) -> Response:
    """Write a note into a lead's timeline."""
    text = _text()
    if not _is_usable(text):
        raise InputRefused([("text", WRONG)])
    note_service.add_note(lead_id, text=text, actor=actor())
    toast = Toast("The note is kept.")
    if wants_part("timeline"):
        return swapped_lead(lead_id, "internal/swap_note.html", toast)
    keep_toast(toast)
    return go_back(f"/internal/leads/{lead_id}")


@internal.get(NOTE)
@access(needs(Permission.WRITE_NOTES))
def edit_note(lead_id: int, note_id: int) -> Response:
    """Show a note to its author, to be changed or deleted."""
    note = note_service.get_own_note(lead_id, note_id, actor=actor())
    return _page(lead_id, note, text=note.now.text, seen=note.now.event_id)


@internal.post(NOTE)
@access(needs(Permission.WRITE_NOTES))
def save_note(lead_id: int, note_id: int) -> Response:
    """Let a note say something else."""
    text, seen = _text(), request.form.get("seen", "")
    note = note_service.get_own_note(lead_id, note_id, actor=actor())
    if not _is_usable(text):
        return _page(lead_id, note, text=text, seen=note.now.event_id, errors={"text": WRONG}, status=422)
    version = whole_number(seen)
    if version is None:
        raise InputRefused([("seen", "Open the note again, and save it from there")])
    try:
        note_service.edit_note(lead_id, note_id, text=text, expected_version=version, actor=actor())
    except NoteChanged as changed:
        note = note_service.get_own_note(lead_id, note_id, actor=actor())
        errors = {"text": str(changed)}
        return _page(
            lead_id, note, text=text, seen=note.now.event_id, errors=errors, meanwhile=changed.text, status=409
        )
    keep_toast(Toast("The note is changed."))
    return go_back(f"/internal/leads/{lead_id}")


@internal.post(f"{NOTE}/delete")
@access(needs(Permission.WRITE_NOTES))
def delete_note(lead_id: int, note_id: int) -> Response:
    """Take a note off the page."""
    note_service.delete_note(lead_id, note_id, actor=actor())
    keep_toast(Toast("The note is deleted."))
    return go_back(f"/internal/leads/{lead_id}")


def _text() -> str:
    return request.form.get("text", "").replace("\r\n", "\n").strip()


def _is_usable(text: str) -> bool:
    return 0 < len(text) <= note_service.MAX_LENGTH and "\0" not in text


def _page(
    lead_id: int,
    note: Note,
    *,
    text: str,
    seen: int,
    errors: dict[str, str] | None = None,
    meanwhile: str = "",
    status: int = 200,
) -> Response:
    page = render_template(
        "internal/note.html",
        lead_id=lead_id,
        note=note,
        text=text.replace("\0", ""),
        seen=seen,
        errors=errors or {},
        meanwhile=meanwhile,
        written=reader_clock().moment(note.versions[0].at),
        max_length=note_service.MAX_LENGTH,
        next=back(f"/internal/leads/{lead_id}"),
    )
    return private(make_response(page, status))

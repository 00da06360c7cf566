"""Assignments as files: the export, and an import that is looked at before it is applied."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import settings
from alma_leads.database.base import to_stamp
from alma_leads.jobs.tasks import wake
from alma_leads.leads.assignments import import_service
from alma_leads.leads.assignments.assignment_file import BadFile, to_csv
from alma_leads.leads.assignments.assignment_service import export_assignments
from alma_leads.leads.assignments.import_service import MAX_LINES, preview_import
from alma_leads.leads.core.errors import ImportNotFound
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.errors.problems import problem
from alma_leads.web.errors.server_refusals import is_cut_off
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import in_sentence
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.downloads import download
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.internal.settings.assignments_page import HOME, page_of_assignments
from alma_leads.web.requests.numbers import whole_number

IMPORT = "/settings/assignments/imports/<int(max=2147483647):import_id>"
PAGE_ROWS = 100
PROBLEMS_SHOWN = 200
MAX_BYTES = 8 * 1024 * 1024


@internal.get("/settings/assignments.csv")
@access(needs(Permission.MANAGE_ASSIGNMENTS))
def assignments_csv() -> Response:
    """Send all assignments as a file that can be imported again."""
    who = actor()
    pairs = ((each.email, each.attorney_email) for each in export_assignments(actor=who))
    return download(lambda: (lines.encode() for lines in to_csv(pairs)), kind="csv", name="assignments")


@internal.post("/settings/assignments/imports")
@access(needs(Permission.MANAGE_ASSIGNMENTS, takes_file=True))
def look_at_file() -> Response:
    """Read a file, and lead to what it would change."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return page_of_assignments(errors={"file": "Choose a file"}, status=422)
    # An upload is cut off beyond what a resume may have, whatever it is.
    most = min(MAX_BYTES, settings().RESUME_MAX_BYTES)
    content = file.stream.read(most + 1)
    if len(content) > most or is_cut_off():
        message = f"The file is larger than {most // 1_000_000 or 1} MB, or has more than {MAX_LINES:,} lines. Split it"
        return page_of_assignments(errors={"file": message}, status=413)
    try:
        import_id = preview_import(content, file_name=file.filename, actor=actor())
    except BadFile as bad:
        return page_of_assignments(errors={"file": str(bad)}, status=422)
    return make_response(redirect(f"{HOME}/imports/{import_id}", 303))


@internal.get(IMPORT)
@access(needs(Permission.MANAGE_ASSIGNMENTS))
def assignment_import(import_id: int) -> Response:
    """Show what a file would change, or has changed. `after` is the line after which the table begins."""
    try:
        found = import_service.get_import(import_id)
    except ImportNotFound as gone:
        return problem(404, str(gone))
    after = whole_number(request.args.get("after", ""), digits=9) or 0
    lines = import_service.list_changes(import_id, after=after, limit=PAGE_ROWS + 1)
    clock = reader_clock()
    body = render_template(
        "internal/settings/assignment_import.html",
        section="settings",
        tab="assignments",
        found=found,
        made=in_sentence(clock.moment(to_stamp(found.made_at))),
        applied=in_sentence(clock.moment(to_stamp(found.applied_at))) if found.applied_at else "",
        lines=lines[:PAGE_ROWS],
        after=after,
        following=lines[PAGE_ROWS - 1].number if len(lines) > PAGE_ROWS else 0,
        problems=import_service.list_bad_lines(import_id, limit=PROBLEMS_SHOWN),
        left=import_service.list_skipped_lines(import_id, limit=PROBLEMS_SHOWN) if found.left else [],
    )
    return private(make_response(body))


@internal.post(f"{IMPORT}/apply")
@access(needs(Permission.MANAGE_ASSIGNMENTS))
def apply_import(import_id: int) -> Response:
    """Change what was shown."""
    try:
        import_service.apply_import(import_id, actor=actor())
    except ImportNotFound as gone:
        return problem(404, str(gone))
    wake()
    return make_response(redirect(f"{HOME}/imports/{import_id}", 303))


@internal.post(f"{IMPORT}/discard")
@access(needs(Permission.MANAGE_ASSIGNMENTS))
def discard_import(import_id: int) -> Response:
    """Forget the file."""
    try:
        partly = import_service.discard_import(import_id, actor=actor())
        keep_toast(
            Toast(f"{'What was applied stays' if partly else 'Nothing was changed'}, and the file is forgotten.")
        )
    except ImportNotFound:
        keep_toast(Toast("The file was forgotten already.", icon="info"))
    return make_response(redirect(HOME, 303))

"""The public form: `GET /`, `POST /`, `GET /thanks`. Works without a script and loses nothing that was typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import structlog
from flask import Response, current_app, g, make_response, redirect, render_template, request
from flask_wtf.csrf import generate_csrf
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jinja2 import Environment
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from alma_leads.accounts.core.access_refusal_service import Why
from alma_leads.common.extensions import settings
from alma_leads.leads.core.errors import ResumeGone
from alma_leads.leads.core.source import Source
from alma_leads.resumes.models import Resume
from alma_leads.resumes.sandbox.errors import FileTooLarge, RefusedFile, UploadQuotaSpent, UploadsRefused
from alma_leads.resumes.service import discard, find_unattached
from alma_leads.web.auth import PUBLIC, PUBLIC_FORM, access
from alma_leads.web.errors.problems import STATUS_OF_REFUSED_UPLOAD, size_text, too_large_sentence
from alma_leads.web.errors.refusals import note_refusal
from alma_leads.web.errors.unavailable import RETRY_AFTER_S, is_unavailable, note_unavailable
from alma_leads.web.public.blueprint import public
from alma_leads.web.public.forms import LeadForm
from alma_leads.web.public.intake import (
    count_kept,
    keep_upload,
    refuse_beyond_quota,
    seconds_to_wait,
    send,
    sent_files,
    spend_failure,
    spend_one,
)
from alma_leads.web.theme import THEMES, device_theme

log = structlog.get_logger(__name__)
KEPT_FOR_SECONDS = 12 * 3600
TOKEN_PLACE = "token-goes-here"  # noqa: S105 -- where it goes, not what it is
NEITHER = "Choose a file, or give a link to your resume"
AGAIN = "Choose the file again when you send"
UNAVAILABLE = "We couldn't save your details just now. They are still below: send them again in a few seconds"
GONE = "The file is no longer kept. Choose it again"


@dataclass(frozen=True, slots=True)
class KeptView:
    """A file that is kept from an earlier try, as the form shows it."""

    file_name: str
    size_text: str
    token: str


@dataclass(frozen=True, slots=True)
class FormView:
    """What the form's template shows."""

    values: Mapping[str, str]
    errors: Mapping[str, str]
    kept: KeptView | None
    max_size_text: str
    csrf_token: str
    wait_seconds: int | None


@public.get("/")
@access(PUBLIC)
def form() -> Response:
    """Show the form."""
    before, after = _empty_form(current_app.jinja_env, device_theme())
    return _uncached(make_response(before + generate_csrf() + after))


@public.get("/thanks")
@access(PUBLIC)
def thanks() -> str:
    """Say that the details have arrived."""
    return render_template("public/thanks.html")


# The form checks its CSRF token itself, so that a page that was open too long comes back with what was typed.
@public.post("/")
@access(PUBLIC_FORM)
def submit_form() -> Response:
    """Take a submission: 303 to the thanks, or the form again with a message at each field."""
    try:
        return _submit()
    except Exception as error:
        if not is_unavailable(error):
            raise
        note_unavailable(error)
    kept = _kept_in_vain()
    errors = {"": UNAVAILABLE} | ({"resume": AGAIN} if kept is None and sent_files()[0] is not None else {})
    response = _page(LeadForm(request.form).typed, errors, kept=kept, status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _submit() -> Response:
    try:
        form = LeadForm(request.form)  # by itself it would take JSON too
    except HTTPException as refused:
        return _answer_unreadable(refused)
    if form.website.data:
        log.info("honeypot was filled in")
        return _to_thanks()
    kept = _kept_before()
    if "resume_drop" in request.form:
        if kept is not None:
            discard(kept.storage_name)
        return _page(form.typed, {})
    return _Attempt(form, kept).answer()


def _answer_unreadable(refused: HTTPException) -> Response:
    """Answer a body that is no form, or too large a one: not what the page sends, unless the file is too large."""
    spend_failure()
    too_large_file = (request.content_length or 0) > settings().RESUME_MAX_BYTES
    if not (isinstance(refused, RequestEntityTooLarge) and too_large_file):
        raise refused
    return _page({}, {"resume": too_large_sentence(settings().RESUME_MAX_BYTES)}, status=413)


class _Attempt:
    """One press of the button: what was typed, the file, and what is wrong with them."""

    def __init__(self, form: LeadForm, kept: Resume | None) -> None:
        self.form = form
        self.kept = kept
        self.upload, self.refused_parts = sent_files()
        self.errors: dict[str, str] = {}
        self.status = 422
        self.retry_after: int | None = None

    def answer(self) -> Response:
        """Store the lead, or show the form again."""
        wait = seconds_to_wait()
        if wait is None:
            self._check_fields()
            wait = spend_one() if self.upload is not None or not self.errors else None
        if wait is not None:
            # A file that comes with it is not looked at, which is what the limit is for: it has to be chosen again.
            errors = {"resume": AGAIN} if self.upload is not None else {}
            return _page(self.form.typed, errors, kept=self.kept, wait_seconds=wait, status=429)
        if self.upload is not None:
            self._keep(self.upload)
        if self.errors or self.form.lead is None:
            return self._show_errors()
        try:
            send(self.form.lead, source=Source.FORM, resume=self.kept)
        except ResumeGone:
            return _page(self.form.typed, {"resume": GONE}, status=422)
        return _to_thanks()

    def _check_fields(self) -> None:
        self.form.validate()
        errors = self.errors = self.form.messages
        typed = self.form.typed
        for field, message in self.refused_parts:
            errors[field if field in typed else "resume"] = message  # the page has no place for other fields
        has_resume = self.upload is not None or self.kept is not None or typed["resume_url"].strip()
        if not has_resume and "resume" not in errors:
            errors.setdefault("resume_url", GONE if "resume_kept" in request.form else NEITHER)

    def _keep(self, upload: FileStorage) -> None:
        try:
            refuse_beyond_quota()
            former, self.kept = self.kept, keep_upload(upload)
            g.kept_file = self.kept
            if former is not None:
                discard(former.storage_name)
        except RefusedFile as refused:
            self.errors["resume"] = str(refused)
        except FileTooLarge as too_large:
            self.errors["resume"] = too_large_sentence(too_large.limit_bytes)
            self.status = 413
        except UploadsRefused as refused:
            self._refuse_upload(refused)

    def _refuse_upload(self, refused: UploadsRefused) -> None:
        self.errors["resume"] = str(refused)
        self.status, self.retry_after = STATUS_OF_REFUSED_UPLOAD[type(refused)], refused.wait_seconds

    def _show_errors(self) -> Response:
        if "" in self.errors:
            note_refusal(Why.CSRF)
        if self.upload is None:  # else it was counted like a lead
            spend_failure()
        elif self.kept is not None and "resume" not in self.errors:
            try:
                count_kept(self.kept)
            except UploadQuotaSpent as spent:
                self._refuse_upload(spent)
                self.kept = None
        status = 400 if "" in self.errors else self.status
        return _page(self.form.typed, self.errors, kept=self.kept, status=status, retry_after=self.retry_after)


def _to_thanks() -> Response:
    return make_response(redirect("/thanks", 303))


def _page(
    values: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    kept: Resume | None = None,
    wait_seconds: int | None = None,
    retry_after: int | None = None,
    status: int = 200,
) -> Response:
    view = FormView(
        values=values,
        errors=errors,
        kept=_kept_view(kept) if kept else None,
        max_size_text=size_text(settings().RESUME_MAX_BYTES),
        csrf_token=generate_csrf(),
        wait_seconds=wait_seconds,
    )
    response = _uncached(make_response(render_template("public/form.html", form=view), status))
    retry_after = retry_after if wait_seconds is None else wait_seconds
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


@lru_cache(maxsize=len(THEMES))
def _empty_form(_of: Environment, theme: str) -> tuple[str, str]:
    """Return what stands before and after the token in the empty form: all else is the same for everyone."""
    view = FormView({}, {}, None, size_text(settings().RESUME_MAX_BYTES), TOKEN_PLACE, None)
    before, after = render_template("public/form.html", form=view, theme=theme).split(TOKEN_PLACE)
    return before, after


def _uncached(response: Response) -> Response:
    """Keep the page out of caches: it holds a token of this browser, and after an error what a person typed."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _kept_view(kept: Resume) -> KeptView:
    return KeptView(
        kept.file_name,
        size_text(kept.size_bytes),
        _signer().dumps([kept.storage_name, kept.file_name, kept.size_bytes]),
    )


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="resume-kept")


def _kept_before() -> Resume | None:
    """Return the file that an earlier try of this form left, if its token is ours and it is still unattached."""
    token = request.form.get("resume_kept", "")
    if not token:
        return None
    try:
        storage_name, _, _ = _signer().loads(token, max_age=KEPT_FOR_SECONDS)
    except BadSignature:
        return None
    return find_unattached(storage_name)


def _kept_in_vain() -> Resume | None:
    """Return the file that this request or an earlier one left, without asking the database, which is down."""
    kept: Resume | None = g.get("kept_file")
    if kept is not None:
        return kept
    try:
        token = request.form.get("resume_kept", "")
        storage_name, file_name, size_bytes = _signer().loads(token, max_age=KEPT_FOR_SECONDS)
    except BadSignature:
        return None
    return Resume(storage_name=storage_name, file_name=file_name, size_bytes=size_bytes)

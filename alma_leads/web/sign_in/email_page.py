"""`/change-email/<token>`: confirming a new email address. Only its POST acts, and only for the person it is about."""

from __future__ import annotations

from flask import Response

from alma_leads.accounts.core.errors import LinkGone, PersonExists
from alma_leads.accounts.core.links import Link
from alma_leads.accounts.core.models import LinkPurpose, SessionStage
from alma_leads.accounts.sign_in.password_service import look_at_link
from alma_leads.accounts.users.profile_service import change_email
from alma_leads.actor import Actor
from alma_leads.jobs.tasks import wake
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.sessions import holder, session_token, visitor
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import page, see_other

PATH = "/change-email/<token>"


@sign_in.get(PATH)
@access(PUBLIC)
def new_email(token: str) -> Response:
    """Ask whether the address is to be changed."""
    try:
        return _page(look_at_link(token, LinkPurpose.CHANGE_EMAIL))
    except LinkGone:
        return _gone()


@sign_in.post(PATH)
@access(PUBLIC)
def confirm_new_email(token: str) -> Response:
    """Change the address."""
    try:
        link = look_at_link(token, LinkPurpose.CHANGE_EMAIL)
        found = holder()
        if not _is_theirs(link) or found is None:
            return _page(link)
        who = Actor("user", found.person.id, found.person.name, visitor().address)
        change_email(token, actor=who, keep_session=session_token())
    except LinkGone:
        return _gone()
    except PersonExists as exists:
        return _page(link, error=str(exists))
    wake()
    return see_other("/internal/account?saved=email-changed")


def _is_theirs(link: Link) -> bool:
    """Say whether the person it is about is signed in here.

    The link alone is not enough: whoever mistypes an address would hand the account to its owner.
    """
    found = holder()
    return found is not None and found.stage is SessionStage.OPEN and found.person.id == link.user_id


def _page(link: Link, *, error: str = "") -> Response:
    theirs = _is_theirs(link)
    status = 409 if error else 200 if theirs else 403
    return page("change_email.html", link=link, theirs=theirs, error=error, status=status)


def _gone() -> Response:
    return page("link_gone.html", purpose=LinkPurpose.CHANGE_EMAIL.value, by_oneself=False, status=410)

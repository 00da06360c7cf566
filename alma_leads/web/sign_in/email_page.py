"""`/change-email/<token>`: confirming a new email address. Only its POST acts, and only for the person it is about."""

from __future__ import annotations

from flask import Response
from sqlalchemy import Row

from alma_leads.accounts.core.errors import LinkExpired, UserExists
from alma_leads.accounts.core.models import LinkPurpose, SessionStage
from alma_leads.accounts.sign_in.password_service import get_link
from alma_leads.accounts.users.profile_service import change_email
from alma_leads.common.actor import Actor
from alma_leads.jobs.tasks import wake
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.sessions import auth_session, client_info, session_token
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import page, see_other

PATH = "/change-email/<token>"


@sign_in.get(PATH)
@access(PUBLIC)
def new_email(token: str) -> Response:
    """Ask whether the address is to be changed."""
    try:
        return _page(get_link(token, LinkPurpose.CHANGE_EMAIL))
    except LinkExpired:
        return _gone()


@sign_in.post(PATH)
@access(PUBLIC)
def confirm_new_email(token: str) -> Response:
    """Change the address."""
    try:
        link = get_link(token, LinkPurpose.CHANGE_EMAIL)
        found = auth_session()
        if not _is_theirs(link) or found is None:
            return _page(link)
        who = Actor("user", found.user.id, found.user.name, client_info().address)
        change_email(token, actor=who, keep_session=session_token())
    except LinkExpired:
        return _gone()
    except UserExists as exists:
        return _page(link, error=str(exists))
    wake()
    return see_other("/internal/account?saved=email-changed")


def _is_theirs(link: Row[int | None, str | None, str, str]) -> bool:
    """Say whether the person it is about is signed in here.

    The link alone is not enough: whoever mistypes an address would hand the account to its owner.
    """
    found = auth_session()
    return found is not None and found.stage is SessionStage.OPEN and found.user.id == link.user_id


def _page(link: Row[int | None, str | None, str, str], *, error: str = "") -> Response:
    theirs = _is_theirs(link)
    status = 409 if error else 200 if theirs else 403
    return page("change_email.html", link=link, theirs=theirs, error=error, status=status)


def _gone() -> Response:
    return page("link_gone.html", purpose=LinkPurpose.CHANGE_EMAIL.value, by_oneself=False, status=410)

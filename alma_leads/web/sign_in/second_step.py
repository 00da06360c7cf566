"""`/login/code` and `/login/recovery-code`: the second step of signing in, for whoever has shown a first proof."""

from __future__ import annotations

from flask import Response, request

from alma_leads.accounts.core.errors import SessionExpired
from alma_leads.accounts.core.models import SessionStage
from alma_leads.accounts.core.proofs import Proof
from alma_leads.accounts.core.sessions import AuthSession
from alma_leads.accounts.second_factor.passkey_service import has_passkey
from alma_leads.accounts.second_factor.second_factor_service import own_factors, sign_in_with_code
from alma_leads.common.extensions import settings
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.sessions import auth_session, begin_browser_session, client_info, session_token
from alma_leads.web.sign_in.blueprint import sign_in
from alma_leads.web.sign_in.steps import address_after, go_on, page, see_other, wanted, with_wanted

# Where it says how many codes are left, and where a lost app is replaced.
AFTER_RECOVERY = "/internal/account?saved=recovery-code"


@sign_in.get("/login/code")
@access(PUBLIC)
def second_step() -> Response:
    """Ask for the code that the authenticator app shows."""
    found = _half_open()
    if found is None:
        return _elsewhere()
    factors, _ = own_factors(found.user.id)
    if not factors.app and has_passkey(found.user.id):
        return see_other(with_wanted("/login/passkey"))
    return _code_page(found, wrong=False)


@sign_in.post("/login/code")
@access(PUBLIC)
def take_code() -> Response:
    """Let someone in who shows the code."""
    return _take(Proof.CODE)


@sign_in.get("/login/recovery-code")
@access(PUBLIC)
def recovery_step() -> Response:
    """Ask for a recovery code."""
    return _elsewhere() if _half_open() is None else _recovery_page(wrong=False)


@sign_in.post("/login/recovery-code")
@access(PUBLIC)
def take_recovery_code() -> Response:
    """Let someone in who has a recovery code."""
    return _take(Proof.RECOVERY_CODE)


def _take(proof: Proof) -> Response:
    found = _half_open()
    if found is None:
        return _elsewhere()
    typed = request.form.get("code", "")[:100]
    try:
        opened = sign_in_with_code(found, typed, proof=proof, token=session_token(), client=client_info())
    except SessionExpired:
        return _elsewhere()
    if proof is Proof.CODE:
        return _code_page(found, wrong=True) if opened is None else go_on(opened)
    if opened is None:
        return _recovery_page(wrong=True)
    begin_browser_session(opened)
    return see_other(AFTER_RECOVERY)


def _half_open() -> AuthSession | None:
    found = auth_session()
    return found if found is not None and found.stage is SessionStage.SECOND_FACTOR else None


def _elsewhere() -> Response:
    """Lead whoever has no second proof to show to the first step, or to where the session leads."""
    found = auth_session()
    if found is None or found.stage is SessionStage.SECOND_FACTOR:
        return see_other(with_wanted("/login"))
    return see_other(address_after(found.stage))


def _code_page(found: AuthSession, *, wrong: bool) -> Response:
    factors, _ = own_factors(found.user.id)
    return page(
        "code.html",
        wrong=wrong,
        status=422 if wrong else 200,
        next=wanted(),
        factors=factors,
        by_password=found.proofs == Proof.PASSWORD,
        issuer=settings().AUTHENTICATOR_ISSUER,
        with_wanted=with_wanted,
    )


def _recovery_page(*, wrong: bool) -> Response:
    return page("recovery_code.html", wrong=wrong, status=422 if wrong else 200, next=wanted(), with_wanted=with_wanted)

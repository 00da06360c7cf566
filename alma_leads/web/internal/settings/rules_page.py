"""The settings page of the assignment rules: to whom prospects go who are new."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Response, make_response, redirect, render_template, request
from sqlalchemy import Row

from alma_leads.accounts.core.permissions import Permission
from alma_leads.common.extensions import settings
from alma_leads.leads.assignments.assignment_service import active_attorneys
from alma_leads.leads.assignments.rule_service import get_rules, remove_domain, set_domain, set_rotation
from alma_leads.leads.core.errors import BadDomain, NotAnActiveAttorney
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.dates import Clock
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.frame.toasts import Toast, keep_toast
from alma_leads.web.requests.numbers import whole_number

HOME = "/internal/settings/assignment-rules"
MAX_TYPED = 320
# Where anyone can have an address: a rule for one of these is hardly ever meant.
OPEN_TO_ANYONE = frozenset(
    {
        "163.com",
        "aol.com",
        "gmail.com",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "hotmail.com",
        "icloud.com",
        "live.com",
        "mail.ru",
        "outlook.com",
        "proton.me",
        "protonmail.com",
        "qq.com",
        "web.de",
        "yahoo.com",
        "yandex.ru",
    }
)


class RuleView(NamedTuple):
    """A domain in the table. `note` says why its attorney gets nobody at present, or ""."""

    domain: str
    attorney: str
    note: str
    is_open: bool
    change_query: str


@internal.get("/settings/assignment-rules")
@access(needs(Permission.MANAGE_FIRM))
def assignment_rules() -> Response:
    """Show the rules; `domain` fills the form with one, to change it."""
    return _page(request.args.get("domain", "")[:MAX_TYPED], None, {})


@internal.post("/settings/assignment-rules/rotation")
@access(needs(Permission.MANAGE_FIRM))
def save_rotation() -> Response:
    """Keep whether prospects go in turn, and to whom."""
    shown, taking_part = (_numbers(request.form.getlist(name)) for name in ("shown", "takes_part"))
    set_rotation(in_turn="in_turn" in request.form, shown=shown, taking_part=taking_part, actor=actor())
    return _done("Saved.")


@internal.post("/settings/assignment-rules/domains")
@access(needs(Permission.MANAGE_FIRM))
def save_domain() -> Response:
    """Keep the attorney of a domain, or, with `do=remove`, take the rule away."""
    typed, attorney = request.form.get("domain", "")[:MAX_TYPED], request.form.get("attorney", "")[:MAX_TYPED]
    if request.form.get("do") == "remove":
        remove_domain(typed, actor=actor())
        return _done(f"There is no rule for {typed} any more.")
    try:
        domain = set_domain(typed, attorney_email=attorney, actor=actor())
    except BadDomain as bad:
        return _page(typed, attorney, {"domain": str(bad)})
    except NotAnActiveAttorney:
        return _page(typed, attorney, {"attorney": "Choose an active attorney"})
    if domain in OPEN_TO_ANYONE:
        return _done(f"Saved. Anyone can have an address at {domain}: all who are new there go to one attorney.")
    return _done(f"Saved: the rule for {domain}.")


def _numbers(texts: list[str]) -> set[int]:
    return {number for text in texts if (number := whole_number(text, digits=9)) is not None}


def _done(said: str) -> Response:
    keep_toast(Toast(said))
    return make_response(redirect(HOME, 303))


def _page(domain: str, attorney: str | None, errors: dict[str, str]) -> Response:
    """Return the page. `attorney` is what was chosen, or None for whoever has the domain."""
    rules, clock = get_rules(), reader_clock()
    if attorney is None:
        attorney = next((rule.attorney_email for rule in rules.domains if rule.domain == domain), "")
    body = render_template(
        "internal/settings/assignment_rules.html",
        section="settings",
        tab="rules",
        rules=rules,
        domains=[_view(rule, clock) for rule in rules.domains],
        people=active_attorneys(),
        domain=domain,
        attorney=attorney,
        errors=errors,
        helpdesk=settings().HELPDESK_EMAIL or "",
    )
    return private(make_response(body, 422 if errors else 200))


def _view(rule: Row[str, str, str, bool, date], clock: Clock) -> RuleView:
    note = f"away until {clock.until_day(rule.away_until)}" if rule.away_until else ""
    return RuleView(
        rule.domain,
        rule.attorney_name,
        note if rule.is_active_attorney else "no active attorney",
        rule.domain in OPEN_TO_ANYONE,
        urlencode({"domain": rule.domain}),
    )

"""The firm's rule on the page of people: whether everyone needs a second factor."""

from __future__ import annotations

from flask import Response, make_response, redirect, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.accounts.second_factor.second_factor_service import require_second_factor
from alma_leads.web.auth import access, actor, needs
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.toasts import Toast, keep_toast

CHOICES = {"yes": True, "no": False}


@internal.post("/settings/people/second-factor")
@access(needs(Permission.MANAGE_PEOPLE, fresh=True))
def set_second_factor_rule() -> Response:
    """Require a second factor of everyone, or let each person decide."""
    required = CHOICES.get(request.form.get("required", ""))
    if required is None:
        raise InputRefused([("required", "Choose yes or no")])
    require_second_factor(required=required, actor=actor())
    keep_toast(Toast("Everyone needs a second factor now." if required else "Each person decides now."))
    return make_response(redirect("/internal/settings/people", 303))

"""What a list that lies open asks once a minute: how many leads came since. Its answer moves nothing by itself."""

from __future__ import annotations

from flask import Response, jsonify, request

from alma_leads.accounts.core.permissions import Permission
from alma_leads.leads.listing import queries
from alma_leads.web.auth import access, needs
from alma_leads.web.errors.problems import InputRefused
from alma_leads.web.internal.frame.blueprint import internal
from alma_leads.web.internal.frame.responses import private
from alma_leads.web.internal.lead_list.list_request import parse_list_filter
from alma_leads.web.requests.numbers import whole_number


@internal.get("/leads/new")
@access(needs(Permission.READ_LEADS, quiet=True))
def new_leads() -> Response:
    """Count the leads of a list that came after the lead `after`, for the list's own script.

    Raises:
        BadFilter: a parameter of the list cannot be used.
        InputRefused: `after` is not the number of a lead.
    """
    after = whole_number(request.args.get("after", ""))
    if after is None:
        raise InputRefused([("after", "Give the number of a lead")])
    pairs = [(name, value) for name, value in request.args.items(multi=True) if name != "after"]
    count = queries.count_newer(parse_list_filter(pairs).leads, after=after)
    return private(jsonify(count=count, more=count >= queries.NEWER_CAP))

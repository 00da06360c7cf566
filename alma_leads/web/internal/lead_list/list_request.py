"""What the request for a desk page says: its list filter, and how much of the page is wanted. Renders nothing."""

from __future__ import annotations

from collections.abc import Iterable

from alma_leads.common.email_address import BadEmailAddress, normalise_email
from alma_leads.leads.listing import queries
from alma_leads.web.internal.frame.desk_frame import reader_clock
from alma_leads.web.internal.lead_list import list_filter
from alma_leads.web.internal.lead_list.list_filter import ListFilter
from alma_leads.web.sessions import auth_session

ORDER_WORDS = {
    "-created_at": "newest first",
    "created_at": "oldest first",
    "last_name": "by last name, A to Z",
    "-last_name": "by last name, Z to A",
    "attorney": "by attorney, A to Z",
    "-attorney": "by attorney, Z to A",
    "due": "most urgent first",
    "-due": "least urgent first",
    "status": "pending first",
    "-status": "reached out first",
    "-updated_at": "last changed first",
    "updated_at": "longest unchanged first",
}


def parse_list_filter(pairs: Iterable[tuple[str, str]]) -> ListFilter:
    """Return what the pairs of a list's query string ask for, by whoever makes this request.

    Raises:
        BadFilter: a parameter cannot be used.
    """

    def find_attorney(text: str) -> int | None:
        try:
            return queries.find_attorney_id(normalise_email(text))
        except BadEmailAddress:
            return None

    found = auth_session()  # none when a key asks
    return list_filter.parse(
        pairs,
        clock=reader_clock(),
        me=(found.user.id, found.user.email) if found else (0, ""),
        find_attorney=find_attorney,
    )

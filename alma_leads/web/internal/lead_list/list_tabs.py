"""The tabs above the list: the views that everyone has, then the saved ones, each with how many leads it shows."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from alma_leads.leads.listing import queries
from alma_leads.leads.listing.filters import BadFilter
from alma_leads.leads.listing.saved_views import list_views
from alma_leads.web.internal.frame.desk_frame import Counts, capped
from alma_leads.web.internal.lead_list.list_filter import ListFilter
from alma_leads.web.internal.lead_list.list_request import parse_list_filter
from alma_leads.web.sessions import reader

# Label, query, and which of the desk's counts it shows.
_EVERYONES: tuple[tuple[str, dict[str, str], str], ...] = (
    ("All", {}, "total"),
    ("Pending", {"status": "PENDING"}, "pending"),
    ("Reached out", {"status": "REACHED_OUT"}, "reached_out"),
    ("Mine", {"status": "PENDING", "assigned_to": "me"}, "mine"),
    ("Unassigned", {"status": "PENDING", "assigned_to": "none"}, "unassigned"),
    ("Overdue", {"overdue": "true"}, "overdue"),
    ("Mail trouble", {"mail": "trouble"}, "mail_trouble"),
)


class Tab(NamedTuple):
    """A link to a view. `number` counts its leads, "" where counting is dear; `saved` is "", "yours" or "shared"."""

    label: str
    href: str
    number: str
    current: bool
    saved: str


class Tabs(NamedTuple):
    """All tabs. `to_save` is the query under which the present list can be saved, "" when a tab shows it already."""

    tabs: list[Tab]
    to_save: str
    any_saved: bool


def tabs_of(asked: ListFilter, counts: Counts) -> Tabs:
    """Return the tabs for whoever reads the list that `asked` describes."""
    here = asked.query()
    tabs = [
        Tab(label, _list(urlencode(wanted)), getattr(counts, name), asked.is_only(**wanted), "")
        for label, wanted, name in _EVERYONES
    ]
    taken = any(tab.current for tab in tabs) and not asked.is_rearranged
    saved = list_views(reader().id)
    for row in saved:
        kind = "yours" if row.owner_id == reader().id else "shared"
        try:
            view = parse_list_filter(parse_qsl(row.query))
        except BadFilter:  # an attorney who is none any more: its own page says so
            tabs.append(Tab(row.name, f"/internal/views/{row.id}", "", False, kind))
            continue
        current = row.query == here
        taken = taken or current
        tabs.append(Tab(row.name, _list(row.query), _count(view), current, kind))
    if any(tab.current and tab.saved for tab in tabs):  # the saved view says more than the one that all have
        tabs = [tab if tab.saved else tab._replace(current=False) for tab in tabs]
    return Tabs(tabs, "" if taken else here, bool(saved))


def _list(query: str) -> str:
    return f"/internal/leads?{query}" if query else "/internal/leads"


def _count(view: ListFilter) -> str:
    found = queries.count_capped(view.leads)
    return "" if found is None else capped(found)

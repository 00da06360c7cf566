"""The resume of a lead as its page shows it: a file with its facts, a link with the host that it leads to."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import HttpUrl, ValidationError

from alma_leads.leads.events import EventKind
from alma_leads.leads.queries import EventRow, LeadRow
from alma_leads.resumes.service import KeptFile
from alma_leads.web.problems import size_text

_KINDS = {"application/pdf": "PDF"}


class ResumeView(NamedTuple):
    """What the prospect gave: a file (`name`, `facts`), a link, or both. A link is only ever http or https.

    `host` is the link's, as a browser will look it up: international names in ASCII, so that none looks like another.
    """

    name: str
    facts: str
    link: str
    host: str


def resume_view(lead: LeadRow, kept: KeptFile | None, events: list[EventRow]) -> ResumeView:
    """Return what to show of a lead's resume. Nothing is fetched."""
    if kept is None:
        return ResumeView("", "", *_web_link(lead.resume_url))
    submitted = next((event for event in events if event.kind == EventKind.SUBMITTED), None)
    facts = f"{_KINDS.get(kept.media_type, 'Word document')}, {size_text(kept.size_bytes)}"
    return ResumeView(kept.file_name, facts, *_web_link(str(submitted.data.get("link", "")) if submitted else ""))


def _web_link(url: str) -> tuple[str, str]:
    """Return `url` and its host when a browser may follow it, else twice nothing. Read by the rules of browsers."""
    try:
        host = HttpUrl(url).host
    except ValidationError:
        return "", ""
    return (url, host) if host else ("", "")

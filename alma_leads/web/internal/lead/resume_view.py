"""The resume of a lead as its page shows it: a file with its facts and first page, a link with the host it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from alma_leads.leads.core.events import EventKind
from alma_leads.leads.core.links import web_link
from alma_leads.leads.core.lookup import EventRow, LeadRow
from alma_leads.leads.resume_text.resume_texts import Passage, find_text, passages
from alma_leads.resumes.models import Preview, Resume
from alma_leads.resumes.sandbox.sniff import PDF
from alma_leads.resumes.service import find_resume
from alma_leads.web.errors.problems import size_text

EXCERPT_LENGTH = 700
# How often a page that lies open looks whether the picture is there, each time after twice as long.
MAX_LOOKS = 6

_NOTHING_READ = {
    "LOST": "The storage has lost this file, so that there is no picture of it.",
    "LOCKED": "The file is locked with a password, so that there is no picture of it.",
    "DAMAGED": "The file is damaged, so that there is no picture of it.",
}
_TOO_COMPLEX = "The file is too complicated to make a picture of it."


class ResumeView(NamedTuple):
    """What the prospect gave: a file (`name`, `facts`), a link, or both. A link is only ever http or https.

    `host` is the link's, as a browser will look it up: international names in ASCII, so that none looks like another.
    `size` is that of the picture of the first page; where there is none, `excerpt` is how the text begins, and `words`
    say why. `said` is where the words stand that were looked for. `look_after` is how many seconds to wait before
    looking again, or 0; `look` how often that was done.
    """

    name: str = ""
    facts: str = ""
    link: str = ""
    host: str = ""
    size: tuple[int, int] | None = None
    excerpt: str = ""
    words: str = ""
    look_after: int = 0
    look: int = 0
    said: tuple[Passage, ...] = ()


def resume_view(
    session: Session, lead: LeadRow, events: list[EventRow], *, words: Sequence[str] = (), looks: int = 0
) -> ResumeView:
    """Return what to show of a lead's resume. Nothing is fetched.

    Args:
        session: reads.
        lead: whose.
        events: its event log.
        words: folded words that were looked for in resumes.
        looks: how often the page has looked whether there is a picture.
    """
    resume = find_resume(session, lead.id)
    if resume is None:
        link, host = web_link(lead.resume_url)
        return ResumeView(link=link, host=host)
    submitted = next((event for event in events if event.kind == EventKind.SUBMITTED), None)
    link, host = web_link(str(submitted.data.get("link", ""))) if submitted else ("", "")
    view = ResumeView(resume.file_name, _facts(resume), link, host)
    if resume.preview is Preview.PENDING:
        again = looks < MAX_LOOKS
        being_made = "A picture of the first page is being made. Reload this page in a moment."
        return view._replace(words=being_made, look_after=2 << looks if again else 0, look=looks + 1)
    if resume.preview is Preview.NONE:
        return view._replace(words=_NOTHING_READ.get(resume.preview_failure or "", _TOO_COMPLEX))
    text = find_text(lead.id)
    view = view._replace(said=tuple(passages(text, words)) if words else ())
    if resume.picture_width and resume.picture_height:
        no_text = "" if text else "There is no text in this file that could be searched, only pictures of it."
        return view._replace(size=(resume.picture_width, resume.picture_height), words=no_text)
    return view._replace(excerpt=_beginning(text), words="" if text else "There is no text in this file.")


def _facts(resume: Resume) -> str:
    kind = "PDF" if resume.media_type == PDF else "Word document"
    pages = "" if not resume.pages else "1 page" if resume.pages == 1 else f"{resume.pages} pages"
    return ", ".join(filter(None, (kind, pages, size_text(resume.size_bytes))))


def _beginning(text: str) -> str:
    """Return the first lines of a text, cut between words."""
    if len(text) <= EXCERPT_LENGTH:
        return text
    return text[:EXCERPT_LENGTH].rsplit(maxsplit=1)[0] + " …"

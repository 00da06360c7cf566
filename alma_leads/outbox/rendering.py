"""Rendering an email from its three templates, `templates/email/<kind>.{subject.txt,txt,html}`, when it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from flask import current_app
from jinja2 import Environment, StrictUndefined, Template

from alma_leads.common.extensions import settings


class Content(NamedTuple):
    """What a reader sees of an email."""

    subject: str
    text: str
    html: str


def render(kind: str, facts: Mapping[str, Any], *, language: str) -> Content:
    """Return the email of a kind, with `facts` filled into its templates.

    The templates also get `language` and `public_url`, the start of every link to the desk. A name that they use and
    nobody gave is an error, so that no email goes out with a gap.
    """
    context = {**facts, "language": language, "public_url": settings().PUBLIC_URL}
    return Content(
        render_subject(kind, facts, language=language),
        _template(f"{kind}.txt").render(context),
        _template(f"{kind}.html").render(context),
    )


def render_subject(kind: str, facts: Mapping[str, Any], *, language: str) -> str:
    """Return the subject line alone."""
    return _template(f"{kind}.subject.txt").render(facts, language=language).strip()


def _template(name: str) -> Template:
    return _strict(current_app.jinja_env).get_template(f"email/{name}")


@lru_cache(maxsize=1)
def _strict(environment: Environment) -> Environment:
    """Return the application's templates, with an error for each name that is not given.

    `flask.render_template` would also ask the context processors of the desk, which read the request.
    """
    return environment.overlay(undefined=StrictUndefined)

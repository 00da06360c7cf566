"""The API's description: `/openapi.json` for programs, `/docs` to read. The page needs nothing from elsewhere."""

from __future__ import annotations

import orjson
from flask import Response, render_template

from alma_leads.common.extensions import settings
from alma_leads.web.auth import PUBLIC, access
from alma_leads.web.openapi.document import document
from alma_leads.web.public.blueprint import public


@public.get("/openapi.json")
@access(PUBLIC)
def openapi_json() -> Response:
    """Send the description of the API."""
    body = orjson.dumps(document(public_url=settings().PUBLIC_URL))
    return Response(body, content_type="application/json", headers={"Cache-Control": "public, max-age=300"})


@public.get("/docs")
@access(PUBLIC)
def docs() -> str:
    """Show the description of the API as a page."""
    return render_template("public/docs.html", api=document(public_url=settings().PUBLIC_URL))

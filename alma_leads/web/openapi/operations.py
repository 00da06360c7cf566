"""What operations of the API's description are put together from: parameters, answers, problems."""

from __future__ import annotations

from typing import Any

from alma_leads.accounts.core.permissions import Scope
from alma_leads.leads.listing.filters import DEFAULT_LIMIT, DEFAULT_SORT, MAX_LIMIT, SORTS
from alma_leads.web.openapi.schemas import STATUS, Schema

_PROBLEMS = {
    400: "Cannot be read: torn, malformed, not UTF-8, nested deeper than 20 brackets, or a NUL in it",
    401: "No key, or one that does not work",
    403: "Not allowed for this key, this role, this address or a page of another site, or the CSRF token is missing",
    404: "There is none",
    409: "Not possible in the present state",
    412: "It has changed since it was read",
    413: "Too large: JSON has at most 128 kB, a form 60 parts, and a file what RESUME_MAX_BYTES allows",
    415: "Neither application/json nor, where a file can be sent, multipart/form-data",
    422: "Something in it cannot be used",
    429: "Too many requests; see Retry-After",
    503: "Not possible for the moment; see Retry-After",
    507: "No room for files for the moment; send a link",
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}}


def ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_of(schema: Schema) -> Schema:
    """Return the content of a JSON body."""
    return {"application/json": {"schema": schema}}


def answers(description: str, content: Schema | None, *problems: int, status: int = 200, **headers: str) -> Schema:
    """Return the responses of an operation: the good one, and the problems it may answer with."""
    good: Schema = {"description": description}
    if content:
        good["content"] = content
    if headers:
        good["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return {str(status): good, **{str(code): problem(code) for code in sorted({*problems, 503})}}


def problem(code: int, description: str = "") -> Schema:
    """Return the response of an error, as problem details (RFC 9457)."""
    answer: Schema = {
        "description": description or _PROBLEMS[code],
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }
    return {**answer, "headers": _RETRY_AFTER} if code in (429, 503) else answer


def header(name: str, description: str) -> Schema:
    """Return a header parameter."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def query(name: str, description: str, schema: Schema) -> Schema:
    """Return a query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def filter_of(name: str, description: str, schema: Schema) -> Schema:
    """Return a parameter of which an empty value means that there is no filter."""
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], ""]}
    return {**query(name, description, schema), "allowEmptyValue": True}


def path(name: str, schema: Schema) -> Schema:
    """Return a path parameter."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


LEAD_ID = path("lead_id", {"type": "integer", "minimum": 1, "maximum": 2**63 - 1})
EMAIL = path("email", {"type": "string"})
FILTERS = [
    filter_of("status", "Only leads with this status.", STATUS),
    filter_of("q", 'Text in "first last" or the address, without regard to case or accents.', {"type": "string"}),
    filter_of("assigned_to", "An attorney's address, or `none`.", {"type": "string"}),
    filter_of("created_from", "A moment (RFC 3339) or a whole UTC day, included.", {"type": "string"}),
    filter_of("created_to", "A moment (RFC 3339) or a whole UTC day, included.", {"type": "string"}),
    filter_of("overdue", "`true`: only pending leads past the firm's target.", {"type": "string", "enum": ["true"]}),
    filter_of(
        "returning",
        "`true`: only leads of prospects who have sent more than one.",
        {"type": "string", "enum": ["true"]},
    ),
    filter_of(
        "mail",
        "`trouble`: only leads with an e-mail that no mail server has taken.",
        {"type": "string", "enum": ["trouble"]},
    ),
    filter_of(
        "resume",
        "Whole words that the text of the uploaded resume holds, in any order, without regard to case or accents; 10 "
        "at most.",
        {"type": "string"},
    ),
    filter_of(
        "conflict",
        "`conflict`: only leads in which a conflict was recorded at the desk.",
        {"type": "string", "enum": ["conflict"]},
    ),
    filter_of("sort", "The order.", {"type": "string", "enum": list(SORTS), "default": DEFAULT_SORT}),
    filter_of(
        "limit",
        "How many at most.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    filter_of("cursor", "Where to go on; taken from the Link header.", {"type": "string"}),
]
UPLOAD: Schema = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("first_name", "last_name", "email", "resume_url")},
        "resume": {"type": "string", "contentMediaType": "application/octet-stream", "description": "PDF or DOCX."},
    },
    "required": ["first_name", "last_name", "email"],
}


def operation(tag: str, summary: str, responses: Schema, *, scope: str = "", **more: Any) -> Schema:
    """Return an operation. `scope` is what a key needs for it."""
    operation = {"tags": [tag], "summary": summary, "responses": responses, **more}
    if scope:
        responses["503"] = problem(503)
        # What OpenAPI calls roles: the scope that the key needs.
        needed: list[Schema] = [{"key": [scope]}]
        operation["security"] = [{}, *needed] if tag == "Public" else needed
    return operation


def export(media_type: str, summary: str, operation_id: str) -> Schema:
    """Return the operation of a download of leads."""
    parameters = [parameter for parameter in FILTERS if parameter["name"] not in ("limit", "cursor")]
    content = {media_type: {"schema": {"type": "string"}}}
    responses = answers("All rows of the filter, streamed", content, *(400, 401, 403, 422, 429))
    return operation("Leads", summary, responses, scope=Scope.EXPORT, operationId=operation_id, parameters=parameters)

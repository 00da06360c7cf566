"""The API's description (OpenAPI 3.1), as data. A test holds it against the routes, another against real answers."""

from __future__ import annotations

from typing import Any

from alma_leads.accounts.core.permissions import Permission, Scope
from alma_leads.file_formats.streaming import CONTENT_TYPES
from alma_leads.leads.core.schemas import AssignmentIn, LeadIn, LeadPatch
from alma_leads.leads.listing.filters import DEFAULT_LIMIT, DEFAULT_SORT, MAX_LIMIT, SORTS
from alma_leads.web.openapi.schemas import (
    ASSIGNMENT,
    EVENT,
    FULL_LEAD,
    MESSAGE,
    PROBLEM,
    RECORD,
    STATUS,
    Schema,
    an_object,
)

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


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _answers(description: str, content: Schema | None, *problems: int, status: int = 200, **headers: str) -> Schema:
    """Return the responses of an operation: the good one, and the problems it may answer with."""
    good: Schema = {"description": description}
    if content:
        good["content"] = content
    if headers:
        good["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return {str(status): good, **{str(code): _problem(code) for code in sorted({*problems, 503})}}


def _problem(code: int, description: str = "") -> Schema:
    answer: Schema = {
        "description": description or _PROBLEMS[code],
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }
    return {**answer, "headers": _RETRY_AFTER} if code in (429, 503) else answer


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _filter(name: str, description: str, schema: Schema) -> Schema:
    """Return a parameter of which an empty value means that there is no filter."""
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], ""]}
    return {**_query(name, description, schema), "allowEmptyValue": True}


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_LEAD_ID = _path("lead_id", {"type": "integer", "minimum": 1, "maximum": 2**63 - 1})
_EMAIL = _path("email", {"type": "string"})
_FILTERS = [
    _filter("status", "Only leads with this status.", STATUS),
    _filter("q", 'Text in "first last" or the address, without regard to case or accents.', {"type": "string"}),
    _filter("assigned_to", "An attorney's address, or `none`.", {"type": "string"}),
    _filter("created_from", "A moment (RFC 3339) or a whole UTC day, included.", {"type": "string"}),
    _filter("created_to", "A moment (RFC 3339) or a whole UTC day, included.", {"type": "string"}),
    _filter("overdue", "`true`: only pending leads past the firm's target.", {"type": "string", "enum": ["true"]}),
    _filter(
        "returning",
        "`true`: only leads of prospects who have sent more than one.",
        {"type": "string", "enum": ["true"]},
    ),
    _filter(
        "mail",
        "`trouble`: only leads with an e-mail that no mail server has taken.",
        {"type": "string", "enum": ["trouble"]},
    ),
    _filter(
        "resume",
        "Whole words that the text of the uploaded resume holds, in any order, without regard to case or accents; 10 "
        "at most.",
        {"type": "string"},
    ),
    _filter(
        "conflict",
        "`conflict`: only leads in which a conflict was recorded at the desk.",
        {"type": "string", "enum": ["conflict"]},
    ),
    _filter("sort", "The order.", {"type": "string", "enum": list(SORTS), "default": DEFAULT_SORT}),
    _filter(
        "limit",
        "How many at most.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    _filter("cursor", "Where to go on; taken from the Link header.", {"type": "string"}),
]
_UPLOAD: Schema = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("first_name", "last_name", "email", "resume_url")},
        "resume": {"type": "string", "contentMediaType": "application/octet-stream", "description": "PDF or DOCX."},
    },
    "required": ["first_name", "last_name", "email"],
}


def _operation(tag: str, summary: str, responses: Schema, *, scope: str = "", **more: Any) -> Schema:
    operation = {"tags": [tag], "summary": summary, "responses": responses, **more}
    if scope:
        responses["503"] = _problem(503)
        # What OpenAPI calls roles: the scope that the key needs.
        needed: list[Schema] = [{"key": [scope]}]
        operation["security"] = [{}, *needed] if tag == "Public" else needed
    return operation


def document(*, public_url: str) -> Schema:
    """Return the OpenAPI document of an application whose address is `public_url`."""
    record = an_object(RECORD)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Alma Lead Manager",
            "version": "1.0.0",
            "description": "Send leads to a law firm, list them, and mark them reached out.",
        },
        "servers": [{"url": public_url}],
        "paths": {
            "/public/leads": {
                "post": _operation(
                    "Public",
                    "Send a lead",
                    _answers(
                        "The stored record",
                        _json(_ref("Record")),
                        *(400, 401, 403, 409, 413, 415, 422, 429, 507),
                        status=201,
                        Location="The lead's address",
                    ),
                    scope=Scope.CREATE,
                    operationId="createLead",
                    parameters=[
                        _header(
                            "Idempotency-Key",
                            "1 to 255 visible characters. For 24 hours a retry with it and the same fields and file "
                            "gets the first answer again. It belongs to your API key, or without one to your network.",
                        )
                    ],
                    requestBody={
                        "required": True,
                        "content": {**_json(_ref("LeadIn")), "multipart/form-data": {"schema": _UPLOAD}},
                    },
                )
            },
            "/internal/leads": {
                "get": _operation(
                    "Leads",
                    "List leads, newest first",
                    _answers(
                        "A page of leads",
                        _json({"type": "array", "items": _ref("FullLead")}),
                        *(400, 401, 403, 422, 429),
                        Link="The next page, while there is one",
                    ),
                    scope=Scope.READ,
                    operationId="listLeads",
                    parameters=_FILTERS,
                )
            },
            "/internal/leads.csv": {"get": _export("text/csv", "Download leads as CSV", "downloadCsv")},
            "/internal/leads.ndjson": {
                "get": _export("application/x-ndjson", "Download leads, one JSON object a line", "downloadNdjson")
            },
            "/internal/leads.xlsx": {
                "get": _export(CONTENT_TYPES["xlsx"], "Download leads as a workbook", "downloadXlsx")
            },
            "/internal/leads/{lead_id}": {
                "parameters": [_LEAD_ID],
                "get": _operation(
                    "Leads",
                    "One lead in full",
                    _answers("The lead", _json(_ref("FullLead")), 401, 403, 404, 429, ETag="Its version"),
                    scope=Scope.READ,
                    operationId="getLead",
                ),
                "patch": _operation(
                    "Leads",
                    "Mark a lead reached out",
                    _answers(
                        "The lead, changed; for a key without leads:read only what it changed",
                        _json({"anyOf": [_ref("FullLead"), _ref("LeadChange")]}),
                        *(400, 401, 403, 404, 409, 412, 413, 415, 422, 429),
                        ETag="Its version",
                    ),
                    scope=Scope.UPDATE,
                    operationId="updateLead",
                    parameters=[_header("If-Match", "The ETag that you saw.")],
                    requestBody={"required": True, "content": _json(_ref("LeadPatch"))},
                ),
            },
            "/internal/leads/{lead_id}/events": {
                "parameters": [_LEAD_ID],
                "get": _operation(
                    "Leads",
                    "What happened to a lead, newest first",
                    _answers("Its events", _json({"type": "array", "items": _ref("Event")}), *(401, 403, 404, 429)),
                    scope=Scope.READ,
                    operationId="listEvents",
                ),
            },
            "/internal/leads/{lead_id}/resume": {
                "parameters": [_LEAD_ID],
                "get": _operation(
                    "Leads",
                    "The uploaded file; 409 when the prospect gave a link",
                    {
                        **_answers("The file", {"application/octet-stream": {}}, 401, 403, 404, 429),
                        "409": _problem(
                            409, "The lead has no file: the prospect gave a link, which is in `resume_url`"
                        ),
                    },
                    scope=Scope.READ,
                    operationId="getResume",
                ),
            },
            "/internal/assignments/{email}": {
                "parameters": [_EMAIL],
                "get": _operation(
                    "Assignments",
                    "The attorney of a prospect",
                    _answers("The assignment", _json(_ref("Assignment")), *(401, 403, 404, 422, 429)),
                    scope=Scope.READ,
                    operationId="getAssignment",
                ),
                "put": _operation(
                    "Assignments",
                    "Give a prospect to an attorney",
                    _answers("The assignment", _json(_ref("Assignment")), *(400, 401, 403, 404, 413, 415, 422, 429)),
                    scope=Scope.UPDATE,
                    operationId="putAssignment",
                    requestBody={"required": True, "content": _json(_ref("AssignmentIn"))},
                ),
                "delete": _operation(
                    "Assignments",
                    "Take a prospect from its attorney",
                    _answers("Done", None, *(400, 401, 403, 404, 422, 429), status=204),
                    scope=Scope.UPDATE,
                    operationId="deleteAssignment",
                ),
            },
            "/internal/outbox": {
                "get": _operation(
                    "Outbox",
                    "Messages waiting, retrying and dead",
                    _answers(
                        "The messages", _json({"type": "array", "items": _ref("Message")}), *(400, 401, 403, 422, 429)
                    ),
                    scope=Permission.READ_OUTBOX,
                    operationId="listOutbox",
                    parameters=[
                        _filter(
                            "state", "Only these.", {"type": "string", "enum": ["queued", "retrying", "dead", "sent"]}
                        ),
                        _filter("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 1000}),
                        _filter("before", "Only those with a smaller id.", {"type": "integer", "minimum": 1}),
                    ],
                )
            },
            "/healthz": {
                "get": _operation("Public", "Whether the process lives", _answers("It lives", None), operationId="live")
            },
            "/readyz": {
                "get": _operation(
                    "Public",
                    "Whether it can serve",
                    {
                        **_answers("It can; `warnings` name what to look at nevertheless", None),
                        "503": {"description": "It cannot, and why"},
                    },
                    operationId="ready",
                )
            },
        },
        "components": {
            "schemas": {
                "LeadIn": LeadIn.model_json_schema(),
                "LeadPatch": {**an_object({"status": STATUS}), "title": LeadPatch.__name__},
                "AssignmentIn": AssignmentIn.model_json_schema(),
                "Record": record,
                "FullLead": FULL_LEAD,
                "LeadChange": an_object(
                    {name: FULL_LEAD["properties"][name] for name in ("id", "status", "updated_at")}
                ),
                "Event": EVENT,
                "Assignment": ASSIGNMENT,
                "Message": MESSAGE,
                "Problem": PROBLEM,
            },
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": (
                        f"A key has some of the scopes {', '.join(Scope)}, and each operation names the one that it "
                        f"needs. INTERNAL_API_KEY has all of them, and {Permission.READ_OUTBOX} besides."
                    ),
                }
            },
        },
    }


def _export(media_type: str, summary: str, operation_id: str) -> Schema:
    parameters = [parameter for parameter in _FILTERS if parameter["name"] not in ("limit", "cursor")]
    content = {media_type: {"schema": {"type": "string"}}}
    responses = _answers("All rows of the filter, streamed", content, *(400, 401, 403, 422, 429))
    return _operation("Leads", summary, responses, scope=Scope.EXPORT, operationId=operation_id, parameters=parameters)

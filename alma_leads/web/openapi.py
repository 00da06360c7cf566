"""The API's description (OpenAPI 3.1), as data. A test holds it against the routes, another against real answers."""

from __future__ import annotations

from typing import Any

from alma_leads.leads.filters import DEFAULT_LIMIT, DEFAULT_SORT, MAX_LIMIT, SORTS
from alma_leads.leads.schemas import AssignmentIn, LeadIn, LeadPatch
from alma_leads.leads.state import LeadStatus

Schema = dict[str, Any]
_STAMP: Schema = {"type": "string", "format": "date-time", "examples": ["2026-11-24T08:30:00.000000Z"]}
_STATUS: Schema = {"type": "string", "enum": [status.value for status in LeadStatus]}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_RECORD: dict[str, Schema] = {
    "id": {"type": "integer", "examples": [1]},
    "first_name": {"type": "string", "examples": ["Sai"]},
    "last_name": {"type": "string", "examples": ["Maryada"]},
    "email": {"type": "string", "examples": ["example@gmail.com"]},
    "resume_url": {
        "type": "string",
        "description": "The link given, or this application's own protected address of the uploaded file.",
        "examples": ["https://drive.google.com/x"],
    },
    "status": _STATUS,
}
_FULL_LEAD = _object(
    {
        **_RECORD,
        "created_at": _STAMP,
        "updated_at": _STAMP,
        "reached_out_at": _or_null(_STAMP),
        "assigned_to": _or_null({"type": "string", "description": "The attorney's address."}),
    }
)
_EVENT = _object(
    {
        "id": {"type": "integer"},
        "lead_id": {"type": "integer"},
        "type": {"type": "string", "examples": ["reached_out"]},
        "at": _STAMP,
        "actor": _object(
            {
                "type": {"type": "string", "enum": ["prospect", "user", "key", "system"]},
                "id": _or_null({"type": "integer"}),
                "name": {"type": "string"},
            }
        ),
        "data": {"type": "object", "examples": [{"status": {"old": "PENDING", "new": "REACHED_OUT"}}]},
    }
)
_ASSIGNMENT = _object(
    {
        "email": {"type": "string", "description": "The prospect's address, normalised."},
        "attorney": {"type": "string"},
        "attorney_name": {"type": "string"},
        "assigned_at": _STAMP,
    }
)
_MESSAGE = _object(
    {
        "id": {"type": "integer"},
        "kind": {"type": "string"},
        "recipient": {"type": "string"},
        "subject": {"type": "string"},
        "state": {"type": "string"},
        "attempts": {"type": "integer"},
        "created_at": _STAMP,
        "due_at": _STAMP,
        "last_error": _or_null({"type": "string", "description": "The mail server's words."}),
    }
)
_PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "For 422: each field that is wrong, and what to do.",
            "items": _object({"field": {"type": "string"}, "message": {"type": "string"}}),
        },
        "request_id": {"type": "string", "description": "For 500: give it to the operator."},
    },
    "required": ["type", "title", "status", "detail"],
}
_PROBLEMS = {
    400: "Not JSON, not UTF-8, or a NUL in it",
    401: "No key, or one that is not right",
    403: "Not allowed for this key or role, or the CSRF token is missing",
    404: "There is none",
    409: "Not possible in the present state",
    412: "It has changed since it was read",
    413: "Too large",
    415: "Neither JSON nor multipart",
    422: "Something in it cannot be used",
    429: "Too many requests; see Retry-After",
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _answers(description: str, content: Schema | None, *problems: int, status: int = 200, **headers: str) -> Schema:
    good: Schema = {"description": description}
    if content:
        good["content"] = content
    if headers:
        good["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    bad = {
        str(code): {
            "description": _PROBLEMS[code],
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for code in problems
    }
    return {str(status): good, **bad}


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_LEAD_ID = _path("lead_id", {"type": "integer", "minimum": 1})
_EMAIL = _path("email", {"type": "string"})
_FILTERS = [
    _query("status", "Only leads with this status.", _STATUS),
    _query("q", 'Text in "first last" or the address, without regard to case or accents.', {"type": "string"}),
    _query("assigned_to", "An attorney's address, or `none`.", {"type": "string"}),
    _query("created_from", "A moment (RFC 3339) or a whole UTC day, included.", {"type": "string"}),
    _query("created_to", "A moment (RFC 3339) or a whole UTC day, included.", {"type": "string"}),
    _query("sort", "The order.", {"type": "string", "enum": list(SORTS), "default": DEFAULT_SORT}),
    _query(
        "limit",
        "How many at most.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    _query("cursor", "Where to go on; taken from the Link header.", {"type": "string"}),
]
_UPLOAD: Schema = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("first_name", "last_name", "email", "resume_url")},
        "resume": {"type": "string", "contentMediaType": "application/octet-stream", "description": "PDF or DOCX."},
    },
    "required": ["first_name", "last_name", "email"],
}


def _operation(tag: str, summary: str, responses: Schema, **more: Any) -> Schema:
    operation = {"tags": [tag], "summary": summary, "responses": responses, **more}
    if tag != "Public":
        operation["security"] = [{"key": []}]
    return operation


def document(*, public_url: str) -> Schema:
    """Return the OpenAPI document of an application whose address is `public_url`."""
    record = _object(_RECORD)
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
                        *(400, 409, 413, 415, 422, 429),
                        status=201,
                        Location="The lead's address",
                    ),
                    operationId="createLead",
                    parameters=[
                        _header("Idempotency-Key", "1 to 255 visible characters. A retry with it is answered alike.")
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
                        *(401, 403, 422, 429),
                        Link="The next page, while there is one",
                    ),
                    operationId="listLeads",
                    parameters=_FILTERS,
                )
            },
            "/internal/leads.csv": {"get": _export("text/csv", "Download leads as CSV", "downloadCsv")},
            "/internal/leads.ndjson": {
                "get": _export("application/x-ndjson", "Download leads, one JSON object a line", "downloadNdjson")
            },
            "/internal/leads/{lead_id}": {
                "parameters": [_LEAD_ID],
                "get": _operation(
                    "Leads",
                    "One lead in full",
                    _answers("The lead", _json(_ref("FullLead")), 401, 403, 404, 429, ETag="Its version"),
                    operationId="getLead",
                ),
                "patch": _operation(
                    "Leads",
                    "Mark a lead reached out",
                    _answers(
                        "The lead, changed",
                        _json(_ref("FullLead")),
                        *(400, 401, 403, 404, 409, 412, 413, 415, 422, 429),
                        ETag="Its version",
                    ),
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
                    operationId="listEvents",
                ),
            },
            "/internal/leads/{lead_id}/resume": {
                "parameters": [_LEAD_ID],
                "get": _operation(
                    "Leads",
                    "The uploaded file, or 303 to the prospect's link",
                    {
                        **_answers("The file", {"application/octet-stream": {}}, 401, 403, 404, 429),
                        "303": {"description": "The prospect gave a link"},
                    },
                    operationId="getResume",
                ),
            },
            "/internal/assignments/{email}": {
                "parameters": [_EMAIL],
                "get": _operation(
                    "Assignments",
                    "The attorney of a prospect",
                    _answers("The assignment", _json(_ref("Assignment")), *(401, 403, 404, 422, 429)),
                    operationId="getAssignment",
                ),
                "put": _operation(
                    "Assignments",
                    "Give a prospect to an attorney",
                    _answers("The assignment", _json(_ref("Assignment")), *(400, 401, 403, 413, 415, 422, 429)),
                    operationId="putAssignment",
                    requestBody={"required": True, "content": _json(_ref("AssignmentIn"))},
                ),
                "delete": _operation(
                    "Assignments",
                    "Take a prospect from its attorney",
                    _answers("Done", None, *(400, 401, 403, 404, 422, 429), status=204),
                    operationId="deleteAssignment",
                ),
            },
            "/internal/outbox": {
                "get": _operation(
                    "Outbox",
                    "Messages waiting, retrying and dead",
                    _answers("The messages", _json({"type": "array", "items": _ref("Message")}), *(401, 403, 422, 429)),
                    operationId="listOutbox",
                )
            },
            "/healthz": {
                "get": _operation("Public", "Whether the process lives", _answers("It lives", None), operationId="live")
            },
            "/readyz": {
                "get": _operation(
                    "Public",
                    "Whether it can serve",
                    {**_answers("It can", None), "503": {"description": "It cannot, and why"}},
                    operationId="ready",
                )
            },
        },
        "components": {
            "schemas": {
                "LeadIn": LeadIn.model_json_schema(),
                "LeadPatch": {**_object({"status": _STATUS}), "title": LeadPatch.__name__},
                "AssignmentIn": AssignmentIn.model_json_schema(),
                "Record": record,
                "FullLead": _FULL_LEAD,
                "Event": _EVENT,
                "Assignment": _ASSIGNMENT,
                "Message": _MESSAGE,
                "Problem": _PROBLEM,
            },
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _export(media_type: str, summary: str, operation_id: str) -> Schema:
    parameters = [parameter for parameter in _FILTERS if parameter["name"] not in ("limit", "cursor")]
    content = {media_type: {"schema": {"type": "string"}}}
    responses = _answers("All rows of the filter, streamed", content, 401, 403, 422, 429)
    return _operation("Leads", summary, responses, operationId=operation_id, parameters=parameters)

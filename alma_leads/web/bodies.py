"""Reading request bodies: JSON into a validated model, uploads into a spool that stops at the limit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import IO, Any, TypeVar, cast

import orjson
from flask import Request, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from alma_leads.extensions import settings
from alma_leads.leads.schemas import field_messages
from alma_leads.web.problems import InputRefused

MAX_JSON_BYTES = 65_536
SPOOL_IN_MEMORY_BYTES = 262_144
# Past the limit an upload is read to its end but no longer kept, so that the person gets an answer with the rest of
# the form in it rather than a broken connection. Past this many times the limit it is cut off.
PATIENCE = 8

Model = TypeVar("Model", bound=BaseModel)


class CappedSpool(tempfile.SpooledTemporaryFile[bytes]):
    """A temporary file that keeps at most `cap` bytes and one more: enough to see that there were too many."""

    def __init__(self, cap: int) -> None:
        super().__init__(max_size=SPOOL_IN_MEMORY_BYTES, mode="w+b")
        self._room = cap + 1

    def write(self, data: Any) -> int:
        """Keep what there is room for, and claim to have kept all."""
        kept = memoryview(data)[: self._room]
        self._room -= len(kept)
        super().write(bytes(kept))
        return len(data)

    def writelines(self, lines: Iterable[Any]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)


class AppRequest(Request):
    """A request whose uploads are capped while they stream in."""

    def _get_file_stream(self, *_about: Any, **_more: Any) -> IO[bytes]:
        return cast(IO[bytes], CappedSpool(settings().RESUME_MAX_BYTES))


def is_multipart() -> bool:
    """Say whether the body is a form with files."""
    return request.mimetype == "multipart/form-data"


def allow_upload() -> None:
    """Let this request's body be as large as an upload may be, and its wrapping."""
    request.max_content_length = settings().RESUME_MAX_BYTES * PATIENCE + MAX_JSON_BYTES


def read_json(model: type[Model]) -> Model:
    """Return the JSON body as a `model`.

    Raises:
        UnsupportedMediaType: the body is not JSON (415).
        BadRequest: not UTF-8, not JSON, or it holds a NUL (400).
        InputRefused: fields are missing, unknown or wrong (422).
    """
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
    request.max_content_length = MAX_JSON_BYTES
    try:
        document = orjson.loads(request.get_data(cache=False))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON in UTF-8: {error}.") from None
    if _holds_nul(document):
        raise BadRequest("The body holds a NUL character. Leave it out.")
    return validate(model, document)


def validate(model: type[Model], document: Any) -> Model:
    """Return `document` as a `model`, or raise InputRefused with a sentence for each field."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InputRefused(field_messages(error)) from None


def refuse_nul(values: Iterable[str]) -> None:
    """Raise BadRequest (400) when a form value holds a NUL."""
    if any("\0" in value for value in values):
        raise BadRequest("The body holds a NUL character. Leave it out.")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(each) for key, each in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))

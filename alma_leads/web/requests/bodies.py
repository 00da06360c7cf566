"""Reading request bodies: bounded, strict about their form, and with no file kept where none is expected."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from itertools import islice
from typing import IO, Any, TypeVar

import orjson
from flask import Flask, Request, request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property

from alma_leads.common.extensions import settings
from alma_leads.leads.core.schemas import field_messages
from alma_leads.web.errors.problems import InputRefused, UnreadableBody
from alma_leads.web.requests.form_parser import CHUNK_BYTES, MAX_BODY_BYTES, StrictParser, pairs, refuse_nul, too_large

MAX_PARTS = 60
MAX_DEPTH = 20
# Unknown fields of a JSON body that an answer names: 13,000 of them took a third of a second.
MAX_UNKNOWN = 60
# Past the limit an upload is read to its end but no longer kept, so that the person gets an answer with the rest of
# the form in it rather than a broken connection. Past this many times the limit it is cut off.
PATIENCE = 8

TORN = "The body ended too soon, or its chunks are malformed. Send it again."
# Strings are skipped whole. The last quote is optional so that one that never closes is read once and not again from
# each quote in it.
_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")

Model = TypeVar("Model", bound=BaseModel)


def limit_bodies(app: Flask) -> None:
    """Set the limits of a body of `app`. `bound_body` raises the first one for a single request."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.config["MAX_FORM_PARTS"] = MAX_PARTS


class Body(io.RawIOBase):
    """The body of a request, up to a limit.

    Werkzeug's LimitedStream refuses a body of exactly the limit where the server ends the stream, and cuts off a longer
    one of unknown length without an error.
    """

    def __init__(self, source: IO[bytes], *, length: int | None, limit: int) -> None:
        self._source, self._length, self._limit = source, length, limit
        self._read = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes into `buffer` and return how many: 0 at the end.

        Raises:
            UnreadableBody: it ended before its Content-Length, or its chunks are malformed.
            RequestEntityTooLarge: it is longer than the limit.
        """
        end = self._limit + 1 if self._length is None else self._length
        size = min(len(buffer), end - self._read)
        if size == 0:
            return 0
        try:
            data = self._source.read(size)
        except Exception:  # noqa: BLE001 -- a badly chunked body; each server has an exception of its own for it
            raise UnreadableBody(TORN) from None
        if not data and self._length is not None:
            raise UnreadableBody(TORN)
        self._read += len(data)
        if self._read > self._limit:
            raise too_large()
        buffer[: len(data)] = data
        return len(data)


class AppRequest(Request):
    """A request whose body is bounded and parsed strictly.

    `keeps_files` is set by `bound_body`; elsewhere a file in a form is read over and not kept.
    """

    keeps_files = False

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body."""
        length, limit = self.content_length, self.max_content_length or MAX_BODY_BYTES
        if length is not None and length > limit:
            raise too_large()
        if length is None and not self.environ.get("wsgi.input_terminated"):
            return io.BytesIO()  # a server that does not say where it ends
        return io.BufferedReader(Body(self.environ["wsgi.input"], length=length, limit=limit), CHUNK_BYTES)

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The parameters of the query string."""
        return self.parameter_storage_class(pairs(self.query_string, of="The query string"))

    def make_form_data_parser(self) -> FormDataParser:
        """Return the parser of forms."""
        return StrictParser(
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.parameter_storage_class,
            room=settings().RESUME_MAX_BYTES if self.keeps_files else None,
        )


def is_multipart() -> bool:
    """Say whether the body is a form with files."""
    return request.mimetype == "multipart/form-data"


def bound_body(*, takes_file: bool) -> None:
    """Set the limit of this request's body, and keep the file in it where the route takes one.

    Raises:
        RequestEntityTooLarge: its Content-Length is over the limit of a route without files (413).
    """
    if takes_file and is_multipart():
        request.max_content_length = settings().RESUME_MAX_BYTES * PATIENCE + MAX_BODY_BYTES
        request.keeps_files = True  # type: ignore[attr-defined]
    elif (request.content_length or 0) > MAX_BODY_BYTES:
        raise too_large()


def read_json(model: type[Model]) -> Model:
    """Return the JSON body as a `model`.

    Raises:
        UnsupportedMediaType: the body is not JSON (415).
        UnreadableBody: see `read_document` (400).
        InputRefused: fields are missing, unknown or wrong (422).
    """
    return validate(model, read_document())


def read_document() -> Any:
    """Return the JSON body.

    Raises:
        UnsupportedMediaType: the body is not JSON (415).
        UnreadableBody: it is torn, not UTF-8, not JSON, nested too deep, or contains a NUL (400).
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
    body = request.get_data(cache=False)
    if _depth(body) > MAX_DEPTH:
        raise UnreadableBody(f"The body is nested deeper than {MAX_DEPTH} brackets.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableBody(f"The body is not JSON in UTF-8: {error}.") from None
    refuse_nul(_texts(document))
    return document


def validate(model: type[Model], document: Any) -> Model:
    """Return `document` as a `model`, or raise InputRefused with a sentence for each field, 60 unknown ones at most."""
    if isinstance(document, dict) and len(document) > MAX_UNKNOWN:
        known = {name: value for name, value in document.items() if name in model.model_fields}
        unknown = (item for item in document.items() if item[0] not in known)
        document = known | dict(islice(unknown, MAX_UNKNOWN))
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InputRefused(field_messages(error)) from None


def _depth(body: bytes) -> int:
    """Return how deep the brackets of a JSON text are nested, up to one more than may be."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_JSON_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
    return deepest


def _texts(document: Any) -> Iterable[str]:
    """Return every string of a JSON document, names of fields included."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)

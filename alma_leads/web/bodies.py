"""Reading request bodies: bounded, strict about their form, and with no file kept where none is expected."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterable
from itertools import islice
from typing import IO, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import orjson
from flask import Flask, Request, request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.formparser import FormDataParser
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData, State
from werkzeug.utils import cached_property

from alma_leads.extensions import settings
from alma_leads.leads.schemas import field_messages
from alma_leads.web.problems import InputRefused, UnreadableBody
from alma_leads.web.server_refusals import is_cut_off

MAX_BODY_BYTES = 131_072
MAX_PARTS = 60
# The headers of all parts of a form. Parsing them takes some 5 µs a byte, which is 0.6 s for 128 kB.
MAX_PART_HEADER_BYTES = 16_384
MAX_DEPTH = 20
# Unknown fields of a JSON body that an answer names: 13,000 of them took a third of a second.
MAX_UNKNOWN = 60
CHUNK_BYTES = 65_536
SPOOL_IN_MEMORY_BYTES = 262_144
# Past the limit an upload is read to its end but no longer kept, so that the person gets an answer with the rest of
# the form in it rather than a broken connection. Past this many times the limit it is cut off.
PATIENCE = 8

NOT_UTF8 = "is not UTF-8"
TORN = "The body ended too soon, or its chunks are malformed. Send it again."
NUL = "The body contains a NUL character. Leave it out."
_BLANK_LINE = re.compile(rb"\r\n\r\n|\r\r|\n\n")
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


class CappedSpool(tempfile.SpooledTemporaryFile[bytes]):
    """A temporary file that keeps at most `cap` bytes and one more: enough to see that there were too many."""

    def __init__(self, cap: int) -> None:
        super().__init__(max_size=SPOOL_IN_MEMORY_BYTES, mode="w+b")
        self.room = cap + 1

    def write(self, data: Any) -> int:
        """Keep what there is room for, and claim to have kept all."""
        kept = memoryview(data)[: self.room]
        self.room -= len(kept)
        super().write(bytes(kept))
        return len(data)

    def writelines(self, lines: Iterable[Any]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)


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
        return self.parameter_storage_class(_pairs(self.query_string, of="The query string"))

    def make_form_data_parser(self) -> FormDataParser:
        """Return the parser of forms."""
        return StrictParser(
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.parameter_storage_class,
            room=settings().RESUME_MAX_BYTES if self.keeps_files else None,
        )


class _Part(NamedTuple):
    about: Field | File
    content: IO[bytes] | None  # None: not kept


class StrictParser(FormDataParser):
    """Parse forms, and refuse what Werkzeug's own parser replaces, drops or reads as an empty form.

    `room` is how many bytes of files to keep at most, all of them together; None keeps no file.
    """

    def __init__(self, *, room: int | None, **more: Any) -> None:
        super().__init__(**more)
        self._room = room

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,  # noqa: ARG002 -- the stream knows where it ends
        options: dict[str, str] | None = None,
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the stream, the text fields and the files.

        Raises:
            UnreadableBody: it is torn, not a form, not UTF-8, or it contains a NUL.
            RequestEntityTooLarge: it has too many parts, or too much text.
        """
        if mimetype == "application/x-www-form-urlencoded":
            fields = _pairs(stream.read(), of="The form")
            _refuse_nul(text for pair in fields for text in pair)
            return stream, self.cls(fields), self.cls()
        if mimetype == "multipart/form-data":
            boundary = (options or {}).get("boundary", "")
            if not boundary or not boundary.isascii():
                raise UnreadableBody("The Content-Type of the form names no boundary.")
            try:
                texts, files = self._parse_parts(stream, boundary.encode("ascii"))
            except UnicodeDecodeError:
                raise UnreadableBody(f"The name of a field or file {NOT_UTF8}.") from None
            except ValueError:
                if is_cut_off():
                    raise too_large() from None
                raise UnreadableBody("The form ends too soon, or is malformed. Send it again.") from None
            return stream, self.cls(texts), self.cls(files)
        return stream, self.cls(), self.cls()

    def _parse_parts(
        self, stream: IO[bytes], boundary: bytes
    ) -> tuple[list[tuple[str, str]], list[tuple[str, FileStorage]]]:
        decoder = MultipartDecoder(boundary, self.max_form_memory_size, max_parts=self.max_form_parts)
        texts: list[tuple[str, str]] = []
        files: list[tuple[str, FileStorage]] = []
        room = self._room or 0
        text_room = self.max_form_memory_size or MAX_BODY_BYTES
        header_room = MAX_PART_HEADER_BYTES
        part: _Part | None = None
        while True:
            data = stream.read(CHUNK_BYTES)
            decoder.receive_data(data or None)
            while True:
                if decoder.state is State.PART:
                    header_room -= _header_length(decoder.buffer, most=header_room)
                event = decoder.next_event()
                if isinstance(event, NeedData):
                    break
                if isinstance(event, Epilogue):
                    return texts, files
                if isinstance(event, Field | File):
                    _check_names(event)
                    part = self._begin(event, room)
                elif isinstance(event, Data) and part is not None:
                    if isinstance(part.about, Field):
                        text_room -= len(event.data)
                        if text_room < 0:
                            raise too_large()
                    if part.content is not None:
                        part.content.write(event.data)
                    if not event.more_data:
                        if isinstance(part.content, CappedSpool):
                            room = part.content.room - 1
                        _finish(part, texts, files)
                        part = None

    def _begin(self, about: Field | File, room: int) -> _Part:
        if isinstance(about, Field):
            return _Part(about, io.BytesIO())
        return _Part(about, None if self._room is None else CappedSpool(max(room, 0)))


def _header_length(buffer: bytearray, *, most: int) -> int:
    """Return how many bytes the headers of a part have, 0 when they have not all arrived."""
    found = _BLANK_LINE.search(buffer)
    if (found.start() if found else len(buffer)) > most:
        raise RequestEntityTooLarge("The headers of the form's parts are too long.")
    return found.start() if found else 0


def _check_names(about: Field | File) -> None:
    names = [about.name, about.filename] if isinstance(about, File) else [about.name]
    if about.name is None:
        raise UnreadableBody("A part of the form has no name.")
    _refuse_nul(names)
    # Of a name in percent-encoding (RFC 5987), Werkzeug replaces the bytes that are not UTF-8.
    written = about.headers["Content-Disposition"]
    if any("\ufffd" in name for name in names) and not ("\ufffd" in written or "%ef%bf%bd" in written.lower()):
        raise UnreadableBody(f"The name of a field or file {NOT_UTF8}.")


def _finish(part: _Part, texts: list[tuple[str, str]], files: list[tuple[str, FileStorage]]) -> None:
    """Add a part that has arrived to the fields or the files."""
    about, content = part
    if content is None:
        return
    content.seek(0)
    if isinstance(about, File):
        files.append((about.name, FileStorage(content, about.filename, about.name, headers=about.headers)))
        return
    try:
        text = content.read().decode(_charset(about))
    except (UnicodeDecodeError, LookupError):
        raise UnreadableBody(f"The field {about.name} {NOT_UTF8}.") from None
    _refuse_nul([text])
    texts.append((about.name, text))


def _charset(about: Field) -> str:
    """Return the encoding of a text field: UTF-8, unless it says that it is Latin-1 (RFC 7578, 4.5)."""
    said = about.headers.get("Content-Type", "").lower()
    return "iso-8859-1" if re.search(r"charset=\"?iso-8859-1\b", said) else "utf-8"


def _pairs(encoded: bytes, *, of: str) -> list[tuple[str, str]]:
    """Return the names and values of an urlencoded form or query string."""
    try:
        return parse_qsl(encoded.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise UnreadableBody(f"{of} {NOT_UTF8}.") from None


def too_large() -> RequestEntityTooLarge:
    """Return the error of a body that is larger than this route takes."""
    return RequestEntityTooLarge("The body is larger than this address takes.")


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
    _refuse_nul(_texts(document))
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


def _refuse_nul(texts: Iterable[str | None]) -> None:
    if any("\0" in text for text in texts if text):
        raise UnreadableBody(NUL)

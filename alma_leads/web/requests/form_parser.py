"""Parsing forms strictly: what Werkzeug's own parser replaces, drops or reads as an empty form is refused."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterable
from typing import IO, Any, NamedTuple
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData, State

from alma_leads.web.errors.problems import UnreadableBody
from alma_leads.web.errors.server_refusals import is_cut_off

MAX_BODY_BYTES = 131_072
# The headers of all parts of a form. Parsing them takes some 5 µs a byte, which is 0.6 s for 128 kB.
MAX_PART_HEADER_BYTES = 16_384
CHUNK_BYTES = 65_536
SPOOL_IN_MEMORY_BYTES = 262_144

NOT_UTF8 = "is not UTF-8"
NUL = "The body contains a NUL character. Leave it out."
_BLANK_LINE = re.compile(rb"\r\n\r\n|\r\r|\n\n")


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
            fields = pairs(stream.read(), of="The form")
            refuse_nul(text for pair in fields for text in pair)
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
        parts = _Parts(text_room=self.max_form_memory_size or MAX_BODY_BYTES, file_room=self._room)
        header_room = MAX_PART_HEADER_BYTES
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
                    return parts.texts, parts.files
                if isinstance(event, Field | File):
                    parts.start(event)
                elif isinstance(event, Data):
                    parts.add(event)


class _Parts:
    """The parts of a form as they arrive, within the room there is (bytes). Without `file_room` files are dropped."""

    def __init__(self, *, text_room: int, file_room: int | None) -> None:
        self.texts: list[tuple[str, str]] = []
        self.files: list[tuple[str, FileStorage]] = []
        self._text_room = text_room
        self._file_room = file_room
        self._part: _Part | None = None

    def start(self, about: Field | File) -> None:
        _check_names(about)
        content: IO[bytes] | None = None
        if isinstance(about, Field):
            content = io.BytesIO()
        elif self._file_room is not None:
            content = CappedSpool(max(self._file_room, 0))
        self._part = _Part(about, content)

    def add(self, event: Data) -> None:
        part = self._part
        if part is None:
            return
        if isinstance(part.about, Field):
            self._text_room -= len(event.data)
            if self._text_room < 0:
                raise too_large()
        if part.content is not None:
            part.content.write(event.data)
        if not event.more_data:
            if isinstance(part.content, CappedSpool):
                self._file_room = part.content.room - 1
            _finish(part, self.texts, self.files)
            self._part = None


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
    refuse_nul(names)
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
    refuse_nul([text])
    texts.append((about.name, text))


def _charset(about: Field) -> str:
    """Return the encoding of a text field: UTF-8, unless it says that it is Latin-1 (RFC 7578, 4.5)."""
    said = about.headers.get("Content-Type", "").lower()
    return "iso-8859-1" if re.search(r"charset=\"?iso-8859-1\b", said) else "utf-8"


def pairs(encoded: bytes, *, of: str) -> list[tuple[str, str]]:
    """Return the names and values of an urlencoded form or query string."""
    try:
        return parse_qsl(encoded.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise UnreadableBody(f"{of} {NOT_UTF8}.") from None


def too_large() -> RequestEntityTooLarge:
    """Return the error of a body that is larger than this route takes."""
    return RequestEntityTooLarge("The body is larger than this address takes.")


def refuse_nul(texts: Iterable[str | None]) -> None:
    """Raise UnreadableBody (400) where a text contains a NUL."""
    if any("\0" in text for text in texts if text):
        raise UnreadableBody(NUL)

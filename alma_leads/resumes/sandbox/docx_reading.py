"""Reading the text of a DOCX for the desk. Runs in the sandbox, of a file that `docx.check` found fine."""

from __future__ import annotations

from typing import IO
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from alma_leads.resumes.sandbox.docx import CHUNK_BYTES, MAX_UNPACKED_BYTES, xml_parser
from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.reading import MAX_CHARACTERS, Reading, tidy

_DOCUMENT = "word/document.xml"
_BREAKS = {"br": "\n", "cr": "\n", "tab": "\t", "noBreakHyphen": "-"}
# What Word keeps beside what it shows: deleted text, commands of fields, and the same drawing for older programs.
_HIDDEN = {"del", "moveFrom", "instrText", "Fallback"}


def read(stream: IO[bytes]) -> bytes:
    """Return the `Reading` of a DOCX, as bytes: no picture, since only a word processor could make one.

    Raises:
        RefusedFile: it cannot be read.
    """
    text = _Text()
    try:
        with ZipFile(stream) as archive, archive.open(_DOCUMENT) as part:
            room = MAX_UNPACKED_BYTES
            while (piece := part.read(CHUNK_BYTES)) and room > 0 and text.room > 0:
                text.parser.Parse(piece, False)
                room -= len(piece)
    except (BadZipFile, KeyError, expat.ExpatError, RuntimeError, OSError, ValueError):
        raise RefusedFile(Reason.DAMAGED) from None
    return Reading.of(tidy("".join(text.parts))).to_bytes()


class _Text:
    """Gathers what stands in `w:t`, paragraph by paragraph. Names are told by their last part, as `docx` does."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.room = 2 * MAX_CHARACTERS
        self.parser = xml_parser()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self._in_text = False
        self._hidden = 0

    def _start(self, element: str, _attributes: dict[str, str]) -> None:
        name = element.rpartition(":")[2]
        self._hidden += name in _HIDDEN
        self._in_text = name == "t"
        if name in _BREAKS:
            self._add(_BREAKS[name])

    def _end(self, element: str) -> None:
        name = element.rpartition(":")[2]
        self._hidden -= name in _HIDDEN
        self._in_text = False
        if name == "p":
            self._add("\n")
        elif name == "tc":
            self._add("\t")

    def _characters(self, text: str) -> None:
        if self._in_text:
            self._add(text)

    def _add(self, text: str) -> None:
        if not self._hidden and self.room > 0:
            self.parts.append(text[: self.room])
            self.room -= len(text)

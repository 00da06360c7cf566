"""What is read from files for the desk, by the real process: text and first page, and what hostile files come to."""

from __future__ import annotations

import io
import threading
import time
import zlib
from collections.abc import Callable
from tempfile import TemporaryFile
from zipfile import ZIP_DEFLATED, ZipFile

import pikepdf
import pytest
from pikepdf import Dictionary, Encryption, Name
from PIL import Image

from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.reading import MAX_CHARACTERS, Picture, Reading, tidy
from alma_leads.resumes.sandbox.sandbox_process import Kind, Stopped, read_in_sandbox
from tests.support.factories import docx_bytes, pdf_with_text

Change = Callable[[pikepdf.Pdf], object]


def _read(content: bytes, kind: Kind = "pdf") -> Reading:
    with TemporaryFile(buffering=0) as file:
        file.write(content)
        return read_in_sandbox(file, kind=kind, stop=threading.Event())


def _reason(content: bytes, kind: Kind = "pdf") -> Reason:
    with pytest.raises(RefusedFile) as refused:
        _read(content, kind)
    return refused.value.reason


def _changed(change: Change, **how: object) -> bytes:
    document = pikepdf.open(io.BytesIO(pdf_with_text("Amara Okafor")))
    change(document)
    buffer = io.BytesIO()
    document.save(buffer, **how)  # type: ignore[arg-type]
    return buffer.getvalue()


def _colours(picture: Picture) -> int:
    image = Image.open(io.BytesIO(picture.content))
    assert (image.format, image.size) == ("WEBP", (picture.width, picture.height))
    return len(set(image.convert("L").resize((200, 200)).tobytes()))


def test_a_pdf_becomes_its_text_and_a_picture_of_its_first_page() -> None:
    reading = _read(pdf_with_text("Amara Okafor\nStructural biologist", "Zweite Seite"))
    assert reading.text == "Amara Okafor\nStructural biologist\n\nZweite Seite"
    assert reading.pages == 2
    assert reading.picture is not None
    assert (reading.picture.width, reading.picture.height) == (1000, 1295)
    assert _colours(reading.picture) > 3


def test_a_docx_becomes_its_text() -> None:
    reading = _read(docx_bytes("Amara Okafor", "Lagos &amp; Zürich"), "docx")
    assert reading == Reading.of("Amara Okafor\nLagos & Zürich")


def test_of_a_docx_only_what_it_shows_is_read() -> None:
    hidden = (
        "shown</w:t></w:r><w:del><w:r><w:t>gone</w:t></w:r></w:del><w:r><w:instrText>PAGE</w:instrText></w:r>"
        "<w:r><w:tab/><w:t>here</w:t></w:r><w:r><w:t>"
    )
    assert _read(docx_bytes(hidden), "docx").text == "shown here"


@pytest.mark.parametrize("size", [(14400, 14400), (1, 1), (3, 14400), (14400, 3)])
def test_a_page_of_any_size_becomes_a_picture_of_ours(size: tuple[int, int]) -> None:
    def resize(document: pikepdf.Pdf) -> None:
        document.pages[0].obj.MediaBox = pikepdf.Array([0, 0, *size])

    picture = _read(_changed(resize)).picture
    assert picture is not None
    assert 1 <= picture.width <= 1000
    assert 1 <= picture.height <= 1400


def test_of_thousands_of_pages_the_first_are_read_and_all_counted() -> None:
    def repeat(document: pikepdf.Pdf) -> None:
        for _ in range(2999):
            document.pages.append(document.pages[0])

    began = time.monotonic()
    reading = _read(_changed(repeat))
    assert reading.pages == 3000
    assert reading.text.count("Amara Okafor") == 100
    assert time.monotonic() - began < 8


def test_text_ends_somewhere() -> None:
    assert len(_read(pdf_with_text(*["word " * 5000] * 20)).text) == MAX_CHARACTERS
    assert len(_read(docx_bytes("word " * 100_000), "docx").text) == MAX_CHARACTERS


def test_a_pdf_that_opens_without_a_password_is_read() -> None:
    reading = _read(_changed(lambda document: None, encryption=Encryption(owner="a", user="")))
    assert (reading.text, reading.picture is not None) == ("Amara Okafor", True)


def test_a_locked_pdf_is_said_to_be_locked() -> None:
    locked = _changed(lambda document: None, encryption=Encryption(owner="a", user="b"))
    assert _reason(locked) is Reason.LOCKED


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\nnothing", pdf_with_text("x")[:300]])
def test_a_broken_pdf_is_said_to_be_broken(content: bytes) -> None:
    assert _reason(content) is Reason.DAMAGED


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"", docx_bytes()[:-40], docx_bytes("<w:a>")])
def test_a_broken_docx_is_said_to_be_broken(content: bytes) -> None:
    assert _reason(content, "docx") is Reason.DAMAGED


def test_a_docx_with_a_document_type_is_refused() -> None:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    assert _reason(buffer.getvalue(), "docx") is Reason.DAMAGED


def _drawing(instructions: bytes) -> bytes:
    return _changed(lambda document: document.pages[0].obj.__setitem__("/Contents", document.make_stream(instructions)))


def test_a_page_that_takes_too_long_to_draw_is_given_up() -> None:
    # A form that draws another ten times, which draws another ten times, and so on: 10^12 lines.
    def nest(document: pikepdf.Pdf) -> None:
        inner = document.make_stream(b"0 0 m 600 700 l S\n" * 10)
        for _ in range(12):
            outer = document.make_stream(b"/X Do\n" * 10)
            inner.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": pikepdf.Array([0, 0, 600, 700])})
            outer.Resources = Dictionary(XObject=Dictionary(X=inner))
            inner = outer
        page = document.pages[0].obj
        page.Contents, page.Resources = inner, inner.Resources

    began = time.monotonic()
    assert _reason(_changed(nest)) is Reason.TOO_COMPLEX
    assert time.monotonic() - began < 25


def test_a_picture_of_two_gigabytes_is_left_out_of_the_page() -> None:
    def bomb(document: pikepdf.Pdf) -> None:
        side = 30_000
        packed = zlib.compress(bytes(10_000_000), 9)
        image = pikepdf.Stream(document, packed)
        image.update(
            {
                "/Type": Name.XObject,
                "/Subtype": Name.Image,
                "/Width": side,
                "/Height": side,
                "/BitsPerComponent": 8,
                "/ColorSpace": Name.DeviceRGB,
                "/Filter": Name.FlateDecode,
            }
        )
        page = document.pages[0].obj
        page.Resources = Dictionary(XObject=Dictionary(X=image))
        page.Contents = document.make_stream(b"612 0 0 792 0 0 cm /X Do")

    assert _read(_changed(bomb)).picture is not None


def test_reading_ends_when_nobody_waits_any_more() -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    with TemporaryFile(buffering=0) as file:
        file.write(_drawing(b"0 0 m 600 700 l S\n" * 2_000_000))
        with pytest.raises(Stopped):
            read_in_sandbox(file, kind="pdf", stop=stop)
    assert time.monotonic() - began < 3


def test_text_is_made_fit_for_pages_and_databases() -> None:
    assert tidy("a\0b\r\nc\u2028d\ud800 e\x0b f") == "ab\nc d e f"
    assert tidy("immi\ufffe\r\ngration") == "immigration"
    assert tidy("a\n\n\n\n\n b") == "a\n\nb"


def test_a_reading_survives_its_way() -> None:
    reading = Reading.of("Zeile\nzwei", 3, Picture(b"\n{}\n\0", 3, 4))
    assert Reading.from_bytes(reading.to_bytes()) == reading

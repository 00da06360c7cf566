"""Which PDFs are taken. The check runs in the test's own process here; `test_sniff` runs the real one."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pikepdf import Array, Dictionary, Encryption, Name, Pdf, String

from alma_leads.resumes.sandbox.errors import Reason, RefusedFile
from alma_leads.resumes.sandbox.pdf import check
from tests.support.factories import pdf_bytes

pytestmark = pytest.mark.filterwarnings("ignore:This document has . form widget")  # on purpose

Change = Callable[[Pdf], Any]


def _pdf(*changes: Change, **how: Any) -> bytes:
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(200, 200))
    page.obj.Contents = document.make_stream(b"q 1 0 0 1 0 0 cm Q\n" * 200)
    for change in changes:
        change(document)
    buffer = io.BytesIO()
    document.save(buffer, **how)
    return buffer.getvalue()


def _reason(content: bytes) -> Reason | None:
    try:
        check(io.BytesIO(content))
    except RefusedFile as refused:
        return refused.reason
    return None


def _js(document: Pdf, **more: Any) -> pikepdf.Object:
    return document.make_indirect(Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"), **more))


def _root(key: str, value: Any) -> Change:
    return lambda document: document.Root.__setitem__(key, value)


def _annotation(**entries: Any) -> Change:
    return lambda document: document.pages[0].obj.__setitem__(
        "/Annots", Array([document.make_indirect(Dictionary(Type=Name.Annot, Rect=[0, 0, 9, 9], **entries))])
    )


def _action(kind: str, **operands: Any) -> Dictionary:
    return Dictionary(Type=Name.Action, S=Name(f"/{kind}"), **operands)


def _embed(document: Pdf) -> None:
    document.attachments["notes.txt"] = b"hello"


FINE: dict[str, Change] = {
    "plain": lambda _: None,
    "a link": _annotation(Subtype=Name.Link, A=_action("URI", URI=String("https://example.com/js?Launch"))),
    "a jump": _annotation(Subtype=Name.Link, A=_action("GoTo", D=Array([0, Name.Fit]))),
    "a mail address": _annotation(Subtype=Name.Link, A=_action("URI", URI=String("mailto:me@example.com"))),
    "flags": _annotation(Subtype=Name.Link, F=4),
    "a font called F": lambda d: d.pages[0].obj.__setitem__("/Resources", Dictionary(Font=Dictionary(F=_font(d)))),
    "opens at a place": lambda d: _root("/OpenAction", Array([d.pages[0].obj, Name.FitH, 100]))(d),
    "opens with a jump": _root("/OpenAction", _action("GoTo", D=Array([0, Name.Fit]))),
    "opens at a named place": _root("/OpenAction", String("first")),
    "a form": _root("/AcroForm", Dictionary(Fields=Array([]), NeedAppearances=True)),
    "a field": _annotation(Subtype=Name.Widget, FT=Name.Tx, T=String("JS"), V=String("/JavaScript")),
    "no scripts in its table of scripts": _root("/Names", Dictionary(JavaScript=Dictionary(Names=Array([])))),
    "no files in its table of files": _root("/Names", Dictionary(EmbeddedFiles=Dictionary(Names=Array([])))),
    "a paragraph's style called Sound": _root("/StructTreeRoot", Dictionary(K=Dictionary(S=Name.Sound, K=0))),
    "fonts called JS, AA and EF": lambda d: d.pages[0].obj.__setitem__(
        "/Resources",
        Dictionary(Font=Dictionary(JS=_font(d), AA=_font(d), EF=_font(d), JavaScript=_font(d), Launch=_font(d))),
    ),
    "a picture called JS": lambda d: d.pages[0].obj.__setitem__(
        "/Resources", Dictionary(XObject=Dictionary(JS=d.make_stream(b"\0" * 9, Subtype=Name.Image)))
    ),
    "a page that knows when it is left": lambda d: d.pages[0].obj.__setitem__(
        "/AA", Dictionary(C=_action("Named", N=Name.FirstPage))
    ),
    "metadata": lambda d: _root("/Metadata", d.make_stream(b"<x:xmpmeta/>", Type=Name.Metadata, Subtype=Name.XML))(d),
    "an unknown filter": lambda d: d.pages[0].obj.__setitem__("/Thumb", d.make_stream(b"x", Filter=Name.JPXDecode)),
}


def _font(document: Pdf) -> pikepdf.Object:
    return document.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))


REFUSED: dict[str, tuple[Change, Reason]] = {
    "a script on opening": (lambda d: _root("/OpenAction", _js(d))(d), Reason.SCRIPTS),
    "a script after a jump": (
        lambda d: _root("/OpenAction", _action("GoTo", D=Array([0]), Next=_js(d)))(d),
        Reason.SCRIPTS,
    ),
    "a site on opening": (_root("/OpenAction", _action("URI", URI=String("https://example.com"))), Reason.SCRIPTS),
    "named scripts": (
        lambda d: _root("/Names", Dictionary(JavaScript=Dictionary(Names=Array([String("a"), _js(d)]))))(d),
        Reason.SCRIPTS,
    ),
    "a script of the document": (lambda d: _root("/AA", Dictionary(WC=_js(d)))(d), Reason.SCRIPTS),
    "a script of a page": (lambda d: d.pages[0].obj.__setitem__("/AA", Dictionary(O=_js(d))), Reason.SCRIPTS),
    "a file sent off when a page opens": (
        lambda d: d.pages[0].obj.__setitem__("/AA", Dictionary(O=_action("GoToR", F=String("\\\\host\\x"), D=0))),
        Reason.SCRIPTS,
    ),
    "a script of a link": (lambda d: _annotation(Subtype=Name.Link, A=_js(d))(d), Reason.SCRIPTS),
    "a script of a field": (lambda d: _annotation(Subtype=Name.Widget, AA=Dictionary(K=_js(d)))(d), Reason.SCRIPTS),
    "a script in a stream": (
        lambda d: _annotation(A=Dictionary(S=Name.JavaScript, JS=d.make_stream(b"app.alert(1)")))(d),
        Reason.SCRIPTS,
    ),
    "a script that plays": (_annotation(A=_action("Rendition", JS=String("x"))), Reason.SCRIPTS),
    "a script deep inside": (
        lambda d: _root("/Deep", Array([Array([Dictionary(Deeper=Array([_js(d)]))])]))(d),
        Reason.SCRIPTS,
    ),
    "a program": (_annotation(A=_action("Launch", F=String("cmd.exe"))), Reason.SCRIPTS),
    "a program for Windows": (_annotation(A=_action("Launch", Win=Dictionary(F=String("x")))), Reason.SCRIPTS),
    "a form that is sent": (_annotation(A=_action("SubmitForm", F=String("http://x"))), Reason.SCRIPTS),
    "data that is fetched": (_annotation(A=_action("ImportData", F=String("x.fdf"))), Reason.SCRIPTS),
    "a form with scripts of its own": (_root("/AcroForm", Dictionary(Fields=[], XFA=String("<xdp/>"))), Reason.SCRIPTS),
    "rich media": (_annotation(Subtype=Name.RichMedia), Reason.SCRIPTS),
    "a film": (_annotation(Subtype=Name.Screen), Reason.SCRIPTS),
    "a model": (_annotation(Subtype=Name("/3D")), Reason.SCRIPTS),
    "a file": (_embed, Reason.CARRIES_FILES),
    "a file on a page": (_annotation(Subtype=Name.FileAttachment), Reason.CARRIES_FILES),
    "a file nobody names": (
        lambda d: _root("/AF", Array([Dictionary(EF=Dictionary(F=d.make_stream(b"x")))]))(d),
        Reason.CARRIES_FILES,
    ),
    "a jump to another file": (
        _annotation(Subtype=Name.Link, A=_action("GoToR", F=String("other.pdf"), D=Array([0]))),
        Reason.LEADS_ELSEWHERE,
    ),
    "a jump to a share": (
        _annotation(Subtype=Name.Link, A=_action("GoToR", F=Dictionary(UF=String("\\\\host\\x.pdf")), D=Array([0]))),
        Reason.LEADS_ELSEWHERE,
    ),
    "a jump into a file of another file": (
        _annotation(Subtype=Name.Link, A=_action("GoToE", F=String("http://host/x.pdf"), T=Dictionary(R=Name.C))),
        Reason.LEADS_ELSEWHERE,
    ),
    "a thread of another file": (
        _annotation(Subtype=Name.Link, A=_action("Thread", F=String("x.pdf"), D=0)),
        Reason.LEADS_ELSEWHERE,
    ),
    "a file named for nothing": (
        _root("/Extra", Array([Dictionary(Type=Name.Filespec, F=String("//host/x"))])),
        Reason.LEADS_ELSEWHERE,
    ),
    "a link to a share": (
        _annotation(Subtype=Name.Link, A=_action("URI", URI=String("file://host/share/x.docx"))),
        Reason.LEADS_ELSEWHERE,
    ),
    "links that begin at a share": (
        _root("/URI", Dictionary(Base=String("\\\\host\\share\\"))),
        Reason.LEADS_ELSEWHERE,
    ),
    "a stream whose content is elsewhere": (
        lambda d: _root("/Extra", d.make_stream(b"", F=String("\\\\host\\share\\x")))(d),
        Reason.LOADS_REMOTE,
    ),
    "a picture whose content is on the web": (
        lambda d: _root("/Extra", d.make_stream(b"", F=Dictionary(FS=Name.URL, F=String("http://host/x"))))(d),
        Reason.LOADS_REMOTE,
    ),
    "a page of another file": (
        lambda d: _root(
            "/Extra", d.make_stream(b"", Subtype=Name.Form, Ref=Dictionary(F=Dictionary(F=String("x.pdf")), Page=0))
        )(d),
        Reason.LOADS_REMOTE,
    ),
    "a folder of files": (_root("/Collection", Dictionary()), Reason.CARRIES_FILES),
    "no pages": (lambda d: d.pages.__delitem__(0), Reason.DAMAGED),
    "pages without end": (
        lambda d: d.pages[0].obj.__setitem__("/Contents", d.make_stream(b" " * 110_000_000)),
        Reason.BOMB,
    ),
}

WAYS: dict[str, dict[str, Any]] = {
    "as old programs write": {"object_stream_mode": pikepdf.ObjectStreamMode.disable},
    "as new programs write": {"object_stream_mode": pikepdf.ObjectStreamMode.generate},
    "for the web": {"linearize": True},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", FINE)
def test_a_pdf_that_only_shows_something_is_taken(case: str, way: str) -> None:
    assert _reason(_pdf(FINE[case], **WAYS[way])) is None


@pytest.mark.parametrize("case", REFUSED)
def test_a_pdf_that_does_something_is_refused(case: str) -> None:
    change, reason = REFUSED[case]
    assert _reason(_pdf(change)) is reason


def test_a_script_under_a_disguised_name_is_refused() -> None:
    content = _pdf(lambda d: _root("/OpenAction", _js(d))(d), object_stream_mode=pikepdf.ObjectStreamMode.disable)
    assert b"/JS" in content
    # "#53" is another way to write "S"; the same length keeps the file whole.
    disguised = content.replace(b"/JS (app", b"/J#53 (a")
    assert disguised != content
    assert _reason(disguised) is Reason.SCRIPTS


@pytest.mark.parametrize("strength", [2, 3, 4, 6])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_pdf_is_locked_if_it_takes_a_password_to_open_it(strength: int) -> None:
    def locked(user: str, change: Change = lambda _: None) -> Reason | None:
        how = Encryption(owner="owner", user=user, R=strength, metadata=False, aes=strength > 3)  # type: ignore[arg-type]
        return _reason(_pdf(change, encryption=how))

    assert locked("secret") is Reason.LOCKED
    assert locked("") is None
    assert locked("", _root("/OpenAction", _action("Launch", F=String("x")))) is Reason.SCRIPTS
    assert locked("", REFUSED["pages without end"][0]) is Reason.BOMB


def test_a_pdf_that_is_nested_too_deep_is_refused() -> None:
    place = String("x" * 5998)
    content = _pdf(
        lambda d: _root("/Extra", d.make_indirect(place))(d), object_stream_mode=pikepdf.ObjectStreamMode.disable
    )
    deep = content.replace(b"(" + b"x" * 5998 + b")", b"[" * 3000 + b"]" * 3000)
    assert deep != content
    assert _reason(deep) is Reason.TOO_COMPLEX


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"Content-Type: application/pdf\r\n\r\n", bytes(1000)])
def test_what_stands_before_a_pdf_does_not_spoil_it(before: bytes) -> None:
    assert _reason(before + pdf_bytes()) is None


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_half_a_pdf_is_refused(share: float) -> None:
    content = _pdf()
    assert _reason(content[: int(len(content) * share)]) is Reason.DAMAGED


def test_a_pdf_with_a_hole_in_any_object_is_refused() -> None:
    content = _pdf(object_stream_mode=pikepdf.ObjectStreamMode.disable)
    starts = [found.start() for found in re.finditer(rb"\d 0 obj", content)]
    assert len(starts) >= 4
    for start in starts:
        assert _reason(content[:start] + bytes(12) + content[start + 12 :]) is Reason.DAMAGED


def test_a_pdf_with_a_torn_page_is_refused() -> None:
    content = _pdf(object_stream_mode=pikepdf.ObjectStreamMode.disable)
    start = content.index(b"stream\n") + 12
    assert _reason(content[:start] + b"\xff" * 12 + content[start + 12 :]) is Reason.DAMAGED


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_only_ever_refused(noise: bytes) -> None:
    assert _reason(noise) is not None
    assert _reason(b"%PDF-1.7\n" + noise) is not None


_GOOD = (pdf_bytes(), _pdf(**WAYS["as old programs write"]), _pdf(FINE["a link"], **WAYS["as new programs write"]))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(_GOOD), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=8)), max_size=6)
)
def test_a_changed_pdf_is_taken_or_refused_and_nothing_else(content: bytes, changes: list[tuple[float, bytes]]) -> None:
    changed = bytearray(content)
    for where, what in changes:
        start = int(where * len(changed))
        changed[start : start + len(what)] = what
    _reason(bytes(changed))

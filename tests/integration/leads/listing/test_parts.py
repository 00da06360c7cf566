"""What a form sends beside the lead: nothing is dropped unseen that its sender takes for sent."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from tests.support.desk import HTML, csrf, value
from tests.support.factories import lead_body, pdf_bytes

NAME_IT = "Send this as a file, with a file name that ends in .pdf or .docx"
ELSEWHERE = "Send your resume in the field resume. No other field takes a file"


def pdf(name: str = "cv.pdf") -> tuple[io.BytesIO, str]:
    return io.BytesIO(pdf_bytes()), name


CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "a file in another field": ({"cv": [pdf]}, [("cv", ELSEWHERE)]),
    "files in two other fields": ({"cv": [pdf, pdf], "file": [pdf]}, [("cv", ELSEWHERE), ("file", ELSEWHERE)]),
    "a second file": ({"resume": [pdf, pdf]}, [("resume", "Send one file, not 2")]),
    "a right file, and one in another field": ({"resume": [pdf], "cv": [pdf]}, [("cv", ELSEWHERE)]),
    "a file where text belongs": ({"email": [pdf]}, [("email", ELSEWHERE)]),
    "text in place of a file": ({"resume": ["%PDF-1.7"]}, [("resume", NAME_IT)]),
    "a file without a name": ({"resume": [lambda: pdf("")]}, [("resume", NAME_IT)]),
    "a field twice": ({"first_name": ["Sai", "Sai"]}, [("first_name", "Send this field once")]),
}


def form_of(extra: dict[str, Any], **fields: str) -> MultiDict[str, Any]:
    """Return a good lead with a link, and what a case adds or replaces."""
    form: MultiDict[str, Any] = MultiDict({**lead_body(), **fields})
    for name, values in extra.items():
        if not callable(values[0]):
            form.poplist(name)
        for each in values:
            form.add(name, each() if callable(each) else each)
    return form


def post(client: FlaskClient, path: str, form: MultiDict[str, Any], **more: Any) -> Any:
    """Send a form byte for byte: the test client's own leaves out a file without a name."""
    body = b""
    for name, each in form.items(multi=True):
        text, file_name = (each, None) if isinstance(each, str) else (each[0].read(), each[1])
        about = f'form-data; name="{name}"' + ("" if file_name is None else f'; filename="{file_name}"')
        content = text.encode() if isinstance(text, str) else text
        body += f"--b\r\nContent-Disposition: {about}\r\n\r\n".encode() + content + b"\r\n"
    return client.post(path, data=body + b"--b--\r\n", content_type="multipart/form-data; boundary=b", **more)


def test_the_api_refuses_what_it_would_drop(app: Flask, client: FlaskClient) -> None:
    for case, (extra, errors) in CASES.items():
        answer = post(client, "/public/leads", form_of(extra))
        assert answer.status_code == 422, case
        assert [(error["field"], error["message"]) for error in answer.json["errors"]] == errors, case
    assert value(app, "SELECT count(*) FROM leads") == value(app, "SELECT count(*) FROM resumes") == 0


def test_the_form_refuses_it_too_and_keeps_what_was_typed(app: Flask, client: FlaskClient) -> None:
    for case, (extra, errors) in CASES.items():
        form = form_of(extra, csrf_token=csrf(client, "/"), last_name="Kept-Typed")
        answer = post(client, "/", form, headers=HTML)
        assert answer.status_code == 422, case
        for _, message in errors:
            assert message in answer.text, case
        assert "Kept-Typed" in answer.text
    assert value(app, "SELECT count(*) FROM leads") == value(app, "SELECT count(*) FROM resumes") == 0


@pytest.mark.parametrize("path", ["/", "/public/leads"])
def test_empty_files_are_what_browsers_send_where_none_was_chosen(app: Flask, client: FlaskClient, path: str) -> None:
    def empty() -> tuple[io.BytesIO, str]:
        return io.BytesIO(b""), ""

    form = form_of(
        {"resume": [empty, empty], "photo": [empty]}, **({"csrf_token": csrf(client, "/")} if path == "/" else {})
    )
    assert post(client, path, form, headers=HTML if path == "/" else {}).status_code in (201, 303)
    assert value(app, "SELECT count(*) FROM leads") == 1


def test_other_texts_are_ignored_on_the_form_and_refused_by_the_api(client: FlaskClient) -> None:
    form = form_of({"utm": ["x"]}, csrf_token=csrf(client, "/"))
    assert post(client, "/", form, headers=HTML).status_code == 303
    answer = post(client, "/public/leads", form_of({"utm": ["x"]}))
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"field": "utm", "message": "This field is not known. Leave it out"}]


def test_a_missing_resume_is_named_with_all_else(client: FlaskClient) -> None:
    wrong = {"first_name": "", "last_name": "Maryada", "email": "nobody", "resume_url": " "}
    for fields in (wrong, {name: text for name, text in wrong.items() if name != "resume_url"}):
        for answer in (
            client.post("/public/leads", json=fields),
            post(client, "/public/leads", MultiDict(fields)),
        ):
            assert answer.status_code == 422
            assert {error["field"] for error in answer.json["errors"]} == {"first_name", "email", "resume_url"}
    page = post(client, "/", MultiDict({**wrong, "csrf_token": csrf(client, "/")}), headers=HTML)
    assert page.status_code == 422
    for message in ("Enter your first name", "Choose a file, or give a link to your resume"):
        assert message in page.text


def test_json_says_how_a_file_is_sent(client: FlaskClient) -> None:
    answer = client.post("/public/leads", json={**lead_body(resume_url=None), "resume": "JVBERi0x"})
    message = "Send a file as multipart/form-data, or a link in resume_url"
    assert answer.json["errors"] == [{"field": "resume", "message": message}]

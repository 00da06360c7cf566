"""Reading assignments from CSV, as spreadsheets write it, and writing them."""

from __future__ import annotations

import pytest

from alma_leads.leads.assignments.assignment_file import BadFile, BadLine, Line, read_lines, to_csv


@pytest.mark.parametrize(
    "content",
    [
        b"email,attorney\na@example.com,ian@alma.example\n",
        b"\xef\xbb\xbfemail;attorney\r\nA@Example.com;ian@alma.example\r\n",
        b'Attorney\tname\tE-mail\tEMAIL\n" ian@alma.example "\tx\ty\ta@example.com',
        b"email,attorney\n\n,\na@example.com,ian@alma.example\na@example.com,Ian@alma.example\n",
    ],
)
def test_what_spreadsheets_write_is_read(content: bytes) -> None:
    lines = list(read_lines(content))
    assert [(line.email, line.attorney) for line in lines if isinstance(line, Line)] == [
        ("a@example.com", "ian@alma.example")
    ]


def test_lines_that_cannot_be_used_say_what_to_do() -> None:
    content = "email,attorney\nnobody,ian@x.example\na@example.com,ian@x.example\na@EXAMPLE.com,kim@x.example\nb@b.io"
    first, good, twice, short = read_lines(content.encode())
    assert first == BadLine(2, "email", "nobody", "Enter an email address like name@example.com")
    assert good == Line(3, "a@example.com", "ian@x.example")
    assert isinstance(twice, BadLine)
    assert (twice.number, twice.field) == (4, "attorney")
    assert twice.remedy == "Line 3 gives this address to another attorney. Keep one of the two"
    assert short == Line(5, "b@b.io", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has to name the columns"),
        (b"email\na@example.com", "has to name the columns"),
        (b"email,attorney\n\xff\xfe,x", "not in UTF-8"),
        ("email,attorney\na@example.com,x".encode("utf-16"), "not in UTF-8"),
        (b"email,attorney\na\0@example.com,x", "characters that no CSV does"),
        (b'email,attorney\na@example.com,"x"y\n', "Line 2 is not CSV"),
        (b'email,attorney\na@example.com,"x\n', "is not CSV"),
        (b"email,attorney\na@example.com,x\nb@example.com,x\nc@example.com,x\n", "more than 2 lines"),
        (b"email,attorney\na,x\na,x\na,x\n", "more than 2 lines"),
    ],
)
def test_files_that_cannot_be_read(content: bytes, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        list(read_lines(content, most=2))


def test_what_is_written_is_read_again_and_never_run() -> None:
    pairs = [("=1+1@example.com", "ian@alma.example"), ("b@example.com", "+ian@alma.example")]
    text = "".join(to_csv(pairs))
    assert text == "email,attorney\n'=1+1@example.com,ian@alma.example\nb@example.com,'+ian@alma.example\n"
    assert [(line.email, line.attorney) for line in read_lines(text.encode()) if isinstance(line, Line)] == pairs


def test_a_million_are_written_in_parts() -> None:
    assert len(list(to_csv((f"p{number}@example.com", "ian@alma.example") for number in range(10_000)))) > 5

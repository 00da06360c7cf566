"""What one client can do to the product, as a table of cases. Each returns what it was answered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from bench.hostile.attacker import MULTIPART, Attacker, at_once, counted, multipart
from bench.hostile.files import MARKS, docx, pdf, wrong_pdfs
from bench.servers import KEY

Case = Callable[[Attacker], str]
HEAVY_PDF = pdf(900_000)  # made before anyone is timed: making it keeps this process busy
POST = b"POST /public/leads HTTP/1.1\r\nHost: localhost\r\n"
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Sl"
LEAD = {"first_name": "Mal", "last_name": "Lory", "email": "mal@example.com", "resume_url": "https://example.com/cv"}


def key_follows_redirect(attacker: Attacker) -> str:
    """A script downloads the resume of a stranger, who gave a link. A redirect would take the script's key along."""
    body = json.dumps(LEAD | {"email": "link@example.com"}).encode()
    sent = attacker.ask("POST", "/public/leads", body, {"Content-Type": "application/json", "X-API-Key": KEY})
    lead_id = json.loads(sent.content)["id"]  # type: ignore[attr-defined]
    answer = attacker.ask("GET", f"/internal/leads/{lead_id}/resume", b"", {"X-API-Key": KEY})
    return f"{answer.status}, {'redirected' if answer.getheader('Location') else 'not redirected'}"


def marks_in_form(attacker: Attacker) -> str:
    """240,000 combining marks in a field of the form."""
    return attacker.form("/", LEAD | {"first_name": "a" + MARKS * 80_000}, page="/")


def marks_in_password(attacker: Attacker) -> str:
    """As many in a password."""
    return attacker.form("/login", {"email": "rosa@firm.test", "password": "a" + MARKS * 80_000})


def marks_in_json(attacker: Attacker) -> str:
    """21,000 in a name sent as JSON, eight at once."""
    return at_once(8, lambda _: attacker.json(LEAD | {"first_name": "a" + MARKS * 7000}))


def marks_in_file_name(attacker: Attacker) -> str:
    """75,000 in the name of a file."""
    body = multipart(LEAD, [("resume", ("a" + MARKS * 25_000 + ".pdf").encode(), pdf())])
    return attacker.status("POST", "/public/leads", body, {"Content-Type": MULTIPART})


def marks_in_document(attacker: Attacker) -> str:
    """190,000 in the text of a Word document, which a worker reads."""
    answer = attacker.upload(docx("a" + MARKS * 63_000), "cv.docx", email="marks@example.com")
    time.sleep(15)
    return answer


def marks_in_search(attacker: Attacker) -> str:
    """A search for many."""
    return attacker.status("GET", "/internal/leads?q=a" + "%CC%95%CC%80" * 600, b"", {"X-API-Key": KEY})


def huge_body(attacker: Attacker) -> str:
    """600 MB to the sign-in page, announced and not."""
    announced = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600000000\r\n\r\n"
    chunked = b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    return counted([attacker.raw(announced), attacker.raw(chunked + piece * 4)])


def many_parts(attacker: Attacker) -> str:
    """Forms of 1,000 parts, and files for a page that takes none."""
    parts = multipart({f"f{number}": "x" for number in range(1000)})
    files = multipart({}, [("resume", b"cv.pdf", b"x" * 100_000)] * 5)
    return counted(attacker.status("POST", "/login", body, {"Content-Type": MULTIPART}) for body in (parts, files))


def deep_json(attacker: Attacker) -> str:
    """Objects and lists in each other, 300 to 30,000 deep."""
    bodies = [b'{"a":' * 330 + b"1" + b"}" * 330, b"[" * 600 + b"]" * 600, b"[" * 30_000 + b"]" * 30_000]
    return counted(attacker.json(body) for body in bodies)


def broken_bodies(attacker: Attacker) -> str:
    """Torn, badly chunked, not UTF-8."""
    post = POST + b"Content-Type: application/json\r\n"
    latin = multipart(LEAD).replace(b"Lory", b"L\xf6ry")
    return counted(
        [
            attacker.raw(post + b'Content-Length: 90\r\n\r\n{"first', end=True),
            attacker.raw(post + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
            attacker.json(b'{"first_name": "\xff"}'),
            attacker.status("POST", "/public/leads", latin, {"Content-Type": MULTIPART}),
        ]
    )


def heavy_files(attacker: Attacker) -> str:
    """Eight uploads at once of a PDF that takes much memory to look at."""
    return at_once(8, lambda number: attacker.upload(HEAVY_PDF, "cv.pdf", email=f"heavy-{number}@example.com"))


def odd_links(attacker: Attacker) -> str:
    """Links that cannot be followed, or lead into the firm's own network."""
    hosts = [
        "a" * 64 + ".com",
        "a..b.com",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "[::ffff:10.0.0.1]",
        "nas.local",
    ]
    return counted(attacker.json(LEAD | {"resume_url": f"https://{host}/cv"}) for host in hosts)


def unfinished_heads(attacker: Attacker) -> str:
    """200 requests whose head does not end."""
    return attacker.hold(200, HEAD, seconds=5)


def unfinished_bodies(attacker: Attacker) -> str:
    """200 submissions whose body does not come."""
    return attacker.hold(200, POST + b"Content-Type: application/json\r\nContent-Length: 900\r\n\r\n{", seconds=5)


def idle_connections(attacker: Attacker) -> str:
    """2,000 connections that say nothing."""
    return attacker.hold(2000, b"", seconds=5)


def large_unfinished_uploads(attacker: Attacker) -> str:
    """50 uploads of which 5 MB come, and then no more."""
    head = POST + f"Content-Type: {MULTIPART}\r\nContent-Length: 9000000\r\n\r\n".encode()
    return attacker.hold(50, head + b"x" * 5_000_000, seconds=5)


def searches(attacker: Attacker) -> str:
    """200 searches at once, most of which wait for a thread."""
    return at_once(
        200, lambda n: attacker.status("GET", f"/internal/leads?q=zz{n}&limit=1000", b"", {"X-API-Key": KEY})
    )


def sign_ins(attacker: Attacker) -> str:
    """30 failed sign-ins at once."""
    fields = {"email": "rosa@firm.test", "password": "wrong, but long enough"}
    return at_once(30, lambda _: attacker.form("/login", fields))


def flood_of_leads(attacker: Attacker) -> str:
    """300 leads at once without a key, some of them with an Idempotency-Key."""

    def send(number: int) -> str:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": str(number)} if number % 2 else {})
        body = json.dumps(LEAD | {"email": f"flood-{number}@example.com"}).encode()
        return attacker.status("POST", "/public/leads", body, headers)

    return at_once(300, send)


def refused_leads(attacker: Attacker) -> str:
    """500 submissions with mistakes in them, 50 at once."""
    return at_once(500, lambda _: attacker.json(LEAD | {"email": "nobody"}), threads=50)


def wrong_files(attacker: Attacker) -> str:
    """PDFs that act, load or lead elsewhere; two files; a file in another field."""
    answers = [attacker.upload(content, "cv.pdf") for content in wrong_pdfs()]
    for files in ([("resume", b"a.pdf", pdf()), ("resume", b"b.pdf", pdf())], [("cv", b"cv.pdf", pdf())]):
        headers = {"Content-Type": MULTIPART, "X-API-Key": KEY}
        answers.append(attacker.status("POST", "/public/leads", multipart(LEAD, files), headers))
    return counted(answers)


def ports_of_one_client(attacker: Attacker) -> str:
    """30 leads of one client, whose proxy writes another port each time. 20 a minute are allowed."""

    def send(number: int) -> str:
        headers = {"Content-Type": "application/json", "X-Forwarded-For": f"203.0.113.10:{50_000 + number}"}
        body = json.dumps(LEAD | {"email": f"port-{number}@example.com"}).encode()
        return attacker.status("POST", "/public/leads", body, headers)

    return counted(map(send, range(30)))


def uploads_on_a_full_disk(attacker: Attacker) -> str:
    """A file and a link, while less disk is free than must be."""
    return f"file {attacker.upload(pdf(), 'cv.pdf')}, link {attacker.json(LEAD | {'email': 'disk@example.com'})}"


CASES: list[tuple[str, str, Case]] = [
    ("0.1", "a key and a stranger's link", key_follows_redirect),
    ("1.1", "240,000 combining marks in the form", marks_in_form),
    ("1.1", "the same in a password", marks_in_password),
    ("1.1", "21,000 in JSON, 8 at once", marks_in_json),
    ("1.1", "75,000 in a file's name", marks_in_file_name),
    ("1.1", "a search for 1,200", marks_in_search),
    ("1.2", "190,000 in a DOCX", marks_in_document),
    ("1.3", "600 MB to /login", huge_body),
    ("1.3", "1,000 parts; files where none belong", many_parts),
    ("1.3", "JSON 300 to 30,000 deep", deep_json),
    ("1.3", "torn, badly chunked, not UTF-8", broken_bodies),
    ("1.4", "8 heavy PDFs at once", heavy_files),
    ("1.6", "5 files that act, lead elsewhere, are 2", wrong_files),
    ("1.7", "8 links to nowhere or inside", odd_links),
    ("2.1", "200 unfinished heads", unfinished_heads),
    ("2.1", "200 unfinished bodies", unfinished_bodies),
    ("2.1", "2,000 idle connections", idle_connections),
    ("2.1", "50 uploads that stop at 5 MB", large_unfinished_uploads),
    ("2.1", "200 searches at once", searches),
    ("2.5", "30 failed sign-ins at once", sign_ins),
    ("2.5", "300 leads at once", flood_of_leads),
    ("2.5", "500 leads with mistakes", refused_leads),
]
# Those that need settings of their own.
CASES_WITH_SETTINGS: list[tuple[str, str, Case, dict[str, str]]] = [
    ("1.5", "a file while the disk is full", uploads_on_a_full_disk, {"RESUME_DISK_RESERVE_BYTES": str(2**50)}),
    ("2.4", "30 leads of one client, 30 ports", ports_of_one_client, {"TRUSTED_PROXIES": "1"}),
]

"""Rules that the source itself must keep. The arrows between packages are import-linter's business (`make check`)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from bench.house import modules_of, sql_strings
from config import ROOT, Settings

PACKAGE = ROOT / "alma_leads"
MODULES = sorted(PACKAGE.rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.*"))
WRITES = {"transaction", "transaction_on", "commit", "begin", "begin_nested", "flush"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _may_write(path: Path) -> bool:
    mechanism = {
        PACKAGE / "database" / name for name in ("session.py", "transactions.py", "engine.py", "sqlite_writers.py")
    }
    return path.name.endswith("service.py") or path == PACKAGE / "outbox/queue.py" or path in mechanism


def _calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            yield name, node.lineno


def test_there_is_source_to_read() -> None:
    assert len(MODULES) > 30
    assert len(TEMPLATES) > 10


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_module_imports_inside_a_function(path: Path) -> None:
    functions = [
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    inside = [n.lineno for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert inside == []


@pytest.mark.parametrize("path", [path for path in MODULES if not _may_write(path)], ids=_name)
def test_only_services_and_the_queue_open_transactions(path: Path) -> None:
    assert [line for name, line in _calls(ast.parse(path.read_text())) if name in WRITES] == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nobody_in_the_package_imports_the_factory(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and path != PACKAGE / "serve.py":
            assert node.module != "alma_leads.app"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_says_what_lives_there(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "no docstring"


def test_a_room_has_few_modules_and_a_module_few_lines() -> None:
    rooms = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {_name(room): modules for room, modules in rooms.items() if modules > 14} == {}
    lines = {_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > 300} == {}


def test_statements_are_written_with_sqlalchemy() -> None:
    # Alembic's table has no model, and Huey's tables are made by Huey.
    assert [place.rpartition(":")[0] for place in sql_strings(modules_of(ROOT))] == [
        "alma_leads.database.schema_version",
        "alma_leads.jobs.task_queue",
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_every_template_compiles(
    path: Path, make_app: Callable[[Settings], Flask], make_settings: Callable[..., Settings]
) -> None:
    make_app(make_settings()).jinja_env.compile(path.read_text(), name=path.name)


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix == ".html"], ids=_name)
def test_pages_have_nothing_that_our_own_policy_forbids(path: Path) -> None:
    # The Content-Security-Policy allows no inline script or style; a browser would drop them without a word.
    if "email" in path.parts:
        pytest.skip("mail programs know no policy, and want inline styles")
    text = path.read_text()
    for forbidden in ("<style", " style=", " onclick=", " onsubmit=", " onchange=", " onload=", "javascript:", "hx-on"):
        assert forbidden not in text.lower(), forbidden
    assert all(
        "src=" in piece.split(">")[0] or "application/json" in piece.split(">")[0]
        for piece in text.split("<script")[1:]
    )


# What costs more than in proportion to the length of a text: the one module that calls each bounds the length first.
COSTLY = {
    "normalize": "common/text.py",
    "validate_email": "common/email_address.py",
    "zxcvbn": "accounts/core/passwords.py",
    "anyascii": "leads/conflicts/name_similarity.py",
    "metaphone": "leads/conflicts/name_similarity.py",
    "jaro_winkler_similarity": "leads/conflicts/name_similarity.py",
}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_costly_work_on_text_has_one_caller(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    named |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    here = str(path.relative_to(PACKAGE))
    assert {name for name in named & COSTLY.keys() if COSTLY[name] != here} == set()

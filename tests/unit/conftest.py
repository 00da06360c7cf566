"""Unit tests touch no database: whatever tries to connect to one fails its test."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from sqlalchemy import Engine


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make connecting impossible."""

    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise AssertionError("A unit test touched a database: move it to tests/integration.")

    for way in ("connect", "begin", "raw_connection"):
        monkeypatch.setattr(Engine, way, refuse)

"""How many of our files a value passes: a submission, a list, a mark, a key. Run by `make house`.

Counted are the files of `alma_leads` with a function that runs between the view, or for the key what guards it, and the
answer. The way to the database (`database`, `extensions`) and what every request passes are left out.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask
from flask_migrate import upgrade

from alma_leads.app import create_app
from config import Settings

KEY = "k" * 40
PACKAGE = Path(sys.modules["alma_leads"].__file__ or "").parent
LEFT_OUT = ("database/", "extensions.py", "log.py", "actor.py", "web/requests/", "web/errors/")
LEAD = {
    "first_name": "Sai",
    "last_name": "Maryada",
    "email": "example@gmail.com",
    "resume_url": "https://drive.google.com/x",
}


def files_run(work: Callable[[], Any], *, within: Callable[[FrameType], bool]) -> set[str]:
    """Return the files of the package in which a function ran, below a frame that `within` tells."""
    found: set[str] = set()
    depth = 0

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal depth
        if event == "call":
            if depth or within(frame):
                depth += 1
                path = frame.f_code.co_filename
                if path.startswith(str(PACKAGE)):
                    found.add(path[len(str(PACKAGE)) + 1 :])
        elif event == "return" and depth:
            depth -= 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {path for path in found if not path.startswith(LEFT_OUT)}


def _function(file: str, name: str) -> Callable[[FrameType], bool]:
    return lambda frame: frame.f_code.co_filename.endswith(file) and frame.f_code.co_name == name


def walks() -> dict[str, int]:
    """Return the number of files of each walk, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        app = _application(Path(folder))
        client, key = app.test_client(), {"X-API-Key": KEY}
        for _ in range(2):  # the first request does more: what is made once
            client.post("/public/leads", json={**LEAD, "email": f"first{_}@example.com"}, headers=key)
            client.get("/internal/leads?status=PENDING&q=sai", headers=key)
        mark = {"json": {"status": "REACHED_OUT"}, "headers": key}
        client.patch("/internal/leads/1", **mark)
        asked = {
            "body → rows": (
                lambda: client.post("/public/leads", json=LEAD, headers=key),
                "public/api.py",
                "create_lead",
            ),
            "filter → SQL": (
                lambda: client.get("/internal/leads?status=PENDING&q=sai", headers=key),
                "internal/api.py",
                "leads",
            ),
            "button → event": (lambda: client.patch("/internal/leads/2", **mark), "internal/api.py", "update_lead"),
            "key → permission": (lambda: client.get("/internal/leads/2", headers=key), "web/auth.py", "_authorise"),
        }
        return {
            name: len(files_run(work, within=_function(file, function)))
            for name, (work, file, function) in asked.items()
        }


def _application(folder: Path) -> Flask:
    settings = Settings(
        _env_file=None,
        DATABASE_URL=f"sqlite:///{folder}/leads.db",
        TASK_QUEUE_URL=f"sqlite:///{folder}/tasks.db",
        RESUME_STORAGE_URL=f"file://{folder}/resumes",
        SECRET_KEY="s" * 40,
        INTERNAL_API_KEY=KEY,
        LOG_LEVEL="ERROR",
    )
    app = create_app(settings)
    with app.app_context():
        upgrade()
    return app

"""The role of `docs/operations.md`: the application does its work as one that can only add to the two logs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import ProgrammingError

from alma_leads.accounts.core.models import Role
from config import ROOT, Settings
from tests.conftest import MakeSettings
from tests.support.databases import Postgres
from tests.support.desk import HTML, add_lead, add_person, get, post, run, sign_in, value
from tests.support.factories import lead_body


def statements() -> list[str]:
    """Return what the guide says to run, one statement each."""
    guide = (ROOT / "docs/operations.md").read_text()
    [block] = re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    found = [statement.strip() for statement in block.split(";") if statement.strip()]
    assert len(found) > 5
    return found


@pytest.fixture
def app(
    make_app: Callable[[Settings], Flask], make_settings: MakeSettings, postgres: Postgres, postgresql_url: str
) -> Iterator[Flask]:
    """Return the application as the role that the guide makes, on a database that another role owns."""
    role = f"app_{uuid4().hex[:12]}"
    database = re.search(r"@/(\w+)", postgresql_url)
    assert database
    for statement in statements():
        postgres.execute(statement.replace("alma_app", role), database=database[1])
    with postgres.database(migrated=False) as tasks:
        postgres.execute(f"ALTER DATABASE {tasks.split('@/')[1].split('?')[0]} OWNER TO {role}")
        urls = {
            "DATABASE_URL": postgresql_url.replace("postgres@", f"{role}@"),
            "TASK_QUEUE_URL": tasks.replace("postgres@", f"{role}@"),
        }
        yield make_app(make_settings(**urls))
    postgres.execute(f"DROP OWNED BY {role}", database=database[1])
    postgres.execute(f"DROP ROLE {role}")


def test_the_application_does_its_work(app: Flask, client: FlaskClient) -> None:
    assert client.get("/readyz").status_code == 200
    assert client.post("/public/leads", json=lead_body(email="a@example.com")).status_code == 201
    add_person(app)
    add_person(app, "Daniel Kim", role=Role.ATTORNEY)
    sign_in(client)
    assert post(client, "/internal/leads/1/reached-out").status_code == 303
    assert post(client, "/internal/leads/1/notes", text="Called.").status_code == 303
    assert post(client, "/internal/leads/1/assign", attorney="daniel.kim@alma.example").status_code == 303
    assert client.get("/internal/leads.csv").status_code == 200
    run(app, "UPDATE outbox_messages SET state = 'dead', settled_at = created_at")
    assert post(client, "/internal/outbox/send-dead").status_code == 303
    assert client.get("/internal/settings/audit.csv", headers=HTML).status_code == 200
    assert "exported the audit log" in get(client, "/internal/settings/audit").text
    assert value(app, "SELECT count(*) FROM lead_events") >= 4
    assert post(client, "/logout").status_code == 303


@pytest.mark.parametrize("log", ["audit_events", "lead_events"])
@pytest.mark.parametrize("change", ["UPDATE {} SET actor_name = 'x'", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}",
                                    "ALTER TABLE {} DISABLE TRIGGER ALL"])  # fmt: skip
def test_it_cannot_touch_what_is_written(app: Flask, log: str, change: str) -> None:
    add_lead(app)
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        run(app, change.format(log))


def test_it_can_still_delete_a_persons_data(app: Flask) -> None:
    gone, kept = add_lead(app), add_lead(app)
    run(app, "DELETE FROM leads WHERE id = :id", id=gone)
    assert value(app, "SELECT count(*) FROM lead_events WHERE lead_id = :id", id=gone) == 0
    assert value(app, "SELECT count(*) FROM lead_events WHERE lead_id = :id", id=kept) > 0

"""The declarative base, and times as they are stored. No table and no business rule lives here."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Enum,
    Index,
    Integer,
    Label,
    MetaData,
    String,
    Text,
    text,
    type_coerce,
)
from sqlalchemy.orm import DeclarativeBase, QueryableAttribute, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine


class Base(DeclarativeBase):
    """Base of every model. Constraint names are fixed here, so that migrations can name what they change."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# Of a row. 64 bits on both databases; SQLite counts up only what it calls INTEGER, which has as many.
Id = Annotated[int, mapped_column(BigInteger().with_variant(Integer, "sqlite"))]


def _clock() -> datetime:
    return datetime.now(UTC)


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC. The one place that asks for it: tests turn the clock behind it."""
    return _clock()


def to_stamp(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds: fixed width, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_stamp(stamp: str) -> datetime:
    """Return the aware moment that `to_stamp` wrote."""
    return datetime.fromisoformat(stamp)


def text_enum(kind: type[enum.StrEnum], *, name: str, length: int) -> Enum:
    """Return the column type of an enumeration: text with a CHECK called `name`, on both databases.

    PostgreSQL's own enumerations cannot lose a value, and SQLite has none.
    """
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC: `timestamptz` on PostgreSQL, RFC 3339 text on SQLite, which drops time zones.

    Both drivers hand out the same text (see `engine`), so that raw statements can pass it on to JSON as it is.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of the database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Return the stamp that is stored; a stamp is one already."""
        if value is None or isinstance(value, str):
            return value
        if value.tzinfo is None:
            raise ValueError("A naive datetime was given where an aware one is needed.")
        return to_stamp(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment that was stored."""
        return value if value is None or isinstance(value, datetime) else from_stamp(value)


class JsonText(TypeDecorator[Any]):
    """A JSON document in a column of text, the same on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002
        """Return the text that is stored."""
        return orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Return the document that was stored."""
        return None if value is None else orjson.loads(value)


def as_stamp(moment: ColumnElement[Any] | QueryableAttribute[Any]) -> Label[Any]:
    """Select a moment as RFC 3339 text under its own name, as both drivers return it: JSON and pages need no more."""
    return type_coerce(moment, String).label(moment.key)


def index_where_given(name: str, *columns: str) -> Index:
    """Return an index of the rows whose first column is not NULL."""
    where = text(f"{columns[0]} IS NOT NULL")
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


def text_compared_by_byte(length: int) -> String:
    """Return a type of text whose order is the same on both databases."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class IsoDate(TypeDecorator[date]):
    """A day without a time zone, stored as text in ISO 8601, so that text order is the order of days."""

    impl = String(10)
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the text that is stored."""
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: Dialect) -> date | None:  # noqa: ARG002
        """Return the day that was stored."""
        return None if value is None else date.fromisoformat(value)

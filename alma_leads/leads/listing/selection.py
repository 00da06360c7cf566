"""From a filter to the FROM, WHERE and ORDER BY of statements: the one place that knows how to read a list fast.

PostgreSQL's planner knows how common each value is, and chooses alone. SQLite's does not. So there it is chosen here
what to start from: the rarest thing that is asked, if few leads have it; else the order itself, in which something
common is met soon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Any, NamedTuple

from sqlalchemy import Connection

from alma_leads.database.raw import Sql
from alma_leads.leads.listing.conditions import IN_RESUME_COMMON, IN_RESUME_RARE, Asked, asked_of, in_resume_query
from alma_leads.leads.listing.filters import LeadFilter
from alma_leads.leads.listing.orders import Part, parts_of
from alma_leads.leads.listing.search import CONTAINS, are_common_in_resumes, like_pattern, match_expression

# Up to this many leads are fetched and sorted; or up to as many as walking the order would look at for a page of 50,
# if they lie as they fall. Some do not, so a few are always sorted.
FEW, ALWAYS_FEW, PAGE = 5000, 500, 50
FEW_FOUND = 2000  # are named by number on PostgreSQL
_LEADS = Sql("SELECT max(id) FROM leads")
# Of the leads that came after a page was made, so many are looked at.
NEWER = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of `leads l`, in which order. `is_sorted` if all may have to be found before the first is known."""

    source: str
    where: tuple[str, ...]
    order: str
    column: str = "l.id"
    is_sorted: bool = False

    def text(self, columns: str, *, joins: str) -> str:
        """Return the statement that selects `columns`, without a LIMIT."""
        return f"SELECT {columns} FROM {self.source} {joins} {self._clause()} ORDER BY {self.order}"

    def page_text(self, columns: str, *, joins: str) -> str:
        """Return the statement that selects `columns`, and what is ordered by, of the first `:fetch` rows."""
        if not self.is_sorted:
            return self.text(f"{columns}, {self.column}", joins=joins) + " LIMIT :fetch"
        # Other tables are joined to the rows of the page, and not to all that have to be sorted for it.
        rows = f"SELECT l.*, {self.column} AS placed FROM {self.source} {self._clause()} ORDER BY {self.order}"
        word = self.order.rpartition(" ")[2]
        return f"SELECT {columns}, l.placed FROM ({rows} LIMIT :fetch) l {joins} ORDER BY l.placed {word}, l.id {word}"

    def count_text(self) -> str:
        """Return the statement that counts the rows."""
        return self.unordered_text("count(*)")

    def some_text(self) -> str:
        """Return the statement that finds the rows in any order, as far as it is read."""
        return self.unordered_text("1")

    def unordered_text(self, columns: str) -> str:
        """Return the statement that selects `columns` in any order."""
        return f"SELECT {columns} FROM {self.source} {self._clause()}"

    def _clause(self) -> str:
        return f"WHERE {' AND '.join(self.where)}" if self.where else ""


class Chosen(NamedTuple):
    """What a part of a list is selected with: the part, the statement's text, and the values."""

    part: Part
    selection: Selection
    params: dict[str, Any]


class _Start(NamedTuple):
    """What every part of a list has in common. `walked`: its order is read from an index that can be named.

    `planned`: SQLite chooses that index. `may_sort`: its rows may have to be sorted.
    """

    source: str
    where: tuple[str, ...]
    params: dict[str, Any]
    walked: bool
    by_rowid: bool = False
    planned: bool = False
    may_sort: bool = False


def selections(connection: Connection, lead_filter: LeadFilter) -> Iterator[Chosen]:
    """Yield how to find each part of the list that `lead_filter` describes, in reading order from its cursor on.

    Backwards, everything is turned round.
    """
    cursor = lead_filter.cursor
    parts = parts_of(connection, lead_filter)
    if cursor is not None:
        if cursor.backwards:
            parts.reverse()
        here = [number for number, part in enumerate(parts) if part.name == cursor.group]
        parts = parts[here[0] :] if here else []
    sqlite = connection.dialect.name == "sqlite"
    by_arrival = lead_filter.sort.lstrip("-") == "created_at"
    rare = not sqlite and _asks_for_rare_words(connection, lead_filter)
    found = None if sqlite or by_arrival else _find_few(connection, lead_filter, rare=rare)
    for number, part in enumerate(parts):
        start = _sqlite(connection, lead_filter, part) if sqlite else _postgresql(lead_filter, part, found, rare=rare)
        selection, params = _select_part(lead_filter, part, start, goes_on=cursor is not None and number == 0)
        yield Chosen(part, selection, params)


def select_newer(connection: Connection, lead_filter: LeadFilter) -> tuple[Selection, dict[str, Any]]:
    """Return how to find the leads with a number above `:after` that `lead_filter` describes, wherever its cursor is.

    They are few, so each is looked at: no index but that of the numbers is of use.
    """
    asked, params = asked_of(lead_filter)
    sqlite = connection.dialect.name == "sqlite"  # only there a plus before a column means nothing
    where = [condition for each in asked for condition in (each.probe if sqlite else each.plain)]
    if lead_filter.query:
        where.append(CONTAINS[connection.dialect.name])
        params["query"] = lead_filter.query
    newer = f"(SELECT * FROM leads WHERE id > :after ORDER BY id LIMIT {NEWER}) l"
    return Selection(newer, tuple(where), "l.id"), params


def selection_to_count(connection: Connection, lead_filter: LeadFilter) -> tuple[Selection, dict[str, Any]] | None:
    """Return how to count up to a cap what `lead_filter` describes, if an index holds just that; else None."""
    asked, params = asked_of(lead_filter)
    overdue = [each for each in asked if "overdue_at" in each.names]
    if overdue and not (lead_filter.unassigned or lead_filter.created_from or lead_filter.created_to):
        asked = [each for each in asked if not each.is_plain]  # the status is said, and the attorney too
    if lead_filter.query or lead_filter.resume_words or len(asked) > 1:
        return None
    source, where = (asked[0].source, asked[0].drive) if asked else ("leads l", ())
    if connection.dialect.name == "postgresql":
        source = source.partition(" INDEXED BY ")[0]
        where = asked[0].plain if asked and not overdue else where
        source = "leads l" if asked else source
    return Selection(source, where, "l.id"), params


def _select_part(
    lead_filter: LeadFilter, part: Part, start: _Start, *, goes_on: bool
) -> tuple[Selection, dict[str, Any]]:
    """Return the statement of a part: with its own conditions, its order and, where a page goes on, the cursor."""
    cursor = lead_filter.cursor
    descending = lead_filter.sort.startswith("-") != (cursor is not None and cursor.backwards)
    word, sign = ("DESC", "<") if descending else ("ASC", ">")
    # A unary plus keeps SQLite from using an index of the column; PostgreSQL need not be told.
    column = part.column if start.walked else f"+{part.column}"
    where = [*start.where, *(part.where if start.walked else map(_probed, part.where))]
    params = start.params | dict(part.params)
    if goes_on and cursor is not None:
        params["after"] = cursor.id
        if start.by_rowid:
            where.append(f"s.rowid {sign} :after")
        else:
            params["value"] = cursor.value
            if start.planned:  # the cursor is the nearer bound, and SQLite would start from the other
                bound = f"{part.column} {sign}="
                where = [_probed(each) if each.startswith(bound) else each for each in where]
            where.append(f"({column}, l.id) {sign} (:value, :after)")
            if not part.column.startswith("l."):  # no index spans two tables
                where.append(f"{column} {sign}= :value")
    order = f"s.rowid {word}" if start.by_rowid else f"{column} {word}, l.id {word}"
    return Selection(start.source, tuple(where), order, part.column, start.may_sort), params


def _probed(condition: str) -> str:
    return f"+{condition}"


def _asks_for_rare_words(connection: Connection, lead_filter: LeadFilter) -> bool:
    query = in_resume_query(lead_filter.resume_words)
    return bool(query) and not are_common_in_resumes(connection, query)


def _find_few(connection: Connection, lead_filter: LeadFilter, *, rare: bool) -> list[int] | None:
    """Return the numbers of the leads that are described, if those are few and PostgreSQL cannot guess how many.

    It does not know either that a name goes with an address, and would walk along an order past all leads, in each part
    of it anew.
    """
    if not (lead_filter.query or lead_filter.mail_trouble or lead_filter.in_conflict or rare):
        return None
    where, params = _conditions(lead_filter, rare=rare)
    rows = _finding(where).rows(connection, **params, cap=FEW_FOUND + 1)
    return None if len(rows) > FEW_FOUND else [row[0] for row in rows]


@lru_cache(maxsize=128)
def _finding(where: tuple[str, ...]) -> Sql:
    return Sql(f"SELECT l.id FROM leads l WHERE {' AND '.join(where)} LIMIT :cap")


def _conditions(lead_filter: LeadFilter, *, rare: bool) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return all that is asked, as PostgreSQL is asked it, and the parameters; `rare` are the words of resumes."""
    asked, params = asked_of(lead_filter)
    where = tuple(condition for each in asked for condition in each.plain)
    if rare:
        where = tuple(IN_RESUME_RARE if condition == IN_RESUME_COMMON else condition for condition in where)
    if lead_filter.query:
        where = (*where, "l.search_text LIKE :query")
        params["query"] = like_pattern(lead_filter.query)
    return where, params


def _postgresql(lead_filter: LeadFilter, part: Part, found: list[int] | None, *, rare: bool) -> _Start:
    if found is None:
        source, (where, params) = "leads l", _conditions(lead_filter, rare=rare)
    else:
        # The OFFSET keeps it from walking along the order all the same, where it takes these for many.
        source, where, params = "(SELECT * FROM leads WHERE id = ANY(:found) OFFSET 0) l", (), {"found": found}
    if part.column.startswith("e."):
        source = f"{source} JOIN prospects e ON e.id = l.prospect_id"
    return _Start(source, where, params, walked=True, may_sort=True)


def _sqlite(connection: Connection, lead_filter: LeadFilter, part: Part) -> _Start:
    asked, params = asked_of(lead_filter)
    probes = [condition for each in asked for condition in each.probe]
    if lead_filter.query:
        # In an unfiltered list by arrival the index itself is read in that order, and stops when the page is full.
        by_rowid = not asked and part.column == "l.created_at" and not part.where
        match = match_expression(connection, lead_filter.query, any_number=by_rowid)
        if match is not None:
            source = _with_address("leads_search s CROSS JOIN leads l ON l.id = s.rowid", part)
            where, found = ("s.leads_search MATCH :match", *probes), params | {"match": match}
            return _Start(source, where, found, walked=False, by_rowid=by_rowid, may_sort=not by_rowid)
        params["query"] = lead_filter.query
    contains = (CONTAINS["sqlite"],) if lead_filter.query else ()
    plain = all(each.is_plain for each in asked)
    if plain and part.column == "l.created_at":  # an index holds any of these, in this order
        return _Start(
            "leads l", (*(c for each in asked for c in each.plain), *contains), params, walked=True, planned=True
        )
    by_arrival = part.column == "l.created_at"
    # By arrival an index of whose and which status leads past all the others.
    near = by_arrival and all(each.walked for each in asked)
    rarest = _rarest(connection, asked, params, most=ALWAYS_FEW if near else FEW)
    if rarest is not None:
        others = [condition for each in asked if each is not rarest for condition in each.probe]
        source = _with_address(rarest.source, part)
        return _Start(source, (*rarest.drive, *others, *contains), params, walked=False, may_sort=True)
    ordered = next((each for each in asked if each.by_rowid), None)
    if ordered is not None and by_arrival and not part.where:
        others = [condition for each in asked if each is not ordered for condition in each.probe]
        where = (*ordered.drive, *others, *contains)
        return _Start(ordered.source, where, params, walked=False, by_rowid=True)
    if part.column.startswith("e."):
        source = "prospects e CROSS JOIN leads l ON l.prospect_id = e.id"
        return _Start(source, (*probes, *contains), params, walked=True)
    if by_arrival:
        probes = [condition for each in asked for condition in each.walked or each.probe]
    if part.along:
        probes = [condition for each in asked for condition in each.due or each.probe]
    source = f"leads l INDEXED BY {part.along}" if part.along else "leads l"
    return _Start(source, (*probes, *contains), params, walked=True, planned=by_arrival or bool(part.along))


def _with_address(source: str, part: Part) -> str:
    return f"{source} CROSS JOIN prospects e ON e.id = l.prospect_id" if part.column.startswith("e.") else source


def _rarest(connection: Connection, asked: list[Asked], params: dict[str, Any], *, most: int) -> Asked | None:
    """Return what the fewest leads have of all that is asked, if those are few."""
    if not asked:
        return None
    row = _LEADS.row(connection)
    few = min(most, max(ALWAYS_FEW, isqrt(PAGE * ((row and row[0]) or 0))))
    counted = []
    for number, each in enumerate(asked):
        statement = _counting(each.count_source, each.count_where)
        used = {name: params[name] for name in each.names}
        row = statement.row(connection, **used, cap=few + 1)
        assert row is not None
        counted.append((row[0], number))
    least = min(counted)
    return asked[least[1]] if least[0] <= few else None


@lru_cache(maxsize=128)
def _counting(source: str, where: tuple[str, ...]) -> Sql:
    clause = f"WHERE {' AND '.join(where)}" if where else ""
    return Sql(f"SELECT count(*) FROM (SELECT 1 FROM {source} {clause} LIMIT :cap) c")

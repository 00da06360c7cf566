"""How the house is built, counted: `make house`.

Statements in strings, modules that know the dialect, rows caught in classes of their own, crowded folders, circles and
size. `--root` counts another checkout, for a table of before and after.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.walks import walks

ROOT = Path(__file__).resolve().parent.parent
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s", re.IGNORECASE)
DIALECT = re.compile(r"dialect\.name|sqlite=|postgresql=|by_dialect|get_bind\(\)\.dialect")
QUERIES = {"select", "insert", "update", "delete", "scalars", "scalar", "execute"}


class Module(NamedTuple):
    """A module of the package: its dotted name, its folder, its source and what that parses to."""

    name: str
    room: str
    text: str
    tree: ast.Module


def modules_of(root: Path) -> list[Module]:
    """Return the modules of the package below `root`."""
    found = []
    for path in sorted((root / "alma_leads").rglob("*.py")):
        parts = list(path.relative_to(root).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text()
        found.append(Module(name, ".".join(parts[:-1]), text, ast.parse(text)))
    return found


def sql_strings(modules: list[Module]) -> list[str]:
    """Return where a string or f-string begins like a statement, as "module:line"."""
    found = []
    for module in modules:
        inside = {id(part) for node in ast.walk(module.tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(module.tree):
            value: object = None
            if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
                value = node.values[0].value
            elif isinstance(node, ast.Constant) and id(node) not in inside:
                value = node.value
            if isinstance(value, str) and SQL.match(value) and _is_statement(value):
                found.append(f"{module.name}:{getattr(node, 'lineno', 0)}")
    return found


def _is_statement(text: str) -> bool:
    """Tell SQL from English: "Select a file" is no statement."""
    return bool(re.search(r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s", text))


def row_classes(modules: list[Module]) -> tuple[int, int]:
    """Return how many NamedTuples and dataclasses there are."""
    tuples = data = 0
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                tuples += any(ast.unparse(base).endswith("NamedTuple") for base in node.bases)
                data += any("dataclass" in ast.unparse(each) for each in node.decorator_list)
    return tuples, data


def imports(modules: list[Module]) -> Iterator[tuple[Module, str]]:
    """Yield who imports whom, but for type checking only."""
    names = {module.name for module in modules}
    for module in modules:
        unused = {
            id(inner)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ImportFrom) or id(node) in unused or not node.module:
                continue
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                target = whole if whole in names else node.module
                if target in names and target != module.name:
                    yield module, target


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components with more than one member (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                found.append(component)

    sys.setrecursionlimit(10_000)
    for node in list(edges):
        if node not in index:
            visit(node)
    return found


def loaded_by_config(root: Path) -> int:
    """Return how many of our modules `import config` loads, besides packages, which hold nothing."""
    ours = "name.split('.')[0] == 'alma_leads' and not hasattr(module, '__path__')"
    code = f"import sys, config; print(sum({ours} for name, module in sys.modules.items()))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], cwd=root, env=os.environ, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def count(root: Path) -> list[tuple[str, str, str]]:
    """Return (what, measured, goal) for each line of the table."""
    modules = modules_of(root)
    by_module: dict[str, set[str]] = defaultdict(set)
    by_room: dict[str, set[str]] = defaultdict(set)
    rooms = {module.name: module.room for module in modules}
    for module, target in imports(modules):
        by_module[module.name].add(target)
        # A package that imports its own parts gathers them; it is no neighbour of theirs.
        if module.room != rooms[target] and module.name != module.room:
            by_room[module.room].add(rooms[target])
    crowded = Counter(module.room for module in modules if module.name != module.room)
    room, most = crowded.most_common(1)[0]
    tuples, data = row_classes(modules)
    dialects = [module.name for module in modules if DIALECT.search(module.text)]
    sessions = sum(module.text.count("db.session") for module in modules)
    queries = sum(
        isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in QUERIES
        for module in modules
        for node in ast.walk(module.tree)
    )
    longest = max(modules, key=lambda module: module.text.count("\n"))
    return [
        ("SQL statements in strings", str(len(sql_strings(modules))), "≤ 12"),
        ("modules that branch on the dialect", str(len(dialects)), "≤ 8"),
        ("`db.session` / queries of the ORM or Core", f"{sessions} / {queries}", "everywhere"),
        ("NamedTuples and dataclasses", f"{tuples} + {data}", "≤ 50 together, of those that only catch rows"),
        (f"modules in the fullest room ({room.removeprefix('alma_leads.')})", str(most), "≤ 14"),
        ("circles between modules / between rooms", f"{len(circles(by_module))} / {len(circles(by_room))}", "0 / 0"),
        ("Python lines of `alma_leads`", f"{sum(module.text.count(chr(10)) for module in modules):,}", "fewer"),
        (
            f"lines of the longest module ({longest.name.removeprefix('alma_leads.')})",
            str(longest.text.count("\n")),
            "≤ 300",
        ),
        ("own modules loaded by `import config`", str(loaded_by_config(root)), "≤ 5"),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--statements", action="store_true", help="list the statements in strings too")
    options = parser.parse_args()
    lines = ["| | counted | goal |", "| --- | ---: | ---: |"]
    lines += [f"| {what} | {counted} | {goal} |" for what, counted, goal in count(options.root)]
    if options.root == ROOT:
        goals = {"body → rows": 8, "filter → SQL": 6, "button → event": 4, "key → permission": 4}
        lines += [f"| files: {name} | {files} | ≤ {goals[name]} |" for name, files in walks().items()]
    lines += sql_strings(modules_of(options.root)) if options.statements else []
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

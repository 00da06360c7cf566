"""The table that `make bench` prints: what was measured beside what was aimed at."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field


@dataclass
class Report:
    """Rows as they are measured, printed at once and again at the end as one table."""

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def add(self, number: str, work: str, *, measured: str, goal: str, reached: bool) -> None:
        """Add a row, and print it."""
        row = (number, work, measured, goal, "yes" if reached else "NO")
        self.rows.append(row)
        sys.stdout.write(" | ".join(row) + "\n")
        sys.stdout.flush()

    def ratio(self, number: str, work: str, ratios: list[float], *, goal: float, at_most: bool = False) -> None:
        """Add a row for a ratio measured over several rounds: its median, and the least and the most."""
        middle = statistics.median(ratios)
        sign = "≤" if at_most else "≥"
        self.add(
            number,
            work,
            measured=f"{middle:.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
            goal=f"{sign} {goal:g}",
            reached=middle <= goal if at_most else middle >= goal,
        )

    def table(self) -> str:
        """Return everything as a Markdown table."""
        lines = ["| # | work | measured | goal | reached |", "| --- | --- | --- | --- | --- |"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.rows])

"""`python -m bench [ROWS…]`: measure the rows of the performance table, side by side with the floor, in one run."""

from __future__ import annotations

import argparse
import sys

from bench import bulk, delivery, insights, lists, pages, scale, sign_in, writes
from bench.databases import databases
from bench.report import Report

GROUPS = {
    "writes": writes.measure,
    "pages": pages.measure,
    "scale": scale.measure,
    "lists": lists.measure,
    "insights": insights.measure,
    "bulk": bulk.measure,
    "delivery": delivery.measure,
    "sign-in": sign_in.measure,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="what to measure; everything when left out")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds of each pair (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of load in each round (default 3)")
    parser.add_argument("--leads", type=int, default=1_000_000, help="leads for the scale rows (default 1,000,000)")
    options = parser.parse_args()
    report = Report()
    with databases() as stores:
        for name in options.groups or GROUPS:
            GROUPS[name](report, stores, options)
    sys.stdout.write("\n" + report.table() + "\n")


if __name__ == "__main__":
    main()

"""Serve any WSGI application as the product is served: `python -m bench.serve bench.floor:app --port 8000`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import socket

from flask import Flask

from alma_leads.server.front import Limits
from alma_leads.server.supervisor import Part, Supervisor
from alma_leads.server.web import limits_of, serve_web

MEGABYTE = 1_048_576


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="MODULE:NAME of the application")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    module, _, name = options.target.partition(":")
    app = getattr(importlib.import_module(module), name)
    if isinstance(app, Flask):
        limits = dataclasses.replace(limits_of(app, app.config["SETTINGS"]), threads=options.threads)
    else:
        limits = Limits(options.threads, 0, MEGABYTE, MEGABYTE, lambda _method, _path: False)
    listening = [socket.create_server(("127.0.0.1", options.port), backlog=2048)]

    def serve(part: Part) -> None:
        serve_web(app, limits, listening=listening, pulse=part.beat)

    Supervisor([Part(f"web {number}", serve) for number in range(options.workers)], listening).run(lambda: None)


if __name__ == "__main__":
    main()

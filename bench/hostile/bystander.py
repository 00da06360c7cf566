"""Someone else: asks for health and sends leads, or asks for the form, from other addresses, and is timed."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable
from types import TracebackType

PAUSE_S = 0.1
GIVE_UP_S = 60.0


class Bystander:
    """Watches one port while the block runs. `longest_s` is the longest wait; what was no success is in `failures`.

    `submits` is False where nothing can be stored: then the form is asked for instead.
    """

    _numbers = itertools.count()

    def __init__(self, port: int, *, submits: bool = True) -> None:
        self._port = port
        self._over = threading.Event()
        asks = (self._health, self._submit if submits else self._form)
        self._threads = [threading.Thread(target=self._watch, args=(ask,)) for ask in asks]
        self.longest_s = 0.0
        self.asked = 0
        self.failures: list[str] = []

    def __enter__(self) -> Bystander:
        for thread in self._threads:
            thread.start()
        time.sleep(0.3)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(0.3)
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, ask: Callable[[], tuple[int, int]]) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                status, wanted = ask()
                if status != wanted:
                    self.failures.append(f"{status} instead of {wanted}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(type(error).__name__)
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self.asked += 1
            time.sleep(PAUSE_S)

    def _health(self) -> tuple[int, int]:
        return self._ask("GET", "/healthz", b"", "127.0.0.2"), 200

    def _form(self) -> tuple[int, int]:
        return self._ask("GET", "/", b"", "127.0.0.2"), 200

    def _submit(self) -> tuple[int, int]:
        number = next(self._numbers)
        body = {
            "first_name": "By",
            "last_name": f"Stander {number}",
            "email": f"bystander-{number}@example.com",
            "resume_url": "https://drive.google.com/x",
        }
        # An address of its own for each, as of many prospects: none of them reaches a limit.
        source = f"127.0.{1 + number // 250}.{1 + number % 250}"
        return self._ask("POST", "/public/leads", json.dumps(body).encode(), source), 201

    def _ask(self, method: str, path: str, body: bytes, source: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=GIVE_UP_S, source_address=(source, 0))
        try:
            connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

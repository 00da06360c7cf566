"""An SMTP server that takes everything and keeps only the Message-IDs: fast, plain, and as ill-behaved as asked.

Run as `python -m bench.sink PORT MODE FILE`; modes: well, slow (2 s before each reply), silent (never a word),
refusing (554 to every connection), busy (451 to every message). Each Message-ID taken is a line of FILE.
"""

from __future__ import annotations

import contextlib
import socketserver
import sys
import threading
import time
from pathlib import Path

SLOW_SECONDS = 2


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True
    mode = "well"
    taken: Path
    lock = threading.Lock()

    def say(self, text: str) -> None:
        """Send a reply."""
        if self.mode == "slow":
            time.sleep(SLOW_SECONDS)
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self) -> None:
        """Talk SMTP until the other side has gone."""
        with contextlib.suppress(ConnectionError):
            self.talk()

    def talk(self) -> None:
        """Talk SMTP."""
        if self.mode == "silent":
            time.sleep(300)
            return
        if self.mode == "refusing":
            self.say("554 5.3.2 No mail today")
            return
        self.say("220 sink")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.say("354 go on")
                self.read_message()
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 OK")

    def read_message(self) -> None:
        """Take a message, or say to come back later."""
        message_id = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            if line[:11].lower() == b"message-id:":
                message_id = line[11:].strip()
        if self.mode == "busy":
            self.say("451 4.7.1 Try again later")
            return
        with self.lock, self.taken.open("ab") as file:
            file.write(message_id + b"\n")
        self.say("250 OK")


class Server(socketserver.ThreadingTCPServer):
    """The server."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until killed."""
    port, Session.mode, file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    Session.taken = Path(file)
    Session.taken.touch()
    Server(("127.0.0.1", port), Session).serve_forever()


if __name__ == "__main__":
    main()

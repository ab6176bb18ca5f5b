"""A receiver of webhooks on this machine, that answers what it is told to, and events to tell it of."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from refold import CloudEvent, event

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - of nobody
CERTIFICATE: Final = Path(__file__).with_name("receiver.pem")
"""Of `receiver.example`, signed by itself, with its key: for a hundred years."""


@event("order.placed")
class OrderPlaced:
    order: str
    cents: int = 0


@dataclass(frozen=True)
class Answer:
    """What the receiver says to a request: after so many seconds, if at all."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: float = 0.0


@dataclass
class Hook:
    """What came, and what is answered next; then 204."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def messages(self) -> list[CloudEvent]:
        """What came, read."""
        return [CloudEvent.parse(headers, body) for headers, body in self.came]


@contextmanager
def receiving(*, tls: bool = False) -> Generator[Hook]:
    """A receiver on a port of its own."""
    hook = Hook("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.came.append((dict(self.headers.items()), body))
            answer = hook.answers.pop(0) if hook.answers else Answer()
            time.sleep(answer.after)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that has gone is no news
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

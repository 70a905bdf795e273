"""A local HTTP server that takes what Apprise's JSON channel posts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from attrs import Factory, define

from phoenix_cli.wiring.bunny.bot_server import listening


@define
class JsonServer:
    """What arrived, and with which status it is answered; 0 hangs."""

    url: str = ""
    status: int = 200
    asked: int = 0
    documents: list[dict[str, object]] = Factory(list)
    let_go: threading.Event = Factory(threading.Event)


@contextmanager
def json_server() -> Iterator[JsonServer]:
    """A server on a loopback port of its own, gone afterwards."""
    server = JsonServer()

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_POST(self) -> None:
            """Keep what was taken."""
            server.asked += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if server.status == 0:
                _ = server.let_go.wait(60)
                return
            if server.status == 200:
                server.documents.append(json.loads(body))
            self.send_response(server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with listening(Handler, server.let_go) as place:
        server.url = f"json://{place}/"
        yield server

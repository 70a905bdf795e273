"""The dead-man ping: told over HTTP while the desk beats, harmless when nobody answers."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from phoenix_cli.wiring.startup import ping
from tests.showing import shows


@shows("F71")
def test_a_ping_reaches_a_server_and_a_dead_one_hurts_nobody() -> None:
    """A real server counts the ping; a closed port, an error and another scheme are a plain no."""
    heard: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200 if self.path == "/beat" else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        assert ping(address + "/beat")
        assert not ping(address + "/sick")
    finally:
        server.shutdown()
        server.server_close()
    assert heard == ["/beat", "/sick"]
    assert not ping(address + "/beat")
    assert not ping("file:///etc/hosts")
    assert not ping("")

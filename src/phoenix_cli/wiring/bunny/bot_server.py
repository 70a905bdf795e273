"""A local stand-in for Telegram's servers: real HTTP on loopback, with every misbehaviour that the real ones have."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from attrs import Factory, define

TOKEN: Final = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
CHAT: Final = "-100200300"


@define
class BotServer:
    """What arrived, and how to answer the next requests; after the script is used up every message is accepted."""

    url: str = ""
    script: list[tuple[int, Mapping[str, object]] | str] = Factory(list)
    texts: list[str] = Factory(list)  # of every message that was accepted
    asked: int = 0
    let_go: threading.Event = Factory(threading.Event)
    arrived: threading.Event = Factory(threading.Event)
    always: str = ""

    def environment(self) -> dict[str, str]:
        """What an operator would put into .env."""
        return {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": CHAT, "TELEGRAM_API_URL": self.url}

    def answer(self, path: str, body: bytes) -> tuple[int, Mapping[str, object]] | str:
        """The answer to one request."""
        self.asked += 1
        self.arrived.set()
        step = self.always or (self.script.pop(0) if self.script else "")
        if step and step != "lost":
            return step
        document = json.loads(body)
        if path != f"/bot{TOKEN}/sendMessage":
            return 404, {"ok": False, "error_code": 404, "description": "Not Found"}
        if document["chat_id"] != CHAT:
            return 400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}
        if len(document["text"].encode("utf-16-le")) // 2 > 4096:
            return 400, {"ok": False, "error_code": 400, "description": "Bad Request: message is too long"}
        self.texts.append(document["text"])
        return "cut" if step == "lost" else (200, {"ok": True, "result": {"message_id": len(self.texts)}})


def refusal(code: int, **parameters: object) -> tuple[int, Mapping[str, object]]:
    """An error as Telegram words it."""
    return code, {"ok": False, "error_code": code, "description": "no", "parameters": parameters}


def _handler(server: BotServer) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_POST(self) -> None:
            """Answer as the script says; `hang` holds the connection, `cut` closes it without a word."""
            said = server.answer(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            if said == "hang":
                _ = server.let_go.wait(60)
                return
            if said == "cut":
                return
            if said == "babble":
                self._say(200, b"<html>" + b"x" * 300_000)
                return
            assert isinstance(said, tuple)
            self._say(said[0], json.dumps(said[1]).encode())

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                _ = self.wfile.write(body)
            except OSError:
                return  # the client had heard enough

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: paths hold the token."""

    return Handler


@contextmanager
def bot_server() -> Iterator[BotServer]:
    """A server on a loopback port of its own, gone afterwards."""
    server = BotServer()
    with listening(_handler(server), server.let_go) as place:
        server.url = f"http://{place}"
        yield server


@contextmanager
def listening(handler: Callable[..., BaseHTTPRequestHandler], let_go: threading.Event) -> Iterator[str]:
    """Host and port where these requests are answered; at the end whoever still hangs is let go."""
    http = ThreadingHTTPServer(("127.0.0.9", 0), handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.9:{http.server_port}"
    finally:
        let_go.set()
        http.shutdown()
        http.server_close()
        thread.join(5)

"""`metrics`: the desk's numbers for a dashboard, on a port of this machine and of no other."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Final

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import UNREACHABLE, emit, fail, tell

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session

# How long a client may take over its question: it sits on this machine, and the next one waits for it.
ASKED_WITHIN_S: Final = 1.0


@click.command("metrics")
@click.option("--port", type=click.IntRange(0, 65535), default=9464, help="Where to listen; 0 takes a free port.")
@click.option("--host", default="127.0.0.1", help="An address of this machine: 127.x.y.z.")
@click.option("--once", is_flag=True, help="Print the text once, and stop.")
@click.pass_context
def metrics_command(ctx: click.Context, port: int, host: str, once: bool) -> None:
    """Serve the desk's numbers as Prometheus text at /metrics: a process of its own that only reads the log.

    Example: phoenix metrics --once
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import BadInput

    if not host.startswith("127."):
        raise BadInput("--host", host, "numbers are served on 127.x.y.z only; put a proxy of yours in front")
    with opened(home_of(ctx)) as session:
        if once:
            text = told(session)
            emit(ctx, {"metrics": text.splitlines()}, text.rstrip())
            return
        try:
            server = Numbers((host, port), _handler(session))
        except OSError as error:
            fail(ctx, UNREACHABLE, f"cannot listen on {host}:{port}: {error.strerror or error}")
        emit(
            ctx, {"host": host, "port": server.server_port}, f"listening on http://{host}:{server.server_port}/metrics"
        )
        try:
            server.serve_forever(0.2)
        except KeyboardInterrupt:
            tell("stopped")
        finally:
            server.server_close()


def told(session: Session) -> str:
    """The numbers as of now."""
    from phoenix_cli.metrics import exposition
    from phoenix_cli.wiring.opening import is_latched

    _ = session.recorder.catch_up()
    runs = session.store.leaseholder() is not None
    return exposition(session.desk, session.clock.now().wall, engine_runs=runs, halted=is_latched(session.home))


class Numbers(HTTPServer):
    """A server that no client stops."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hung up is gone; anything else is said in a line, and the next question is answered."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            tell(f"error: {error}")


def _handler(session: Session) -> type[BaseHTTPRequestHandler]:
    from phoenix_cli.metrics import CONTENT_TYPE

    class Answer(BaseHTTPRequestHandler):
        """One question."""

        timeout = ASKED_WITHIN_S

        def do_GET(self) -> None:
            """The numbers at /metrics, and nothing elsewhere."""
            body = told(session).encode() if self.path == "/metrics" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            _ = self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of each question."""

    return Answer

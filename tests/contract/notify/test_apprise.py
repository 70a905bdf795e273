"""Apprise's notifier, with its own JSON channel, against a real HTTP server."""

from __future__ import annotations

import asyncio
import html
import logging
from collections.abc import Iterator

import pytest

from phoenix_adapters.notify.apprise import AppriseNotifier, apprise_of
from phoenix_core.values import BadInput, Severity
from phoenix_core.watch.alerts import Message
from tests.contract.notify.json_server import JsonServer, json_server
from tests.contract.notify.test_telegram import Ticks

HELLO = Message(Severity.CRITICAL, ("a",), "CRITICAL *plain* <b>text</b> [RB-001]")


@pytest.fixture
def server() -> Iterator[JsonServer]:
    """A server of this test's own."""
    with json_server() as made:
        yield made


def notifier_for(*urls: str) -> AppriseNotifier:
    """The notifier that the environment would make."""
    made = apprise_of({"APPRISE_URLS": " ".join(urls)})
    assert made is not None
    return made


async def test_a_message_arrives_with_its_severity(server: JsonServer) -> None:
    """Title, text and kind, as the channel's own format has them; the text is not read as markup."""
    assert await notifier_for(server.url).send(HELLO)
    (document,) = server.documents
    assert document["message"] == HELLO.text
    assert document["title"] == "Phoenix CRITICAL"
    assert document["type"] == "failure"


@pytest.mark.parametrize(
    ("severity", "kind"), [(Severity.CRITICAL, "failure"), (Severity.WARNING, "warning"), (Severity.INFO, "info")]
)
async def test_each_severity_is_a_kind_of_its_own(server: JsonServer, severity: Severity, kind: str) -> None:
    """A channel colours a message and lets it ring by its kind: what is loud here is loud there."""
    assert await notifier_for(server.url).send(Message(severity, ("a",), "words"))
    (document,) = server.documents
    assert (document["title"], document["type"]) == (f"Phoenix {severity.value}", kind)


@pytest.mark.parametrize("form", ["text", "html", "markdown"])
async def test_a_channel_that_writes_markup_shows_what_was_said(server: JsonServer, form: str) -> None:
    """What Phoenix says is text: a channel of HTML or Markdown is given it so that its reader sees the same signs."""
    assert await notifier_for(f"{server.url}?format={form}").send(HELLO)
    (document,) = server.documents
    said = str(document["message"])
    shown = {"text": said, "html": html.unescape(said).replace("\xa0", " "), "markdown": said.replace("\\", "")}
    assert shown[form] == HELLO.text
    assert not any(tag in said for tag in {"text": (), "html": ("<",), "markdown": (" *", " [RB")}[form])


async def test_a_plugin_that_breaks_is_a_message_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred plugins of strangers: whatever one of them raises, the engine hears no."""

    async def broken(**said: object) -> bool:
        raise KeyError("a stranger's mistake")

    notifier = notifier_for("json://127.0.0.9/")
    monkeypatch.setattr(notifier.channels, "async_notify", broken)
    assert not await notifier.send(HELLO)


async def test_two_messages_take_turns(server: JsonServer) -> None:
    """The second one waits for what becomes of the first, and is not sent into a channel that has just failed."""
    notifier = AppriseNotifier(notifier_for(server.url).channels, Ticks())
    server.status = 503
    assert not any(await asyncio.gather(notifier.send(HELLO), notifier.send(HELLO)))
    assert server.asked == 1


async def test_a_channel_that_came_back_is_new(server: JsonServer) -> None:
    """The second failure is a pause of two seconds; after a success the next failure is the first again."""
    ticks = Ticks()
    notifier = AppriseNotifier(notifier_for(server.url).channels, ticks)
    for status, pause_s in ((503, 1.01), (503, 2.01), (200, 0.0), (503, 1.01), (200, 0.0)):
        server.status = status
        assert await notifier.send(HELLO) is (status == 200)
        ticks.at_s += pause_s
    assert server.asked == 5


async def test_all_urls_are_one_channel(server: JsonServer) -> None:
    """One of two that fails is a message not taken; it goes to both again."""
    with json_server() as gone:
        dead = gone.url
    assert not await notifier_for(server.url, dead).send(HELLO)
    assert len(server.documents) == 1


async def test_a_failing_channel_is_left_alone_and_tried_again(server: JsonServer) -> None:
    """5xx: false, no request for a second, and then the message goes."""
    notifier, ticks = notifier_for(server.url), Ticks()
    notifier = AppriseNotifier(notifier.channels, ticks)
    server.status = 503
    assert not await notifier.send(HELLO)
    assert not await notifier.send(HELLO)
    assert server.asked == 1
    ticks.at_s += 1.01
    server.status = 200
    assert await notifier.send(HELLO)


async def test_a_hang_ends_by_our_own_clock(server: JsonServer) -> None:
    """A channel that says nothing: false after our time, whatever its thread still waits for."""
    notifier = AppriseNotifier(notifier_for(server.url).channels, Ticks(), within_s=0.2)
    server.status = 0
    async with asyncio.timeout(3):  # its own sockets wait for four
        assert not await notifier.send(HELLO)


async def test_no_url_is_ever_said(server: JsonServer, caplog: pytest.LogCaptureFixture) -> None:
    """What Apprise logs is kept out: its URLs hold passwords."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "apprise")
    notifier = notifier_for(server.url.replace("://", "://user:hunter2@"))
    server.status = 500
    assert not await notifier.send(HELLO)
    assert "hunter2" not in caplog.text + repr(notifier)
    assert not [line for line in caplog.records if line.name.startswith("apprise")], "what it quotes nobody knows"


def test_a_url_that_it_does_not_understand_is_counted_not_shown() -> None:
    """The second of two: the operator learns which, and the log learns no secret."""
    with pytest.raises(BadInput, match="number 2 of 2") as refused:
        _ = apprise_of({"APPRISE_URLS": "json://127.0.0.9/ what://hunter2"})
    assert "hunter2" not in str(refused.value)
    assert apprise_of({"APPRISE_URLS": "  "}) is None

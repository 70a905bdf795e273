"""Apprise's notifier, with its own JSON channel, against a real HTTP server."""

from __future__ import annotations

import asyncio
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

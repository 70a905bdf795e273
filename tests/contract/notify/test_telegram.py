"""Telegram's notifier against a real HTTP server with everything that Telegram was seen to do."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from attrs import define

from phoenix_adapters.notify.telegram import ANSWER_MAX, POINTER, TelegramNotifier, api_url_of, fitted, telegram_of
from phoenix_cli.wiring.bunny.bot_server import listening
from phoenix_core.values import BadInput, Severity
from phoenix_core.watch.alerts import Message
from tests.contract.notify.bot_server import CHAT, TOKEN, BotServer, bot_server, refusal
from tests.showing import shows

HELLO = Message(Severity.CRITICAL, ("a",), "CRITICAL Link to the broker lost [RB-001]")


@define
class Ticks:
    """A clock that is told when to move."""

    at_s: float = 100.0

    def __call__(self) -> float:
        """The present tick."""
        return self.at_s


@pytest.fixture
def server() -> Iterator[BotServer]:
    """A server of this test's own."""
    with bot_server() as made:
        yield made


def notifier_for(server: BotServer, ticks: Ticks, chat: str = CHAT, within_s: float = 5.0) -> TelegramNotifier:
    """The notifier, pointed at the local server."""
    return TelegramNotifier(TOKEN, chat, server.url, ticks, within_s)


async def test_a_message_arrives_as_it_was_written(server: BotServer) -> None:
    """Plain text: what would be markup elsewhere arrives untouched, and 200 with ok is what counts as taken."""
    odd = "WARNING *stars* _lines_ [RB-002](x) <b> & `ticks` \U0001f6d1"
    assert await notifier_for(server, Ticks()).send(Message(Severity.WARNING, ("b",), odd))
    assert server.texts == [odd]


@shows("F69")
async def test_429_is_waited_out_without_asking_again(server: BotServer) -> None:
    """retry_after is kept as a state: not one request before it is over, and the message goes afterwards."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks)
    for seconds in (1, 30, 3600):
        server.script.append(refusal(429, retry_after=seconds))
        asked = server.asked
        assert not await notifier.send(HELLO)
        ticks.at_s += seconds - 0.01
        assert not await notifier.send(HELLO)
        assert server.asked == asked + 1, "asked again before the time was over"
        ticks.at_s += 0.02
    assert await notifier.send(HELLO)
    assert server.texts == [HELLO.text]


@pytest.mark.parametrize("said", [refusal(429), refusal(429, retry_after="soon"), refusal(429, retry_after=-5)])
async def test_a_429_without_a_number_is_a_pause_too(server: BotServer, said: tuple[int, dict[str, object]]) -> None:
    """What Telegram leaves out or garbles is no reason to insist."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks)
    server.script.append(said)
    assert not await notifier.send(HELLO)
    assert not await notifier.send(HELLO)
    ticks.at_s += 1.01
    assert await notifier.send(HELLO)
    assert server.asked == 2


@shows("F69")
@pytest.mark.parametrize(
    "said", [refusal(code) for code in (400, 401, 403, 404, 409, 500, 502, 503)] + ["cut", "babble"]
)
async def test_whatever_is_said_is_an_answer(server: BotServer, said: tuple[int, dict[str, object]] | str) -> None:
    """No error of theirs raises; the channel is left alone for a second and then tried again."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks)
    server.script.append(said)
    assert not await notifier.send(HELLO)
    assert notifier.trouble
    assert TOKEN not in notifier.trouble
    assert not await notifier.send(HELLO)
    assert server.asked == 1
    ticks.at_s += 1.01
    assert await notifier.send(HELLO)
    assert notifier.trouble == ""


async def test_a_channel_that_goes_on_failing_is_tried_ever_less_and_at_least_each_minute(server: BotServer) -> None:
    """The pauses are 1, 2, 4, 8, 16, 32, 60, 60 seconds: counted by the requests that arrive."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks)
    server.script += [refusal(502)] * 8
    for pause_s in (1, 2, 4, 8, 16, 32, 60, 60):
        asked = server.asked
        assert not await notifier.send(HELLO)
        ticks.at_s += pause_s - 0.01
        assert not await notifier.send(HELLO)
        assert server.asked == asked + 1
        ticks.at_s += 0.02
    assert await notifier.send(HELLO)


@shows("F69")
async def test_a_hang_ends_by_our_own_clock(server: BotServer) -> None:
    """A server that takes the request and says nothing: false after our time, and the next message is not lost."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks, within_s=0.2)
    server.script.append("hang")
    assert not await notifier.send(HELLO)
    assert notifier.trouble == "no answer in time"
    ticks.at_s += 2
    notifier.within_s = 5
    assert await notifier.send(HELLO)


async def test_an_answer_without_an_end_is_read_no_further_than_any_answer_goes() -> None:
    """It promises a gigabyte and keeps on: what is read by then is no answer, and nobody waits for the rest."""
    let_go = threading.Event()

    class Endless(BaseHTTPRequestHandler):
        """One request."""

        def do_POST(self) -> None:
            """More than an answer ever has, and then nothing."""
            _ = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(10**9))
            self.end_headers()
            _ = self.wfile.write(b"x" * (ANSWER_MAX + 1))
            _ = let_go.wait(60)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: paths hold the token."""

    with listening(Endless, let_go) as place:
        notifier = TelegramNotifier(TOKEN, CHAT, f"http://{place}", Ticks(), 5.0)
        assert not await notifier.send(HELLO)
    assert notifier.trouble == "Telegram answered 200"


async def test_a_server_of_this_machine_is_asked_without_a_proxy(
    server: BotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of an office knows no loopback of ours, and a message with the token goes to no third party."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert await notifier_for(server, Ticks()).send(HELLO)


@shows("S33-NOT-03")
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "carrier-pigeon://127.0.0.1:9"])
async def test_a_proxy_that_cannot_be_used_is_an_answer(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Telegram is blocked people set a proxy; one of a kind that this machine cannot speak breaks nothing."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    notifier = TelegramNotifier(TOKEN, CHAT, "https://api.telegram.invalid", Ticks(), 5.0)
    assert not await notifier.send(HELLO)
    assert not await notifier.send(HELLO), "left alone for a while, like any channel that failed"
    assert notifier.trouble


async def test_a_pause_of_more_than_an_hour_is_not_believed(server: BotServer) -> None:
    """Whatever a server asks for: a channel is tried again after an hour, or it would be mute for ever."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks)
    server.script.append(refusal(429, retry_after=10**9))
    assert not await notifier.send(HELLO)
    ticks.at_s += 3599
    assert not await notifier.send(HELLO)
    ticks.at_s += 2
    assert await notifier.send(HELLO)


async def test_a_wrong_chat_is_said_in_words_that_help(server: BotServer) -> None:
    """The operator learns which setting to look at."""
    notifier = notifier_for(server, Ticks(), chat="-1")
    assert not await notifier.send(HELLO)
    assert "TELEGRAM_CHAT_ID" in notifier.trouble


async def test_nobody_listening_is_an_answer(server: BotServer) -> None:
    """Connection refused, as with a blocked network: false, no exception."""
    with bot_server() as gone:
        url = gone.url
    assert not await TelegramNotifier(TOKEN, CHAT, url, Ticks(), 5).send(HELLO)


@shows("F69")
async def test_accepted_but_lost_is_offered_again(server: BotServer) -> None:
    """The connection broke after Telegram had the message: it arrives twice, which is better than never."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks)
    server.script.append("lost")
    assert not await notifier.send(HELLO)
    ticks.at_s += 2
    assert await notifier.send(HELLO)
    assert server.texts == [HELLO.text, HELLO.text]


@shows("F69")
@pytest.mark.parametrize("piece", ["x", "ä", "\U0001f6d1"])
async def test_a_message_that_is_too_long_arrives_cut_with_a_pointer(server: BotServer, piece: str) -> None:
    """4096 UTF-16 units at most, the head kept, no half character, and where to read the rest."""
    assert await notifier_for(server, Ticks()).send(Message(Severity.INFO, ("c",), "LOUDEST FIRST\n" + piece * 5000))
    (text,) = server.texts
    assert text.startswith("LOUDEST FIRST")
    assert text.endswith(POINTER)
    assert 4094 <= len(text.encode("utf-16-le")) // 2 <= 4096


def test_what_fits_is_not_touched() -> None:
    """4096 units pass as they are; 4097 do not."""
    assert fitted("y" * 4096) == "y" * 4096
    assert fitted("y" * 4097) != "y" * 4097
    assert fitted("\U0001f6d1" * 2048) == "\U0001f6d1" * 2048
    assert fitted("\U0001f6d1" * 2049) != "\U0001f6d1" * 2049, "two units each"


async def test_a_message_that_was_taken_ends_the_patience(server: BotServer) -> None:
    """Three failures make the pause eight times as long; after a success the next failure is the first again."""
    ticks = Ticks()
    notifier = notifier_for(server, ticks)
    for _ in range(3):
        server.script.append(refusal(400))
        assert not await notifier.send(HELLO)
        ticks.at_s += 61
    assert await notifier.send(HELLO)
    server.script.append(refusal(400))
    assert not await notifier.send(HELLO)
    ticks.at_s += 1.01
    assert await notifier.send(HELLO)


async def test_messages_leave_in_the_order_in_which_they_were_handed_in(server: BotServer) -> None:
    """Twenty sends at once make one queue."""
    notifier = notifier_for(server, Ticks())
    told = [Message(Severity.CRITICAL, (str(n),), f"number {n}") for n in range(20)]
    assert all(await asyncio.gather(*(notifier.send(one) for one in told)))
    assert server.texts == [one.text for one in told]


async def test_the_token_is_said_nowhere(server: BotServer, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a log line at any level, not in the notifier's own words; httpx would log it at INFO."""
    caplog.set_level(logging.DEBUG)
    notifier = notifier_for(server, Ticks())
    assert await notifier.send(HELLO)
    assert any("sendMessage" in record.getMessage() for record in caplog.records), "nothing was logged: proves nothing"
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(notifier)
    assert CHAT not in repr(notifier)


WRONG = [
    {"TELEGRAM_BOT_TOKEN": "half-a-secret", "TELEGRAM_CHAT_ID": CHAT},
    {"TELEGRAM_BOT_TOKEN": TOKEN},
    {"TELEGRAM_CHAT_ID": CHAT},
    {"TELEGRAM_BOT_TOKEN": TOKEN + "/../", "TELEGRAM_CHAT_ID": CHAT},
    {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": CHAT, "TELEGRAM_API_URL": "http://api.telegram.org"},
    {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": CHAT, "TELEGRAM_API_URL": "http://127.0.0.1.evil.example"},
    {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHAT_ID": CHAT, "TELEGRAM_API_URL": "https://u:p@api.telegram.org"},
]


@pytest.mark.parametrize("environment", WRONG)
def test_a_wrong_environment_is_named_and_not_shown(environment: dict[str, str]) -> None:
    """Half a secret is a secret: the message names the variable, never what it holds."""
    with pytest.raises(BadInput, match="TELEGRAM_") as refused:
        _ = telegram_of(environment)
    assert "half-a-secret" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_an_empty_environment_asks_for_nothing() -> None:
    """No token, no chat: no channel, and no complaint."""
    assert telegram_of({"TELEGRAM_BOT_TOKEN": "", "TELEGRAM_CHAT_ID": ""}) is None
    assert api_url_of("https://api.telegram.org/") == "https://api.telegram.org"


@pytest.mark.paper
@pytest.mark.enable_socket
@pytest.mark.skipif(not os.environ.get("TELEGRAM_BOT_TOKEN"), reason="needs your own bot: TELEGRAM_BOT_TOKEN, _CHAT_ID")
@shows("INV-TELEGRAM-LIVE-1", "S33-NOT-05")
async def test_telegram_itself_takes_a_message() -> None:
    """INV-TELEGRAM-LIVE-1: alerts reach a real device. Telegram confirms it; whether the phone rang, its owner sees."""
    notifier = telegram_of(os.environ)
    assert notifier is not None
    assert await notifier.send(Message(Severity.INFO, ("live",), "Phoenix: a test of your alerts. Nothing happened."))

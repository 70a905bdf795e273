"""Alerts to a Telegram chat, straight over the HTTP API: one POST per message, and whatever happens is an answer.

`send` never raises for what a server or a network does, never sleeps, and never says the token: not in an exception,
not in a log line, not in its own representation. What was not taken stays in the desk's outbox and is offered again.
A message that Telegram took and did not confirm is offered again too: an alert twice is better than none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httpx
from attrs import define, field

from phoenix_adapters.notify.patience import Patience
from phoenix_core.values import BadInput
from phoenix_core.watch.alerts import Message

API_URL: Final = "https://api.telegram.org"
# Longer than Telegram takes on a bad day. A hang must not outlast the patience of whoever reads the alert elsewhere.
SEND_WITHIN_S: Final = 10.0
TEXT_MAX: Final = 4096  # the API's own limit; it counts UTF-16 code units
ANSWER_MAX: Final = 65_536  # bytes; a real answer has a few hundred
POINTER: Final = "\n[cut here: `phoenix alerts list` has the rest]"
LOOPBACK: Final = re.compile(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|::1")
TOKEN: Final = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{20,100}")
CHAT: Final = re.compile(r"-?\d{1,20}|@[A-Za-z0-9_]{4,64}")


def telegram_of(environment: Mapping[str, str]) -> TelegramNotifier | None:
    """The notifier that the environment describes; None where it describes none. Raises `BadInput` where it is wrong,
    without ever showing the value: half a secret is a secret."""
    token, chat = environment.get("TELEGRAM_BOT_TOKEN", ""), environment.get("TELEGRAM_CHAT_ID", "")
    if not token and not chat:
        return None
    if not TOKEN.fullmatch(token):
        raise BadInput("TELEGRAM_BOT_TOKEN", "...", "set the token as @BotFather gave it: digits, a colon, letters")
    if not CHAT.fullmatch(chat):
        raise BadInput("TELEGRAM_CHAT_ID", "...", "set the chat's number (groups begin with -) or @channelname")
    return TelegramNotifier(token, chat, api_url_of(environment.get("TELEGRAM_API_URL", "") or API_URL))


def api_url_of(text: str) -> str:
    """Where the API is asked: https, or this machine. Anything else would carry the token in the clear."""
    url = urlsplit(text)
    if url.username is not None or url.query or url.fragment or not url.hostname:
        raise BadInput("TELEGRAM_API_URL", "...", "write scheme, host and port only")
    if url.scheme == "https" or (url.scheme == "http" and LOOPBACK.fullmatch(url.hostname)):
        return text.rstrip("/")
    raise BadInput("TELEGRAM_API_URL", text, "use https; plain http is for 127.x.y.z, localhost and ::1")


@define
class TelegramNotifier:
    """One bot, one chat. Messages leave one after the other, in the order in which they were handed in."""

    token: str = field(repr=False)
    chat: str = field(repr=False)
    api_url: str = API_URL
    ticks_s: Callable[[], float] = field(default=time.monotonic, repr=False)
    within_s: float = SEND_WITHIN_S
    trouble: str = ""  # why the last message was not taken, in our own words
    _patience: Patience = field(init=False, repr=False)
    _verify: ssl.SSLContext | bool = field(init=False, repr=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Read the trusted certificates once, here: it takes longer than everything a send does by itself."""
        self._patience = Patience(self.ticks_s)
        self._verify = httpx.create_ssl_context() if self.api_url.startswith("https:") else False
        logging.getLogger("httpx").addFilter(_Redacting(self.token))

    @property
    def name(self) -> str:
        """What the channel is called in the log."""
        return "telegram"

    async def send(self, message: Message) -> bool:
        """Deliver one message; true once Telegram said that it has it. False at once while it asked us to wait."""
        async with self._turn:
            if self._patience.waits:
                return False
            try:
                async with asyncio.timeout(self.within_s):
                    status, body = await self._post(message.text)
            except TimeoutError:
                return self._failed("no answer in time")
            except (httpx.HTTPError, OSError) as error:
                return self._failed(f"not reached: {type(error).__name__}")  # its words may hold the URL
            except (httpx.InvalidURL, ImportError, ValueError):  # of a proxy that this machine cannot speak to
                return self._failed("the proxy of the environment cannot be used: check HTTPS_PROXY and ALL_PROXY")
            return self._judged(status, body)

    async def _post(self, text: str) -> tuple[int, bytes]:
        here = LOOPBACK.fullmatch(urlsplit(self.api_url).hostname or "") is not None
        async with httpx.AsyncClient(verify=self._verify, timeout=self.within_s, trust_env=not here) as client:
            document = {"chat_id": self.chat, "text": fitted(text), "disable_web_page_preview": True}
            url = f"{self.api_url}/bot{self.token}/sendMessage"
            async with client.stream("POST", url, json=document) as answer:
                body = b""
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > ANSWER_MAX:
                        break
                return answer.status_code, body

    def _judged(self, status: int, body: bytes) -> bool:
        said = _document(body)
        if status == HTTPStatus.OK and said.get("ok") is True:
            self.trouble = ""
            self._patience.succeeded()
            return True
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self.trouble = "Telegram asks us to wait"
            self._patience.asked(_retry_after_s(said))
            return False
        return self._failed(_WORDS.get(status, f"Telegram answered {status}"))

    def _failed(self, words: str) -> bool:
        self.trouble = words
        self._patience.failed()
        return False


_WORDS: Final[Mapping[int, str]] = {
    400: "Telegram refuses the message or does not know the chat: check TELEGRAM_CHAT_ID",
    401: "Telegram does not know the bot: check TELEGRAM_BOT_TOKEN",
    403: "the bot may not write to the chat: let it in, or press Start",
    404: "Telegram does not know the bot: check TELEGRAM_BOT_TOKEN",
    409: "another program speaks as this bot",
}


def fitted(text: str) -> str:
    """The text, cut to what Telegram takes, with a pointer to the rest. The head is kept: the loudest comes first."""
    if _units(text) <= TEXT_MAX:
        return text
    room = TEXT_MAX - _units(POINTER)
    kept = text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore")  # never half a surrogate pair
    return kept + POINTER


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _document(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _retry_after_s(said: dict[str, object]) -> float:
    parameters = said.get("parameters")
    asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(asked) if isinstance(asked, int) and not isinstance(asked, bool) else 0.0


class _Redacting(logging.Filter):
    """httpx logs every URL at INFO, and the token is a part of this one."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def filter(self, record: logging.LogRecord) -> bool:
        """Say the same without the token."""
        said = record.getMessage()
        if self._token in said:
            record.msg, record.args = said.replace(self._token, "..."), ()
        return True

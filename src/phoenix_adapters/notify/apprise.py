"""Alerts to everything that Apprise knows: mail, SMS, Slack, Matrix and some hundred others, each named by a URL.

The URLs are secrets. Apprise is never asked to say them, and its own log lines are kept out of ours.
"""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Final

from attrs import define, field

from phoenix_adapters.notify.patience import Patience
from phoenix_core.values import BadInput, Severity
from phoenix_core.watch.alerts import Message

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'imghdr' is deprecated", DeprecationWarning)  # its own import, to 3.12
    import apprise

# As for Telegram. Apprise's own sockets give up sooner, so that no thread of it outlives this for long.
SEND_WITHIN_S: Final = 10.0
KINDS: Final[Mapping[Severity, apprise.NotifyType]] = {
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.INFO: apprise.NotifyType.INFO,
}


def apprise_of(environment: Mapping[str, str]) -> AppriseNotifier | None:
    """The notifier that APPRISE_URLS describes (URLs with blanks between them); None where it describes none."""
    urls = environment.get("APPRISE_URLS", "").split()
    if not urls:
        return None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings quote what a server answered, and URLs
    channels = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        if not channels.add(url):
            raise BadInput("APPRISE_URLS", "...", f"Apprise does not understand URL number {number} of {len(urls)}")
    return AppriseNotifier(channels)


@define
class AppriseNotifier:
    """All the URLs together are one channel: it took a message once every one of them did."""

    channels: apprise.Apprise = field(repr=False)
    ticks_s: Callable[[], float] = field(default=time.monotonic, repr=False)
    within_s: float = SEND_WITHIN_S
    _patience: Patience = field(init=False, repr=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Not tried before, so not to be left alone."""
        self._patience = Patience(self.ticks_s)

    @property
    def name(self) -> str:
        """What the channel is called in the log."""
        return "apprise"

    async def send(self, message: Message) -> bool:
        """Deliver one message to every URL; repeated to all where one did not take it."""
        async with self._turn:
            if self._patience.waits:
                return False
            try:
                async with asyncio.timeout(self.within_s):
                    taken = await self._notify(message)
            except TimeoutError:
                taken = False
            if taken:
                self._patience.succeeded()
            else:
                self._patience.failed()
            return taken

    async def _notify(self, message: Message) -> bool:
        try:
            said = await self.channels.async_notify(
                body=message.text,
                title=f"Phoenix {message.severity.value}",
                notify_type=KINDS[message.severity],
                body_format=apprise.NotifyFormat.TEXT,
            )
        except TimeoutError:
            raise
        except Exception:  # noqa: BLE001 - a hundred plugins of strangers; none of them may break the engine
            return False
        return bool(said)  # an answer of its own that is true if every URL took it; None if there was nothing to do

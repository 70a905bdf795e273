"""The stand-in for Telegram's servers, for tests. See phoenix_cli/wiring/bunny/bot_server.py."""

from phoenix_cli.wiring.bunny.bot_server import CHAT, TOKEN, BotServer, bot_server, refusal

__all__ = ["CHAT", "TOKEN", "BotServer", "bot_server", "refusal"]

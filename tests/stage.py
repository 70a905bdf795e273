"""The stage of the chaos vectors, for tests: a whole desk on a manual clock. See phoenix_cli/wiring/bunny/stage.py."""

from phoenix_cli.wiring.bunny.stage import ACCOUNT, PAIR, START, Pen, Stage, first, nonce, restarted, stage

__all__ = ["ACCOUNT", "PAIR", "START", "Pen", "Stage", "first", "nonce", "restarted", "stage"]

"""The desk's picture as people read it: lines for `status`, tables for `watch`. What needs a human comes first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

# Tables as JSON has them.
Row = dict[str, Any]

# A price that is older than this is said to be old: held positions are quoted twice a minute.
OLD_PRICE_S = 60


def status_lines(picture: Row) -> list[str]:
    """The picture as plain lines. A STALLED position is the first of every status; then how the desk stands, then what
    else is open, the loudest first."""
    return [*_stalled(picture), *head_lines(picture), *(_open_lines(picture) or ["nothing is open, nothing waits"])]


def head_lines(picture: Row) -> list[str]:
    """How the desk stands, in three lines."""
    engine, link, health, today = picture["engine"], picture["link"], picture["health"], picture["today"]
    seen = picture["reconciliation"]
    looked = f"{seen['agreement']} {since(seen['age_s'])}" if seen["agreement"] else "never"
    runs = "engine runs" if engine["running"] else "ENGINE IS NOT RUNNING"
    worth = f", open {today['open']}" if today["open"] is not None else ", open not known"
    return [
        f"{picture['mode']} {picture['account']}   {runs}   {health['health']}, {health['detail']}",
        f"link {link['state']}, session {link['session']}   reconciled {looked}"
        f"   {engine['owed']} owed, {picture['orders']} orders",
        f"today {today['entries']} entries, realised {today['realized']}{worth} {today['currency']}"
        f"   {engine['beads']} beads",
    ]


def _stalled(picture: Row) -> list[str]:
    return [f"STALLED  {position_words(row)}  RB-003" for row in picture["stalled"]]


def _open_lines(picture: Row) -> list[str]:
    lines = ["HALTED   the latch is up: no entry leaves  RB-004"] if picture["halted"] else []
    flags = Counter(f"{flag['type']} on {flag['scope']}" for flag in picture["kill_flags"])
    lines += [f"UNSIGNED {unsigned_words(row)}  RB-004" for row in picture["unsigned"]]
    lines += [f"KILL     {words}{f' ({n} flags)' if n > 1 else ''}  RB-005" for words, n in flags.items()]
    lines += [
        f"DRIFT    {d['severity']} {d['cause']} {d['subject']}  {d['drift'][:8]}  RB-002" for d in picture["drifts"]
    ]
    lines += [f"ALERT    {alert_words(alert)}" for alert in picture["alerts"]]
    lines += [f"WAITS    {waiting_words(row)}" for row in picture["waiting"]]
    return lines + [f"{'SENT ' if is_out(row) else 'HOLDS'}    {position_words(row)}" for row in picture["positions"]]


def is_out(row: Row) -> bool:
    """Whether an entry is at the broker, and nothing of it is held yet."""
    return bool(row["state"] == "SUBMITTED")


def unsigned_words(row: Row) -> str:
    """A row that loosens and that nobody signed."""
    return f"{row['about']}: bead {row['bead']} counts for nothing, nobody signed it: {row['mend']}"


def alert_words(alert: Row) -> str:
    """One alert: how loud, what, of whom, since when, and which page to open."""
    page = f" {alert['runbook']}" if alert["runbook"] else ""
    told = f"{alert['severity']}{page} {alert['phrase']}: {alert['subject']}"
    return f"{told}  {ago(alert['age_s'])} ago  {alert['alert'][:8]}"


def position_words(row: Row) -> str:
    """One position on one line."""
    if is_out(row):
        worth = "nothing filled yet"
    else:
        worth = f"P&L {row['pnl'] or '-'}" + (f" ({row['r']} R)" if row.get("r") else "")
    old = row["price_age_s"] is not None and row["price_age_s"] > OLD_PRICE_S
    worth += f" at a price {ago(row['price_age_s'])} old" if old else ""
    return (
        f"{row['state']:<9} {row['instrument']} {row['side']} {size_words(row)}  {worth}"
        f"  stop {row['stop']} target {row['target']} {row['protection']}  {row['position'][:8]}"
    )


def size_words(row: Row) -> str:
    """How much: of what was asked for, what was filled; of what was filled, what is left of it after closes."""
    if row["exited"] == "0":
        return f"{row['filled']}/{row['requested']}"
    from phoenix_core.values import number, plain

    return f"{plain(number(row['filled'], 'filled') - number(row['exited'], 'exited'))} left of {row['filled']}"


def waiting_words(row: Row) -> str:
    """One intent that waits, with its countdown and what to type."""
    return (
        f"{row['state']:<9} {row['instrument']} {row['side']}  {countdown(row['left_s'])}"
        f"  phoenix approve {row['intent'][:8]}"
    )


def countdown(left_s: int | None) -> str:
    """Minutes and seconds that are left, or that none are."""
    return f"T {left_s // 60:02d}:{left_s % 60:02d}" if left_s is not None and left_s > 0 else "expired"


def since(seconds: int) -> str:
    """How long ago; what the log has of later than the clock says is no time ago at all."""
    from phoenix_core.values import WALL_BACK_MAX

    behind = -seconds > WALL_BACK_MAX.total_seconds()
    return f"{ago(-seconds)} AHEAD of this clock (phoenix doctor)" if behind else f"{max(0, seconds)} s ago"


def ago(seconds: int) -> str:
    """A span in the unit that a person would use."""
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


# --- the live screen --------------------------------------------------------------------------------------------------

_LOUD = {"STALLED": "bold red", "HALTED": "bold red", "KILL": "red", "DRIFT": "red", "ALERT": "yellow", "WAITS": "cyan"}


def dashboard(picture: Row) -> RenderableType:
    """What must be seen from across the room: how the desk stands, what calls for a human, what is held."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    healthy = picture["health"]["health"] == "HEALTHY" and not picture["stalled"]
    head = Text("\n", no_wrap=True, overflow="ellipsis").join(Text(line) for line in head_lines(picture))
    title = f"phoenix {picture['mode']} {picture['account']}  {picture['now'][11:19]} UTC"
    calls = [*_stalled(picture), *(line for line in _open_lines(picture) if not line.startswith(("HOLDS", "SENT ")))]
    lines = Text("\n", no_wrap=True, overflow="ellipsis").join(
        Text(line, style=_style(line)) for line in calls or ["nothing calls for you"]
    )
    return Group(
        Panel(head, title=title, border_style="green" if healthy else "red"),
        Panel(lines, title="yours", border_style="yellow" if calls else "green"),
        Panel(_held(picture["positions"]), title=f"held, P&L in {picture['today']['currency']}"),
        Text(" Ctrl-C ends this screen and nothing else", style="dim"),
    )


def _style(line: str) -> str:
    word, _, rest = line.partition(" ")
    return "bold red" if rest.strip().startswith("CRITICAL") else _LOUD.get(word, "")


def _held(rows: list[Row]) -> RenderableType:
    """A line for each position that is held; red where it stands without its protection."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return Text("nothing is held")
    table = Table(box=None, padding=(0, 1, 0, 0), expand=False)
    for name in ("position", "entry", "now", "P&L", "R", "stop", "target", "protection"):
        words = name in ("position", "protection")  # words may take a second line; a figure is never cut
        table.add_column(name, justify="left" if words else "right", no_wrap=not words)
    for row in rows:
        untouched = row["filled"] == row["requested"] and row["exited"] == "0"
        size = row["filled"] if untouched else size_words(row)
        old = row["price_age_s"] is not None and row["price_age_s"] > OLD_PRICE_S
        pnl = row["pnl"] or "-"
        stands = row["protection"] if row["state"] == "MANAGED" else f"{row['state']} {row['protection']}"
        table.add_row(
            f"{row['instrument']} {row['side']} {size}",
            row["average_entry"] or "-",
            Text(row["price"] or "-", style="dim" if old else ""),
            Text(pnl, style="red" if pnl.startswith("-") and pnl != "-" else "green"),
            row["r"] or "-",
            row["stop"],
            row["target"],
            Text(stands, style="green" if row["protection"] == "FULL" else "bold red"),
        )
    return table

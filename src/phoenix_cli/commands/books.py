"""`orders`, `executions`, `report`: what works at the broker, what was traded, and the day as a whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import emit, fitted, room_of

if TYPE_CHECKING:
    from datetime import datetime

    from phoenix_cli.wiring.opening import Session
    from phoenix_core.beads import Bead
    from phoenix_core.trade.order_life import Known


@click.command("orders")
@click.option("--all", "all_", is_flag=True, help="Also those of today that have ended.")
@click.pass_context
def orders_command(ctx: click.Context, all_: bool) -> None:
    """What works at the broker, by reference: what was asked, what is filled, whether the broker answered.

    Example: phoenix orders --all
    """
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        orders, fills = session.desk.orders, session.desk.fills
        found = [*orders.open.values(), *(orders.done.values() if all_ else ())]
        rows = [order_row(order, fills.executed(order.position_id)) for order in found]
        words = fitted([_order_words(row) for row in rows], room_of(sys.stdout))
        emit(ctx, {"orders": rows}, words or "no order works")


def _order_words(row: Mapping[str, object]) -> tuple[str, str, str]:
    asked = f"{row['side']:<4} {row['quantity']:>10} {row['instrument']:<7} {row['type']} {row['price'] or ''}"
    return f"{row['standing']:<10} {row['role']:<8} {asked}  filled {row['filled']}", *(f"  {row['ref']}",) * 2


def order_row(order: Known, executed: Mapping[str, Decimal]) -> dict[str, object]:
    """One order as people and programs see it: filled is what its executions say, for the broker's word on an order may
    never have said how much."""
    from phoenix_core.values import plain, utc_text

    line = order.line
    price = line.limit if line.limit is not None else line.trigger
    return {
        "ref": order.ref,
        "position": order.position_id,
        "role": order.role.value,
        "standing": order.end.value if order.end is not None else order.standing.value,
        "instrument": line.symbol,
        "side": line.side.value,
        "type": line.order_type.value,
        "quantity": plain(line.quantity),
        "price": plain(price) if price is not None else None,
        "filled": plain(executed.get(order.ref, Decimal(0))),
        "acknowledged": order.acknowledged,
        "perm_ids": list(order.perm_ids),
        "recorded_at": utc_text(order.recorded.wall),
    }


@click.command("executions")
@click.option("--since", default=None, help="Not older than this: 24h, 7d.")
@click.pass_context
def executions_command(ctx: click.Context, since: str | None) -> None:
    """What was traded, every execution and correction in the order it was told, with its commission.

    Example: phoenix executions --since 24h
    """
    from phoenix_cli.spans import span_of
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.beads import Execution, ExecutionEvent
    from phoenix_core.values import plain, utc_text

    with opened(home_of(ctx)) as session:
        earliest = session.clock.now().wall - span_of(since) if since else None
        rows: list[dict[str, object]] = []
        charges: dict[str, dict[str, str]] = {}
        for bead in _told(session, earliest):
            body = bead.body
            if not isinstance(body, Execution):
                continue
            if body.event is ExecutionEvent.COMMISSION:
                assert body.commission is not None, "a commission is an amount"
                charges[body.family] = {"commission": plain(body.commission), "currency": body.currency or ""}
                continue
            assert body.quantity is not None and body.price is not None, "an execution has both"
            rows.append(
                {
                    "execution": body.exec_id,
                    "family": body.family,
                    "event": body.event.value,
                    "at": utc_text(body.at if body.at is not None else bead.ts),
                    "position": body.position_id,
                    "role": body.role.value if body.role is not None else None,
                    "instrument": body.symbol,
                    "side": body.side.value if body.side is not None else None,
                    "quantity": plain(body.quantity),
                    "price": plain(body.price),
                }
            )
        told = [row | charges.get(str(row["family"]), {"commission": None, "currency": None}) for row in rows]
        words = fitted([_execution_words(row) for row in told], room_of(sys.stdout))
        emit(ctx, {"executions": told}, words or "nothing was traded")


def _execution_words(row: Mapping[str, object]) -> tuple[str, str, str]:
    traded = f"{row['at']}  {row['side']} {row['quantity']} {row['instrument']} @ {row['price']}"
    rest = f"  {row['role'] or 'not ours'}  fee {row['commission'] or '-'}  {row['execution']}"
    return traded, rest, rest


def _told(session: Session, earliest: datetime | None) -> Iterator[Bead]:
    from phoenix_core.kernel import bead_of

    for record in session.store.read(0):
        bead = bead_of(record)
        if earliest is None or bead.ts >= earliest:
            yield bead


@click.command("report")
@click.option("--day", default=None, help="An FX day, YYYY-MM-DD: it rolls at 17:00 New York. Default: today's.")
@click.pass_context
def report_command(ctx: click.Context, day: str | None) -> None:
    """The day: P&L, fees, drift, approvals, refusals.

    Example: phoenix report --day 2026-11-18
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.watch.market_hours import fx_day

    with opened(home_of(ctx)) as session:
        wanted = _day(day) if day is not None else fx_day(session.clock.now().wall)
        document = day_of(session, wanted)
        emit(ctx, document, _report_words(document))


def _day(text: str) -> str:
    from datetime import date

    from phoenix_core.values import BadInput

    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise BadInput("--day", text, "write a day such as 2026-11-18") from error


def day_of(session: Session, day: str) -> dict[str, object]:
    """Everything the log says of one FX day, counted."""
    from collections import Counter

    from phoenix_core.values import plain
    from phoenix_core.watch.market_hours import fx_day

    counted: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    charged: dict[tuple[str, str], Decimal] = {}  # what was told last of each execution, on whatever day
    fees: dict[tuple[str, str], Decimal] = {}  # of that day, by execution and currency
    ours: set[str] = set()  # executions that are booked into a position, whenever that was said
    realized: list[tuple[str, Decimal]] = []
    drifts: list[str] = []
    for bead in _told(session, None):
        more = _charged_more(bead, charged)
        ours |= _booked(bead)
        if fx_day(bead.ts) != day:
            continue
        for charge, amount in more.items():
            fees[charge] = fees.get(charge, Decimal(0)) + amount
        _count(bead, counted, refused, realized, drifts)
    currency = session.genesis.currency
    return {
        "day": day,
        "currency": currency,
        "realized": plain(sum((amount for _, amount in realized), Decimal(0))),
        "fees": _by_currency({charge: amount for charge, amount in fees.items() if charge[0] in ours}),
        "fees_not_ours": _by_currency({charge: amount for charge, amount in fees.items() if charge[0] not in ours}),
        "closed": [{"position": name, "realized": plain(amount)} for name, amount in realized],
        "signals": counted["signals"],
        "approvals": counted["approvals"],
        "rejections": counted["rejections"],
        "refusals": dict(sorted(refused.items())),
        "entries": counted["entries"],
        "executions": counted["executions"],
        "drifts": drifts,
        "drifts_resolved": counted["resolved"],
        "kills": counted["kills"],
        "alerts": {level: counted[level] for level in ("CRITICAL", "WARNING", "INFO")},
        "disconnects": counted["disconnects"],
        "heartbeats_missed": counted["missed"],
    }


def _booked(bead: Bead) -> set[str]:
    """The execution that a bead books into a position of ours; a trade made by hand past the desk is in none."""
    from phoenix_core.beads import Execution

    body = bead.body
    return {body.family} if isinstance(body, Execution) and body.position_id is not None else set()


def _by_currency(fees: Mapping[tuple[str, str], Decimal]) -> dict[str, str]:
    from phoenix_core.values import plain

    sums: dict[str, Decimal] = {}
    for (_, paid_in), amount in fees.items():
        sums[paid_in] = sums.get(paid_in, Decimal(0)) + amount
    return {paid_in: plain(amount) for paid_in, amount in sums.items()}


def _charged_more(bead: Bead, charged: dict[tuple[str, str], Decimal]) -> dict[tuple[str, str], Decimal]:
    """What a bead adds to the fees of an execution: of one that was told before, the difference, so that days add
    up."""
    from phoenix_core.beads import Execution, ExecutionEvent

    body = bead.body
    if not isinstance(body, Execution) or body.event is not ExecutionEvent.COMMISSION:
        return {}
    assert body.commission is not None and body.currency is not None, "a commission is an amount in a currency"
    before = charged.get((body.family, body.currency), Decimal(0))
    charged[body.family, body.currency] = body.commission
    return {(body.family, body.currency): body.commission - before}


def _count(
    bead: Bead,
    counted: dict[str, int],
    refused: dict[str, int],
    realized: list[tuple[str, Decimal]],
    drifts: list[str],
) -> None:
    """Take one bead into the day's sums."""
    from phoenix_core import beads as kinds
    from phoenix_core.orders import parsed_ref
    from phoenix_core.values import Role

    body = bead.body
    match body:
        case kinds.Signal():
            counted["signals"] += 1
            _refused(refused, body.reasons if body.event is not kinds.SignalEvent.ACCEPTED else ())
        case kinds.Decision(verdict=kinds.Verdict.APPROVE):
            counted["approvals"] += 1
        case kinds.Decision(verdict=kinds.Verdict.REJECT):
            counted["rejections"] += 1
        case kinds.Position():
            _refused(refused, body.reasons if body.event is not None else ())
        case kinds.Order(event=kinds.OrderEvent.SENT):
            parsed = parsed_ref(body.ref)
            counted["entries"] += parsed is not None and parsed[1] is Role.ENTRY
        case kinds.Execution() if body.event is not kinds.ExecutionEvent.COMMISSION:
            counted["executions"] += 1
        case kinds.Autopsy():
            realized.append((body.position_id, body.realized))
        case kinds.ReconciliationDrift():
            drifts.append(f"{body.severity} {body.cause} {body.subject}")
        case kinds.ReconciliationResolution():
            counted["resolved"] += body.cleared
        case kinds.KillFlag(event=kinds.KillEvent.RAISED):
            counted["kills"] += 1
        case kinds.Alert(event=kinds.AlertEvent.RAISED):
            counted[body.severity.value] += 1
        case kinds.IbkrSession(event=kinds.SessionEvent.DISCONNECT):
            counted["disconnects"] += 1
        case kinds.Heartbeat(status=kinds.Beat.MISSED):
            counted["missed"] += 1
        case kinds.Observation(about=kinds.About.REFUSED_COMMAND):
            _refused(refused, tuple(body.facts.get("reasons", "").split()))
        case _:
            pass  # of no interest to a day's sums


def _refused(refused: dict[str, int], reasons: tuple[str, ...]) -> None:
    for reason in reasons:
        refused[reason] = refused.get(reason, 0) + 1


def _sums(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {paid_in}" for paid_in, amount in amounts.items())


def _report_words(report: dict[str, object]) -> str:
    fees, foreign, refusals, alerts = (report[name] for name in ("fees", "fees_not_ours", "refusals", "alerts"))
    closed, drifts = report["closed"], report["drifts"]
    assert isinstance(fees, dict) and isinstance(foreign, dict), "tables of the report"
    assert isinstance(refusals, dict) and isinstance(alerts, dict), "tables of the report"
    assert isinstance(closed, list) and isinstance(drifts, list), "lists of the report"
    lines = [
        f"FX day {report['day']}",
        f"  P&L realised  {report['realized']} {report['currency']} before fees, {len(closed)} positions closed",
        f"  fees          {_sums(fees) or 'none'}"
        + (f", and {_sums(foreign)} for executions of no order of ours" if foreign else ""),
        f"  signals       {report['signals']}, approved {report['approvals']}, rejected {report['rejections']}",
        f"  entries sent  {report['entries']}, executions {report['executions']}",
        f"  refusals      {', '.join(f'{reason} {count}' for reason, count in refusals.items()) or 'none'}",
        f"  drift         {len(drifts)} found, {report['drifts_resolved']} resolved",
        f"  kills         {report['kills']}, disconnects {report['disconnects']},"
        f" heartbeats missed {report['heartbeats_missed']}",
        "  alerts        " + ", ".join(f"{level} {count}" for level, count in alerts.items()),
    ]
    lines += [f"    closed {row['position']}  {row['realized']}" for row in closed]
    lines += [f"    drift  {drift}" for drift in drifts]
    return "\n".join(lines)

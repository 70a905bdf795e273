"""`positions`, `close`, `protect`, `adopt`, `resolve-stalled`: what is held, and the signed decisions about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.acting import ask_engine, wait_for_engine
from phoenix_cli.commands.desk import home_of
from phoenix_cli.commands.drawing import size_words
from phoenix_cli.commands.worth import worth_of
from phoenix_cli.output import emit, fitted, refuse, room_of
from phoenix_cli.words import amount

if TYPE_CHECKING:
    from phoenix_cli.commands.became import Became
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.gate.statements import Close
    from phoenix_core.trade.positions import Ended, Open


@click.command("positions")
@click.argument("name", required=False, metavar="[ID]")
@click.option("--all", "all_", is_flag=True, help="Ended ones too.")
@click.pass_context
def positions_command(ctx: click.Context, name: str | None, all_: bool) -> None:
    """The positions: state, P&L, R, stop, target and protection, one line each where there is room for it.

    Example: phoenix positions --all
    """
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        if name is not None:
            found = row_of(session, named(ctx, session, name))
            emit(
                ctx, found, "\n".join(f"{key:<16} {_said(value)}" for key, value in found.items() if value is not None)
            )
            return
        positions = session.desk.positions
        rows = [row_of(session, p) for p in positions.open.values()]
        # Programs see everything that ever was; people see what is open unless they ask.
        ended = [row_of(session, p) for p in positions.ended.values()]
        words = table(rows + ended if all_ else rows, room_of(sys.stdout))
        emit(ctx, {"positions": rows + ended}, words or "no open position")


def named(ctx: click.Context, session: Session, name: str) -> Open | Ended:
    """The position of an id, of an intent, of an unambiguous beginning of either, or the open one in an instrument."""
    from phoenix_core.trade.positions import position_id_of

    positions = session.desk.positions
    found = positions.find(name) or positions.of_intent(name)
    if found is not None:
        return found
    # What the broker may know of comes before what only waits: who types a symbol under stress means what is held.
    there = [positions.open[one] for one in positions.by_pair.get(name.upper(), ())]
    there = there or [p for p in positions.open.values() if p.pair == name.upper()]
    if len(there) == 1:
        return there[0]
    everything: list[Open | Ended] = [*positions.open.values(), *positions.ended.values()]
    ids = [(p, (p.intent_id, position_id_of(p.intent_id))) for p in everything]
    near = [p for p, known in ids if any(each.startswith(name) for each in known)] if len(name) >= 4 else []
    if len(near) != 1:
        refuse(ctx, ("UNKNOWN_POSITION",), f"no position {name}")
    return near[0]


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def row_of(session: Session, position: Open | Ended) -> dict[str, object]:
    """One position as people and programs see it."""
    from phoenix_core.trade.positions import Open, position_id_of
    from phoenix_core.values import plain

    row: dict[str, object] = {
        "position": position_id_of(position.intent_id),
        "intent": position.intent_id,
        "state": position.state.value,
        "instrument": position.pair,
        "strategy": position.strategy,
    }
    if isinstance(position, Open):
        return row | _open_facts(session, position)
    from phoenix_cli.commands.past import heard

    totals = session.desk.fills.totals(str(row["position"]))
    outcome = position.outcome
    return row | {
        "filled": plain(totals.entered),
        "requested": None,
        "exited": plain(totals.exited),
        "outcome": outcome.value if outcome is not None else None,
        "pnl": plain(position.realized) if position.realized is not None else None,
        "reasons": list(heard(session, position.reasons)),
    }


def _open_facts(session: Session, position: Open) -> dict[str, object]:
    from phoenix_core.trade.exits import stake_of
    from phoenix_core.trade.protection import protection_of
    from phoenix_core.values import Role, plain

    desk = session.desk
    stake = stake_of(position, desk.orders, desk.fills)
    # What works may be what a human signed for afterwards; where nothing does, the prices are the mandate's.
    works = {order.role: order.line.trigger or order.line.limit for order in stake.pair}
    worth = worth_of(session, position)
    return {
        "side": position.side.value,
        "filled": plain(position.filled_quantity),
        "requested": plain(position.requested_quantity),
        "exited": plain(position.exited_quantity),
        "average_entry": plain(position.average_entry) if position.average_entry is not None else None,
        "stop": plain(works.get(Role.STOP) or position.stop_price),
        "target": plain(works.get(Role.TARGET) or position.target_price),
        "protection": protection_of(stake, session.clock.now()).value,
        "price": plain(worth.price) if worth.price is not None else None,
        "price_age_s": worth.age_s,
        "pnl": plain(worth.pnl) if worth.pnl is not None else None,
        "r": plain(worth.r) if worth.r is not None else None,
        "closing": position.closing,
        "order_ref": position.order_ref or None,
        "reasons": list(position.last.reasons),
    }


def table(rows: list[dict[str, object]], room: int | None) -> str:
    """A line for each position with its whole id; where that has no room, two with so much of it as is asked for."""
    parts = [(str(row["position"]), *_parts(row)) for row in rows]
    return fitted([(first, f"{rest} {name}", f"{rest} {name[:8]}") for name, first, rest in parts], room)


def _parts(row: dict[str, object]) -> tuple[str, str]:
    """What is held and what it is worth; what protects it."""
    side = row.get("side", "")
    filled = size_words(row) if row.get("requested") else str(row["filled"])
    money = f"P&L {row.get('pnl') or '-'}" + (f" ({row['r']} R)" if row.get("r") else "")
    prices = f"stop {row['stop']} target {row['target']}" if "stop" in row else ""
    if row["state"] in ("PROPOSED", "APPROVED"):
        filled = money = ""  # nothing is held, and nothing is to be protected yet
    elif "stop" in row:
        prices += f" {row['protection']}"
    return f"{row['state']:<9} {row['instrument']:<7} {side!s:<4} {filled:<16} {money:<24} ", prices


@click.command("close")
@click.argument("name", required=False, metavar="ID")
@click.option("--all", "all_", is_flag=True, help="Every position that holds something.")
@click.option("--quantity", default=None, help="Close only so much; where drift is open, the size is yours to type.")
@click.option("--reason", required=True, help="Why.")
@click.pass_context
def close_command(ctx: click.Context, name: str | None, all_: bool, quantity: str | None, reason: str) -> None:
    """Close a position by a signed, reduce-only market order.

    Example: phoenix close 0b6c1d0e --reason "thesis gone"
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import Close
    from phoenix_core.trade.positions import Open
    from phoenix_core.values import BadInput, Quantity, text_hash

    if (name is None) == (not all_):
        raise BadInput("ID", name or "", "name one position, or --all")
    if all_ and quantity is not None:
        raise BadInput("--quantity", quantity, "name one position: --all closes everything that is held")
    size = Quantity(amount(quantity, "--quantity")) if quantity is not None else None
    with opened(home_of(ctx)) as session:
        chosen = [named(ctx, session, name)] if name is not None else list(session.desk.positions.open.values())
        held = [p for p in chosen if isinstance(p, Open) and p.held > 0]
        if not held:
            refuse(ctx, ("NOTHING_TO_CLOSE",), "nothing is held there" + _what_ends_an_entry(chosen))
        told = [_close(ctx, session, p, Close(p.position_id, text_hash(reason), size), reason) for p in held]
        closed = [
            {"position": p.position_id, "instrument": p.pair, "state": one.state, "outcome": one.outcome}
            for p, one in zip(held, told, strict=True)
        ]
        no = tuple(dict.fromkeys(reason for one in told for reason in one.reasons))
        document: dict[str, object] = {"closed": closed}
        if any(one.code for one in told):
            document |= {"refused": list(no), "detail": "; ".join(one.detail for one in told if one.detail)}
        emit(ctx, document, "\n".join(_close_words(p, one) for p, one in zip(held, told, strict=True)))
        ctx.exit(max(one.code for one in told))


def _close(ctx: click.Context, session: Session, position: Open, says: Close, reason: str) -> Became:
    """One close to its end; that one is refused never keeps the next one from being tried."""
    from phoenix_cli.commands.became import Became, became
    from phoenix_core.values import text_hash

    since = session.desk.head.size
    answer = ask_engine(ctx, session, says, {text_hash(reason): reason})
    if answer.code:
        return Became("UNKNOWN" if answer.open else "NOT_SENT", position.state.value, answer.reasons, answer.detail)
    return became(session, position.position_id, since, answer.decided)


def _close_words(position: Open, told: Became) -> str:
    """One line; what did not happen is said as loudly as what did."""
    line = f"{told.outcome.replace('_', ' ')} {position.pair} {told.state} {position.position_id}"
    return line + (f": {' '.join(told.reasons)} {told.detail}".rstrip() if told.code else "")


def _what_ends_an_entry(chosen: Sequence[Open | Ended]) -> str:
    """A close ends what is held; an entry that works is ended by a kill that says so."""
    from phoenix_core.values import State

    out = next((p.pair for p in chosen if p.state in (State.SUBMITTED, State.STALLED)), None)
    if out is None:
        return ""
    return f"; its entry works: `phoenix kill raise --scope instrument:{out} --cancel-working` ends it"


@click.command("protect")
@click.argument("name", metavar="ID")
@click.option("--stop", default=None, help="Another stop price than the mandate's.")
@click.option("--target", default=None, help="Another target price than the mandate's.")
@click.pass_context
def protect_command(ctx: click.Context, name: str, stop: str | None, target: str | None) -> None:
    """Place the protection of a position again, signed.

    Example: phoenix protect 0b6c1d0e --stop 1.0820
    """
    from phoenix_cli.commands.became import became
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import Protect
    from phoenix_core.trade.positions import position_id_of
    from phoenix_core.values import Price, number

    with opened(home_of(ctx)) as session:
        position = position_id_of(named(ctx, session, name).intent_id)
        prices = [Price(number(p, n)) if p is not None else None for p, n in ((stop, "--stop"), (target, "--target"))]
        since = session.desk.head.size
        _ = wait_for_engine(ctx, session, Protect(position, prices[0], prices[1]))
        told = became(session, position, since)
        if told.code:
            refuse(ctx, told.reasons or ("OUTCOME_UNKNOWN",), told.detail, told.code)
        emit(ctx, {"position": position, "outcome": told.outcome}, f"{told.outcome}: protection of {position}")


@click.command("adopt")
@click.option("--symbol", required=True, help="The instrument.")
@click.option("--side", type=click.Choice(["BUY", "SELL"]), required=True, help="Which way the exposure points.")
@click.option("--quantity", required=True, help="How much of it.")
@click.option("--price", required=True, help="At which price it was entered.")
@click.option("--stop", required=True, help="The stop of its exit mandate.")
@click.option("--target", required=True, help="The target of its exit mandate.")
@click.option("--strategy", default="adopted", help="Whose it shall be.")
@click.option("--linked-to", default=None, help="The ended position whose late fact this is.")
@click.option("--reason", required=True, help="Why.")
@click.pass_context
def adopt_command(
    ctx: click.Context,
    symbol: str,
    side: str,
    quantity: str,
    price: str,
    stop: str,
    target: str,
    strategy: str,
    linked_to: str | None,
    reason: str,
) -> None:
    """Give exposure an owner: a FILLED position with an exit mandate, signed.

    Example: phoenix adopt --symbol EURUSD --side BUY --quantity 20000 --price 1.0850 --stop 1.0820 --target 1.0910
    --reason "filled by hand"
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import Adopt
    from phoenix_core.values import Price, Quantity, Side, number, text_hash

    says = Adopt(
        symbol=symbol,
        side=Side(side),
        quantity=Quantity(amount(quantity, "--quantity")),
        price=Price(number(price, "--price")),
        stop=Price(number(stop, "--stop")),
        target=Price(number(target, "--target")),
        strategy=strategy,
        reason=text_hash(reason),
        linked_to=linked_to,
    )
    with opened(home_of(ctx)) as session:
        _ = wait_for_engine(ctx, session, says, {text_hash(reason): reason})
        emit(ctx, {"instrument": symbol, "outcome": "ADOPTED"}, f"ADOPTED {side} {quantity} {symbol}")


@click.command("resolve-stalled")
@click.argument("name", metavar="ID")
@click.option(
    "--as", "as_", type=click.Choice(["cancelled", "rejected", "filled"]), required=True, help="How it ended."
)
@click.option("--quantity", default=None, help="For filled: how much.")
@click.option("--price", default=None, help="For filled: at which price.")
@click.option("--statement", default=None, help="For filled: the broker's statement that shows it.")
@click.option("--reason", required=True, help="Why.")
@click.pass_context
def resolve_stalled_command(
    ctx: click.Context,
    name: str,
    as_: str,
    quantity: str | None,
    price: str | None,
    statement: str | None,
    reason: str,
) -> None:
    """End a STALLED position by a signed decision.

    Example: phoenix resolve-stalled 0b6c1d0e --as cancelled --reason "broker's desk confirmed by phone"
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import ResolveStalled, StalledEnd
    from phoenix_core.trade.positions import position_id_of
    from phoenix_core.values import Price, Quantity, number, text_hash

    with opened(home_of(ctx)) as session:
        position = position_id_of(named(ctx, session, name).intent_id)
        says = ResolveStalled(
            position=position,
            as_=StalledEnd(as_),
            reason=text_hash(reason),
            quantity=Quantity(amount(quantity, "--quantity")) if quantity is not None else None,
            price=Price(number(price, "--price")) if price is not None else None,
            reference=statement,
        )
        _ = wait_for_engine(ctx, session, says, {text_hash(reason): reason})
        emit(ctx, {"position": position, "as": as_}, f"{position}: {as_}")

"""Cards and market data lines for the instruments of a desk: asked for when a session stands, and again when lost."""

from __future__ import annotations

from phoenix_adapters.brokers.ibkr.contracts import Board, contract_of
from phoenix_adapters.brokers.ibkr.session import Session
from phoenix_adapters.wire import WireError
from phoenix_core.values import SecType


async def furnish(session: Session, board: Board, symbols: tuple[str, ...], within_s: float) -> None:
    """Whatever card or line is missing, or too old. What cannot be had now is asked for again with the next picture; a
    line that was refused, an hour later: a human hears of each refusal."""
    for symbol in symbols:
        if board.needs_line(symbol) or board.needs_card(symbol):
            await subscribe(session, board, symbol, within_s)


async def subscribe(session: Session, board: Board, symbol: str, within_s: float) -> None:
    """The card, then the line; a symbol with no card, or with several, is not traded. An older card stands until a
    newer one is told; one that cannot be read is said, and is none."""
    asked = contract_of(symbol)
    if board.needs_card(symbol):
        rows = await session.ask(
            "reqContractDetails", ("contractDetails",), "contractDetailsEnd", within_s, True, **asked
        )
        if rows is not None and len(rows) == 1:
            try:
                _ = board.take_card(rows[0], str(asked["exchange"]))
            except WireError as error:
                session.unreadable(str(error))
    card = board.cards.get(symbol)
    if card is None or not board.needs_line(symbol) or not session.up:
        return
    req_id = session.next_id()
    board.lines[str(req_id)] = symbol
    base = card.symbol.removesuffix(card.currency) if card.sec_type is SecType.CASH else card.symbol
    sent = await session.tell(
        "reqMktData", reqId=req_id, conId=card.con_id, symbol=base, secType=card.sec_type.value,
        exchange=card.exchange, currency=card.currency,
    )  # fmt: skip
    if not sent:
        _ = board.lines.pop(str(req_id), None)

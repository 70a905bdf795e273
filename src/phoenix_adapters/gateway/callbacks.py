"""What the broker says of its own accord, sent to those who hear it, or kept while the gateway has no line to IB."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from attrs import define, field

from phoenix_adapters.gateway import records
from phoenix_adapters.gateway.accounts import Account
from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.instruments import Listing
from phoenix_adapters.gateway.market import Market
from phoenix_adapters.gateway.orders import Execution, Order
from phoenix_adapters.gateway.schedule import Schedule
from phoenix_adapters.gateway.sessions import Switchboard
from phoenix_adapters.wire import Record


@define
class Callbacks:
    """The venue's listener."""

    board: Switchboard
    faults: Faults
    market: Market
    schedule: Schedule
    zone: str
    _kept: list[Callable[[], None]] | None = field(default=None)

    def cut(self) -> None:
        """The line to IB is gone: keep what would be said."""
        self._kept = []

    def mend(self, lost: bool) -> None:
        """The line is back: say what was kept, or forget it."""
        kept, self._kept = self._kept or [], None
        for say in () if lost else kept:
            say()

    def _say(self, say: Callable[[], None]) -> None:
        if self._kept is None:
            say()
        else:
            self._kept.append(say)

    def written(self, at: datetime) -> str:
        """A moment as executions carry it."""
        style = self.faults.take("time_format") or "zone"
        zone = self.faults.take("time_zone")
        said = records.written_time(at, self.zone, style)
        return said if zone is None else said.replace(self.zone, zone)

    def open_order(self, order: Order) -> None:
        """The order as it stands."""
        record = records.open_order(order)
        self._say(partial(self._to_hearers, order, "openOrder", record))

    def status(self, order: Order) -> None:
        """Its status and quantities."""
        if self.faults.takes("drop_status", order.sent):
            return
        times = 2 if self.faults.takes("duplicate_status", order.sent) else 1
        record = records.status(order, self.faults.has("unset_avg_price", order.sent))
        self._say(partial(self._status, order, record, times))

    def _status(self, order: Order, record: Record, times: int) -> None:
        for session in self.board.hearers(order):
            for _ in range(times):
                self.board.send(session, "orderStatus", record)

    def execution(self, execution: Execution) -> None:
        """A fill, or a correction of one."""
        if self.faults.has("drop_exec", execution.order.sent):
            return
        unset = self.faults.has("unset_avg_price", execution.order.sent)
        record = records.execution(execution, "-1", self.written(execution.at), unset)
        self._say(partial(self._to_hearers, execution.order, "execDetails", record))

    def commission(self, execution: Execution) -> None:
        """What a fill cost."""
        if self.faults.has("drop_exec", execution.order.sent):
            return
        self._say(partial(self._to_hearers, execution.order, "commissionReport", records.commission(execution)))

    def _to_hearers(self, order: Order, name: str, record: Record) -> None:
        for session in self.board.hearers(order):
            self.board.send(session, name, record)

    def error(self, order: Order, code: int, text: str) -> None:
        """A word about one order, to the client that knows it by that id."""
        if not order.manual:
            self.refusal(order.client_id, order.order_id, code, text)

    def refusal(self, client_id: int, order_id: int, code: int, text: str) -> None:
        """A word about an order that was never made."""

        def say() -> None:
            session = self.board.of_client(client_id)
            if session is not None:
                self.board.send(session, "error", id=order_id, code=code, message=text)

        self._say(say)

    def position(self, account: Account, listing: Listing) -> None:
        """A position as it now stands, and the account's figures with it."""
        quantity, _ = account.report(listing.con_id)
        if quantity or not self.faults.has("omit_flat_positions"):
            self._say(partial(self._position, account, listing))

    def _position(self, account: Account, listing: Listing) -> None:
        now = self.schedule.now
        for session in self.board.ready():
            if session.positions:
                self.board.send(session, "position", records.position(account, listing))
        listeners = [one for one in self.board.ready() if account.name in one.updates]
        if not listeners:
            return
        portfolio = records.portfolio(account, listing, self.market, now)
        values = list(records.account_values(account, self.market, now))
        for session in listeners:
            self.board.send(session, "updatePortfolio", portfolio)
            self.board.account_values(session, account.name, values)

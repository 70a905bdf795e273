"""The gateway as a deterministic state machine: what clients and time bring in, what has to go out.

Nothing here knows sockets, bytes or a real clock. The same seed and the same sequence of (moment, input) give the same
outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from attrs import Factory, define, field, frozen

from phoenix_adapters.gateway import life, requests
from phoenix_adapters.gateway.accounts import BASE, Account
from phoenix_adapters.gateway.callbacks import Callbacks
from phoenix_adapters.gateway.desk import Desk
from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.hours import NEW_YORK
from phoenix_adapters.gateway.inquiries import show_quote
from phoenix_adapters.gateway.market import STEP, Market
from phoenix_adapters.gateway.records import written_time
from phoenix_adapters.gateway.schedule import Schedule
from phoenix_adapters.gateway.sessions import PENDING, Listen, Output, Session, Switchboard
from phoenix_adapters.gateway.venue import Timing, Venue
from phoenix_adapters.wire import VERSION_MAX, WireError, from_client, versions, whole

ACCOUNT: Final = "DU1234567"
FARMS: Final = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)
_WINDOW: Final = timedelta(seconds=1)
_STRIKES: Final = 3
# However far the clock jumps, the market takes no more steps than this on the way.
_STEPS_MAX: Final = 1_000
_SUNDAY: Final = 6
_LOGIN_ENDS: Final = time(1, 0)


@frozen
class Setup:
    """How a gateway is set up; the defaults are a paper account with a million dollars."""

    accounts: tuple[str, ...] = (ACCOUNT,)
    cash: Mapping[str, Decimal] = Factory(lambda: {BASE: Decimal(1_000_000)})
    seed: int = 0
    faults: tuple[str, ...] = ()
    timing: Timing = Factory(Timing)
    volatility: float = 1.0
    zone: str = "US/Eastern"
    server_version: int = VERSION_MAX
    messages_per_second: int | None = 50
    master_client: int | None = None
    restart_at: time | None = None
    restart_seconds: int = 60
    sunday_login: bool = False


@define
class Gateway:
    """The whole simulated gateway."""

    setup: Setup
    started: datetime
    random: Random = field(init=False)
    schedule: Schedule = field(init=False)
    faults: Faults = field(init=False, factory=Faults)
    board: Switchboard = field(init=False)
    callbacks: Callbacks = field(init=False)
    venue: Venue = field(init=False)
    desk: Desk = field(init=False)
    logged_in: bool = field(init=False, default=True)
    heard: Callable[[Session, str], None] = field(init=False, default=lambda session, name: None)
    _next_session: int = field(init=False, default=0)
    _ticking: bool = field(init=False, default=False)
    _stride: timedelta = field(init=False, default=STEP)
    _stalled: list[tuple[int, tuple[str, ...]]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        assert self.started.tzinfo is not None, "a moment knows its zone"
        started = self.started.astimezone(UTC)
        self.random = Random(self.setup.seed)
        self.schedule = Schedule(started)
        self.board = Switchboard(self.faults, self.setup.master_client)
        market = Market(Random(self.random.random()), started, self.setup.volatility)
        self.callbacks = Callbacks(self.board, self.faults, market, self.schedule, self.setup.zone)
        accounts = {name: Account(name, dict(self.setup.cash)) for name in self.setup.accounts}
        self.venue = Venue(self.schedule, market, accounts, self.faults, self.random, self.callbacks, self.setup.timing)
        self.venue.book.born = int(self.venue.now.timestamp())
        for account in accounts.values():
            account.opened_with = account.margin(market, started).net_liquidation
        self.desk = Desk(self.venue, self.board, self.callbacks)
        self._daily(time(0, 0), self._midnight)
        if self.setup.restart_at is not None:
            self._daily(self.setup.restart_at, self.restart)
        if self.setup.sunday_login:
            self._daily(_LOGIN_ENDS, self._end_of_login)
        for name in self.setup.faults:
            self.switch_on(name)

    # time

    def due(self) -> datetime | None:
        """When something happens next if no input comes before."""
        return self.schedule.due()

    def advance(self, now: datetime) -> None:
        """Let happen what is due by now."""
        now = now.astimezone(UTC)
        self._stride = max(STEP, (now - self.schedule.now) / _STEPS_MAX)
        self.schedule.advance(now)
        self._watch()

    def take(self) -> list[Output]:
        """What has to go out, once."""
        outputs, self.board.outputs = self.board.outputs, []
        return outputs

    def _watch(self) -> None:
        """Keep the market moving while somebody looks at it or an order waits for it."""
        if self._ticking or not (any(self.venue.book.working.values()) or self._looked_at()):
            return
        self._ticking = True
        self.schedule.at(self.schedule.now + self._stride, self._tick)

    def _looked_at(self) -> bool:
        return any(session.quotes for session in self.board.sessions.values())

    def _tick(self) -> None:
        self._ticking = False
        if self.venue.linked:
            for session in list(self.board.sessions.values()):
                for req_id in list(session.quotes):
                    show_quote(self.desk, session, req_id)
        for con_id in list(self.venue.book.working):
            for order in self.venue.book.working_in(con_id):
                life.attempt(self.venue, order)
        self._watch()

    def _daily(self, at: time, act: Callable[[], None]) -> None:
        """Do something every day at this time of the gateway's zone."""
        zone = ZoneInfo(self.setup.zone)
        local = self.schedule.now.astimezone(zone)
        then = datetime.combine(local.date(), at, tzinfo=zone)
        if then <= local:
            then = datetime.combine(local.date() + timedelta(days=1), at, tzinfo=zone)

        def again() -> None:
            act()
            self._daily(at, act)

        self.schedule.at(then.astimezone(UTC), again)

    def _midnight(self) -> None:
        """Executions and completed orders of yesterday are gone."""
        self.venue.book.forget(self.schedule.now)
        for account in self.venue.accounts.values():
            account.begin_day()
            account.opened_with = account.margin(self.venue.market, self.schedule.now).net_liquidation

    def _end_of_login(self) -> None:
        if self.schedule.now.astimezone(NEW_YORK).weekday() == _SUNDAY:
            self.log_out()

    # sockets

    def connected(self, now: datetime) -> int:
        """A socket was accepted; its number."""
        self.advance(now)
        self._next_session += 1
        self.board.sessions[self._next_session] = Session(self._next_session)
        return self._next_session

    def disconnected(self, now: datetime, number: int) -> None:
        """A socket is gone."""
        self.advance(now)
        _ = self.board.sessions.pop(number, None)

    def died(self, now: datetime) -> None:
        """This process is gone and another one begins: nobody is connected, and what waited here for the last frame of
        its bracket is lost; all else lives on at IB."""
        self.advance(now)
        self.board.sessions.clear()
        self._stalled.clear()
        self.venue.book.forget_untransmitted()
        _ = self.take()

    def received(self, now: datetime, number: int, fields: tuple[str, ...]) -> None:
        """A client said something."""
        self.advance(now)
        if self.faults.has("half_open"):
            return
        if self.faults.has("mute"):
            self._stalled.append((number, fields))
            return
        self._hear(number, fields)
        self._watch()

    def _hear(self, number: int, fields: tuple[str, ...]) -> None:
        session = self.board.sessions.get(number)
        if session is None:
            return
        try:
            if session.version == PENDING:
                self._greet(session, fields)
                return
            if not self._paced(session):
                return
            message = from_client(fields, session.version)
            if any(whole(message.record.get(key, "0")) is None for key in ("reqId", "marketRuleId")):
                raise WireError("Unable to parse data.")
        except WireError as error:
            self.board.send(session, "error", code=320, message=f"Error reading request. {error}")
            return
        if message.name == "startApi":
            self._start(session, message.record["clientId"])
        elif session.client_id is None:
            self.board.send(session, "error", code=504, message="Not connected")
        elif message.name:
            requests.answer(self.desk, session, message.name, message.record)
        else:
            requests.unknown(self.desk, session, fields)
        if message.record.get("whatIf") != "1":  # a question about margin is no place frame, and not counted as one
            self.heard(session, message.name)

    def _greet(self, session: Session, fields: tuple[str, ...]) -> None:
        if self.faults.has("no_login") or not self.logged_in:
            return
        lowest, highest = versions(fields[0] if fields else "")
        session.version = min(highest, self.setup.server_version)
        if session.version < lowest:
            self.board.close(session)
            return
        stamp = written_time(self.schedule.now, self.setup.zone)
        self.board.raw(session, (str(session.version), stamp), "hello")

    def _start(self, session: Session, written: str) -> None:
        client_id = whole(written) or 0
        if self.faults.takes("client_id_taken") or self.board.of_client(client_id) is not None:
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            self.board.send(session, "error", code=326, message=text)
            self.board.close(session)
            return
        session.client_id = client_id
        if self.faults.has("orders_first"):
            requests.answer(self.desk, session, "reqOpenOrders", {})
        self.board.send(session, "managedAccounts", accounts=",".join(self.venue.accounts))
        if not self.faults.has("no_next_id"):
            self.board.send(session, "nextValidId", orderId=self.venue.book.next_id(client_id))
        for code, text in FARMS:
            self.board.send(session, "error", code=code, message=text)
        if not self.venue.linked:
            self.board.send(session, "error", code=1100, message=LOST)

    def _paced(self, session: Session) -> bool:
        """Whether one more message is within the limit; the third excess ends the session."""
        limit = self.setup.messages_per_second
        if limit is None or self.faults.has("pacing_ignores"):
            return True
        recent = session.recent
        while recent and self.schedule.now - recent[0] >= _WINDOW:
            _ = recent.popleft()
        recent.append(self.schedule.now)
        if len(recent) <= limit:
            return True
        session.strikes += 1
        recent.clear()
        text = f"Max rate of messages per second has been exceeded:max={limit} rec={limit + 1} ({session.strikes})"
        self.board.send(session, "error", code=100, message=text)
        if session.strikes >= _STRIKES:
            self.board.close(session)
        return False

    # what may befall the whole gateway

    def switch_on(self, asked: str) -> None:
        """Switch a misfortune on, and let happen what it does at once."""
        name = self.faults.switch_on(asked)
        if name in ("1100_1102", "1100_1101"):
            away = self.faults.seconds(name)
            self.faults.switch_off(name)
            assert away is not None
            lost = name == "1100_1101"
            self.lose_link()
            self.schedule.at(self.schedule.now + away, lambda: self.regain_link(lost))
        elif name == "1102_first":
            self.faults.switch_off(name)
            self.board.broadcast(1102, KEPT)

    def switch_off(self, name: str) -> None:
        """Switch a misfortune off, and let go on what it held."""
        self.faults.switch_off(name)
        if name == "mute":
            self.board.resume()
            stalled, self._stalled = self._stalled, []
            for number, fields in stalled:
                self._hear(number, fields)
        life.release(self.venue, name)
        self._watch()

    def lose_link(self) -> None:
        """1100: the gateway no longer reaches IB; its sockets stay open."""
        self.callbacks.cut()
        self.venue.link(up=False)
        self.board.broadcast(1100, LOST)

    def regain_link(self, lost: bool) -> None:
        """1101 if subscriptions and callbacks were lost meanwhile, else 1102."""
        if self.venue.linked:
            return
        if lost:
            for session in self.board.sessions.values():
                session.quotes.clear()
                session.shown.clear()
        self.board.broadcast(*(1101, DROPPED) if lost else (1102, KEPT))
        self.callbacks.mend(lost)
        self.venue.link(up=True)

    def restart(self, seconds: int | None = None) -> None:
        """The gateway restarts: every socket is reset and the port is closed for a while; orders live on at IB."""
        self.board.close_all()
        self.board.outputs.append(Listen(False))
        self.faults.switch_off("restart_rollback_ids")
        pause = timedelta(seconds=self.setup.restart_seconds if seconds is None else seconds)
        self.schedule.at(self.schedule.now + pause, lambda: self.board.outputs.append(Listen(True)))

    def log_out(self) -> None:
        """Nobody is logged in: sockets are accepted, but nothing answers."""
        self.logged_in = False
        self.board.close_all()

    def log_in(self) -> None:
        """A human logged in."""
        self.logged_in = True


LOST: Final = "Connectivity between IBKR and Trader Workstation has been lost."
KEPT: Final = "Connectivity between IBKR and Trader Workstation has been restored - data maintained."
DROPPED: Final = "Connectivity between IBKR and Trader Workstation has been restored - data lost."

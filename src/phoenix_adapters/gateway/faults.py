"""The menu of misfortunes, by name.

A fault is off until it is switched on, at the start (`--fault NAME`) or at run time (a script, a test). `NAME` stays on
until it is switched off; `NAME=ARGUMENT` gives it its argument; `NAME@WORD` keeps it to the orders that the word fits:
their action, their order type, `parent` or `child`, or how their reference ends; `NAME*3` lets it happen three times.
All at once: `late_ack=30@child*1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from attrs import define, field, frozen

from phoenix_adapters.wire import UNSET_DOUBLE

Sent: TypeAlias = Mapping[str, str] | None  # the fields of the order that a misfortune might befall


@frozen
class Fault:
    """What one misfortune does, and the argument that it has if none is given."""

    says: str
    argument: str = ""


OF_ORDERS: Final[Mapping[str, Fault]] = {
    # how an order is answered
    "never_ack": Fault("place frames vanish: no order, no callback ever"),
    "drop_ack": Fault("the order lives, but no openOrder or orderStatus before its first execution"),
    "late_ack": Fault("the acknowledgement comes after this many seconds", "70"),
    "held_dialog": Fault("new orders wait behind a dialog in TWS, silently, until this is switched off"),
    "fill_before_ack": Fault("executions come before openOrder and orderStatus"),
    "slow_fill": Fault("an order that could fill does so only after this many seconds", "30"),
    "never_fill": Fault("orders stay Submitted whatever the price does"),
    "status_before_exec": Fault("orderStatus Filled comes before execDetails"),
    "duplicate_status": Fault("each orderStatus comes twice"),
    "drop_status": Fault("orderStatus messages are lost; the rest comes"),
    "duplicate_exec": Fault("each execDetails comes twice under the same execId"),
    "two_exec_ids": Fault("each execution is told a second time under another execId"),
    "drop_exec": Fault("live execDetails and commission are lost; only reqExecutions tells them"),
    "exec_correction": Fault("a second later each execution is corrected to this fraction of it", "0.9"),
    "bust": Fault("a second later each execution is corrected to nothing"),
    "overfill": Fault("the last execution of an order is larger by this", "1"),
    "unset_avg_price": Fault("average prices say 1.797e308"),
    "commission_first": Fault("commissionReport comes before its execDetails"),
    "commission_late": Fault("commissionReport comes after this many seconds", "60"),
    "commission_pending": Fault("commissionReport says -1.0 at once, and the amount after this many seconds", "1"),
    "commission_never": Fault("commissionReport never comes live"),
    "partial_fill": Fault("half fills; the rest after this many seconds", "2"),
    "partial_hold": Fault("half fills; the rest waits until this is switched off"),
    "partial_then_cancel": Fault("half fills, then the broker cancels the rest"),
    "partial_then_reject": Fault("half fills, then the broker rejects the rest with 201"),
    "two_permids": Fault("the order is placed twice at the broker: one orderRef, two permIds"),
    # refusals
    "reject_margin": Fault("new orders: 201 for margin, then Inactive"),
    "reject_symbol": Fault("new orders: 200, no security definition"),
    "reject_permission": Fault("new orders: 460, no trading permission"),
    "reject_price": Fault("new orders: 110, price not on the tick"),
    "reject_precaution": Fault("new orders: 451, beyond a limit of the gateway's own precautionary settings"),
    "reject_status_first": Fault("a rejected order's status comes before the error that explains it"),
    "reject_as_cancelled": Fault("a rejected order's status is Cancelled, not Inactive"),
    "fill_after_reject": Fault("a rejected order executes all the same"),
    "inactive": Fault("orders become Inactive with no word why, and no end"),
    "inactive_locate": Fault("404: Inactive with whyHeld=locate; works on when this is switched off"),
    "held_399": Fault("399: orders are held until the open, although the market is open; works on when switched off"),
    "tif_preset_10349": Fault("10349: TIF was set to DAY by a preset; the order is live"),
    "price_preset": Fault("the broker moves limit and stop prices by one tick"),
    "odd_lot_399": Fault("399 for currency orders below 20,000 units; the order is live"),
    "unknown_code": Fault("a code that nobody knows comes for a live order", "10999"),
    "readonly": Fault("321: the API is in Read-Only mode; it tells neither our open orders nor completed ones"),
    "broker_cancels": Fault("the broker cancels each order by itself after this many seconds", "1"),
    "change_kills": Fault("a change is taken, then not, and the order ends with it: Cancelled, 202, 201"),
    "change_doubles": Fault("a change becomes a second order under the same id; the first lives on, unchanged"),
    # questions about margin
    "margin_mute": Fault("a what-if has no answer"),
    "margin_late": Fault("a what-if is answered after this many seconds", "3"),
    "margin_says": Fault("a what-if is answered by this figure for the margin after it", UNSET_DOUBLE),
    "margin_twice": Fault("a what-if is answered by a warning without figures, and then by the figures"),
    # cancels
    "cancel_refused": Fault("a cancel is answered with this code; the order lives on", "10147"),
    "pending_cancel_forever": Fault("PendingCancel, and then nothing"),
    "cancel_without_pending": Fault("Cancelled without PendingCancel before it"),
    "cancel_lost": Fault("cancel frames vanish"),
    "fill_beats_cancel": Fault("an order whose cancel arrives fills before it is cancelled"),
    "fill_after_cancel": Fault("an order that was said Cancelled executes after this many seconds", "1"),
    "children_die_with_parent": Fault("the end of a partly filled parent cancels its children"),
    "children_outgrow_parent": Fault("after a parent's partial end its children execute their full size"),
    "oca_renamed": Fault("the broker gives one-cancels-all groups a name of its own"),
    "oca_misnamed": Fault("the same, while what is told of an order goes on giving the client's name"),
    "oca_race": Fault("in a type 3 group two members may fill at once"),
    "oca_forgets": Fault("an order that joins a group in which something has filled executes its full size"),
}
OF_THE_GATEWAY: Final[Mapping[str, Fault]] = {
    # sessions, snapshots
    "no_login": Fault("the socket is accepted, but nobody is logged in: no handshake"),
    "client_id_taken": Fault("326 for every client id"),
    "no_next_id": Fault("nextValidId never comes"),
    "orders_first": Fault("a client is told its open orders, and their end, before it is told that it is connected"),
    "mute": Fault("nothing is read or written, as a stopped process; all is caught up on when switched off"),
    "half_open": Fault("what is sent either way is lost; the socket stays open"),
    "no_current_time": Fault("reqCurrentTime has no answer"),
    "clock_skew": Fault("the broker's clock is ahead by this many seconds", "3600"),
    "drop_on_place": Fault("the connection is reset as a place frame arrives; the order is lost with it"),
    "drop_after_place": Fault("the connection is reset as a place frame arrives; the order lives"),
    "cut_after_frames": Fault("after this many more frames out every connection is reset", "10"),
    "restart_rollback_ids": Fault("place frames vanish until the next restart, which issues their ids again"),
    "snapshot_never_ends": Fault(
        "this snapshot never ends: positions, open, completed, executions, account, contracts, quotes or all", "all"
    ),
    "snapshot_cut": Fault("this snapshot ends with half of its rows missing", "all"),
    "snapshot_empty": Fault("this snapshot is complete, and empty", "all"),
    "newest_first": Fault("past executions are told from the newest to the oldest"),
    "omit_flat_positions": Fault("a position that became flat is no longer mentioned"),
    "position_lag": Fault("positions are this many seconds behind executions", "5"),
    "account_not_ready": Fault("AccountReady says false, as during a reset, and every amount of the account is halved"),
    "kept_in": Fault("the account says that it is kept in this currency: its figures carry it", "JPY"),
    "pacing_ignores": Fault("messages beyond the limit are taken without a word"),
    # data
    "no_market_data": Fault("354: market data is not subscribed"),
    "delayed_data": Fault("market data is marked as delayed"),
    "quotes_frozen": Fault("ticks stop"),
    "card_without_tick": Fault("contract details say 0 where the price increment stands"),
    "card_of_pennies": Fault("contract details say 0.0001, the increment below a dollar; orders above it take cents"),
    "time_format": Fault("execution times are written as zone, dash, naive or epoch", "dash"),
    "time_zone": Fault("execution times carry this zone name", "JST"),
    # the link between gateway and IB
    "1100_1102": Fault("1100 now; 1102 after this many seconds, with all that happened in between", "5"),
    "1100_1101": Fault("1100 now; 1101 after this many seconds: subscriptions and live callbacks are lost", "5"),
    "1102_first": Fault("1102 without 1100 before it"),
}
MENU: Final[Mapping[str, Fault]] = {**OF_ORDERS, **OF_THE_GATEWAY}


class UnknownFault(ValueError):
    """A name that is not on the menu."""


@define
class _On:
    argument: str
    only: str
    left: int | None

    def fits(self, sent: Sent) -> bool:
        """Whether it is kept to no orders, or to such as this one."""
        if not self.only:
            return True
        if sent is None:
            return False
        role = "child" if sent.get("parentId", "0") not in ("", "0") else "parent"
        ends = sent.get("orderRef", "").endswith(self.only)
        return ends or self.only in (sent.get("action"), sent.get("orderType"), role)


@define
class Faults:
    """Which misfortunes are on."""

    _on: dict[str, _On] = field(factory=dict)

    def switch_on(self, asked: str) -> str:
        """Switch on `NAME`, with `=ARGUMENT`, `@WORD` and `*TIMES` if wanted, in that order; the name."""
        rest, _, times = asked.partition("*")
        rest, _, only = rest.partition("@")
        name, given, argument = rest.partition("=")
        if name not in MENU:
            raise UnknownFault(f"no fault is named {name!r}; the menu has {', '.join(MENU)}")
        if times and not (times.isdigit() and int(times)):
            raise UnknownFault(f"{asked!r}: {times!r} is not a number of times")
        if only and name not in OF_ORDERS:
            raise UnknownFault(f"{name} befalls the gateway and cannot be kept to orders")
        usual = MENU[name].argument
        if given and not usual:
            raise UnknownFault(f"{name} has no argument")
        if given and usual.replace(".", "").isdigit():
            _ = self.number(argument)
        self._on[name] = _On(argument if given else MENU[name].argument, only, int(times) if times else None)
        return name

    def switch_off(self, name: str) -> None:
        """Switch one off."""
        _ = self._on.pop(name, None)

    def on(self) -> tuple[str, ...]:
        """The names that are on."""
        return tuple(self._on)

    def has(self, name: str, sent: Sent = None) -> bool:
        """Whether this misfortune is on, and fits the order that was sent so; asking uses nothing up."""
        assert name in MENU, name
        on = self._on.get(name)
        return on is not None and on.fits(sent)

    def take(self, name: str, sent: Sent = None) -> str | None:
        """The argument of a misfortune that happens now, or None; one of its times is used up."""
        if not self.has(name, sent):
            return None
        on = self._on[name]
        if on.left is not None:
            on.left -= 1
            if on.left == 0:
                del self._on[name]
        return on.argument

    def takes(self, name: str, sent: Sent = None) -> bool:
        """Whether a misfortune happens now."""
        return self.take(name, sent) is not None

    def seconds(self, name: str, sent: Sent = None) -> timedelta | None:
        """The delay of a misfortune that happens now."""
        argument = self.take(name, sent)
        return None if argument is None else timedelta(seconds=float(self.number(argument)))

    def argument(self, name: str) -> str | None:
        """The argument of a misfortune that is on; asking uses nothing up."""
        return self._on[name].argument if self.has(name) else None

    def concerns(self, name: str, subject: str) -> bool:
        """Whether a misfortune that is on names this subject, or all."""
        on = self._on.get(name)
        return on is not None and on.argument in (subject, "all")

    @staticmethod
    def number(argument: str) -> Decimal:
        """An argument that is a number."""
        try:
            return Decimal(argument)
        except InvalidOperation as error:
            raise UnknownFault(f"{argument!r} is not a number") from error

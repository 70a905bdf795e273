"""One command of the model on the production desk: decide, seal, evolve; and the model's view of what that left.

Signatures are taken as checked, as the kernel takes them: what a verifier does has tests of its own. Time stands
still, but for commands that come late: these come when the life of what they act on is just over.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple, TypedDict
from zlib import crc32

from attrs import Factory, define, evolve
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_core.acts import exits as leaving
from phoenix_core.acts import operate, propose, submit, timed
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.due import due
from phoenix_core.beads import Decision, Genesis, Limits, Operator, OperatorEvent, Policy, Verdict
from phoenix_core.desk import Desk
from phoenix_core.effects import CarryOut, SendOrder
from phoenix_core.facts import (
    BrokerStatus,
    Checked,
    ErrorSaid,
    ExecutionSaid,
    Fact,
    FrameSaid,
    Held,
    LinkEvent,
    LinkSaid,
    OrderSaid,
    Quote,
    Snapshot,
)
from phoenix_core.gate.statements import ClearKill, Close, Decide, Protect, Says, Statement, write_statement
from phoenix_core.kernel import Command as Asked
from phoenix_core.kernel import bead_of, clear, decide, sealed
from phoenix_core.kernel import evolve as fold
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.trade.order_life import End, Known, Standing
from phoenix_core.trade.positions import Ended, Open, position_id_of
from phoenix_core.values import (
    Account,
    CommandId,
    Mode,
    Moment,
    Money,
    Price,
    Quantity,
    Role,
    TokenId,
    derived_id,
    text_hash,
    utc_of,
    utc_text,
)
from phoenix_core.watch.alerts import may_raise
from phoenix_core.watch.codes import Code
from phoenix_core.world import Link, Run, World
from tests.chaos.model.rules import WHOLE, Command, Intent, Shared

NOW: Final = Moment(utc_of("2026-11-18T19:00:00.000000Z", "now"), timedelta(hours=9), "boot")
TOKEN_OVER: Final = timedelta(seconds=301)
LOT: Final = 20_000  # where an order is of three lots, and not of two
SLOW: Final = timedelta(seconds=4)  # past the three seconds that an exit's end has
CLOSE_OVER: Final = timedelta(seconds=61) + SLOW  # also of one that was signed after these
DOUBT: Final = timedelta(seconds=11)
SECOND: Final = timedelta(seconds=1)
# These come a second after what was before.
ENDS_EXIT: Final = ("stop_over", "target_over", "pair_gone", "pair_refused", "stop_ends", "target_ends", "close_ends")
OF_A_MINUTE: Final = ("carry", "look_close", "carry_protect", "look_again")
ACCOUNT: Final = Account("a" * 64, "MOCK")
ROOT: Final = "A" * 43 + "="
KEY: Final = "SHA256:operator"
PAIRS: Final = ("EURUSD", "GBPUSD")
# What is bought in a walk is sold in its mirror: PHOENIX_MODEL_SIGN=-1 plays any of them there.
SIGN: Final = int(os.environ.get("PHOENIX_MODEL_SIGN", "1"))
INTENTS: Final = tuple(derived_id("model", pair) for pair in PAIRS)
WORDS: Final = text_hash("because")
# The contract's own hours, as they make the market what a command says it is; the FX week is open on this Wednesday.
HOURS: Final = {
    "OPEN": ((NOW.wall - timedelta(days=1), NOW.wall + timedelta(days=1)),),
    "SOON": ((NOW.wall - timedelta(days=1), NOW.wall + timedelta(minutes=4)),),
    "SHUT": ((NOW.wall + timedelta(hours=1), NOW.wall + timedelta(days=1)),),
}

# What the model calls a refusal, by what heads it.
FAMILIES: Final[tuple[tuple[str, str], ...]] = (
    ("LEASE_LOST ENGINE_NOT_RUNNING", "LEASE"),
    ("KILL_FLAG_ACTIVE", "KILL"),
    ("INSTRUMENT_BUSY DRIFT_OPEN", "DRIFT"),
    ("MARKET_ HOURS_UNKNOWN", "MARKET"),
    ("TOKEN_", "TOKEN"),
    ("EXIT_", "EXIT"),
    ("PROTECTION_", "PAIR"),
    ("LINK_", "LINK"),
    ("SNAPSHOTS_MISSING", "PICTURE"),
    ("STATEMENT_ DECIDED_ALREADY EVIDENCE_ SAME_PERSON_TWICE", "DECIDED"),
    ("WRONG_STATE NOTHING_TO_ UNKNOWN_ ILLEGAL_TRANSITION CLOSE_ALREADY_WORKING", "STATE"),
)


def family(no: Refusal | None) -> str:
    """The model's word for a refusal; its own name where the model has none, which no rule then equals."""
    if no is None:
        return ""
    said = no.headline.value
    return next((name for heads, name in FAMILIES if said.startswith(tuple(heads.split()))), said)


class Seen(NamedTuple):
    """What a screen showed: the statement's words, and how long the log was."""

    says: Decide
    size: int


@define
class Played:
    """A production desk without a store, and what its people and its run have in their hands."""

    desk: Desk = Factory(Desk)
    verified: dict[int, Checked] = Factory(dict)
    screens: dict[tuple[int, int], Seen] = Factory(dict)  # (intent, version of the evidence)
    count: int = 0
    session: int = 1  # of the link

    def copied(self) -> Played:
        """The same desk apart: what happens to one no longer happens to the other."""
        return Played(copy.deepcopy(self.desk), dict(self.verified), dict(self.screens), self.count, self.session)

    # --- the world -------------------------------------------------------------------------------------------------

    def world(self, command: Command) -> World:
        """A calm world: the broker agrees with the book, the market stands still, the link answers."""
        over = CLOSE_OVER if command.name in OF_A_MINUTE else TOKEN_OVER
        over = over if command.late else (DOUBT if command.name == "doubt" else SLOW) * command.slow
        now = NOW.plus(over + (SECOND if command.name in ENDS_EXIT else timedelta(0)))
        epoch = self.desk.tenure.epoch
        quotes = {
            pair: Quote(pair, Price(MIDS[pair] - CARDS[pair].tick), Price(MIDS[pair] + CARDS[pair].tick), now)
            for pair in PAIRS
        }
        return World(
            now=now,
            run=Run(run="run", epoch=epoch if command.fit else epoch - 1, mode=Mode.MOCK, version="model"),
            link=Link(session=self.session, up=command.link, synchronised=command.link, round_trip_age=timedelta(0)),
            accounts=(ACCOUNT,),
            instruments={pair: CARDS[pair] for pair in PAIRS},
            hours={pair: HOURS[command.market] for pair in PAIRS if command.market != "UNKNOWN"},
            quotes=quotes,
            snapshot=None if command.picture == "NONE" else self.picture(command.picture, command.lots),
            equity=Money(Decimal(100_000)),
            verified=self.verified,
            roots=dict.fromkeys(self.verified, ROOT),
            groups_hold=command.groups,
        )

    def picture(self, kind: str = "SHOWS", lots: int = 0) -> Snapshot:
        """The broker's whole picture: as the book has it; or begun before a pair ended, of an earlier session, without
        a holding, or with the exits of the first intent that ended by the book."""
        desk, at = self.desk, NOW.plus(SECOND / 2 if kind == "OLD" else SECOND * 60)
        held = tuple(Held(pair, desk.positions.net(pair)) for pair in PAIRS if desk.positions.net(pair))
        shown = [known for known in desk.orders.open.values() if known.acknowledged]
        if kind == "LESS":
            held = ()
        if kind == "LOT":  # so many less
            held = (Held(PAIRS[0], desk.positions.net(PAIRS[0]) - SIGN * lots * LOT), *held[1:])
        if kind == "PAIR":
            shown += [k for role in (Role.STOP, Role.TARGET) if (k := self.order(0, role)) is not None and k.end]
        orders = tuple(self._word(known, BrokerStatus.SUBMITTED) for known in shown)
        session = self.session - (kind == "OTHER")
        return Snapshot(session, at, at, True, held, orders, (), Money(Decimal(100_000)), "USD", account=ACCOUNT.tag)

    # --- one command -----------------------------------------------------------------------------------------------

    def play(self, i: int, command: Command) -> str:
        """Ask the production desk; what it grants or leaves is folded. The family of its last refusal, or nothing."""
        said = answered(self, PLAYS, command, i)
        if command.name == "assemble" and not said:
            self._look_at_the_screen(i)
        return said

    def _carry_out(self, asked: Asked, command: Command) -> str:
        world = self.world(command)
        ruling = decide(self.desk, asked, world)
        records = sealed(self.desk.head, world.now.wall, asked.command_id, ruling)
        for record in records:
            bead = bead_of(record)
            if isinstance(bead.body, Decision) and isinstance(asked, Sign):
                self.verified[bead.seq] = asked.checked
            self.desk = fold(self.desk, bead)
        return "" if is_successful(ruling.result) else family(ruling.result.failure())

    def fresh(self, what: str) -> CommandId:
        """A command id that this desk never saw."""
        self.count += 1
        return CommandId(derived_id("model", what, str(self.count)))

    def _look_at_the_screen(self, i: int) -> None:
        found = screen_of(self.desk, INTENTS[i], NOW)
        assert isinstance(found, Screen), found
        shown = self.desk.evidence.latest(INTENTS[i])
        assert shown is not None
        self.screens[i, shown.evidence.version] = Seen(found.says, self.desk.head.size)

    def sign(self, says: Says, size: int, at: Moment = NOW) -> Sign:
        """An operator's signed statement about a history of this length, checked."""
        self.count += 1
        nonce = f"{self.count:032x}"
        genesis = self.desk.genesis
        statement = write_statement(
            Statement(
                log=genesis.origin, tree_size=size, tree_root=ROOT, account=genesis.account, mode=genesis.mode,
                session=nonce, at=at.wall, exp=at.wall + type(says).life, says=says,
            )
        )  # fmt: skip
        checked = Checked(statement, f"signature {nonce}", KEY, "software", False, False, 0)
        return Sign(self.fresh("sign"), checked, ROOT, TokenId(derived_id("token", nonce)))

    # --- what the desk knows of an intent --------------------------------------------------------------------------

    def position(self, i: int) -> Open | Ended | None:
        """The position of an intent."""
        return self.desk.positions.of_intent(INTENTS[i])

    def order(self, i: int, role: Role) -> Known | None:
        """Its order of a role, the latest."""
        found = [k for k in self.desk.orders.of(position_id_of(INTENTS[i])) if k.role is role]
        return found[-1] if found else None

    def owed(self, i: int, what: Role) -> tuple[tuple[int, int], SendOrder] | None:
        """The hand-over that is owed for it: of its entry, of its close, or of another size for its pair."""
        for key, effect in self.desk.owed.of(SendOrder).items():
            roles = {frame.line.role for frame in effect.frames}
            if effect.position_id == position_id_of(INTENTS[i]) and _is_of(roles, what):
                return key, effect
        return None

    def asked_for(self, i: int, what: str) -> tuple[int, int] | None:
        """The place of a signed command about its position that waits for the engine."""
        for key, effect in self.desk.owed.of(CarryOut).items():
            if effect.subject == position_id_of(INTENTS[i]) and effect.type == what:
                return key
        return None

    def _word(self, known: Known, status: BrokerStatus, completed: bool = False) -> OrderSaid:
        return OrderSaid(
            message=self.fresh("message"), session=self.session, ref=known.ref, account=ACCOUNT.tag,
            perm_id=_perm_id(known), order_id=1, status=status, filled=self.did(known), echo=known.line,
            group=known.group,
        )  # fmt: skip

    def word(self, i: int, role: Role, status: BrokerStatus) -> list[Asked]:
        """The broker's word about one order of it."""
        known = self.order(i, role)
        return [] if known is None else [self.say(self._word(known, status))]

    def say(self, fact: Fact) -> Said:
        """A fact as a command."""
        return Said(self.fresh("fact"), fact)

    def did(self, known: Known) -> Quantity:
        """What an order executed, as far as the desk was told of it."""
        return self.desk.fills.executed(known.position_id).get(known.ref, Quantity(Decimal(0)))

    def lot(self, i: int) -> Quantity:
        """The least that an order of an intent fills at once: half of its entry."""
        entry = self.order(i, Role.ENTRY)
        assert entry is not None, "an intent whose order was recorded"
        return Quantity(entry.line.quantity / WHOLE)

    def execution(self, known: Known, name: str, quantity: Quantity) -> Asked:
        """One execution of an order, at its place in the market."""
        line = known.line
        said = ExecutionSaid(
            self.fresh("message"), 1, f"{known.ref}.{name}.01", known.ref, ACCOUNT.tag,
            _perm_id(known), line.symbol, line.side, quantity, Price(MIDS[line.symbol]), NOW.wall,
        )  # fmt: skip
        return self.say(said)

    def one_lot(self, i: int, role: Role) -> list[Asked]:
        """The first lot of an order executes; where that was told, it is told again."""
        known = self.order(i, role)
        if known is None:
            return []
        return self._again(known) or [self.execution(known, "first", self.lot(i))]

    def _again(self, known: Known) -> list[Asked]:
        told = (fill for fill in self.desk.fills.of(known.position_id) if fill.ref == known.ref)
        return [self.execution(known, fill.family.rpartition(".")[2], fill.quantity) for fill in told]

    def executed(self, i: int, role: Role, most: Quantity | None = None) -> list[Asked]:
        """All of an order executes, or as much as there is to leave: the second lot where its first was told, and what
        was told is told again. It ends as filled only where that is all that it says."""
        known = self.order(i, role)
        if known is None:
            return []
        said, did = self._again(known), self.did(known)
        left = known.line.quantity - did if most is None else min(most, known.quantity_at_most - did)
        if left > 0:
            said.append(self.execution(known, "second" if said else "whole", Quantity(left)))
        full = did + max(left, Decimal(0))
        status = BrokerStatus.FILLED if full == known.line.quantity else BrokerStatus.CANCELLED
        return [*said, self.say(evolve(self._word(known, status), filled=Quantity(full)))]

    def held(self, i: int) -> Quantity:
        """What is left of a position, as far as the desk was told."""
        totals = self.desk.fills.totals(position_id_of(INTENTS[i]))
        return Quantity(totals.entered - totals.exited)


def _perm_id(known: Known) -> int:
    return crc32(known.ref.encode()) + 1


def _is_of(roles: set[Role], what: Role) -> bool:
    return what in roles if what is not Role.STOP else roles <= {Role.STOP, Role.TARGET}


# --- each command of the model as commands of production --------------------------------------------------------------

Asks = list[Asked | str]
Play = Callable[["Played", int, Command], Iterator[Asked | str] | Asks]


def _propose(p: Played, i: int, c: Command) -> Asks:
    return [proposal_of("", SIGNALS[i], "bot")]


def signal_of(i: int, sign: int) -> bytes:
    """What a bot proposes in one of the instruments: 1 to buy, -1 to sell."""
    mid, stop = MIDS[PAIRS[i]], Decimal("0.003") * sign
    fields = {
        "schema": "cse/1", "signal_id": f"s-{i}", "intent_id": INTENTS[i], "signal": "READY", "pair": PAIRS[i],
        "setup_type": "FVG_ENTRY", "confidence": "0.85", "entry": f"{mid:.4f}", "stop": f"{mid - stop:.4f}",
        "target": f"{mid + 2 * stop:.4f}", "state_hash": "4f1d", "strategy": "trend",
        "created_at": utc_text(NOW.wall),
    }  # fmt: skip
    return "".join(f"{key}: '{value}'\n" for key, value in fields.items()).encode()


SIGNALS: Final = tuple(signal_of(i, SIGN) for i in range(len(PAIRS)))


def _assemble(p: Played, i: int, c: Command) -> Asks:
    quotes = timed.ObserveQuotes(p.fresh("quotes"), (PAIRS[i],))
    return [quotes, propose.Assemble(p.fresh("assemble"), INTENTS[i])]


def _approve(p: Played, i: int, c: Command) -> Asks:
    seen = p.screens.get((i, c.version))
    if seen is None:  # this desk came here another way, and never showed that version
        return [p.sign(Decide(Verdict.APPROVE, INTENTS[i], 0, evidence="0" * 64, order="0" * 64), p.desk.head.size)]
    return [p.sign(seen.says, seen.size)]


def _reject(p: Played, i: int, c: Command) -> Asks:
    return [p.sign(Decide(Verdict.REJECT, INTENTS[i], 0), p.desk.head.size)]


def _token(p: Played, i: int) -> str:
    for tokens in (p.desk.tokens.live, p.desk.tokens.ended):
        found = [name for name, token in tokens.items() if token.intent_id == INTENTS[i]]
        if found:
            return found[-1]
    return derived_id("token", "none")


def _look(p: Played, i: int, c: Command, what: Role = Role.ENTRY) -> Asks:
    owed = p.owed(i, what)
    if owed is None:
        return ["STATE"]
    cleared = clear(p.desk, *owed, p.world(c))
    return ["" if is_successful(cleared) else family(cleared.failure())]


def _withhold(p: Played, i: int, c: Command, what: Role = Role.ENTRY) -> Asks:
    owed = p.owed(i, what)
    if owed is None:
        return ["STATE"]
    why = Refusal((Reason.KILL_FLAG_ACTIVE if what is Role.ENTRY else Reason.EXIT_EXPIRED,))
    return [submit.Withhold(p.fresh("withhold"), *owed, why)]


def _frame(p: Played, i: int, sent: bool, *roles: Role) -> Asks:
    known = [order for role in roles if (order := p.order(i, role)) is not None]
    return [p.say(FrameSaid(order.ref, 1, sent, 1)) for order in known]


def _change_sent(p: Played, i: int, c: Command) -> Asks:
    known = [order for role in (Role.STOP, Role.TARGET) if (order := p.order(i, role)) is not None]
    return [p.say(FrameSaid(order.ref, order.revision, True, 1)) for order in known]


def _unknown(p: Played, i: int, c: Command, what: Role = Role.ENTRY) -> Asks:
    owed = p.owed(i, what)
    if owed is None:
        return ["STATE"]
    return [timed.Stall(p.fresh("unknown"), position_id_of(INTENTS[i]), "OUTCOME_UNKNOWN", owed[0])]


def _refused(p: Played, i: int, c: Command) -> Asks:
    known = p.order(i, Role.ENTRY)
    assert known is not None
    code = p.say(ErrorSaid(p.fresh("message"), 1, 201, "refused", known.ref))
    return [code, *_ended(p, i, Role.STOP, Role.TARGET)]


def _ended(p: Played, i: int, *roles: Role) -> list[Asked]:
    return [said for role in roles for said in p.word(i, role, BrokerStatus.CANCELLED)]


def _rest_ended(p: Played, i: int) -> list[Asked]:
    """The entry's rest is cancelled: one lot of it had executed, whether or not that was told."""
    known = p.order(i, Role.ENTRY)
    assert known is not None
    return [p.say(evolve(p._word(known, BrokerStatus.CANCELLED), filled=p.lot(i)))]


def _stopped_backwards(p: Played, i: int) -> Asks:
    """The ends of stop, target and close are told before what executed."""
    *executed, end = p.executed(i, Role.STOP, p.held(i))
    return [end, *_ended(p, i, Role.TARGET, Role.CLOSE), *executed]


def _carry(p: Played, i: int, c: Command, what: str = Close.type) -> Asks:
    key = p.asked_for(i, what)
    return ["STATE"] if key is None else [leaving.Carry(p.fresh("carry"), *key)]


def _turn(p: Played, i: int, c: Command) -> Asks:
    """What is due to the protection of this position now, and would be granted."""
    world, name = p.world(c), position_id_of(INTENTS[i])
    asked = (
        command for command in due(p.desk, world.now)
        if isinstance(command, leaving.Restore | leaving.Resize | leaving.ClearAway | timed.Alarm | timed.Manage)
        and command.position_id == name
    )  # fmt: skip
    granted = (command for command in asked if is_successful(decide(p.desk, command, world).result))
    return [" ".join(sorted(type(command).__name__ for command in granted))]


def _doubt(p: Played, i: int, c: Command) -> Asks:
    known = [order for role in (Role.STOP, Role.TARGET) if (order := p.order(i, role)) is not None]
    return [timed.Doubt(p.fresh("doubt"), order.ref) for order in known]


def _pair_refused(p: Played, i: int, c: Command) -> Asks:
    known = [order for role in (Role.STOP, Role.TARGET) if (order := p.order(i, role)) is not None]
    return [p.say(ErrorSaid(p.fresh("message"), 1, 201, "refused", order.ref)) for order in known]


def _half_over(p: Played, i: int, over: Role, works: Role) -> Asks:
    return [*p.word(i, works, BrokerStatus.SUBMITTED), *_ended(p, i, over)]


def _clear(p: Played, i: int, c: Command) -> Asks:
    flags = list(p.desk.kill_flags.standing)
    return [p.sign(ClearKill(flags[0], WORDS), p.desk.head.size)] if flags else ["STATE"]


BRACKET: Final = (Role.ENTRY, Role.STOP, Role.TARGET)
PLAYS: Final[Mapping[str, Play]] = {
    "propose": _propose,
    "assemble": _assemble,
    "approve": _approve,
    "reject": _reject,
    "expire": lambda p, i, c: [timed.ExpireToken(p.fresh("expire"), _token(p, i))],
    "withdraw": lambda p, i, c: [timed.Withdraw(p.fresh("withdraw"), INTENTS[i], "KILL_FLAG_ACTIVE")],
    "submit": lambda p, i, c: [submit.Submit(p.fresh("submit"), INTENTS[i])],
    "present": lambda p, i, c: [submit.Present(p.fresh("present"), _token(p, i), INTENTS[i])],
    "look": _look,
    "withhold": _withhold,
    "frame_sent": lambda p, i, c: _frame(p, i, True, *BRACKET),
    "frame_dropped": lambda p, i, c: _frame(p, i, False, *BRACKET),
    "stall": lambda p, i, c: [timed.Stall(p.fresh("stall"), position_id_of(INTENTS[i]), "NO_ACK")],
    "unknown": _unknown,
    "lost": lambda p, i, c: [p.say(LinkSaid(LinkEvent.LOST, 1, detail="cut"))],
    "ack": lambda p, i, c: [*p.word(i, Role.ENTRY, BrokerStatus.SUBMITTED)],
    "fill": lambda p, i, c: [*p.executed(i, Role.ENTRY)],
    "refused": _refused,
    "cancelled": lambda p, i, c: [*_ended(p, i, *BRACKET)],
    "picture": lambda p, i, c: [p.say(p.picture())],
    "pair_stands": lambda p, i, c: [
        *p.word(i, Role.STOP, BrokerStatus.SUBMITTED),
        *p.word(i, Role.TARGET, BrokerStatus.SUBMITTED),
    ],
    "manage": lambda p, i, c: [timed.Manage(p.fresh("manage"), position_id_of(INTENTS[i]))],
    "part": lambda p, i, c: [*p.one_lot(i, Role.ENTRY)],
    "rest": lambda p, i, c: [timed.CancelRest(p.fresh("rest"), position_id_of(INTENTS[i]))],
    "rest_over": lambda p, i, c: [*_rest_ended(p, i)],
    "resize": lambda p, i, c: [leaving.Resize(p.fresh("resize"), position_id_of(INTENTS[i]))],
    "look_resize": lambda p, i, c: _look(p, i, c, Role.STOP),
    "withhold_resize": lambda p, i, c: _withhold(p, i, c, Role.STOP),
    "resize_sent": _change_sent,
    "resize_unknown": lambda p, i, c: _unknown(p, i, c, Role.STOP),
    "resized": lambda p, i, c: [
        *p.word(i, Role.STOP, BrokerStatus.SUBMITTED),
        *p.word(i, Role.TARGET, BrokerStatus.SUBMITTED),
    ],
    "stop_lot": lambda p, i, c: [*p.one_lot(i, Role.STOP)],
    "close_lot": lambda p, i, c: [*p.one_lot(i, Role.CLOSE)],
    "stopped": lambda p, i, c: [*p.executed(i, Role.STOP, p.held(i)), *_ended(p, i, Role.TARGET, Role.CLOSE)],
    "close": lambda p, i, c: [p.sign(Close(position_id_of(INTENTS[i]), WORDS), p.desk.head.size, p.world(c).now)],
    "carry": _carry,
    "look_close": lambda p, i, c: _look(p, i, c, Role.CLOSE),
    "withhold_close": lambda p, i, c: _withhold(p, i, c, Role.CLOSE),
    "stopped_backwards": lambda p, i, c: _stopped_backwards(p, i),
    "pair_over": lambda p, i, c: [*p.executed(i, Role.STOP, p.held(i)), *_ended(p, i, Role.TARGET)],
    "close_dropped": lambda p, i, c: _frame(p, i, False, Role.CLOSE),
    "close_sent": lambda p, i, c: _frame(p, i, True, Role.CLOSE),
    "close_unknown": lambda p, i, c: _unknown(p, i, c, Role.CLOSE),
    "close_filled": lambda p, i, c: [*p.executed(i, Role.CLOSE), *_ended(p, i, Role.STOP, Role.TARGET)],
    "restore": lambda p, i, c: [leaving.Restore(p.fresh("restore"), position_id_of(INTENTS[i]))],
    "protect": lambda p, i, c: [p.sign(Protect(position_id_of(INTENTS[i])), p.desk.head.size)],
    "carry_protect": lambda p, i, c: _carry(p, i, c, Protect.type),
    "look_again": lambda p, i, c: _look(p, i, c, Role.STOP),
    "withhold_again": lambda p, i, c: _withhold(p, i, c, Role.STOP),
    "again_sent": lambda p, i, c: _frame(p, i, True, Role.STOP, Role.TARGET),
    "again_dropped": lambda p, i, c: _frame(p, i, False, Role.STOP, Role.TARGET),
    "again_unknown": lambda p, i, c: _unknown(p, i, c, Role.STOP),
    "doubt": _doubt,
    "again_stands": lambda p, i, c: [
        *p.word(i, Role.STOP, BrokerStatus.SUBMITTED),
        *p.word(i, Role.TARGET, BrokerStatus.SUBMITTED),
    ],
    "stop_over": lambda p, i, c: _half_over(p, i, Role.STOP, Role.TARGET),
    "target_over": lambda p, i, c: _half_over(p, i, Role.TARGET, Role.STOP),
    "pair_gone": lambda p, i, c: [*_ended(p, i, Role.STOP, Role.TARGET)],
    "pair_refused": _pair_refused,
    "targeted": lambda p, i, c: [*p.executed(i, Role.TARGET, p.held(i)), *_ended(p, i, Role.STOP, Role.CLOSE)],
    "close_alone": lambda p, i, c: [*p.executed(i, Role.CLOSE)],
    "turn": _turn,
    "alarm": lambda p, i, c: [timed.Alarm(p.fresh("alarm"), position_id_of(INTENTS[i]))],
    "clear_away": lambda p, i, c: [leaving.ClearAway(p.fresh("clear"), position_id_of(INTENTS[i]))],
    "kill": lambda p, i, c: [operate.RaiseKill(p.fresh("kill"), "desk", "test", "operator")],
    "clear": _clear,
    "lease": lambda p, i, c: [operate.TakeLease(p.fresh("lease"), "boot", "run")],
    "release": lambda p, i, c: [operate.ReleaseLease(p.fresh("release"))],
}


def answered(p: Played, plays: Mapping[str, Play], command: Command, i: int = 0) -> str:
    """What these plays of a command come to: the family of its last refusal, or nothing."""
    said = ""
    for asked in plays[command.name](p, i, command):
        said = p._carry_out(asked, command) if not isinstance(asked, str) else asked
    return said


def founded() -> Played:
    """A desk with its operator, its session and its first picture, and no engine."""
    played = Played()
    genesis = Genesis("phoenix.model/1", Mode.MOCK, ACCOUNT.tag, ACCOUNT.mask, 0, "k", "log", "USD")
    operator = Operator(OperatorEvent.ENROLLED, KEY, "ssh-ed25519 AAAA", "operator", "software")
    calm = Command("found")
    for asked in (
        operate.Initialise(played.fresh("init"), genesis, operator, Policy(limits=Limits())),
        operate.TakeLease(played.fresh("lease"), "boot", "run"),
        played.say(LinkSaid(LinkEvent.CONNECTED, 1, (ACCOUNT,))),
        played.say(LinkSaid(LinkEvent.SYNCHRONISED, 1, (ACCOUNT,))),
    ):
        assert not played._carry_out(asked, calm), asked
    assert not played._carry_out(played.say(played.picture()), calm)
    assert not played._carry_out(operate.ReleaseLease(played.fresh("release")), calm)
    return played


# --- the model's view of a production desk ----------------------------------------------------------------------------


def shared_of(played: Played) -> Shared:
    """What all intents share, as the desk has it."""
    desk = played.desk
    return Shared(bool(desk.kill_flags.standing), not desk.tenure.released)


def intent_of(played: Played, i: int) -> Intent:
    """One intent, as the desk has it."""
    desk, position = played.desk, played.position(i)
    if position is None:
        return Intent()
    shown = desk.evidence.latest(INTENTS[i]) if position.state.value == "PROPOSED" else None
    token = desk.tokens.live_for(INTENTS[i])
    ended = [t for t in desk.tokens.ended.values() if t.intent_id == INTENTS[i]]
    decided = desk.approvals.decided.get(INTENTS[i])
    entry = played.order(i, Role.ENTRY)
    return Intent(
        state=position.state.value,
        evidence=shown.evidence.version if shown is not None else 0,
        red=shown is not None and any(flag.startswith("KILL ") for flag in shown.evidence.flags),
        verdict="" if decided is None else "YES" if decided.verdict is Verdict.APPROVE else "NO",
        token="LIVE" if token is not None else ended[-1].state.value if ended else "",
        of_run=token is not None and token.epoch == desk.tenure.epoch,
        order="" if entry is None else _standing(entry),
        acked=entry is not None and entry.acknowledged,
        owed=_owed(played, i, Role.ENTRY),
        pair=_pair(played, i),
        close=_close(played, i),
        drift=any(drift.instrument == PAIRS[i] for drift in desk.drifts.open.values()),
        amber=shown is not None and any("market" in flag for flag in shown.evidence.flags),
        **(_NO_LOTS if entry is None else _lots(played, i, entry)),
        **_again(played, i),
    )


class Again(TypedDict):
    """What was placed again, and what a human wished of it."""

    placed: int
    again: str
    doubt: bool
    by_hand: bool
    once: bool
    way: int
    tries: int
    told: bool
    protect: str


def _again(played: Played, i: int) -> Again:
    name = position_id_of(INTENTS[i])
    stops = [k for k in played.desk.orders.of(name) if k.role is Role.STOP]
    for role in (Role.STOP, Role.TARGET):  # whoever placed it: at the same price, and each time in a group of its own
        placed = [k for k in played.desk.orders.of(name) if k.role is role]
        assert len({(k.line.side, k.line.limit, k.line.trigger, k.line.tif) for k in placed}) <= 1, "at another price"
        assert [k.group for k in placed] == [k.group for k in stops] and len({k.group for k in placed}) == len(placed)
    live = [k for role in (Role.STOP, Role.TARGET) if (k := played.order(i, role)) is not None and k.end is None]
    again = ""
    if len(stops) > 1 and any(not k.acknowledged for k in live):
        standing = {k.standing for k in live if not k.acknowledged}
        assert len(standing) == 1, "the frames of a pair share their way"
        again = _owed(played, i, Role.STOP) or standing.pop().value
    signed = any(d.type == Protect.type and d.subject == name for d in played.desk.approvals.recent.values())
    done = any(k.mandate != stops[0].mandate for k in stops)
    pairs = [k for k in played.desk.orders.of(name) if k.role in (Role.STOP, Role.TARGET)]
    asked_to_end = [k.cancel_requested.wall for k in pairs if k.cancel_requested is not None]
    wish = "DONE" if done else "SPENT" if signed else ""
    return Again(
        placed=max(0, len(stops) - 1),
        again=again,
        doubt=again in ("MINE", "OLD") and any(k.standing is Standing.UNKNOWN for k in live),
        by_hand=bool(stops) and stops[-1].mandate != stops[0].mandate,
        way=max((1 if asked == NOW.wall else 2 for asked in asked_to_end), default=0),
        tries=sum(d.type == Close.type and d.subject == name for d in played.desk.approvals.recent.values()),
        told=not may_raise(played.desk.alerts, Code.PROTECTION_LOST, name, NOW.wall),
        once=any(k.mandate == stops[0].mandate for k in stops[1:]),
        protect="SIGNED" if played.asked_for(i, Protect.type) is not None else wish,
    )


class Lots(TypedDict):
    """What fills, and leaves, in parts."""

    got: int
    out: int
    rest: bool
    stop: int
    target: int
    change: str
    size: int
    then: int
    closing: int


_NO_LOTS: Final = Lots(got=0, out=0, rest=False, stop=0, target=0, change="", size=0, then=0, closing=0)


def _lots(played: Played, i: int, entry: Known) -> Lots:
    stop, target, close = (played.order(i, role) for role in (Role.STOP, Role.TARGET, Role.CLOSE))
    totals = played.desk.fills.totals(position_id_of(INTENTS[i]))

    def lots(quantity: Decimal) -> int:
        counted = quantity / played.lot(i)
        assert counted == int(counted), "whole lots alone are traded here"
        return int(counted)

    def rest(known: Known | None) -> int:
        return 0 if known is None else lots(known.rest_after(played.did(known)))

    change = _change(played, i, stop, target)
    asked = Decimal(0) if stop is None or stop.end is not None else stop.line.quantity - played.did(stop)
    return Lots(
        got=lots(totals.entered),
        out=lots(totals.exited),
        rest=entry.cancel_requested is not None and entry.end is None,
        stop=rest(stop),
        target=rest(target),
        change=change,
        size=lots(target.line.quantity) if target is not None and change else 0,
        then=max(0, lots(asked)) if change else 0,
        closing=0 if close is None else lots(close.line.quantity),
    )


def _change(played: Played, i: int, *pair: Known | None) -> str:
    """A revision of the pair: owed, or sent and not echoed, or not known to have left."""
    owed = played.owed(i, Role.STOP)
    revised = [known for known in pair if known is not None and known.revision > 1 and known.end is None]
    if owed is not None and any(frame.revision > 1 for frame in owed[1].frames):
        return _owed(played, i, Role.STOP)
    if any(known.standing is Standing.UNKNOWN for known in revised):
        return "UNKNOWN"
    return "" if all(known.answered for known in revised) else "SENT"


def _standing(known: Known) -> str:
    return known.end.value if known.end is not None else known.standing.value


def _owed(played: Played, i: int, what: Role) -> str:
    owed = played.owed(i, what)
    return "" if owed is None else "MINE" if owed[0][0] > played.desk.tenure.epoch else "OLD"


def _pair(played: Played, i: int) -> str:
    stop, target = played.order(i, Role.STOP), played.order(i, Role.TARGET)
    if stop is None or target is None:
        return ""
    if stop.end is not None and target.end is not None:
        return "GONE"
    for word, works, over in (("STOP", stop, target), ("TARGET", target, stop)):
        if over.end is not None:
            return word if works.cancel_requested is None else f"{word}_ENDS"
    if stop.cancel_requested is not None and target.cancel_requested is not None:
        return "ENDING"
    return "STANDS" if stop.acknowledged and target.acknowledged else "ASKED"


def _close(played: Played, i: int) -> str:
    name = position_id_of(INTENTS[i])
    if played.asked_for(i, Close.type) is not None:
        return "SIGNED"
    known = played.order(i, Role.CLOSE)
    if known is None:
        signed = any(d.type == "close" and d.subject == name for d in played.desk.approvals.recent.values())
        return "SPENT" if signed else ""
    if known.end is not None:
        return {End.CANCELLED: "GONE"}.get(known.end, known.end.value)
    return _owed(played, i, Role.CLOSE) or known.standing.value

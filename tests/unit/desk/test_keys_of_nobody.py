"""Keys that a row alone enrols: who may write to the log and holds no operator's key enrols nobody."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from attrs import evolve
from returns.pipeline import is_successful

from phoenix_cli.wiring.bunny.stage import soft_pen
from phoenix_core.beads import Body, Decision, Observation, Operator, OperatorEvent, Position, Signed
from phoenix_core.gate.approvals import signed_of
from phoenix_core.gate.statements import Close, Enrol, Revoke, Says
from phoenix_core.kernel import sealed
from phoenix_core.refusals import Reason
from phoenix_core.rulings import granted
from phoenix_core.values import State
from tests.showing import shows
from tests.stage import Stage, restarted
from tests.unit.desk.walks import WORDS, walked

EVE: Final = soft_pen("eve")
EVES: Final = Enrol(EVE.key, EVE.public.line, "eve", "software")
SECOND: Final = soft_pen("second")
SECOND_KEY: Final = Enrol(SECOND.key, SECOND.public.line, "second", "software")


def by_founder(desk: Stage, says: Says) -> Signed:
    """What the founder signs, as a bead keeps it."""
    return signed_of(desk.signature(says).checked)


def of_another_desk(desk: Stage) -> Signed:
    """The founder of both let this key sign for another desk."""
    command = desk.signature(EVES)
    elsewhere = command.checked.statement.replace(b"phoenix.test/1", b"phoenix.test/2")
    return evolve(by_founder(desk, EVES), statement=elsewhere.decode(), signature=desk.pen.sign(elsewhere))


def no_statement(desk: Stage) -> Signed:
    """The founder signed something; it is no statement."""
    return evolve(by_founder(desk, EVES), statement="{}", signature=desk.pen.sign(b"{}"))


def by_a_revoked_key(desk: Stage) -> Signed:
    """Somebody who may sign no more."""
    assert is_successful(desk.sign(SECOND_KEY))
    kept = signed_of(desk.signature(EVES, SECOND).checked)
    assert is_successful(desk.sign(Revoke(SECOND.key, WORDS)))
    return kept


# Each row that says that eve's key is enrolled, by who may write to the log and holds no operator's key.
ROWS: Final[dict[str, Callable[[Stage], Signed | None]]] = {
    "nobody": lambda desk: None,
    "herself": lambda desk: signed_of(desk.signature(EVES, EVE).checked),
    "a key that nobody knows": lambda desk: signed_of(desk.signature(EVES, soft_pen("mallory")).checked),
    "a revoked key": by_a_revoked_key,
    "another key's enrolment": lambda desk: by_founder(desk, SECOND_KEY),
    "another name": lambda desk: by_founder(desk, Enrol(EVE.key, EVE.public.line, "second", "software")),
    "another desk": of_another_desk,
    "no statement": no_statement,
    "a signature that is not true": lambda desk: evolve(by_founder(desk, EVES), signature=desk.pen.sign(b"x")),
}


def by_hand(desk: Stage, row: Body) -> None:
    """A row is written past every rule."""
    _ = desk.engine.recorder.catch_up()
    head = desk.desk.head
    records = sealed(head, desk.clock.now().wall, desk.fresh(), granted("by hand", row))
    assert is_successful(desk.store.append(head, records))


def enrolled_by_hand(desk: Stage, signed: Signed | None) -> None:
    """The row says that her key is enrolled."""
    by_hand(desk, Operator(OperatorEvent.ENROLLED, EVE.key, EVE.public.line, "eve", "software", signed))


# What the founder signed, and what of it is written into the log by hand.
STATEMENTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "as it was signed": lambda said: said,
    "long ago": lambda said: said,
    "for another log": lambda said: said.replace(b"phoenix.test/1", b"phoenix.test/2"),
    "for another mode": lambda said: said.replace(b'"mode":"mock"', b'"mode":"live"'),
    "over another history": lambda said: re.sub(rb'"tree_root":"....', b'"tree_root":"AAAA', said),
}


class TestKeysOfNobody:
    """A key opens the gate by the signature that enrolled it, never by a row that says so."""

    @pytest.mark.parametrize("by", sorted(ROWS))
    @shows("I2", "I22")
    def test_a_row_that_says_enrolled_opens_nothing(self, by: str) -> None:
        """What this key approves is not sent, what it commands is not carried out; not by the next run either."""

        async def walk(desk: Stage) -> None:
            held = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
            before = desk.sent
            enrolled_by_hand(desk, ROWS[by](desk))
            for made in (desk, restarted(desk, "run-2")):
                if made is not desk:
                    await made.start()
                intent = await made.propose()
                assert is_successful(made.approve(intent, EVE)), "a command that has no other word takes the row's"
                assert is_successful(made.sign(Close(held, WORDS), EVE))
                await made.tick()
                assert (made.state(intent), made.sent) == (State.CANCELLED, before)
                assert made.state(held) is State.MANAGED

        desk = walked(walk)
        reasons = [p.reasons for p in desk.bodies(Position) if p.state is State.CANCELLED]
        assert reasons == [(Reason.TOKEN_SIGNATURE.value,)] * 2

    @pytest.mark.parametrize("change", sorted(STATEMENTS))
    @shows("I2", "I22")
    def test_a_row_that_says_decided_closes_nothing(self, change: str) -> None:
        """The founder did sign it: for another desk, long ago. The engine judges it again, and says why not."""

        async def walk(desk: Stage) -> None:
            held = await desk.enter()
            command = desk.signature(Close(held, WORDS))
            statement = STATEMENTS[change](command.checked.statement)
            signed = signed_of(evolve(command.checked, statement=statement, signature=desk.pen.sign(statement)))
            desk.clock.advance(timedelta(seconds=61 if change == "long ago" else 1))
            by_hand(desk, Decision("close", held, signed, ticks=desk.clock.now().ticks, boot=desk.clock.now().boot))
            await desk.tick()
            closed = change == "as it was signed"
            assert (desk.state(held) is State.CLOSED) is closed
            refused = [b.facts for b in desk.bodies(Observation) if "reasons" in b.facts]
            why = Reason.EXIT_EXPIRED if change == "long ago" else Reason.SIGNATURE_WRONG
            assert [facts["reasons"] for facts in refused] == ([] if closed else [why.value])

        _ = walked(walk)

    @shows("I2")
    def test_whom_a_signature_enrolled_may_sign(self) -> None:
        """The honest twin, two steps from the founder; the next run checks all of it again."""

        async def walk(desk: Stage) -> None:
            assert is_successful(desk.sign(SECOND_KEY)) and is_successful(desk.sign(EVES, SECOND))
            assert is_successful(desk.sign(Revoke(SECOND.key, WORDS))), "who enrolled her may go later"
            await desk.tick()
            desk.engine.recorder.keep()  # the next run begins from here, and folds none of it
            again = restarted(desk, "run-2")
            await again.start()
            intent = await again.propose()
            _ = again.approve(intent, EVE).unwrap()
            await again.tick()
            assert again.state(intent) in (State.FILLED, State.MANAGED)

        _ = walked(walk)

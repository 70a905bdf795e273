"""Statements: what is signed has one spelling, a closed shape for each type, and a life that fits what it can do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_core.beads import Limits, Policy, Resolution, Signed, Verdict
from phoenix_core.canonical import decode, encode
from phoenix_core.gate.screen import Live
from phoenix_core.gate.statements import (
    TYPES,
    Adopt,
    CancelOrphans,
    ClearKill,
    Close,
    Decide,
    Enrol,
    Promote,
    Protect,
    RefreshAnchor,
    Render,
    ResolveDrift,
    ResolveStalled,
    Resume,
    Revoke,
    Says,
    SetPolicy,
    StalledEnd,
    Statement,
    ValidatePaper,
    policy_hash,
    read_statement,
    write_statement,
)
from phoenix_core.records import key_of
from phoenix_core.values import BadInput, Mode, Money, OrderType, Price, Quantity, Regime, Side
from tests.showing import shows

APPROVE: Final = Decide(
    verdict=Verdict.APPROVE,
    intent="intent-1",
    drift_bps_max=25,
    evidence="leaf",
    order="hash",
    render=Render("term-1", "sha"),
    live=Live(Price(Decimal("190.2")), Price(Decimal("190.25")), 200),
)
QUANTITY: Final = Quantity(Decimal(100))
PRICE: Final = Price(Decimal("1.085"))
EXAMPLES: Final[tuple[Says, ...]] = (
    APPROVE,
    Decide(Verdict.REJECT, "intent-1", 0),
    Close("p1", "sha256:why"),
    Close("p1", "sha256:why", QUANTITY),
    Protect("p1"),
    Protect("p1", PRICE, PRICE),
    Adopt("EURUSD", Side.SELL, QUANTITY, PRICE, PRICE, PRICE, "meanrev", "why", "p0", "d1"),
    ResolveStalled("p1", StalledEnd.FILLED, "why", QUANTITY, PRICE, "statement 7"),
    ResolveDrift("d1", Resolution.PHOENIX_CORRECTED, "why", "exec", QUANTITY, PRICE),
    CancelOrphans("d1", ("P1A.S1", "P1A.T1")),
    Resume(),
    RefreshAnchor("*", "*", Regime.NEWS),
    ClearKill("k1", "why"),
    SetPolicy("sha256:policy"),
    Enrol("SHA256:key", "ssh-ed25519 AAAA", "alice", "software"),
    Revoke("SHA256:key", "lost"),
    Promote("meanrev", "bundle"),
    ValidatePaper("1.2.3", "report"),
)
AT: Final = datetime(2026, 11, 18, 14, 2, 11, 250_000, tzinfo=UTC)
ROOT: Final = "A" * 43 + "="


def stated(says: Says = APPROVE, mode: Mode = Mode.PAPER) -> Statement:
    """A statement with an honest frame."""
    return Statement("desk/paper", 20, ROOT, "tag", mode, "0f" * 16, AT, AT + timedelta(minutes=5), says)


def parsed(data: bytes) -> dict[str, object]:
    """The statement as any JSON reader has it."""
    found = json.loads(data)
    assert isinstance(found, dict)
    return found


def spelt(fields_: dict[str, object]) -> bytes:
    """Canonical bytes of a made-up statement."""
    return json.dumps(fields_, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_or_none(data: bytes) -> Statement | None:
    """What the bytes say; None where they are refused. Any other exception is a failure of its own."""
    try:
        return read_statement(data)
    except BadInput:
        return None


def test_there_is_an_example_of_every_type() -> None:
    """The tests below leave no type out."""
    assert {says.type for says in EXAMPLES} == TYPES.keys()
    assert len(TYPES) == 15


def test_the_approval_looks_as_it_is_published() -> None:
    """Field for field the form that an auditor, or another implementation, reads."""
    assert parsed(write_statement(stated())) == {
        "v": 1,
        "type": "decision",
        "verdict": "approve",
        "log": "desk/paper",
        "tree_size": 20,
        "tree_root": ROOT,
        "intent": "intent-1",
        "evidence": "leaf",
        "order": "hash",
        "account": "tag",
        "mode": "paper",
        "render": {"id": "term-1", "sha256": "sha"},
        "live": {"bid": "190.2", "ask": "190.25", "age_ms": 200},
        "session": "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
        "drift_bps_max": 25,
        "at": "2026-11-18T14:02:11.250000Z",
        "exp": "2026-11-18T14:07:11.250000Z",
    }


def test_a_reject_writes_null_where_it_has_nothing_to_say() -> None:
    """The shape of a type is always the same; nothing is left out."""
    found = parsed(write_statement(stated(Decide(Verdict.REJECT, "intent-1", 0))))
    assert found.keys() == parsed(write_statement(stated())).keys()
    assert [name for name, value in found.items() if value is None] == ["evidence", "live", "order", "render"]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("says", EXAMPLES)
def test_what_was_written_is_what_is_read(says: Says, mode: Mode) -> None:
    """Every type in every mode comes back as it was, and its bytes are canonical."""
    data = write_statement(stated(says, mode))
    assert read_statement(data) == stated(says, mode)
    assert is_successful(decode(data))


@pytest.mark.parametrize("says", EXAMPLES)
def test_what_may_touch_the_market_lives_a_minute(says: Says) -> None:
    """Close, protect and cancel-orphans 60 s; everything else as long as a token."""
    exits = {"close", "protect", "cancel-orphans"}
    assert says.life == timedelta(seconds=60 if says.type in exits else 300)


def test_every_type_names_its_subject() -> None:
    """What a DECISION bead repeats: the thing that the signature is about."""
    assert [says.subject for says in EXAMPLES] == [
        *("intent-1", "intent-1", "p1", "p1", "p1", "p1", "EURUSD", "p1", "d1", "d1"),
        *("link", "*", "k1", "sha256:policy", "SHA256:key", "SHA256:key", "meanrev", "1.2.3"),
    ]


class TestClosed:
    """Nothing is read that does not say exactly what its type says."""

    @pytest.mark.parametrize("says", EXAMPLES)
    def test_every_field_is_needed(self, says: Says) -> None:
        """A statement without any one of its fields is refused, naming the field where one reader can know it."""
        whole = parsed(write_statement(stated(says)))
        for name in whole:
            with pytest.raises(BadInput) as refused:
                read_statement(spelt({key: value for key, value in whole.items() if key != name}))
            assert refused.value.field == name
            if name in {field.name.rstrip("_") for field in fields(type(says))}:
                assert refused.value.mend == "write this field, null where it does not apply"

    @pytest.mark.parametrize("says", EXAMPLES)
    @pytest.mark.parametrize("strange", [True, 2**53, 0.5, [], {}, "", "x", -1])
    def test_no_field_takes_just_anything(self, says: Says, strange: object) -> None:
        """A value of another kind is refused, or read as what it is; never as what it was before."""
        honest = stated(says)
        whole = parsed(write_statement(honest))
        for name in whole.keys() - {"v", "type"}:
            if whole[name] == strange:
                continue
            assert read_or_none(spelt(whole | {name: strange})) != honest

    @pytest.mark.parametrize("says", EXAMPLES)
    def test_no_field_too_many(self, says: Says) -> None:
        """An unknown field is refused by name, whatever it says."""
        for value in (None, 1, "x"):
            with pytest.raises(BadInput, match=r"zeta: .* leave it out"):
                read_statement(spelt(parsed(write_statement(stated(says))) | {"zeta": value}))

    @pytest.mark.parametrize("says", EXAMPLES)
    def test_required_fields_are_not_null(self, says: Says) -> None:
        """Null stands only where a type has nothing to say."""
        whole = parsed(write_statement(stated(says)))
        optional = {key_of(field.name) for field in fields(type(says)) if field.default is None}
        for name in whole.keys() - optional:
            with pytest.raises(BadInput):
                read_statement(spelt(whole | {name: None}))

    @shows("I20")
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"v": 2}, "v"),
            ({"v": True}, "v"),
            ({"v": "1"}, "v"),
            ({"type": "permission"}, "type"),
            ({"type": 1}, "type"),
            ({"log": ""}, "log"),
            ({"log": 7}, "log"),
            ({"account": ""}, "account"),
            ({"mode": "PAPER"}, "mode"),
            ({"mode": "demo"}, "mode"),
            ({"tree_size": -1}, "tree_size"),
            ({"tree_size": True}, "tree_size"),
            ({"tree_size": "20"}, "tree_size"),
            ({"tree_root": "A" * 44}, "tree_root"),
            ({"tree_root": "A" * 42 + "="}, "tree_root"),
            ({"session": "0F" * 16}, "session"),
            ({"session": "0f" * 15}, "session"),
            ({"session": "0f" * 16 + "\n"}, "session"),
            ({"at": "2026-11-18T14:02:11Z"}, "at"),
            ({"exp": "2026-02-30T14:02:11.000000Z"}, "exp"),
            ({"exp": "2026-11-18T14:02:11.250000Z"}, "exp"),
            ({"exp": "2026-11-18T14:02:11.249999Z"}, "exp"),
            ({"verdict": "yes"}, "decision.verdict"),
            ({"drift_bps_max": "25"}, "decision.drift_bps_max"),
            ({"live": {"bid": "190.20", "ask": "190.25", "age_ms": 200}}, "decision.live.bid"),
            ({"live": {"bid": "190.2", "ask": "1e2", "age_ms": 200}}, "decision.live.ask"),
            ({"live": {"bid": "190.2", "ask": "١٩٠", "age_ms": 200}}, "decision.live.ask"),
            ({"render": {"id": "term-1", "sha256": "sha", "more": "x"}}, "decision.render.more"),
        ],
    )
    def test_each_flaw_is_named(self, change: dict[str, object], field: str) -> None:
        """The refusal names the field that has the flaw, and says how to mend it."""
        with pytest.raises(BadInput) as refused:
            read_statement(spelt(parsed(write_statement(stated())) | change))
        assert refused.value.field == field
        assert refused.value.mend

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"null",
            b"[]",
            b'"decision"',
            b"{}",
            b"\xff",
            b'{"v":1',
            b"{" * 10_000,
            b'{"v":1,"v":1}',
            b'{"v":1.0}',
            b'{"v":NaN}',
            b" " * 16_385,
        ],
    )
    def test_what_is_no_statement_is_refused(self, data: bytes) -> None:
        """Empty, truncated, deep, duplicate, floating or huge: a refusal, never another exception."""
        with pytest.raises(BadInput):
            read_statement(data)

    @pytest.mark.parametrize("amount", ["0", "-1", "-0.5"])
    @pytest.mark.parametrize("says", EXAMPLES)
    def test_no_amount_is_zero_or_less(self, says: Says, amount: str) -> None:
        """Quantities and prices are positive: a close of minus one would open something."""
        whole = parsed(write_statement(stated(says)))
        for name in whole.keys() & {"quantity", "price", "stop", "target"}:
            with pytest.raises(BadInput, match="more than zero") as refused:
                read_statement(spelt(whole | {name: amount}))
            assert (refused.value.field, refused.value.value) == (name, amount)

    def test_the_smallest_values_are_read(self) -> None:
        """A tenth of a share, and a statement over an empty history: for the wings to judge."""
        close = Close("p1", "why", Quantity(Decimal("0.1")))
        assert read_statement(write_statement(stated(close))).says == close
        assert read_statement(write_statement(evolve(stated(), tree_size=0))).tree_size == 0

    def test_another_spelling_is_another_statement(self) -> None:
        """White space, another order of keys, an escape that was not needed: not the bytes that were signed."""
        data = write_statement(stated())
        for other in (
            data + b"\n",
            b" " + data,
            data.replace(b",", b", ", 1),
            data.replace(b"paper", b"\\u0070aper", 1),
            json.dumps(dict(reversed(parsed(data).items())), separators=(",", ":")).encode(),
        ):
            with pytest.raises(BadInput, match="NOT_CANONICAL"):
                read_statement(other)

    def test_the_largest_statement_fits(self) -> None:
        """Exactly the limit is read; one byte more is not."""

        def sized(extra: int) -> bytes:
            return write_statement(stated(ClearKill("k1", "x" * extra)))

        room = 16_384 - len(sized(0))
        assert read_statement(sized(room)).says == ClearKill("k1", "x" * room)
        with pytest.raises(BadInput, match="TOO_LARGE"):
            read_statement(sized(room + 1))

    @given(data=st.data())
    def test_no_bit_can_be_flipped_unseen(self, data: st.DataObject) -> None:
        """Any one bit of a statement flipped: refused, or plainly another statement."""
        honest = stated(data.draw(st.sampled_from(EXAMPLES)))
        signed = bytearray(write_statement(honest))
        bit = data.draw(st.integers(0, 8 * len(signed) - 1))
        signed[bit // 8] ^= 1 << bit % 8
        assert read_or_none(bytes(signed)) != honest

    @given(junk=st.binary(max_size=200))
    def test_no_bytes_raise_anything_else(self, junk: bytes) -> None:
        """Any bytes are a statement or a refusal."""
        with pytest.raises(BadInput):
            read_statement(junk)


class TestPolicy:
    """A policy is signed by its hash."""

    def test_the_signature_is_not_part_of_what_is_signed(self) -> None:
        """The same policy before and after it was put in force has one hash, which an auditor can make again."""
        policy = Policy(Limits())
        assert policy_hash(policy).startswith("sha256:")
        assert policy_hash(evolve(policy, signed=Signed("s", "g", "k", "software", True, True, 0))) == policy_hash(
            policy
        )

    def test_every_rule_of_it_is(self) -> None:
        """Any field changed is another policy."""
        others = (
            Policy(Limits()),
            Policy(Limits(order_quantity_max=QUANTITY)),
            Policy(Limits(daily_loss_max=Money(Decimal(600)))),
            Policy(Limits(), instruments=("EURUSD",)),
            Policy(Limits(), order_types=(OrderType.MARKET, OrderType.LIMIT)),
            Policy(Limits(), risk_per_trade=Decimal("0.01")),
            Policy(Limits(), drift_bps_max=26),
            Policy(Limits(), spread_bps_max=21),
            Policy(Limits(), stale_after=timedelta(minutes=14)),
            Policy(Limits(), time_exit=timedelta(hours=1)),
            Policy(Limits(), odd_lots=True),
            Policy(Limits(), delayed_quotes=True),
            Policy(Limits(), four_eyes=True),
        )
        assert len({policy_hash(policy) for policy in others}) == len(others)


def test_a_statement_is_signed_in_canonical_json() -> None:
    """Keys sorted, no white space: re-encoding what it says gives the same bytes."""
    data = write_statement(stated())
    read = decode(data)
    assert is_successful(read)
    assert encode(read.unwrap()) == data

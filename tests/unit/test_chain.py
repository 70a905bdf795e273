"""The chain: what is sealed reads back, and what does not follow is refused with the number of the first lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_core.canonical import SIZE_MAX, Flaw, Json, NotCanonical, encode
from phoenix_core.chain import (
    EMPTY,
    ZEROS,
    ChainFault,
    Conflict,
    Fault,
    Head,
    Lie,
    Sealed,
    StoreFault,
    assert_follows,
    link,
    seal,
    seal_texts,
    unseal,
    verify_chain,
)
from phoenix_core.tree import leaf_hash
from tests.showing import shows

TS: Final = "2026-11-18T19:00:00.000000Z"


def bead_id(n: int) -> str:
    """A bead id of its own for every number."""
    return str(UUID(int=n))


def chain(length: int, first: int = 0, head: Head = EMPTY) -> tuple[Sealed, ...]:
    """A small honest log, sealed in one go."""
    return seal(head, TS, [("ALERT", {"bead_id": bead_id(first + n), "says": f"bead {n}"}) for n in range(length)])


def fault_of(beads: list[bytes]) -> tuple[str, int]:
    """The first lie of these bytes, as (code, seq)."""
    fault = verify_chain(beads).failure()
    return fault.reason.name, fault.seq


class TestSeal:
    """A sealed bead is canonical bytes in their place."""

    @given(
        st.dictionaries(st.text("abcdefz_", min_size=1, max_size=6), st.text("aé\n", max_size=5) | st.integers(0, 9)),
        st.integers(0, 3),
    )
    @shows("I6")
    def test_what_is_sealed_reads_back(self, extra: dict[str, Json], before: int) -> None:
        """unseal(seal(x)) is x, and its bytes are those that the plain writer would make."""
        head = verify_chain(bead.data for bead in chain(before)).unwrap()
        body: dict[str, Json] = {**extra, "bead_id": bead_id(99)}
        (bead,) = seal(head, TS, [("OBSERVATION", body)])
        read = unseal(bead.data).unwrap()
        assert (read, read.body) == (bead, body)
        envelope: Json = {"v": 1, "seq": before, "ts": TS, "kind": "OBSERVATION", "prev": head.leaf, "body": body}
        assert bead.data == encode(envelope)
        assert bead.leaf == leaf_hash(bead.data)

    def test_beads_of_one_decision_follow_each_other(self) -> None:
        """One sealing links its beads; the next one goes on from there."""
        first = chain(3)
        second = chain(2, first=3, head=first[-1].head)
        assert [b.seq for b in (*first, *second)] == [0, 1, 2, 3, 4]
        assert [b.prev for b in (*first, *second)] == [ZEROS, *(b.leaf.hex() for b in (*first, second[0]))]
        assert verify_chain(b.data for b in (*first, *second)).unwrap() == second[-1].head
        assert assert_follows(EMPTY, (*first, *second)) == second[-1].head

    def test_nothing_makes_nothing(self) -> None:
        """No drafts, no beads; no beads, the empty head."""
        assert seal(EMPTY, TS, []) == ()
        assert verify_chain([]).unwrap() == EMPTY
        assert assert_follows(EMPTY, []) == EMPTY

    @pytest.mark.parametrize(
        ("ts", "kind", "body"),
        [
            ("2026-11-18T19:00:00Z", "ALERT", {"bead_id": bead_id(1)}),
            ("2026-02-30T19:00:00.000000Z", "ALERT", {"bead_id": bead_id(1)}),
            (TS, "alert", {"bead_id": bead_id(1)}),
            (TS, "A" * 33, {"bead_id": bead_id(1)}),
            (TS, "ALERT", {}),
            (TS, "ALERT", {"bead_id": 7}),
            (TS, "ALERT", {"bead_id": bead_id(1).upper().replace("0", "A")}),
            (TS, "ALERT", {"bead_id": bead_id(1), "long": "x" * SIZE_MAX}),
        ],
    )
    def test_a_bead_that_would_not_read_back_is_not_sealed(self, ts: str, kind: str, body: dict[str, Json]) -> None:
        """Whatever a reader would refuse is our bug where it is written."""
        with pytest.raises(AssertionError):
            seal(EMPTY, ts, [(kind, body)])

    def test_a_float_is_not_sealed(self) -> None:
        """Money never enters the log as a float."""
        body = json.loads('{"price":1.0850}')
        body["bead_id"] = bead_id(1)
        with pytest.raises(NotCanonical):
            seal(EMPTY, TS, [("ALERT", body)])


GOOD: Final[dict[str, Json]] = {
    "v": 1,
    "seq": 0,
    "ts": TS,
    "kind": "ALERT",
    "prev": ZEROS,
    "body": {"bead_id": bead_id(1)},
}


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": True},
        {"v": "1"},
        {"seq": -1},
        {"seq": True},
        {"seq": "0"},
        {"ts": "2026-11-18T19:00:00Z"},
        {"ts": "2026-13-18T19:00:00.000000Z"},
        {"ts": 0},
        {"kind": "alert"},
        {"kind": ""},
        {"kind": "ALERT\n"},
        {"kind": None},
        {"prev": ZEROS[1:]},
        {"prev": "A" * 64},
        {"prev": 0},
        {"body": []},
        {"body": {}},
        {"body": {"bead_id": None}},
        {"body": {"bead_id": "1"}},
        {"extra": 1},
    ],
)
@shows("I20")
def test_an_envelope_of_another_form_is_refused(change: dict[str, Json]) -> None:
    """Six keys, each of its own form; nothing more, nothing less."""
    assert is_successful(unseal(encode(dict(GOOD))))
    assert unseal(encode({**GOOD, **change})).failure() is Lie.BAD_ENVELOPE


def test_a_missing_key_and_a_bare_value_are_no_envelope() -> None:
    """A bead is an object with all six keys."""
    for key in GOOD:
        assert unseal(encode({k: v for k, v in GOOD.items() if k != key})).failure() is Lie.BAD_ENVELOPE
    assert unseal(b"[]").failure() is Lie.BAD_ENVELOPE
    assert unseal(b"{").failure() is Flaw.NOT_JSON


class TestTampering:
    """Of I7 (chain), bead[n].prev = H(bead[n-1]): whatever breaks it is named with its number."""

    beads: Final = [bead.data for bead in chain(12)]

    @pytest.mark.parametrize("at", range(12))
    @shows("I5", "I7")
    def test_deleted_doubled_swapped(self, at: int) -> None:
        """A bead that is missing, stands twice or stands elsewhere is found where it is missed."""
        beads = self.beads
        cut = beads[:at] + beads[at + 1 :]
        assert verify_chain(cut).unwrap().size == 11 if at == 11 else fault_of(cut) == ("BAD_SEQ", at)
        assert fault_of([*beads[: at + 1], *beads[at:]]) == ("BAD_SEQ", at + 1)
        other = (at + 5) % 12
        swapped = list(beads)
        swapped[at], swapped[other] = beads[other], beads[at]
        assert fault_of(swapped) == ("BAD_SEQ", min(at, other))

    @shows("I7")
    def test_a_changed_bead_breaks_its_successor(self) -> None:
        """One bead sealed anew with other words: the next one no longer follows; after the last one nothing does."""
        for at in range(12):
            head = verify_chain(self.beads[:at]).unwrap()
            (forged,) = seal(head, TS, [("ALERT", {"bead_id": bead_id(at), "says": "something else"})])
            forgery = [*self.beads[:at], forged.data, *self.beads[at + 1 :]]
            if at < 11:
                assert fault_of(forgery) == ("BAD_PREV", at + 1)
            else:
                assert verify_chain(forgery).unwrap() != verify_chain(self.beads).unwrap()

    def test_one_id_stands_once(self) -> None:
        """A chain that is whole but says one thing twice is not a log."""
        first = chain(3)
        again = chain(1, first=1, head=first[-1].head)
        assert fault_of([b.data for b in (*first, *again)]) == ("DUPLICATE_BEAD_ID", 3)

    def test_bytes_that_are_no_bead_at_all(self) -> None:
        """A flaw of the JSON is the flaw of the chain, with the number of the bead that should stand there."""
        assert fault_of([*self.beads[:4], b"{", *self.beads[5:]]) == ("NOT_JSON", 4)
        assert fault_of([self.beads[0].replace(b'{"body"', b'{ "body"')]) == ("NOT_CANONICAL", 0)

    def test_a_chain_may_be_verified_from_its_middle(self) -> None:
        """A tail is judged against the head that it claims to follow."""
        head = verify_chain(self.beads[:7]).unwrap()
        assert verify_chain(self.beads[7:], head).unwrap() == verify_chain(self.beads).unwrap()
        assert link(head, self.beads[8]).failure() == ChainFault(Lie.BAD_SEQ, 7)
        assert link(Head(7, ZEROS), self.beads[7]).failure() == ChainFault(Lie.BAD_PREV, 7)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda b: evolve(b, seq=b.seq + 1),
        lambda b: evolve(b, kind="OTHER"),
        lambda b: evolve(b, ts="2026-11-18T19:00:00.000001Z"),
        lambda b: evolve(b, data=b.data.replace(b"bead ", b"Bead ")),
        lambda b: evolve(b, leaf=bytes(32)),
        lambda b: chain(3, first=9, head=Head(1, ZEROS))[0],
    ],
)
@shows("I23")
def test_what_does_not_follow_is_never_written(break_it: Callable[[Sealed], Sealed]) -> None:
    """The rule that readers check is asserted at every write as well."""
    for at in (1, 2):
        beads = list(chain(3))
        beads[at] = break_it(beads[at])
        with pytest.raises(AssertionError):
            assert_follows(EMPTY, beads)
    twice = seal(EMPTY, TS, [("ALERT", {"bead_id": bead_id(1)})] * 2)
    with pytest.raises(AssertionError, match="its own"):
        assert_follows(EMPTY, twice)


def test_what_stores_answer_says_what_it_is() -> None:
    """A fault carries its kind apart from the words; a conflict carries both heads."""
    fault = StoreFault(Fault.FULL, "disk full")
    assert (fault.kind, str(fault)) == (Fault.FULL, "FULL: disk full")
    assert Conflict(EMPTY, Head(1, "ab")).known is None
    assert "says" not in repr(chain(1)[0])
    assert chain(1)[0].leaf.hex() in repr(chain(1)[0])


def test_what_is_no_text_or_too_long_is_no_bead() -> None:
    """Bytes that are not UTF-8, and more of them than a bead may have: refused, not decoded."""
    for data in (b"\xff", b"{" * (SIZE_MAX + 1)):
        assert not is_successful(unseal(data))


def test_what_has_no_utf8_is_never_sealed() -> None:
    """A lone surrogate in a body: refused before anything is written."""
    name = "00000000-0000-5000-8000-000000000000"
    with pytest.raises(NotCanonical):
        _ = seal_texts(EMPTY, "2026-11-18T19:00:00.000000Z", [("GENESIS", name, '{"a":"\ud800"}', None)])


class TestReadAtOnce:
    """A bead of a known kind is read in one go; what that must not let through is what the slow way does not."""

    def known(self, **changes: Json) -> bytes:
        """An observation, as we write it."""
        body: dict[str, Json] = {"about": "EFFECT", "bead_id": bead_id(1), "facts": {}, "subject": "link"}
        return seal(EMPTY, TS, [("OBSERVATION", body | changes)])[0].data

    def test_a_known_kind_is_understood_where_it_is_read(self) -> None:
        """What it says comes with it; of an unknown kind there is nothing to understand."""
        read = unseal(self.known()).unwrap()
        assert read.said is not None
        assert read.said.bead_id == bead_id(1)
        assert (read.seq, read.kind, read.ts, read.leaf) == (0, "OBSERVATION", TS, leaf_hash(self.known()))
        linked = link(EMPTY, self.known()).unwrap()
        assert linked.said == read.said
        assert linked == read == evolve(read, said=None), "what was understood is no part of what it is"
        unknown = unseal(seal(EMPTY, TS, [("TELEPATHY", {"bead_id": bead_id(1)})])[0].data).unwrap()
        assert unknown.said is None

    def test_an_instant_that_no_calendar_has(self) -> None:
        """The kind is known, the body is good, and the day is none."""
        bad = self.known().replace(TS.encode(), b"2026-02-30T19:00:00.000000Z")
        assert unseal(bad).failure() is Lie.BAD_ENVELOPE

    def test_the_largest_bead(self) -> None:
        """The last size that passes, of a kind that is read at once; one byte more is refused, whatever it says."""
        room = SIZE_MAX - len(self.known(facts={"x": ""}))
        whole = self.known(facts={"x": "a" * room})
        assert len(whole) == SIZE_MAX
        assert unseal(whole).unwrap().said is not None
        assert unseal(whole.replace(b'"x":"', b'"x":"a')).failure() is Flaw.TOO_LARGE

    def test_a_time_that_is_no_text(self) -> None:
        """Nothing else than a text is an instant."""
        for other in (b"0", b"null", b"{}", b"[]", b"true"):
            bad = self.known().replace(b'"' + TS.encode() + b'"', other)
            assert unseal(bad).failure() is Lie.BAD_ENVELOPE

"""What each layer catches when the attacker owns the host and the log's key: the table of docs/threat-model.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from typing import Final

import pytest

from phoenix_adapters import phoenix_verify
from phoenix_adapters.phoenix_verify import Lie
from phoenix_core.chain import seal
from phoenix_core.checkpoint import Checkpoint, Signer, ed25519_key_id, sign_note
from tests.contract.verifier.byte_attacks import honest
from tests.contract.verifier.story import LOG, ORIGIN, Story, named
from tests.contract.verifier.test_meaning import roots_of
from tests.contract.verifier.whole import Record, whole
from tests.showing import REPOSITORY

Row = tuple[str, str, Record]


@cache
def rows() -> tuple[Row, ...]:
    """The honest day, bead by bead: instant, kind, body."""
    return tuple((bead.ts, bead.kind, dict(bead.body)) for bead in honest().beads)


def resealed(changed: list[Row]) -> Story:
    """A day sealed anew from the first bead to the last, with a checkpoint that the log's own key signs."""
    story = Story(texts=honest().texts)
    for ts, kind, body in changed:
        story.beads += seal(story.head, ts, [(kind, body)])
    signer = Signer(ORIGIN, ed25519_key_id(ORIGIN, LOG.public.point), LOG.private.sign)
    story.notes.append(sign_note(Checkpoint(ORIGIN, len(story.beads), story.root()), signer))
    return story


PLACE: Final = honest().places["more one"]  # a bead of quantities: nothing in it needs a signature


def edited() -> Story:
    """One bead says something else."""
    found = list(rows())
    ts, kind, body = found[PLACE]
    found[PLACE] = (ts, kind, body | {"filled_quantity": "999"})
    return resealed(found)


def deleted() -> Story:
    """One bead is gone."""
    return resealed([row for seq, row in enumerate(rows()) if seq != PLACE])


def inserted() -> Story:
    """One bead more."""
    more = (rows()[PLACE][0], "HEARTBEAT", whole("HEARTBEAT", {"bead_id": named("more")}))
    return resealed([*rows()[:PLACE], more, *rows()[PLACE:]])


def cut() -> Story:
    """The tail is gone."""
    return resealed(list(rows()[:-1]))


def old() -> Story:
    """A backup of noon."""
    return resealed(list(rows()[:PLACE]))


def forked() -> Story:
    """Another history of the same length, from some bead on."""
    found = list(rows())
    for seq, otherwise in ((PLACE, Record({"reasons": ["a fork"]})), (-1, Record({"details": {"fork": "yes"}}))):
        ts, kind, body = found[seq]
        found[seq] = (ts, kind, body | otherwise)
    return resealed(found)


SIX: Final[list[Callable[[], Story]]] = [edited, deleted, inserted, cut, old, forked]


def lies(check: Callable[[Story, BytesIO], None]) -> dict[str, str]:
    """What a layer says of each of the six."""
    found: dict[str, str] = {}
    for attack in SIX:
        story = attack()
        try:
            check(story, BytesIO(story.export()))
        except Lie as lie:
            found[attack.__name__] = lie.code
    return found


def chain(story: Story, file: BytesIO) -> None:
    """The chain, the root and the log's own signatures."""
    phoenix_verify.check_bytes(file, roots_of(story))


def operators(story: Story, file: BytesIO) -> None:
    """And the operators' signatures."""
    outline = phoenix_verify.check_bytes(file, roots_of(story))
    phoenix_verify.check_meaning(file, outline, roots_of(story))


def outside(story: Story, file: BytesIO) -> None:
    """And what a notification showed, of the honest day."""
    tree = phoenix_verify.check_bytes(file, roots_of(story)).tree
    seen = f"{len(honest().beads)}:{honest().root().hex()[:8]}"
    phoenix_verify.check_outside(tree, roots_of(story), [], [seen])


class TestWhatEachLayerCatches:
    """Nothing, four, all: no more is claimed, and no less is shown."""

    def test_the_chain_alone(self) -> None:
        """0 of 6: with the log's key everything can be sealed anew."""
        assert lies(chain) == {}

    def test_with_the_operators_signatures(self) -> None:
        """4 of 6: each signature is over the root of all history before it."""
        found = lies(operators)
        assert found == dict.fromkeys(("edited", "deleted", "inserted", "forked"), "STATEMENT_OTHER_HISTORY")

    def test_with_one_checkpoint_outside(self) -> None:
        """6 of 6, by size and eight hex digits alone."""
        assert lies(outside) == {
            **dict.fromkeys(("edited", "inserted", "forked"), "FORKED"),
            **dict.fromkeys(("deleted", "cut", "old"), "BEHIND"),
        }

    def test_the_honest_day_passes_every_layer(self) -> None:
        """The twin."""
        for layer in (chain, operators, outside):
            layer(honest(), BytesIO(honest().export()))

    def test_the_page_says_so(self) -> None:
        """docs/threat-model.md claims these figures."""
        page = (REPOSITORY / "docs" / "threat-model.md").read_text("utf-8")
        found = [row.split("|")[2].strip()[:6] for row in page.splitlines() if " of 6" in row and row.startswith("|")]
        assert found == ["0 of 6", "4 of 6", "6 of 6"]


@pytest.fixture(autouse=True)
def _remembered_signatures() -> Iterator[None]:
    """Each honest signature is verified once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(phoenix_verify, "ed25519", cache(phoenix_verify.ed25519))
        yield

"""Exits that would take out more than is there, by who owns host and log key; and the honest days beside them.

The broker knows no "reduce only": an exit that is larger than its position opens the reverse one, and no human signed
for that. Each attack differs in one figure from a day that is true, which stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from phoenix_core.canonical import Json
from tests.contract.verifier.meaning_attacks import (
    MeaningAttack,
    adopted,
    after,
    attributed_to_four,
    body,
    day,
    part_of_four,
    relined,
    stated_filled,
    then,
)
from tests.contract.verifier.story import LINES, Draft, Edit, Story, frame, line, named, order_hash
from tests.contract.verifier.whole import Record

Step = Callable[[Story], None]


# --- what happens to position four, whose bracket of 1,000 works when the day is told ---------------------------------


def traded(quantity: str, exec_id: str = "4001.01", name: str = "four", **more: Json) -> Step:
    """So much was executed, of the entry unless it says otherwise."""
    return lambda story: story.append(f"traded {exec_id}", story.execution(name, exec_id, quantity=quantity, **more))


def taken_out(quantity: str, suffix: str = ".S1", exec_id: str = "4002.01") -> Step:
    """So much was executed of an exit."""
    role = {"S": "STOP", "T": "TARGET", "C": "CLOSE"}[suffix[1]]

    def tell(story: Story) -> None:
        fields: Record = {"quantity": quantity, "role": role, "side": "SELL", "ref": story.facts["ref four"] + suffix}
        story.append(f"out {exec_id}", story.execution("four", exec_id, **fields))

    return tell


def over(suffix: str = "", event: str = "ENDED", **more: Json) -> Step:
    """An order of it ended by the broker's word; or no byte of it left."""

    def tell(story: Story) -> None:
        fields: Record = {"event": event, "position_id": named("position four"), "frames": []}
        fields |= {"ref": story.facts["ref four"] + suffix, **more}
        story.append(f"{event} {suffix}", ("ORDER", fields))

    return tell


def exits(quantity: str, number: int = 2, *, roles: str = "ST", revision: int = 1, group: int | None = None) -> Step:
    """Exits of this size are recorded, in the name of the approved evidence."""

    def tell(story: Story) -> None:
        entry = story.facts["ref four"]
        lines = [line({"S": "STOP", "T": "TARGET", "C": "CLOSE"}[role], quantity=quantity) for role in roles]
        pairs = zip(roles, lines, strict=True)
        frames: list[Json] = [frame(f"{entry}.{role}{number}", of, revision) for role, of in pairs]
        order: Record = {"event": "RECORDED", "position_id": named("position four"), "frames": frames}
        order |= {"ref": f"{entry}.{roles[0]}{number}", "group": f"{entry}.G{group or number}"}
        order["mandate"] = f"evidence:{story.facts['evidence four']}"
        story.append(f"exits {roles}{number} {revision} {quantity}", ("ORDER", order))

    return tell


def closed(quantity: str, signed: str | None, group: int = 1) -> Step:
    """A close that a human signed, for a quantity or for whatever is held."""

    def tell(story: Story) -> None:
        position, ref = named("position four"), story.facts["ref four"]
        says: Record = {"position": position, "reason": "sha256:" + "0" * 64, "quantity": signed}
        statement = story.statement("close four", "close", says, 60)
        story.append("close four", story.decision("close four", story.boss, statement, position))
        order: Record = {"event": "RECORDED", "position_id": position, "ref": ref + ".C2", "group": f"{ref}.G{group}"}
        order["frames"] = [frame(ref + ".C2", line("CLOSE", quantity=quantity))]
        story.append("close order", ("ORDER", order | {"mandate": f"decision:{story.places['close four']}"}))

    return tell


def pair_of_a_close(story: Story) -> None:
    """A human signs a close of one unit, and in its name a second pair is recorded: of the whole position."""
    position, entry = named("position four"), story.facts["ref four"]
    says: Record = {"position": position, "reason": "sha256:" + "0" * 64, "quantity": "1"}
    statement = story.statement("close four", "close", says, 60)
    story.append("close four", story.decision("close four", story.boss, statement, position))
    frames: list[Json] = [frame(f"{entry}.S2", line("STOP")), frame(f"{entry}.T2", line("TARGET"))]
    order: Record = {"event": "RECORDED", "position_id": position, "ref": f"{entry}.S2", "group": f"{entry}.G2"}
    order |= {"frames": frames, "mandate": f"decision:{story.places['close four']}"}
    story.append("pair of a close", ("ORDER", order))


FILLED: Final = (traded("1000"), over())
PART: Final = (traded("400"), over())
BARE: Final = (*PART, over(".S1"), over(".T1"))


def bracket_of(stop: str) -> Callable[[], Story]:
    """The day on which the first stop has this size: on the screen, in the signature, in the token, in the frame."""
    shown: list[Json] = [LINES[0], line("STOP", trigger="1.08", quantity=stop), LINES[2]]
    hashed = order_hash(shown)
    token = body("T2_TOKEN", order_hash=hashed)
    edits: dict[str, Edit] = {"evidence one": body("EVIDENCE", lines=shown, order_hash=hashed), "approve one": token}
    edits["submit one"] = then(token, relined(1, quantity=stop))
    return day(edits=edits, says={"approve one": lambda said: said.update({"order": hashed})})


def adopted_stop(quantity: str) -> Callable[[], Story]:
    """An adopted position of 1,000 with a stop of this size."""
    return after(lambda story: setattr(story, "edits", {"adopted": relined(0, quantity=quantity)}), adopted)


def adopted_and_heard(quantity: str) -> Callable[[], Story]:
    """The executions of an adopted position come in after all: they take the place of what was stated."""

    def more(story: Story) -> None:
        ref = str(next(b.body["order_ref"] for b in story.beads if b.body.get("event") == "Adopted"))
        story.append("heard", story.execution("x", "9.01", quantity="600", ref=ref))
        story.append("heard more", story.execution("x", "10.01", quantity="300", ref=ref))
        order: Record = {"event": "RECORDED", "position_id": named("position x"), "ref": ref + ".S1", "group": ""}
        order |= {"frames": [frame(ref + ".S1", line("STOP", quantity=quantity), 2)], "mandate": f"adoption:{ref}"}
        story.append("revised", ("ORDER", order))

    return after(adopted, more)


def stated_four(quantity: str) -> Callable[[], Story]:
    """A stalled entry of which a human read 1,000 in the papers; of that 400 were corrected away, another revision."""
    correct = traded("600", "4001.02", event="CORRECTION")
    return after(stated_filled("four", of="four"), traded("1000"), correct, over(), exits(quantity, 1, revision=2))


def stated_and_traded(quantity: str, traded_then: Step) -> Callable[[], Story]:
    """A human stated an entry of 1,000; what is traded then is no news of it, and stands beside it."""
    return after(stated_filled("four", of="four"), traded_then, over(), exits(quantity, 1, revision=2))


# each row: what the exit is, the quantity that is true, the quantity that is not, and the day for a quantity
SIZES: Final[list[tuple[str, str, str, Callable[[str], Callable[[], Story]]]]] = [
    ("a close of what is held", "1000", "1001", lambda q: day(edits={"exit": relined(0, quantity=q)})),
    ("a stop beside its entry", "1000", "1001", bracket_of),
    ("a close of a part", "400", "400.5", lambda q: after(*BARE, closed(q, None, 2))),
    ("a close beside its pair", "400", "401", lambda q: after(*PART, closed(q, None))),
    ("a close that a human measured", "500", "501", lambda q: after(*FILLED, closed(q, "500"))),
    ("a close that a human measured under doubt", "1500", "1501", lambda q: after(*FILLED, closed(q, "1500"))),
    ("protection placed again", "400", "401", lambda q: after(*BARE, exits(q))),
    ("protection before anything is held", "1000", "1001", lambda q: after(exits(q, 1, revision=2))),
    ("a pair while its entry fills", "1000", "1001", lambda q: after(traded("400"), exits(q, 1, revision=2))),
    ("a pair whose entry ended", "400", "401", lambda q: after(*PART, exits(q, 1, revision=2))),
    ("a target after the stop took a part", "600", "601",
     lambda q: after(*FILLED, taken_out("400"), exits(q, 1, roles="T", revision=2))),
    ("the stop that took a part", "1000", "1001",
     lambda q: after(*FILLED, taken_out("400"), exits(q, 1, roles="S", revision=2))),
    ("an exit after a correction", "600", "601",
     lambda q: after(*FILLED, traded("600", "4001.02", event="CORRECTION"), exits(q, 1, revision=2))),
    ("an exit after a bust", "250", "251",
     lambda q: after(*FILLED, traded("250", "4003.01"), traded("0", "4001.02", event="CORRECTION"),
                     exits(q, 1, revision=2))),
    ("tenths", "0.3", "0.30000000000000000000000000000000001",
     lambda q: after(traded("0.1"), traded("0.2", "4003.01"), over(), exits(q, 1, revision=2))),
    ("an adopted position's stop", "1000", "1001", adopted_stop),
    ("an adopted position's stop when its executions came", "1000", "1001", adopted_and_heard),
    ("what was stated and then heard", "600", "601", stated_four),
    ("what was stated, and sold under one reference", "700", "701",
     lambda q: stated_and_traded(q, traded("300", "4005.01", role="CLOSE", side="SELL"))),
    ("what was stated, and bought under another one", "1200", "1201",
     lambda q: stated_and_traded(q, traded("200", "4005.01", ref=""))),
    ("what was stated, heard in part, and corrected then", "900", "901",
     lambda q: after(stated_filled("four", of="four"), traded("600"), traded("500", "4001.02", event="CORRECTION"),
                     over(), exits(q, 1, revision=2))),
    ("what was stated, and stated once more of another execution", "1300", "1301",
     lambda q: stated_and_traded(q, attributed_to_four())),
    ("what was attributed, and bought under the same one", "900", "901",
     lambda q: after(part_of_four, attributed_to_four(), traded("200", "4005.01"), over(), exits(q, 1, revision=2))),
]  # fmt: skip

# each row: what works beside what, the code, and the day
BESIDE: Final[list[tuple[str, str, Callable[[], Story]]]] = [
    ("a second pair beside the first", "EXITS_TOO_MANY", after(*FILLED, exits("1000"))),
    ("a second pair where the first ended", "TRUE", after(*FILLED, over(".S1"), over(".T1"), exits("1000"))),
    ("a second pair where half of the first ended", "EXITS_TOO_MANY", after(*FILLED, over(".S1"), exits("1000"))),
    ("a second pair where the first never left", "TRUE", after(*FILLED, over(".S1", "DROPPED"), exits("1000"))),
    ("a second pair where one revision never left", "EXITS_TOO_MANY",
     after(*FILLED, over(".S1", "DROPPED", revision=1), exits("1000"))),
    ("a second pair where the whole bracket never left", "TRUE",
     after(over("", "DROPPED"), traded("1000"), exits("1000"))),
    ("a second pair where an acknowledgement is no end", "EXITS_TOO_MANY",
     after(*FILLED, over(".S1", "ACKNOWLEDGED"), over(".T1", "CHANGED"), exits("1000"))),
    ("halves in two groups", "TRUE",
     after(*FILLED, over(".S1"), over(".T1"), exits("500"), exits("500", 3))),
    ("two groups of more than half", "EXITS_TOO_MANY",
     after(*FILLED, over(".S1"), over(".T1"), exits("500"), exits("501", 3))),
    ("a close in another group than the pair", "EXITS_TOO_MANY", after(*FILLED, closed("1000", None, 2))),
    ("a close in the group of its pair", "TRUE", after(*FILLED, closed("1000", None))),
    ("a close in the group of a pair that is too large for now", "TRUE",
     after(*FILLED, traded("600", "4001.02", event="CORRECTION"), closed("600", None))),
    ("a measured close in another group", "TRUE", after(*FILLED, closed("1000", "1000", 2))),
    ("a pair of which one half opens", "EXIT_OPENS",
     after(*BARE, lambda story: setattr(story, "edits", {"exits ST2 1 400": relined(1, side="BUY")}), exits("400"))),
    ("two groups of half, and one that grows", "EXITS_TOO_MANY",
     after(*FILLED, over(".S1"), over(".T1"), exits("500"), exits("500", 3), exits("1000", 3, revision=2))),
    ("a new exit beside a new revision", "EXITS_TOO_MANY",
     after(*FILLED, over(".T1"), exits("1000", 1, revision=2, group=7))),
    ("a pair in the name of a measured close", "EXITS_TOO_MANY", after(*FILLED, pair_of_a_close)),
    ("a group of its own beside what may fill", "TRUE",
     after(traded("400"), over(".S1"), exits("600", 1, roles="T", revision=2), exits("400", roles="S"))),
    ("a group of its own beside more than may fill", "EXITS_TOO_MANY",
     after(traded("400"), over(".S1"), exits("601", 1, roles="T", revision=2), exits("400", roles="S"))),
    ("a group of its own beside what may no longer fill", "EXITS_TOO_MANY",
     after(traded("400"), over(".S1"), exits("600", 1, roles="T", revision=2), over(), exits("400", roles="S"))),
    ("a group of its own that hangs on nothing", "EXITS_TOO_MANY",
     after(traded("400"), over(".S1"), over(".T1"), exits("400", roles="S"), exits("100", 3, roles="S"))),
    ("more than has filled and may fill", "EXITS_TOO_MANY",
     after(traded("400"), traded("100", "4003.01"), exits("500", roles="S"), exits("500", 3, roles="S"))),
    ("a pair of a part and the rest of an entry", "EXITS_TOO_MANY", after(traded("400"), exits("400", roles="S"))),
    ("a revision that shrinks", "TRUE",
     after(*FILLED, traded("600", "4001.02", event="CORRECTION"), exits("600", 1, revision=2))),
    ("a revision stays in the group of its reference", "EXITS_TOO_MANY",
     after(*FILLED, exits("500", 1, revision=2, group=7), exits("1000", roles="C", group=7))),
]  # fmt: skip


def _reshaped(**changes: Json) -> Callable[[], Story]:
    return day(edits={"fill one": body("EXECUTION", **changes)})


def _without(field: str) -> Callable[[], Story]:
    def left(drafts: list[Draft]) -> list[Draft]:
        return [(k, {n: v for n, v in b.items() if k != "EXECUTION" or n != field}) for k, b in drafts]

    return day(edits={"fill one": left})


SHAPES: Final[list[tuple[str, str, Callable[[], Story]]]] = [
    ("an execution without family", "BAD_BODY", _without("family")),
    *((f"an execution without {name}", "EXECUTION_SHAPE", _without(name)) for name in ("role", "side", "quantity")),
    ("an execution of less than nothing", "EXECUTION_SHAPE", _reshaped(quantity="-5")),
    *((f"an execution of {value!r}", "BAD_BODY", _reshaped(quantity=value))
      for value in ("1e3", "01", "1.50", ".5", "", 5, "9" * 41, "1/2", "\u0661", "-0", "0.0", "5\n", None)),
    ("an execution of a fifth role", "UNKNOWN_WORD", _reshaped(role="HEDGE")),
    ("an execution of a third side", "UNKNOWN_WORD", _reshaped(side="SHORT")),
    ("an execution of a position that is no text", "BAD_BODY", _reshaped(position_id=7)),
    ("an exit without a quantity", "BAD_BODY", day(edits={"exit": relined(0, quantity=None)})),
    ("an exit of fewer than none", "FRAMES_SHAPE", day(edits={"exit": relined(0, quantity="-1000")})),
]  # fmt: skip

ROWS: Final = [
    *((f"{name}: {q}", code, tell(q)) for name, true, false, tell in SIZES
      for q, code in ((true, "TRUE"), (false, "EXIT_TOO_LARGE"))),
    *BESIDE,
    *SHAPES,
]  # fmt: skip
EXIT_ATTACKS: Final = [MeaningAttack(*row) for row in ROWS if row[1] != "TRUE"]
EXIT_TWINS: Final = [MeaningAttack(*row) for row in ROWS if row[1] == "TRUE"]

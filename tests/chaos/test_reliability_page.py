"""docs/reliability.md says what is played and caught: its figures are those of the code, its plants the planted."""

from __future__ import annotations

import re
from math import comb
from typing import Final

from phoenix_cli.wiring.sim.scenes import CORNER_SCENES, MEETINGS
from tests.chaos.crashes.night import PAIRED, SCENARIOS
from tests.chaos.judge_plants import JUDGE_PLANTS
from tests.chaos.model.hands import OPENINGS
from tests.chaos.more_plants import MORE_PLANTS
from tests.chaos.parsers import PARSERS
from tests.chaos.parties.scripts import SCRIPTS
from tests.chaos.plants import PLANTS
from tests.chaos.scene_plants import SCENE_PLANTS
from tests.chaos.test_model_again import BROKEN_DESKS as BROKEN_AGAIN
from tests.chaos.test_model_again import WORLDS as WORLDS_AGAIN
from tests.chaos.test_model_by_lots import BROKEN_DESKS
from tests.chaos.test_model_hands import BROKEN_DESKS as BROKEN_HANDS
from tests.chaos.test_model_hands import WORLDS as WORLDS_HANDS
from tests.chaos.test_model_leaving import BROKEN_DESKS as BROKEN_LEAVING
from tests.chaos.test_model_leaving import WORLDS as WORLDS_LEAVING
from tests.chaos.test_model_nights import BROKEN_DESKS as BROKEN_NIGHTS
from tests.chaos.test_model_nights import WORLDS as WORLDS_NIGHTS
from tests.chaos.test_model_parting import BROKEN_DESKS as BROKEN_PARTING
from tests.chaos.test_model_parting import WORLDS as WORLDS_PARTING
from tests.showing import REPOSITORY

PAGE: Final = (REPOSITORY / "docs" / "reliability.md").read_text("utf-8")
STATES: Final = 9
# The judge of a story that ends in an assertion of ours.
ITSELF: Final = "the story itself"


def rows(head: str) -> list[list[str]]:
    """The cells of the table that begins with this line."""
    table = PAGE[PAGE.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_plants_of_the_page_are_those_that_are_planted() -> None:
    """Each planted bug is named once, beside a judge that the code waits for; and none is named that is not planted."""
    planted = {plant.id: plant for plant in (*PLANTS, *MORE_PLANTS, *SCENE_PLANTS, *JUDGE_PLANTS)}
    named: list[str] = []
    for names, _, red in rows("| plant | the bug | red |"):
        judges = {"BUG"} if red == ITSELF else set(re.split(r"[,;] ", red))
        for name in names.split(", "):
            named.append(name)
            assert judges & set(planted[name].caught_by), name
    assert sorted(named) == sorted(planted)


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    """How many scenes, scenarios, scripts, parsers and broken lines there are."""
    said = " ".join(PAGE.split())
    assert len(MEETINGS) % STATES == 0
    for words in (
        f"each of the {len(MEETINGS) // STATES} faults has a short directed story in each of the nine states",
        f"All {len(MEETINGS)} are played in every run",
        f"{len(CORNER_SCENES)} more scenes show corners",
        f"{len(SCENARIOS)} scenarios: the host dies",
        f"the recovery of every death, {len(PAIRED)} scenarios",
        f"{len(SCRIPTS)} scripts, six steps each",
        f"all {comb(12, 6)} orders of each",
        f"{len(PARSERS)} parsers, ",
        f"{len(BROKEN_DESKS)} bugs of one line are put into production",
        f"{len(BROKEN_AGAIN)} bugs of one line differ",
        f"{WORLDS_AGAIN:,} worlds and ",
        f"and is not changed. {len(BROKEN_LEAVING)} bugs of one line differ",
        f"{WORLDS_LEAVING:,} worlds and ",
        f"Of it, {len(BROKEN_PARTING)} bugs of one line differ",
        f"{WORLDS_PARTING:,} worlds and ",
        f"{len(BROKEN_NIGHTS)} bugs of one line differ, of nights",
        f"{WORLDS_NIGHTS:,} worlds and ",
        f"{WORLDS_HANDS:,} worlds from each of {len(OPENINGS)} openings",
        f"Of it, {len(BROKEN_HANDS)} bugs of one line break a promise",
    ):
        assert words in said, words

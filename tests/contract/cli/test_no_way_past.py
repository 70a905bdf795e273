"""No setting, no variable, no option opens the gate: only a signature does, and each of them was tried."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import pytest
from attrs import fields

from phoenix_adapters.engine.loop import Engine
from phoenix_cli.__main__ import cli
from phoenix_cli.home import ENVIRONMENT, Settings
from phoenix_cli.wiring import opening
from phoenix_cli.wiring.opening import Session
from phoenix_cli.wiring.signing import Screen, screen_of
from tests.contract.cli.gate_options import APART, ENDLESS, ROWS, Option
from tests.contract.cli.gate_search import OURS, SETTINGS, VARIABLES, approve, copy_of, play, setting, values
from tests.contract.cli.operator import Seat
from tests.showing import REPOSITORY


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MOCK desk on which one intent waits for a human, its evidence made."""
    seat = Seat(tmp_path_factory.mktemp("template") / "home")
    assert seat.json("init").code == 0
    seat.proposes("EURUSD")
    assert play(seat.home, {}, stops=False).waits
    return seat.home


class TestTheTablesAreWhole:
    """What is new in the code is missing in a table, and this says so."""

    def test_every_setting(self) -> None:
        """Each field of the configuration."""
        assert set(SETTINGS) == {each.name for each in fields(Settings)}
        assert set(ENVIRONMENT.values()) <= set(SETTINGS)

    def test_every_variable(self) -> None:
        """Each name that the source could look up in the environment; no option takes its value from there."""
        texts = [path.read_text("utf-8") for path in (REPOSITORY / "src").rglob("*.py")]
        named = {name for text in texts for name in NAMES.findall(text)}
        assert named - NO_VARIABLES == {*VARIABLES, *ENVIRONMENT}
        assert named >= NO_VARIABLES
        assert not any("auto_envvar" in text or "envvar=" in text for text in texts)

    def test_every_look_at_the_environment(self) -> None:
        """Wherever the source asks the environment, it asks by a name, but for these places."""
        asked: Counter[str] = Counter()
        for path in (REPOSITORY / "src").rglob("*.py"):
            for line in path.read_text("utf-8").splitlines():
                if re.search(r"\benviron(ment)?\b[^:=]*(\.get\(|\[)(?![\"'])|getenv\(", line) and "def " not in line:
                    asked[path.name] += 1
        assert asked == ASKED_BY_NAME

    def test_every_option(self) -> None:
        """Each option and argument of each command is in a row, or its whole command stands apart with a reason."""
        there = set(options(cli))
        tried = {option for row in ROWS for option in row.tries()}
        apart = {option for option in there if option[0] in APART} | ENDLESS.keys()
        assert tried & apart == set()
        assert there - apart - tried == set(), "new: add a row to gate_options.py"
        assert tried - there == set()
        assert set(APART) <= {command for command, _ in there} | {"completion"}


NAMES: Final = re.compile(rf'"((?:{"|".join(OURS)})[A-Z_]*[A-Z]|NO_COLOR)"')
# Words in capitals that are no variables: kinds of beads, causes, answers.
NO_VARIABLES: Final = {"IBKR_SESSION", "IBKR_CONNECTED", "IBKR_PAPER_CONNECTED", "PHOENIX_CORRECTED"}
# Where the environment is handed on, or asked by the names that stand beside it.
ASKED_BY_NAME: Final = {"home.py": 1, "opening.py": 1, "startup.py": 1}


def options(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[Option]:
    """Every option and argument of a command and of those below it."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from options(below, (*path, name))
        return
    for each in command.params:
        yield " ".join(path), each.opts[0] if isinstance(each, click.Option) else f"<{each.name}>"
    yield " ".join(path), ""


class TestNothingButASignature:
    """One intent waits; nobody signs; nothing leaves."""

    def test_a_signature_does(self, template: Path, tmp_path: Path) -> None:
        """The twin of all that follows: the same desk, and a human who approves."""
        played = play(copy_of(template, tmp_path), {}, approves=True)
        assert played.waits
        assert [frame.line.role.value for frame in played.frames] == ["ENTRY", "STOP", "TARGET"]

    @pytest.mark.parametrize(("name", "value"), list(values()), ids=lambda each: str(each)[:20])
    def test_no_setting_does(self, name: str, value: object, template: Path, tmp_path: Path) -> None:
        """In the configuration, at the ends of what it may be and beyond."""
        home = copy_of(template, tmp_path)
        setting(home, name, value)
        assert play(home, {}).nothing_left

    @pytest.mark.parametrize("name", sorted({*VARIABLES, *ENVIRONMENT}))
    def test_no_variable_does(self, name: str, template: Path, tmp_path: Path) -> None:
        """In the environment, which beats the configuration."""
        row = VARIABLES.get(name) or tuple(str(value) for value in SETTINGS[ENVIRONMENT[name]])
        ran = []
        for number, value in enumerate(row):
            home = copy_of(template, tmp_path / str(number))
            played = play(home, {name: value.replace("{home}", str(home))})
            assert played.nothing_left, value
            ran.append(played.waits)
        assert any(ran), "at none of these values did the desk come so far that only the gate could stop it"

    def test_all_that_is_permissive_at_once(self, template: Path, tmp_path: Path) -> None:
        """Whatever sounds like less care, together."""
        home = copy_of(template, tmp_path)
        setting(home, "allow_live", True)
        setting(home, "order_types", "MARKET,LIMIT")
        more = {"IBKR_ALLOW_LIVE": "true", "PHOENIX_ORDER_TYPES": "MARKET,LIMIT", "PHOENIX_MOCK_CHAOS": "INSTANT"}
        played = play(home, more)
        assert played.waits
        assert played.nothing_left

    @pytest.mark.parametrize("command", sorted({row.command for row in ROWS}))
    def test_no_option_does(self, command: str, template: Path, tmp_path: Path) -> None:
        """Every command with every option, on a desk whose operator's key is not there to sign with."""
        for number, row in enumerate(row for row in ROWS if row.command == command):
            home = copy_of(template, tmp_path / str(number))
            (home / "keys" / "operator").unlink()
            row.run(Seat(home))
            assert play(home, {}).nothing_left, row

    def test_the_search_finds_a_back_door(
        self, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Planted: an engine that signs for the human where a setting says so. The search sees it there only."""
        made, settled = opening.engine_of, Engine.settle

        def engine_of(session: Session, say: Any) -> Engine:
            async def settle(engine: Engine) -> None:
                await settled(engine)
                _ = session.recorder.catch_up()
                for intent in list(session.desk.signals.open) if session.settings.allow_live else []:
                    shown = screen_of(session.desk, intent, session.clock.now())
                    if isinstance(shown, Screen):
                        approve(session, shown)

            monkeypatch.setattr(Engine, "settle", settle)
            return made(session, say)

        monkeypatch.setattr(opening, "engine_of", engine_of)
        found = {}
        for value in (False, True):
            home = copy_of(template, tmp_path / str(value))
            setting(home, "allow_live", value)
            found[value] = play(home, {}).nothing_left
        assert found == {False: True, True: False}

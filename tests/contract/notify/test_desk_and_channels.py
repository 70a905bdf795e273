"""A whole desk and its channels: nothing waits for them, nothing is lost, CRITICAL comes first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Generator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import Factory, define
from click.testing import CliRunner

from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.notify.console import SAID_MAX, ConsoleNotifier
from phoenix_adapters.notify.telegram import TelegramNotifier
from phoenix_cli.__main__ import cli
from phoenix_cli.home import Home
from phoenix_cli.output import UNREACHABLE
from phoenix_cli.wiring.opening import fresh_id, notifiers_of, opened
from phoenix_cli.wiring.startup import live_problems
from phoenix_core.acts.operate import ProveChannel
from phoenix_core.beads import Alert, AlertEvent
from phoenix_core.kernel import sealed
from phoenix_core.rulings import granted
from phoenix_core.values import BadInput, CommandId, Severity, State, derived_id
from phoenix_core.watch.alerts import Message
from phoenix_core.watch.codes import Code, alert
from tests.contract.notify.bot_server import CHAT, TOKEN, BotServer, bot_server, refusal
from tests.contract.notify.json_server import json_server
from tests.showing import shows
from tests.stage import Stage, stage


@define
class Deaf:
    """A channel whose send never comes to an end."""

    asked: list[str] = Factory(list)
    name: str = "deaf"

    async def send(self, message: Message) -> bool:
        """Wait for ever."""
        self.asked += message.alerts
        _ = await asyncio.Event().wait()
        raise AssertionError("nobody ever sets that event")


@define
class Torn:
    """A channel whose connection breaks each time."""

    name: str = "torn"

    async def send(self, message: Message) -> bool:
        """Fail as a socket does."""
        raise ConnectionResetError


@define
class Paper:
    """A channel that takes everything and keeps it."""

    messages: list[Message] = Factory(list)
    name: str = "paper"

    async def send(self, message: Message) -> bool:
        """Keep one message."""
        self.messages.append(message)
        return True


@pytest.fixture
def server() -> Iterator[BotServer]:
    """A server of this test's own."""
    with bot_server() as made:
        yield made


def raise_alerts(desk: Stage, *bodies: Alert) -> None:
    """Alerts into the log, as another process of the desk would write them."""
    head = desk.store.head()
    command_id = CommandId(derived_id("test-alerts", str(head.size)))
    beads = sealed(head, desk.clock.now().wall, command_id, granted("alerts", *bodies))
    _ = desk.store.append(head, beads).unwrap()


def storm(count: int, critical_every: int = 0, key: str = "") -> list[Alert]:
    """So many alerts; each so-manieth one is CRITICAL."""
    codes = [Code.FAIL_STOP if critical_every and n % critical_every == 0 else Code.ORDER_HELD for n in range(count)]
    return [alert(code, f"subject {n}", f"{key}{n}") for n, code in enumerate(codes)]


def told(desk: Stage) -> dict[str, str]:
    """Which channel took which alert, as the log has it."""
    return {body.alert: body.channel for body in desk.bodies(Alert) if body.event is AlertEvent.SENT}


def follow(telegram: TelegramNotifier, desk: Stage) -> None:
    """Let the channel's pauses pass on the desk's clock, which no real wait is needed for."""

    def ticks_s() -> float:
        return desk.clock.now().ticks.total_seconds()

    telegram.ticks_s = telegram._patience.ticks_s = ticks_s


async def counted(work: Coroutine[object, object, None]) -> int:
    """Carry a coroutine to its end; how often it gave way to the loop. It may give way, and may wait for nothing."""

    class Counting:
        times = 0

        def __await__(self) -> Generator[object, object, None]:
            steps = work.__await__()
            while True:
                try:
                    waited_for = next(steps)
                except StopIteration:
                    return
                assert waited_for is None, f"the step waits for {waited_for!r}"
                self.times += 1
                yield None

    counting = Counting()
    await counting
    return counting.times


async def live(desk: Stage, seconds: float, turns: int = 12) -> None:
    """Let time pass, and the engine take its turns, without ever waiting for what it started."""
    desk.clock.advance(timedelta(seconds=seconds))
    for symbol, last in desk.broker.quotes().items():
        desk.broker.set_quote(symbol, last.bid, last.ask)
    for _ in range(turns):
        assert await counted(desk.engine.step()) == 1
        for _ in range(5):
            await asyncio.sleep(0)


async def trade(desk: Stage) -> State:
    """Signal to fill, as a person at the desk would do it while the channels do what they like."""
    _ = (await desk.engine.start()).unwrap()
    await live(desk, 1)
    data = desk.signal()
    _ = desk.act(proposal_of("", data, "bot")).unwrap()
    await live(desk, 1)
    intent = derived_id("test-intent", "1")
    _ = desk.approve(intent).unwrap()
    await live(desk, 1)
    await live(desk, 5)
    return desk.state(intent)


async def end(desk: Stage) -> None:
    """Leave no task behind."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        _ = task.cancel()
    _ = await asyncio.gather(*tasks, return_exceptions=True)


class TestNobodyWaits:
    """F69: a channel that hangs, raises, is told RetryAfter 3600 or 409: the core goes on as if it were not there."""

    @shows("F69", "CV_S33_7_TELEGRAM_TIMEOUT")
    async def test_a_send_that_never_ends_delays_nothing(self) -> None:
        """Each step gives way once and waits for nothing, from signal to fill, with a CRITICAL on its way for ever."""
        deaf = Deaf()
        desk = stage(notifiers=(deaf,))
        raise_alerts(desk, alert(Code.FAIL_STOP, "the desk", "k"))
        try:
            assert await trade(desk) is State.MANAGED
            assert deaf.asked, "the channel was never asked: this shows nothing"
            assert len(deaf.asked) == len(set(deaf.asked)), "what is on its way was handed over again"
            assert told(desk) == {}
            assert len(desk.desk.alerts.unsent) >= 1
        finally:
            await end(desk)

    @shows("F69")
    async def test_the_same_trade_with_and_without_a_hanging_channel(self) -> None:
        """Bead for bead the desk does the same: apart from what tells of deliveries there is no difference."""
        kinds = []
        for channels in ((), (Deaf(),)):
            desk = stage(notifiers=channels)
            assert await trade(desk) is State.MANAGED
            kinds.append([bead.body.kind for bead in desk.beads()])
            await end(desk)
        assert kinds[0] == kinds[1]

    @shows("F69", "S33-NOT-03")
    @pytest.mark.parametrize(
        "said", [*(refusal(code) for code in (401, 409, 500)), refusal(429, retry_after=3600), "cut", "hang"]
    )
    async def test_the_second_channel_is_used(self, server: BotServer, said: tuple[int, dict[str, object]]) -> None:
        """Whatever Telegram does, the alert leaves by the next channel, and the log says which one took it."""
        server.always = said  # type: ignore[assignment]  # a tuple or a word, as the script has them
        paper = Paper()
        telegram = TelegramNotifier(TOKEN, CHAT, server.url, within_s=0.2)
        desk = stage(notifiers=(telegram, paper))
        _ = (await desk.engine.start()).unwrap()
        body = alert(Code.FAIL_STOP, "the desk", "k")
        raise_alerts(desk, body)
        await desk.tick(1)
        assert [message.alerts for message in paper.messages] == [(body.alert,)]
        assert told(desk) == {body.alert: "paper"}

    @shows("F69", "S33-NOT-03", "CV_S33_7_TELEGRAM_TIMEOUT")
    async def test_blocked_then_open(self, server: BotServer) -> None:
        """With Telegram alone and blocked the alert stays in the log's outbox; when it is open again the alert goes.
        The console has said it meanwhile, once, and did not count as delivery."""
        lines: list[str] = []
        telegram = TelegramNotifier(TOKEN, CHAT, server.url)
        desk = stage(notifiers=(telegram, ConsoleNotifier(lines.append, settles=False)))
        follow(telegram, desk)
        _ = (await desk.engine.start()).unwrap()
        server.always = "cut"
        body = alert(Code.FAIL_STOP, "the desk", "k")
        raise_alerts(desk, body)
        for _ in range(5):
            await desk.tick(10)
        assert body.alert in desk.desk.alerts.unsent
        assert server.asked > 1
        server.always = ""
        for _ in range(12):
            await desk.tick(10)
        assert told(desk)[body.alert] == "telegram"
        assert sum(body.text in text for text in server.texts) == 1
        assert sum(body.text in line for line in lines) == 1


class TestFloods:
    """F70: five hundred alerts in a minute: critical ones first, the rest summarised, none lost."""

    @shows("F70", "CV_S33_8_TELEGRAM_REAL_FLOOD", "S32-NOT-01")
    async def test_five_hundred_alerts(self, server: BotServer) -> None:
        """Each of fifty CRITICALs is a message of its own and goes before the first batch; every alert is SENT."""
        desk = stage(notifiers=(TelegramNotifier(TOKEN, CHAT, server.url),))
        _ = (await desk.engine.start()).unwrap()
        alerts = storm(500, critical_every=10)
        for start in range(0, 500, 100):
            raise_alerts(desk, *alerts[start : start + 100])
        for _ in range(8):
            await desk.tick(6)
        assert told(desk).keys() >= {one.alert for one in alerts}
        assert not desk.desk.alerts.unsent
        loud = [n for n, text in enumerate(server.texts) if text.startswith("CRITICAL")]
        assert loud == list(range(50)), "a CRITICAL waited behind a batch, or shared a message"
        assert len(server.texts) - len(loud) <= 6, "the device was swamped"
        assert "and 440 more: 440 x ORDER_HELD" in server.texts[50]

    @shows("S33-NOT-04", "CV_S33_8_TELEGRAM_REAL_FLOOD")
    async def test_fifty_in_a_minute_are_a_handful_of_messages(self, server: BotServer) -> None:
        """One alert each 1.2 s for a minute: at most one message in ten seconds, and nothing is lost."""
        desk = stage(notifiers=(TelegramNotifier(TOKEN, CHAT, server.url),))
        _ = (await desk.engine.start()).unwrap()
        alerts = storm(50)
        for one in alerts:
            raise_alerts(desk, one)
            await desk.tick(1.2)
        await desk.tick(12)
        await desk.tick(12)
        assert told(desk).keys() >= {one.alert for one in alerts}
        assert len(server.texts) <= 8

    @shows("S33-NOT-01", "S33-SEAM-02")
    async def test_a_critical_does_not_wait_for_the_throttle(self, server: BotServer) -> None:
        """While a batch was just sent and the next must wait, a CRITICAL goes at once."""
        desk = stage(notifiers=(TelegramNotifier(TOKEN, CHAT, server.url),))
        _ = (await desk.engine.start()).unwrap()
        raise_alerts(desk, *storm(10))
        await desk.tick(6)
        before = len(server.texts)
        raise_alerts(desk, *storm(10, key="later"), alert(Code.FAIL_STOP, "the desk", "k"))
        await desk.tick(0.1)
        assert [text.split(maxsplit=1)[0] for text in server.texts[before:]] == ["CRITICAL"]

    @shows("F70")
    async def test_a_429_in_the_middle_loses_nothing(self, server: BotServer) -> None:
        """Telegram asks for silence in the middle of twenty CRITICALs: all arrive, none of the delivered ones twice."""
        desk = stage(notifiers=(telegram := TelegramNotifier(TOKEN, CHAT, server.url),))
        follow(telegram, desk)
        _ = (await desk.engine.start()).unwrap()
        server.script += ["", "", refusal(429, retry_after=30)]
        alerts = storm(20, critical_every=1)
        raise_alerts(desk, *alerts)
        for _ in range(12):
            await desk.tick(10)
        assert told(desk).keys() >= {one.alert for one in alerts}
        critical = [text for text in server.texts if text.startswith("CRITICAL Stopped")]
        assert sorted(critical) == sorted(set(critical))
        assert len(critical) == 20


class TestWhichChannels:
    """The environment names the channels; nothing else does."""

    @pytest.fixture(autouse=True)
    def _bare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "TELEGRAM_API_URL", "APPRISE_URLS"):
            monkeypatch.delenv(name, raising=False)

    def test_the_console_alone_counts(self) -> None:
        """Where nothing is named, the console is the channel."""
        (console,) = notifiers_of(lambda text: None, settles=False)
        assert isinstance(console, ConsoleNotifier)
        assert console.settles

    def test_the_console_comes_last_and_does_not_count_beside_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Telegram first, Apprise next; for an engine the console says things and settles nothing."""
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
        monkeypatch.setenv("TELEGRAM_CHAT_ID", CHAT)
        monkeypatch.setenv("APPRISE_URLS", "json://127.0.0.9/")
        channels = notifiers_of(lambda text: None, settles=False)
        assert [channel.name for channel in channels] == ["telegram", "apprise", "console"]
        assert isinstance(channels[-1], ConsoleNotifier)
        assert not channels[-1].settles

    def test_half_a_configuration_refuses_to_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A token without a chat is a mistake, not a wish for silence."""
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
        with pytest.raises(BadInput, match="TELEGRAM_CHAT_ID"):
            _ = notifiers_of(lambda text: None)

    async def test_the_console_says_what_it_is_given(self) -> None:
        """As the only channel it takes a message; beside others it says it once."""
        lines: list[str] = []
        message = Message(Severity.WARNING, ("a",), "WARNING words")
        assert await ConsoleNotifier(lines.append).send(message)
        quiet = ConsoleNotifier(lines.append, settles=False)
        assert not await quiet.send(message)
        assert not await quiet.send(message)
        assert lines == ["WARNING words"] * 2

    async def test_the_only_console_says_it_as_often_as_it_is_asked(self) -> None:
        """It took the message each time: whoever offers it again has a reason, such as a log that kept no SENT."""
        lines: list[str] = []
        only, message = ConsoleNotifier(lines.append), Message(Severity.WARNING, ("a",), "WARNING words")
        assert await only.send(message) and await only.send(message)
        assert lines == ["WARNING words"] * 2

    async def test_a_console_beside_others_remembers_so_much_and_no_more(self) -> None:
        """A channel that is down for months: what was said two thousand alerts ago is said again, and nothing grows."""
        lines: list[str] = []
        quiet = ConsoleNotifier(lines.append, settles=False)
        for n in (*range(SAID_MAX + 1), 0):
            _ = await quiet.send(Message(Severity.WARNING, (str(n),), f"WARNING {n}"))
        assert len(lines) == SAID_MAX + 2
        _ = await quiet.send(Message(Severity.WARNING, (str(SAID_MAX),), "WARNING again"))
        assert len(lines) == SAID_MAX + 2, "the newest are remembered"


class TestSixSteps:
    """S33-NOT-02: ping, READY, DRIFT, KILL, ten as one batch, a flood of fifty throttled."""

    @shows("S33-NOT-02", "GATE_S33_P1_4")
    def test_the_sequence_arrives(self, server: BotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`phoenix alerts test` against a local Telegram: six messages, the batches told as batches, exit 0."""
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("APPRISE_URLS", raising=False)
        monkeypatch.setenv("PHOENIX_HOME", str(tmp_path))
        said = CliRunner().invoke(cli, ["--json", "alerts", "test"])
        assert said.exit_code == 0, said.output
        steps = json.loads(said.stdout)["steps"]
        assert [step["alerts"] for step in steps] == [1, 1, 1, 1, 10, 50]
        assert all(step["delivered"]["telegram"] for step in steps)
        assert [text.split(maxsplit=1)[0] for text in server.texts[:4]] == ["INFO", "INFO", "CRITICAL", "CRITICAL"]
        assert len(server.texts) == 6
        assert server.texts[4].count("\n") == 9
        assert "and 40 more: 40 x TEST" in server.texts[5]

    @shows("INV-TELEGRAM-LIVE-1")
    @pytest.mark.parametrize("down", [False, True])
    def test_the_log_keeps_which_channel_took_every_step(
        self, server: BotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down: bool
    ) -> None:
        """Where there is a desk: the channel that took it all is proven there, one that did not is not, nor is the
        console; a LIVE desk would still ask for a second one."""
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("APPRISE_URLS", "")
        monkeypatch.setenv("PHOENIX_HOME", str(tmp_path / "home"))
        assert CliRunner().invoke(cli, ["--json", "init"]).exit_code == 0
        server.always = "cut" if down else server.always
        said = CliRunner().invoke(cli, ["--json", "alerts", "test"])
        wanted: list[str] = [] if down else ["telegram"]
        assert json.loads(said.stdout)["proven"] == wanted
        with opened(Home(tmp_path / "home")) as session:
            assert list(session.desk.alerts.proven) == wanted
            asked = [line for line in live_problems(session) if "proven" in line]
            assert asked and all(name in asked[0] for name in wanted or ["none"])
            _ = session.recorder.act(ProveChannel(fresh_id(), "telegram")).unwrap()
            _ = session.recorder.act(ProveChannel(fresh_id(), "apprise")).unwrap()
            assert not [line for line in live_problems(session) if "proven" in line]

    def test_a_channel_that_does_not_take_it_is_said(
        self, server: BotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The command fails, and does not claim that anything was delivered."""
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PHOENIX_HOME", str(tmp_path))
        server.always = "cut"
        said = CliRunner().invoke(cli, ["--json", "alerts", "test"])
        assert said.exit_code != 0
        assert not any(step["delivered"]["telegram"] for step in json.loads(said.stdout)["steps"])

    @shows("S33-NOT-02")
    @pytest.mark.parametrize("failing", [0, 4])
    def test_each_channel_is_told_of_by_itself(
        self, server: BotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
    ) -> None:
        """Apprise takes every step; Telegram all of them, or three and then none. One that fails anywhere makes the
        command fail with exit 3, its steps say so, with the setting to look at below them, and only the one that took
        them all is proven."""
        server.script = ["", "", "", refusal(400)] if failing else []
        home = tmp_path / "home"
        with json_server() as other:
            told = server.environment() | {"APPRISE_URLS": other.url, "PHOENIX_HOME": str(home)}
            for name, value in told.items():
                monkeypatch.setenv(name, value)
            assert CliRunner().invoke(cli, ["init"]).exit_code == 0
            said = CliRunner().invoke(cli, ["alerts", "test"])
        rows = [line.partition("messages:")[2] for line in said.stdout.splitlines() if "messages:" in line]
        whole, torn = " telegram ok, apprise ok, console ok", " telegram FAILED, apprise ok, console ok"
        assert rows == ([whole] * 3 + [torn] * 3 if failing else [whole] * 6)
        assert said.exit_code == (UNREACHABLE if failing else 0)
        assert ("\ntelegram: Telegram refuses the message" in said.stdout) is bool(failing)
        assert said.stdout.count("check TELEGRAM_CHAT_ID") == bool(failing), "why it failed is said once"
        assert len(other.documents) == 6
        with opened(Home(home)) as session:
            assert set(session.desk.alerts.proven) == ({"apprise"} if failing else {"apprise", "telegram"})

    @pytest.mark.parametrize("broken", [Torn(), Deaf()])
    def test_a_channel_that_breaks_or_hangs_keeps_no_other_waiting(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Torn | Deaf
    ) -> None:
        """It is FAILED at every step, after our own time at the latest; the other one gets all there is."""
        paper = Paper()
        monkeypatch.setenv("PHOENIX_HOME", str(tmp_path))
        monkeypatch.setattr("phoenix_cli.wiring.opening.notifiers_of", lambda say: (broken, paper))
        monkeypatch.setattr("phoenix_cli.commands.alerts.CHANNEL_WITHIN_S", 0.05)
        said = CliRunner().invoke(cli, ["--json", "alerts", "test"])
        assert said.exit_code == UNREACHABLE, said.output
        delivered = [step["delivered"] for step in json.loads(said.stdout)["steps"]]
        assert delivered == [{broken.name: False, "paper": True}] * 6
        assert len(paper.messages) == 6

"""Where each promise lives: the table of rooms names what is there, the mock has its odds, secrets stay out."""

from __future__ import annotations

import ast
import json
import re
from decimal import Decimal
from random import Random
from typing import Final

import pytest
from attrs import fields

from phoenix_adapters.brokers.mock.chaos import ODDS, ChaosMode, Fill, Partial, Reject, draw
from phoenix_cli.home import ENVIRONMENT, Settings, load_settings
from phoenix_cli.home import Home as HomeFolder
from phoenix_core.beads import Kind
from tests.showing import REPOSITORY, shows

ROOMS: Final = REPOSITORY / "docs" / "spec" / "rooms.md"
SHORT: Final = {
    "core/": "src/phoenix_core/",
    "adapters/": "src/phoenix_adapters/",
    "cli/": "src/phoenix_cli/",
}


@shows("S32-TOK-01", "S32-LIF-01", "S32-REC-01", "S32-PRO-01", "S32-STL-01", "S33-MON-01", "S32-CON-01", "S33-CON-01")
@shows("S32-TOK-13", "S32-LIF-21", "S32-REC-12", "S32-PRO-11", "S33-MON-14", "S32-CON-12", "S33-CON-09", "S33-CSE-05")
def test_every_room_that_the_table_names_is_there() -> None:
    """Old packages and test files have rooms here, and the page that says where is true."""
    rows = [line for line in ROOMS.read_text("utf-8").splitlines() if line.startswith("| ") and "---" not in line]
    named = [place for row in rows for place in re.findall(r"`([^`]+)`", row.split("|")[2])]
    places = [place for place in named if "/" in place and not place.startswith("phoenix ")]
    assert len(places) > 30
    for place in places:
        path = next((long + place[len(short) :] for short, long in SHORT.items() if place.startswith(short)), place)
        if path in ("intents/incoming/", "responses/"):
            continue  # in a desk's home, made by `phoenix init`
        assert (REPOSITORY / path).exists(), f"rooms.md names {place}"


@shows("S32-TOK-07", "S32-LIF-20", "S32-REC-11", "S33-SES-09", "S33-MON-04")
def test_every_kind_has_a_published_schema() -> None:
    """The schemas stand under docs/spec/schemas, one for each kind of bead, closed."""
    for kind in Kind:
        schema = json.loads((REPOSITORY / "docs" / "spec" / "schemas" / f"{kind.value}.json").read_text("utf-8"))
        assert schema["additionalProperties"] is False, kind


@shows("S32-TOK-09", "S33-GRD-09", "INV-IBKR-CONFIG-1")
def test_identifiers_come_from_secrets_and_credentials_from_the_environment() -> None:
    """INV-IBKR-CONFIG-1 by reading: tokens are minted with `secrets`, and no source holds a credential."""
    minted = (REPOSITORY / "src/phoenix_cli/wiring/signing.py").read_text("utf-8")
    assert "secrets.token_hex" in minted and "uuid4" not in minted
    secret = re.compile(r"(?i)(password|passwd|api_key|bot_token|chat_id|secret)\s*=\s*['\"][^'\"]{6,}['\"]")
    for path in (REPOSITORY / "src").rglob("*.py"):
        found = secret.search(path.read_text("utf-8"))
        assert found is None, f"{path}: {found}"
    example = (REPOSITORY / ".env.example").read_text("utf-8")
    assert all(name in example for name in ("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "IBKR_MODE", "IBKR_ALLOW_LIVE"))


def test_the_example_of_the_environment_names_every_variable_and_starts_a_desk() -> None:
    """Every variable that the source reads stands in it; and copied as it is it sets a MOCK desk nothing in the way."""
    example = (REPOSITORY / ".env.example").read_text("utf-8")
    source = "".join(path.read_text("utf-8") for path in (REPOSITORY / "src").rglob("*.py"))
    read = set(re.findall(r"environ(?:ment)?\.get\(\"([A-Z_]+)\"", source)) | set(ENVIRONMENT)
    others = {"NO_COLOR", "SSH_AUTH_SOCK", "TERM", "XDG_DATA_HOME"}  # they belong to the whole machine
    assert {"PHOENIX_MOCK_SEED", "PHOENIX_DEADMAN_URL", "IBKR_CLIENT_ID"} <= read
    assert sorted(name for name in read - others if f"{name}=" not in example) == []
    lines = [line.partition("=") for line in example.splitlines() if line and not line.startswith("#")]
    found = load_settings(HomeFolder(REPOSITORY / "no-such-home"), {name: value for name, _, value in lines})
    assert (found.mode, found.port, found.account) == ("mock", 0, "")


@shows("S33-GRD-01", "S33-CON-02")
def test_the_environment_says_mode_and_permission() -> None:
    """IBKR_MODE and IBKR_ALLOW_LIVE exist, and their defaults are mock and false."""
    assert ENVIRONMENT["IBKR_MODE"] == "mode"
    assert ENVIRONMENT["IBKR_ALLOW_LIVE"] == "allow_live"
    assert (Settings().mode, Settings().allow_live) == ("mock", False)
    nowhere = HomeFolder(REPOSITORY / "no-such-home")
    said = load_settings(nowhere, {"IBKR_MODE": "paper", "IBKR_ALLOW_LIVE": "true"})
    assert (said.mode, said.allow_live) == ("paper", True)


def test_every_setting_is_read_by_somebody() -> None:
    """What an operator may write into phoenix.toml means something: a setting that nobody reads is a false promise."""
    source = "".join(path.read_text("utf-8") for path in (REPOSITORY / "src/phoenix_cli").rglob("*.py"))
    unread = [each.name for each in fields(Settings) if not re.search(rf"settings\.{each.name}\b", source)]
    assert unread == []


@shows("S32-MOCK-01", "S32-MOCK-02", "S32-MOCK-03")
def test_the_modes_have_the_odds_that_they_promise() -> None:
    """INSTANT, REALISTIC and ADVERSARIAL, figure by figure; each adds up to one."""
    wanted = {
        ChaosMode.INSTANT: ("1.0", "0.0", "0.0", "0.0", (0, 0)),
        ChaosMode.REALISTIC: ("0.90", "0.05", "0.03", "0.02", (10, 30)),
        ChaosMode.ADVERSARIAL: ("0.70", "0.15", "0.10", "0.05", (30, 60)),
    }
    for mode, (fill, part, reject, delay, span) in wanted.items():
        odds = ODDS[mode]
        assert (odds.fill_probability, odds.partial_fill_prob) == (Decimal(fill), Decimal(part))
        assert (odds.reject_prob, odds.delay_prob, odds.delay_range_sec) == (Decimal(reject), Decimal(delay), span)
        assert odds.fill_probability + odds.partial_fill_prob + odds.reject_prob + odds.delay_prob == 1


@shows("S32-MOCK-01", "S32-MOCK-02", "S32-MOCK-03")
@pytest.mark.parametrize(
    ("mode", "promised", "delays"),
    [
        (ChaosMode.INSTANT, (1.0, 0.0, 0.0, 0.0), (0, 0)),
        (ChaosMode.REALISTIC, (0.90, 0.05, 0.03, 0.02), (10, 30)),
        (ChaosMode.ADVERSARIAL, (0.70, 0.15, 0.10, 0.05), (30, 60)),
    ],
    ids=lambda each: each.name if isinstance(each, ChaosMode) else "",
)
def test_what_is_drawn_is_what_the_mode_promises(
    mode: ChaosMode, promised: tuple[float, ...], delays: tuple[int, int]
) -> None:
    """The shares of 20,000 draws; delays that reach from one end of their range to the other; parts that are parts."""
    dice = Random(17)
    fates = [draw(mode, dice) for _ in range(20_000)]
    late = [fate.after.total_seconds() for fate in fates if isinstance(fate, Fill) and fate.after]
    parts = [fate.share for fate in fates if isinstance(fate, Partial)]
    refused = sum(isinstance(fate, Reject) for fate in fates)
    drawn = (len(fates) - len(late) - len(parts) - refused, len(parts), refused, len(late))
    assert all(abs(count / len(fates) - share) < 0.01 for count, share in zip(drawn, promised, strict=True)), drawn
    assert (min(late, default=0), max(late, default=0)) == delays
    assert all(0 < share < 1 for share in parts) and bool(parts) is (promised[1] > 0)


@shows("S32-MOCK-05", "S32-MOCK-07")
def test_the_same_seed_draws_the_same_fates_in_the_promised_shares() -> None:
    """Chaos is reproducible, and 20,000 draws come within one percent of the odds."""
    one = [draw(ChaosMode.ADVERSARIAL, Random(5)) for _ in range(3)]
    assert one == [draw(ChaosMode.ADVERSARIAL, Random(5)) for _ in range(3)]
    dice = Random(11)
    fates = [draw(ChaosMode.ADVERSARIAL, dice) for _ in range(20_000)]
    shares = {
        "fill": sum(isinstance(f, Fill) and not f.after for f in fates) / 20_000,
        "partial": sum(isinstance(f, Partial) for f in fates) / 20_000,
        "reject": sum(isinstance(f, Reject) for f in fates) / 20_000,
        "delay": sum(isinstance(f, Fill) and bool(f.after) for f in fates) / 20_000,
    }
    assert abs(shares["fill"] - 0.70) < 0.01
    assert abs(shares["partial"] - 0.15) < 0.01
    assert abs(shares["reject"] - 0.10) < 0.01
    assert abs(shares["delay"] - 0.05) < 0.01
    assert all(30 <= f.after.total_seconds() <= 60 for f in fates if isinstance(f, Fill) and f.after)


@shows("S32-CON-02")
def test_nobody_else_imports_the_client() -> None:
    """ib_insync and ib_async are imported inside their folder only, whatever the file is called."""
    for path in (REPOSITORY / "src").rglob("*.py"):
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {
            (node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
        if "brokers/ibkr" not in path.as_posix():
            assert not names & {"ib_insync", "ib_async"}, path


@shows("S33-GRD-11", "S33-GRD-12", "S33-REV-04", "S33-REV-05", "S33-GRD-10")
def test_the_roadmap_says_what_waits_for_whom() -> None:
    """Phase 2 is a design until the owner is ready; the veto bead is named and not built; boring is safe."""
    page = (REPOSITORY / "docs" / "roadmap.md").read_text("utf-8")
    for words in ("Boring is safe", "DESIGN_ONLY", "veto bead", "EUR/USD live", "six pairs", "5 to 10 trading days"):
        assert words in page, words
    assert "VETO" not in {kind.value for kind in Kind}

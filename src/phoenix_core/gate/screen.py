"""What the human saw: the fact block of the approve screen, as deterministic text of one evidence and one quote.

Its hash is part of the signed statement, so that an auditor can make the screen again from the log. Facts are never
truncated: a line that is full goes on in the next one. Countdown, prompt and match words stand outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from textwrap import wrap
from typing import Final

from attrs import frozen

from phoenix_core.beads import Evidence
from phoenix_core.gate.evidence import AMBER, EVIDENCE_LIFE, INFO, KILL, RED
from phoenix_core.gate.price import drift_bps, mid, spread_bps
from phoenix_core.gate.words import WORDS
from phoenix_core.values import ARITHMETIC, Mode, Price, Side, divide, plain, times, utc_text

COLUMNS: Final = 80
LINES_MAX: Final = 20
MARGIN: Final = 8  # a section's name, or the blank before its next line
# A stop is an order, not a promise: what a gap through it by twice its distance would cost stands beside the loss.
GAP_DISTANCES: Final = 3
NOTE_SHOWN_MAX: Final = 280


@frozen
class Live:
    """The quote that a statement cites."""

    bid: Price
    ask: Price
    age_ms: int


def render_facts(evidence: Evidence, leaf: str, live: Live, mode: Mode, account_mask: str) -> tuple[str, ...]:
    """The fact block: ASCII only, every line at most 80 columns; at most 20 lines, unless lights need more (`fits`)."""
    return (
        *_section(str(mode), _identity(evidence, leaf, account_mask)),
        *_headline(evidence),
        *_section("RISK", _risk(evidence)),
        *_section("SIZE", _size(evidence)),
        *_section("MARKET", _market(evidence, live)),
        *_section("AFTER", _after(evidence)),
        *_section("EXITS", _exits(evidence)),
        *_section("SETUP", _setup(evidence)),
        *_section("FLAGS", _flags(evidence)),
        *_section("FROM", _provenance(evidence)),
    )


def fits(lines: tuple[str, ...]) -> bool:
    """Whether a screen of 80 x 24 shows all of the facts; what does not fit cannot be approved."""
    return len(lines) <= LINES_MAX and all(len(line) <= COLUMNS for line in lines)


def render_hash(lines: tuple[str, ...]) -> str:
    """SHA-256 of the exact text shown: the lines, each ended by a newline."""
    return hashlib.sha256("".join(line + "\n" for line in lines).encode("ascii")).hexdigest()


def _section(name: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Parts side by side, as many as a line holds; what is left goes on in the next line, and nothing is cut off."""
    room = COLUMNS - MARGIN
    lines = [""]
    for part in (whole[i : i + room] for whole in parts for i in range(0, len(whole), room)):
        joined = f"{lines[-1]}  {part}" if lines[-1] else part
        if len(joined) <= room:
            lines[-1] = joined
        else:
            lines.append(part)
    return tuple(f" {name if n == 0 else '':<{MARGIN - 1}}{line}" for n, line in enumerate(lines))


def _identity(evidence: Evidence, leaf: str, account_mask: str) -> tuple[str, ...]:
    # Enough of each to be found and compared; the match words carry 44 bits of the leaf past this screen.
    return (
        sanitised(account_mask),
        f"intent {sanitised(evidence.intent_id[:8])} v{evidence.version}",
        f"evidence {leaf[:16]}",
    )


def _headline(evidence: Evidence) -> tuple[str, ...]:
    entry = evidence.lines[0]
    at = f" {_n(entry.limit)}" if entry.limit is not None else ""
    arrow = "^" if entry.side is Side.BUY else "v"
    contract = (evidence.instrument_name, str(entry.sec_type), entry.exchange, entry.currency)
    return _section(
        f"{arrow} {entry.side}",
        (
            f"{_n(entry.quantity)} {sanitised(entry.symbol)}",
            f"{entry.order_type}{at} {entry.tif}",
            f"notional {_n(evidence.sizing.notional)} {_currency(evidence)}",
            " - ".join(sanitised(fact) for fact in contract if fact),
        ),
    )


def _risk(evidence: Evidence) -> tuple[str, ...]:
    sizing, currency = evidence.sizing, _currency(evidence)
    gap = times(sizing.risk, Decimal(GAP_DISTANCES))
    return (
        f"loss at stop {_n(evidence.stop)}: {_n(sizing.risk)} {currency} = {_percent(sizing.risk, sizing.equity)}"
        " of equity = 1 R",
        f"stop distance {_n(sizing.stop_distance)} = {_percent(sizing.stop_distance, evidence.signal_entry)}",
        f"reward {_n(evidence.reward_risk)} R",
        f"gap {GAP_DISTANCES} R = {_n(gap)} {currency}",
    )


def _size(evidence: Evidence) -> tuple[str, ...]:
    sizing, currency = evidence.sizing, _currency(evidence)
    budget, each = times(sizing.equity, sizing.risk_per_trade), times(sizing.stop_distance, sizing.rate)
    share = plain(times(sizing.risk_per_trade, Decimal(100)))
    stated = "not stated" if sizing.stated is None else f"stated {_n(sizing.stated)}"
    return (
        f"{_n(sizing.equity)} {currency} x {share} % / ({_n(sizing.stop_distance)} x {_n(sizing.rate)})"
        f" = {_n(_rounded(divide(budget, each), '0.1'))}",
        f"computed {_n(sizing.computed)}, {stated} -> {_n(sizing.quantity)}",
    )


def _market(evidence: Evidence, live: Live) -> tuple[str, ...]:
    then, now = evidence.quote, mid(live.bid, live.ask)
    bps = drift_bps(evidence.signal_entry, now)
    in_r = divide(ARITHMETIC.subtract(now, evidence.signal_entry), evidence.sizing.stop_distance)
    before, after = (_n(_rounded(spread_bps(quote.bid, quote.ask), "0.1")) for quote in (then, live))
    return (
        f"signal {utc_text(evidence.signal_created_at)[:19]}Z at {_n(evidence.signal_entry)}",
        f"bid/ask {_n(then.bid)}/{_n(then.ask)} -> {_n(live.bid)}/{_n(live.ask)}",
        f"spread {before} -> {after} bps",
        f"drift {_signed(_rounded(bps, '0.1'))} bps = {_signed(_rounded(in_r, '0.01'))} R"
        f" (limit {evidence.drift_bps_max} bps)",
        f"quote {'delayed, ' if then.delayed else ''}{live.age_ms} ms old",
    )


def _after(evidence: Evidence) -> tuple[str, ...]:
    entry, equity, currency = evidence.lines[0], evidence.sizing.equity, _currency(evidence)
    position = ARITHMETIC.add(evidence.position_before, times(entry.quantity, Decimal(entry.side.sign)))
    gross = ARITHMETIC.add(evidence.gross_before, evidence.sizing.notional)
    limit = "no limit" if evidence.daily_loss_max is None else f"{_n(evidence.daily_loss_max)} {currency}"
    return (
        f"{sanitised(entry.symbol)} {_n(evidence.position_before)} -> {_n(position)}",
        f"gross {_percent(evidence.gross_before, equity)} -> {_percent(gross, equity)}",
        f"margin {_margin(evidence)}",
        f"daily loss {_n(evidence.daily_loss)} of {limit}",
    )


def _margin(evidence: Evidence) -> str:
    """Before the order and after it, in whole units, and what share of the equity that is: three full figures would
    cost the widest screen its last line. Evidence of a release that did not ask is shown as it was signed."""
    said, used = evidence.margin, evidence.margin_used
    if said is None:
        return "not known" if used is None else f"used {_n(used)} {_currency(evidence)}"
    used = said.before if said.before is not None else used
    if said.after is None:
        return f"{'not known' if used is None else f'used {_whole(used)}'}, after it: not known"
    share = _percent(said.after, evidence.sizing.equity)
    return f"{'not known' if used is None else _whole(used)} -> {_whole(said.after)} = {share}"


def _whole(amount: Decimal) -> str:
    return _n(_rounded(amount, "1"))


def _exits(evidence: Evidence) -> tuple[str, ...]:
    _, stop, target = evidence.lines
    held = "none" if evidence.time_exit is None else f"after {_clock(evidence.time_exit)}"
    return (
        f"stop {stop.side} {_n(evidence.stop)} {stop.tif}",
        f"target {target.side} {_n(evidence.target)} {target.tif}",
        f"time {held}",
    )


def _setup(evidence: Evidence) -> tuple[str, ...]:
    quality = "not stated" if evidence.quality is None else _n(evidence.quality)
    checks = "not stated" if evidence.red_checks is None else str(evidence.red_checks)
    left = evidence.state_limit - evidence.state_age
    fresh = f"{_clock(left)} left" if left > timedelta(0) else f"STALE by {_clock(-left)}"
    return (
        f"quality {quality} ({sanitised(evidence.setup_type)}, confidence {_n(evidence.confidence)})",
        f"red checks {checks}",
        f"HTF {_or_not_stated(evidence.htf)} / LTF {_or_not_stated(evidence.ltf)}",
        f"state {fresh} of {_clock(evidence.state_limit)}",
    )


_LIGHTS: Final = {KILL: "kill ", RED: "RED ", AMBER: "[!] ", INFO: ""}


def _flags(evidence: Evidence) -> tuple[str, ...]:
    """Kill flags first, NONE where there is none; then what blocks, what asks for more, what informs."""
    lights = [light.partition(" ") for light in evidence.flags]
    shown = {
        colour: [_LIGHTS[colour] + sanitised(words) for of, _, words in lights if of == colour] for colour in _LIGHTS
    }
    return (*(shown[KILL] or ("kill NONE",)), *shown[RED], *shown[AMBER], *shown[INFO])


def _provenance(evidence: Evidence) -> tuple[str, ...]:
    # As of the moment at which the evidence was made; a proposer's clock may run a little ahead of ours.
    made_at = evidence.expires_at - EVIDENCE_LIFE
    age = max(timedelta(0), made_at - evidence.signal_created_at) // timedelta(seconds=1)
    return (
        sanitised(evidence.proposer),
        f"strategy {sanitised(evidence.strategy)}",
        f"age {age} s",
        "no note" if evidence.note is None else "note hidden",
    )


def _currency(evidence: Evidence) -> str:
    return sanitised(evidence.sizing.currency)


def _or_not_stated(text: str | None) -> str:
    return "not stated" if text is None else sanitised(text)


def _n(value: Decimal) -> str:
    """A number in full, thousands apart."""
    whole, point, rest = plain(value.copy_abs()).partition(".")
    return f"{'-' if value < 0 else ''}{int(whole):,}{point}{rest}"


def _signed(value: Decimal) -> str:
    return f"+{_n(value)}" if value > 0 else _n(value)


def _rounded(value: Decimal, step: str) -> Decimal:
    return value.quantize(Decimal(step), ROUND_HALF_EVEN, ARITHMETIC)


def _percent(part: Decimal, whole: Decimal) -> str:
    return f"{_n(_rounded(divide(times(part, Decimal(100)), whole), '0.01'))} %"


def _clock(span: timedelta) -> str:
    minutes, seconds = divmod(span // timedelta(seconds=1), 60)
    return f"{minutes:02}:{seconds:02}"


def sanitised(text: str) -> str:
    """The text with everything escaped that is not plainly visible ASCII: control, bidi, zero-width, look-alikes.

    A second blank in a row is escaped too: nothing may be pushed out of sight, or dressed up as a column of ours.
    """
    return _escaped(text, lambda c: " " <= c <= "~")


def _escaped(text: str, is_plain: Callable[[str], bool]) -> str:
    out: list[str] = []
    before = " "
    for c in text:
        if c == "\\":
            out.append("\\\\")
        elif not is_plain(c) or c == before == " ":
            out.append(f"\\u{{{ord(c):x}}}")
        else:
            out.append(c)
        before = c
    return "".join(out)


def boxed_note(words: str) -> tuple[str, ...]:
    """Untrusted words, opened: boxed, escaped, at most 280 characters of them, for below the numbers.

    Latin letters with accents stay readable; every other script is escaped, for it may hide or imitate.
    """
    room = COLUMNS - 5
    shown = _escaped(words[:NOTE_SHOWN_MAX], lambda c: c < "\u0250" and c.isprintable())
    hidden = len(words) - NOTE_SHOWN_MAX
    more = f" {hidden} characters more are not shown " if hidden > 0 else ""
    lines = wrap(shown, room, break_on_hyphens=False, drop_whitespace=False) or [""]
    return (
        " +" + " untrusted text ".center(room + 2, "-") + "+",
        *(f" | {line:<{room}} |" for line in lines),
        " +" + more.center(room + 2, "-") + "+",
    )


def match_words(leaf: str) -> tuple[str, str, str, str]:
    """Four plain words from the first 44 bits of a leaf hash: the same on the screen and in the notification."""
    bits = int(leaf[:11], 16)
    first, second, third, fourth = (WORDS[bits >> shift & 2047] for shift in (33, 22, 11, 0))
    return first, second, third, fourth

"""What was merely seen: counters, the last quote of each instrument, and what the last pictures of the broker said.

An observation changes nothing. This slice keeps of the many only what a rule or a screen will ask again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define

from phoenix_core.beads import About, Bead, Observation
from phoenix_core.facts import Quote, Snapshot
from phoenix_core.values import Facts, Price, exact, plain, utc_of, utc_text
from phoenix_core.watch.compare import QUIET_NEEDED, Agreement, Finding, next_look
from phoenix_core.watch.pacing import RUNS_MAX

# A picture that differs in more rows than this is another account or another planet; a bead stays below 256 KiB.
LISTED_MAX: Final = 1000
# A quote every five seconds over the five minutes that evidence lives.
QUOTES_CITABLE: Final = 60
_PASS: Final = "pass"
VERDICTS: Final = (_PASS, "fail")
# A resynchronisation says the same again; a day's late words fit in here many times over.
LATE_KEPT: Final = 1024


@define
class LastQuote:
    """The newest quote that the log knows of an instrument."""

    seq: int
    bid: Price
    ask: Price
    at: datetime
    delayed: bool


@define
class Run:
    """A reconciliation as the log tells it."""

    seq: int
    ts: datetime
    session: int
    began: datetime
    agreement: Agreement
    shown: tuple[str, ...]  # identities of all that differed, found or suspected
    suspects: dict[str, int]  # as `compare` takes them
    cut: bool  # more differed than is listed


@define
class Absence:
    """An order without an end that complete pictures of one session no longer show."""

    session: int
    first: datetime
    last: datetime


@define
class Observations:
    """The slice of OBSERVATION."""

    counts: dict[About, int] = Factory(dict)
    quotes: dict[str, LastQuote] = Factory(dict)
    recent: dict[str, list[LastQuote]] = Factory(dict)  # what a screen that is open now may cite
    run: Run | None = None  # the last of all
    complete: Run | None = None  # the last complete one
    runs: list[datetime] = Factory(list)  # of the last twelve, for the rate
    unknown_streak: int = 0
    moving_since: datetime | None = None  # when suspects were first seen in the present row of runs
    looks: int = 0  # of the times to look again since then, those that have come
    absences: dict[str, Absence] = Factory(dict)  # by reference
    bunny: dict[str, bool] = Factory(dict)  # chaos vector -> whether it passed when it last ran
    drills: dict[str, datetime] = Factory(dict)  # runbook -> when it was last drilled
    late: dict[str, int] = Factory(dict)  # words about what had ended, by what they say -> seq, oldest first

    def fold(self, bead: Bead) -> None:
        """Take in an observation; other kinds are somebody else's."""
        body = bead.body
        if not isinstance(body, Observation):
            return
        self.counts[body.about] = self.counts.get(body.about, 0) + 1
        if body.about is About.SNAPSHOT:
            self._ran(bead, body)
        elif body.about is About.QUOTE:
            quote = self.quotes[body.subject] = _quote_of(bead.seq, body)
            self.recent[body.subject] = [*self.recent.get(body.subject, ()), quote][-QUOTES_CITABLE:]
        elif body.about is About.BUNNY:
            self.bunny[body.subject] = body.facts["verdict"] == _PASS
        elif body.about is About.DRILL:
            self.drills[body.subject] = bead.ts
        elif body.about is About.LATE_FACT:
            self.late[_late_name(body.subject, body.facts)] = bead.seq
            if len(self.late) > LATE_KEPT:
                del self.late[next(iter(self.late))]

    def _ran(self, bead: Bead, body: Observation) -> None:
        run = _run_of(bead, body)
        self.run = run
        self.runs = [*self.runs, bead.ts][-RUNS_MAX:]
        if run.agreement is Agreement.UNKNOWN:
            self.unknown_streak += 1
            self._looked(bead.ts)
            return
        self.complete, self.unknown_streak = run, 0
        if all(quiet == QUIET_NEEDED for quiet in run.suspects.values()):
            self.moving_since, self.looks = None, 0
        elif self.moving_since is None:
            self.moving_since, self.looks = bead.ts, 0
        else:
            self._looked(bead.ts)
        self._missed(bead, run.session, _listed(body.facts["absent"]))

    def _looked(self, at: datetime) -> None:
        """A look counts for the times that have come, and not for one to come: a run that something else asked for
        sooner puts none of them off."""
        while self.moving_since is not None and next_look(self.moving_since, self.looks) <= at:
            self.looks += 1

    def _missed(self, bead: Bead, session: int, absent: tuple[str, ...]) -> None:
        """An absence lasts only as long as every complete picture of one session confirms it."""
        before = self.absences
        self.absences = {}
        for ref in absent:
            seen = before.get(ref)
            first = seen.first if seen is not None and seen.session == session else bead.ts
            self.absences[ref] = Absence(session, first, bead.ts)


def _run_of(bead: Bead, body: Observation) -> Run:
    facts = body.facts
    pairs = (item.split(":") for item in _listed(facts["suspects"]))
    return Run(
        seq=bead.seq,
        ts=bead.ts,
        session=int(facts["session"]),
        began=utc_of(facts["began"], "began"),
        agreement=Agreement(facts["agreement"]),
        shown=_listed(facts["shown"]),
        suspects={identity: int(quiet) for identity, quiet in pairs},
        cut="cut" in facts,
    )


def _quote_of(seq: int, body: Observation) -> LastQuote:
    bid, ask = (Price(exact(body.facts[side], side)) for side in ("bid", "ask"))
    return LastQuote(seq, bid, ask, utc_of(body.facts["at"], "at"), body.facts["delayed"] == "true")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _late_name(ref: str, facts: Facts) -> str:
    """What a late word says, whichever message said it."""
    said = ",".join(f"{name}={value}" for name, value in sorted(facts.items()) if name != "message")
    return f"{ref}|{said}"


def is_late_known(observations: Observations, ref: str, facts: Facts) -> bool:
    """Whether a word about something that had ended was heard before, in whatever message."""
    return _late_name(ref, facts) in observations.late


def seen(about: About, subject: str, **facts: str) -> Observation:
    """The body of an observation."""
    return Observation(about, subject, facts)


def snapshot_seen(snapshot: Snapshot, finding: Finding) -> Observation:
    """The body that says a reconciliation ran, and what it found."""
    suspects = tuple(f"{identity}:{quiet}" for identity, quiet in finding.suspects)
    lists = {"shown": finding.shown, "suspects": suspects, "absent": finding.absent}
    facts = {name: ",".join(items[:LISTED_MAX]) for name, items in lists.items()}
    facts |= {
        "agreement": finding.agreement.value,
        "session": str(snapshot.session),
        "began": utc_text(snapshot.began.wall),
        "why": finding.why,
    }
    if any(len(items) > LISTED_MAX for items in lists.values()):
        facts["cut"] = str(max(len(items) for items in lists.values()))
    return Observation(About.SNAPSHOT, "reconciliation", facts)


def quote_seen(quote: Quote) -> Observation:
    """The body of a quote that evidence or an approval will cite."""
    return seen(
        About.QUOTE,
        quote.symbol,
        bid=plain(quote.bid),
        ask=plain(quote.ask),
        at=utc_text(quote.at.wall),
        delayed="true" if quote.delayed else "false",
    )


def bunny_scar(vector: str, passed: bool) -> Observation:
    """The body of a chaos vector's verdict: what `Show bunny scars` shows."""
    return seen(About.BUNNY, vector, verdict=VERDICTS[not passed])


def is_reconciled(observations: Observations, session: int, connected_seq: int = 0) -> bool:
    """Whether a complete reconciliation was done in this session, and since its link last came up (`connected_seq`)."""
    complete = observations.complete
    return complete is not None and complete.session == session and complete.seq > connected_seq


def next_look_at(observations: Observations) -> datetime | None:
    """When rows in motion are looked at again; None where nothing moves."""
    since = observations.moving_since
    return None if since is None else next_look(since, observations.looks)


def suspects_of(observations: Observations) -> dict[str, int]:
    """The suspects of the last complete run, as `compare` takes them."""
    return {} if observations.complete is None else observations.complete.suspects


def proof_of_absence(observations: Observations) -> tuple[tuple[str, ...], int] | None:
    """(identities that the last complete picture shows, its seq), as `drift.proven` takes them; None without one, or
    where more differed than could be listed."""
    complete = observations.complete
    return None if complete is None or complete.cut else (complete.shown, complete.seq)


def is_absent(observations: Observations, ref: str, session: int, apart: timedelta) -> bool:
    """Complete pictures at least this far apart in this session, and all between them, show neither the order nor an
    unexplained holding of its instrument (`resolve-stalled`)."""
    absence = observations.absences.get(ref)
    return absence is not None and absence.session == session and absence.last - absence.first >= apart


def bunny_failures(observations: Observations) -> int | None:
    """How many chaos vectors failed when they last ran; None where none ever ran."""
    verdicts = observations.bunny.values()
    return sum(not passed for passed in verdicts) if verdicts else None

"""One transaction on the SQLite log: begun, committed or taken back, and what went wrong in the words of the port."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import apsw

from phoenix_core.chain import Fault, Head, StoreFault


class Transaction:
    """A `with` over the log; what was not committed by its end is rolled back. It yields the way to commit.

    A class and not a generator: an append follows seconds of idleness, and a generator's machinery is 30 us of it.
    """

    __slots__ = ("_begin", "_fault", "_pen", "_values")

    def __init__(
        self,
        pen: apsw.Cursor,
        fault: Callable[[apsw.Error], StoreFault],
        begin: str,
        values: tuple[apsw.SQLiteValue, ...],
    ) -> None:
        """`begin` is what opens the transaction, and may go on with a first statement that takes `values`."""
        self._pen, self._fault, self._begin, self._values = pen, fault, begin, values

    def __enter__(self) -> Callable[[], None]:
        """Begin."""
        try:
            assert not self._pen.connection.in_transaction, (
                "one decision at a time: who holds the log does not append to it"
            )
            _ = self._pen.execute(self._begin, self._values)
        except apsw.Error as error:
            with suppress(apsw.Error):  # of a closed log there is nothing to take back
                self._roll_back()
            raise self._fault(error) from error
        return self._commit

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        """End; an error of the database leaves as a fault of the store."""
        self._roll_back()
        if isinstance(error, apsw.Error):
            raise self._fault(error) from error

    def _commit(self) -> None:
        try:
            _ = self._pen.execute("COMMIT")
        except (apsw.FullError, apsw.BusyError):
            # The frame that makes it a commit is the last to be written: it is not there.
            raise
        except apsw.Error as error:
            raise StoreFault(Fault.UNKNOWN, f"while committing: {error}") from error

    def _roll_back(self) -> None:
        # After an error inside a transaction SQLite may have rolled it back already.
        if self._pen.connection.in_transaction:
            with suppress(apsw.Error):
                _ = self._pen.execute("ROLLBACK")


class Hold:
    """A `with` over the log while nobody else may write to it; it yields where the log ends, and commits nothing."""

    __slots__ = ("_head", "_lock")

    def __init__(self, lock: Transaction, head: Callable[[], Head]) -> None:
        """`head` is asked when the lock is held."""
        self._lock, self._head = lock, head

    def __enter__(self) -> Head:
        """Lock, and look."""
        _ = self._lock.__enter__()
        try:
            return self._head()
        except BaseException as error:  # whatever it was, nobody else stays locked out
            self._lock.__exit__(type(error), error, None)
            raise

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        """Let the others write again."""
        self._lock.__exit__(kind, error, at)

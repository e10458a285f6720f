"""From the spool to MLflow: in a thread beside a campaign, or at once when asked."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ssbray.tracking.runs import Runs
from ssbray.tracking.spool import Spool
from ssbray.tracking.store import describe

BACKOFF_S = (1.0, 30.0)  #: first and longest wait after a failure


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How far MLflow is."""

    sent: int
    waiting: int
    run_id: str | None
    error: str | None  #: why records wait


class Sender:
    """A thread that sends records as they come, and tries again later what could not be sent."""

    def __init__(self, spool: Spool, runs: Runs) -> None:
        self._spool, self._runs = spool, runs
        self._news = threading.Condition()
        self._ending = self._woken = False
        self._attempts_failed = 0
        self._sent = 0
        self.error: str | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="tracking")
        self._thread.start()

    def wake(self) -> None:
        """Something is there to be sent."""
        with self._news:
            self._news.notify_all()

    def settle(self, patience_s: float) -> Delivery:
        """Wait until all is sent; no longer once an attempt has failed, or nothing was sent for that time."""
        with self._news:
            failed, self._woken = self._attempts_failed, True
            self._news.notify_all()
            sent, end = self._sent, time.monotonic() + patience_s
            while (self._spool.next() is not None and self._attempts_failed == failed and time.monotonic() < end
                   and self._thread.is_alive()):
                self._news.wait(0.1)
                if self._sent != sent:
                    sent, end = self._sent, time.monotonic() + patience_s
        waiting = len(self._spool.waiting())
        slow = f"no answer within {patience_s:g} s" if waiting else None
        return Delivery(sent=self._sent, waiting=waiting, run_id=self._runs.run_id,
                        error=(self.error or slow) if waiting else None)

    def close(self) -> None:
        """Send no more. A request that hangs is left to end with the process."""
        with self._news:
            self._ending = True
            self._news.notify_all()
        self._thread.join(timeout=1.0)

    def _work(self) -> None:
        pause = BACKOFF_S[0]
        while not self._ending:
            try:
                found = send_one(self._spool, self._runs)
            except Exception as error:
                with self._news:
                    self.error = describe(error)
                    self._attempts_failed += 1
                    self._news.notify_all()
                    self._wait(pause)
                pause = min(2 * pause, BACKOFF_S[1])
                continue
            pause = BACKOFF_S[0]
            with self._news:
                self._sent += found
                self._news.notify_all()
                if not found:
                    self._wait(0.5)

    def _wait(self, seconds: float) -> None:
        """Until that time is over, or somebody is in a hurry."""
        end = time.monotonic() + seconds
        while not self._ending and not self._woken and time.monotonic() < end:
            self._news.wait(max(0.0, end - time.monotonic()))
            if seconds <= 0.5:
                break
        self._woken = False


def send_one(spool: Spool, runs: Runs) -> bool:
    """Send the oldest record, if there is one."""
    found, opening = spool.next(), spool.first()
    if found is None or opening is None:
        return False
    record, end = found
    try:
        runs.deliver(record, opening)
    except Exception:
        runs.forget()
        raise
    spool.sent(end)
    return True


def sync(uri: str | None, home: Path, directory: Path, *, ended: str | None = None) -> Delivery:
    """Send what waits in a campaign's spool, now.

    Parameters
    ----------
    uri : of MLflow; None for the store in `home`.
    home, directory : of the campaigns, and of this one.
    ended : status for runs that no record closes, because their driver was killed.
    """
    spool, runs, sent = Spool(directory), Runs(uri, home, directory), 0
    last = spool.last()
    if ended is not None and last is not None and last["kind"] != "end":
        spool.append(ending(ended))
    try:
        while send_one(spool, runs):
            sent += 1
    except Exception as error:
        return Delivery(sent=sent, waiting=len(spool.waiting()), run_id=runs.run_id, error=describe(error))
    return Delivery(sent=sent, waiting=0, run_id=runs.run_id, error=None)


def ending(status: str) -> dict[str, object]:
    """A record that closes the runs with nothing to show."""
    return {"kind": "end", "time": int(time.time() * 1000), "status": status, "metrics": {}, "best_of_chains": {},
            "tags": {}, "files": []}

"""A PostgreSQL of our own: a cluster in a temporary directory, on a socket there, that may be killed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psutil


def programs() -> Path | None:
    """Where initdb and postgres are; None where there is no PostgreSQL."""
    beside = shutil.which("initdb")
    places = [Path(beside).resolve().parent] if beside else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((place for place in reversed(places) if (place / "postgres").exists()), None)


class Postgres:
    """A server without a port. PostgreSQL refuses to run as root: there it runs as another user."""

    def __init__(self, bin_: Path) -> None:
        self._bin = bin_
        self._place = Path(tempfile.mkdtemp(prefix="ssbray-pg-", dir="/tmp"))  # a socket's path must be short
        self._as = {}
        if os.geteuid() == 0:
            who = _another_user()
            os.chown(self._place, who.pw_uid, who.pw_gid)
            self._as = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
        self.uri = f"postgresql+psycopg2://ssbray@/postgres?host={quote(str(self._place), safe='')}"
        subprocess.run([bin_ / "initdb", "-D", self._place / "data", "-U", "ssbray", "-A", "trust", "--no-locale", "-E",
                        "UTF8"], check=True, capture_output=True, cwd="/", timeout=300, **self._as)
        self.start()

    def start(self) -> None:
        """Come up; after a kill that means to recover first."""
        self._process = subprocess.Popen(
            [self._bin / "postgres", "-D", self._place / "data", "-k", self._place, "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **self._as)
        import psycopg2

        end = time.monotonic() + 120
        while time.monotonic() < end and self._process.poll() is None:
            try:
                psycopg2.connect(host=str(self._place), user="ssbray", dbname="postgres").close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.1)
        raise TimeoutError(f"PostgreSQL does not come up (exit code {self._process.poll()})")

    def kill(self) -> None:
        """Without a word: the server, and then its children, before they can notice."""
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        for process in (self._process, *children):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        psutil.wait_procs(children, timeout=60)

    def remove(self) -> None:
        """Leave nothing."""
        self.kill()
        shutil.rmtree(self._place)


def _another_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")

"""Detects hangs: a heartbeat file for each process, and an exit after a time limit."""

import faulthandler
import json
import sys
import threading
import time

from jcl.runtime import distributed
from jcl.runtime.exits import EXIT_LOST
from jcl.runtime.folder import Folder
from jcl.runtime.workdir import write_atomically

FOLDER = "heartbeats"
_SECONDS_BETWEEN_FILES = 5.0


class Watchdog:
    """Watches the progress of a run, in its own thread.

    `<workdir>/heartbeats/<process>.json` has the step of the process, its activity, and the time
    when it began. If this does not change for `limit_seconds`, the stacks of all threads and one
    sentence are printed to stderr, and the process ends with status 76. A launcher can then start
    the run again. There is no other way to end processes that wait.

    Args:
        workdir: an existing folder.
        process: number of this process.
        processes: number of processes.
        total_steps: of the run, for readers of the file.
        limit_seconds: longest time of one activity.
    """

    def __init__(
        self,
        workdir: Folder,
        *,
        process: int,
        processes: int,
        total_steps: int,
        limit_seconds: float,
    ):
        self._folder, self._limit = workdir / FOLDER, limit_seconds
        self._process, self._processes = process, processes
        self._total_steps = total_steps
        self._now = (0, "starting", time.time())
        self._closed = threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def beat(self, step: int, doing: str) -> None:
        """Records the progress of the process; the watch begins with the first call.

        Args:
            step: the present update, from 1.
            doing: a few words, such as "saving".
        """
        self._now = (step, doing, time.time())
        if not self._thread.ident:
            self._thread.start()

    def close(self) -> None:
        """Ends the watch; the file remains and records the end."""
        self._closed.set()
        if self._thread.ident:
            self._thread.join()  # also ends the writer, which may use the same file
        self._now = (self._now[0], "ended", time.time())
        self._write()

    def _watch(self) -> None:
        tick = min(_SECONDS_BETWEEN_FILES, self._limit / 4)
        writer = None
        while not self._closed.wait(tick):
            step, doing, since = self._now
            if time.time() - since > self._limit:
                try:
                    faulthandler.dump_traceback(file=sys.__stderr__)
                    sentence = self._sentence(step, doing, since)
                    print(f"error: {sentence}", file=sys.stderr, flush=True)
                finally:
                    distributed.leave(EXIT_LOST)
            # In a separate thread, because the file system may hang.
            if writer is None or not writer.is_alive():
                writer = threading.Thread(target=self._write, name="heartbeat", daemon=True)
                writer.start()
        if writer is not None:
            writer.join(_SECONDS_BETWEEN_FILES)

    def _write(self) -> None:
        step, doing, since = self._now
        beat = {"step": step, "of": self._total_steps, "doing": doing}
        beat |= {"since": since, "written": time.time()}
        try:
            self._folder.mkdir(exist_ok=True)
            write_atomically(self._folder / f"{self._process}.json", json.dumps(beat) + "\n")
        except OSError as error:  # a full disk must not end the watch; saving will report it
            print(f"warning: no heartbeat could be written: {error}", file=sys.stderr)

    def _sentence(self, step: int, doing: str, since: float) -> str:
        others = []
        for other in range(self._processes):
            if other != self._process:
                try:
                    beat = json.loads((self._folder / f"{other}.json").read_text())
                except (OSError, ValueError):
                    others.append(f"process {other} has left no heartbeat")
                    continue
                silent = time.time() - beat["written"]
                heard = f", no sign of life for {silent:.0f} s" if silent > self._limit else ""
                others.append(f"process {other} at step {beat['step']} ({beat['doing']}{heard})")
        return (
            f"process {self._process} of {self._processes} hangs: step {step} ({doing}) has not "
            f"ended in {time.time() - since:.0f} s (watchdog_seconds={self._limit:g})"
            + (f"; {', '.join(others)}" if others else "")
            + "; start the same command again to resume from the newest checkpoint"
        )

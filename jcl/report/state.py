"""Whether a run is at work, by what it leaves in its workdir."""

import dataclasses
import json
import time
from pathlib import Path

from jcl.runtime import workdir as workdir_lib
from jcl.runtime.lock import holder_is_gone
from jcl.runtime.watchdog import FOLDER as HEARTBEATS

# A heartbeat is written every few seconds; a slow file system may hold one up.
_SILENT_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class State:
    """What a run is doing.

    Attributes:
        name: "alive": at work; "done": it took all of its steps; "stopped": it ended before, with
            its state saved or with a mistake; "dead": it ended without a word; "new": it has not
            begun.
        step: completed updates, as far as is known.
        of: how many there are to be; None where an older jcl did not say.
    """

    name: str
    step: int
    of: int | None


def state_of(workdir: Path, *, logged_steps: int, now: float | None = None) -> State:
    """Reads the heartbeats, and who holds the lock.

    Args:
        workdir: of the run.
        logged_steps: the last step in its metrics.
        now: seconds since 1970; None for this moment.
    """
    beats, processes = [], workdir_lib.read_object(workdir / workdir_lib.RUN).get("processes")
    for path in sorted((workdir / HEARTBEATS).glob("*.json")):
        if processes is not None and int(path.stem) >= processes:
            continue  # an earlier launch had more processes
        try:
            beats.append(json.loads(path.read_text()))
        except (OSError, json.JSONDecodeError):
            continue
    if not beats:
        return State("new" if not logged_steps else "dead", logged_steps, None)
    step = max(logged_steps, *(beat["step"] for beat in beats))
    of = beats[0].get("of")
    if all(beat["doing"] == "ended" for beat in beats):
        # Older runs do not say how many steps there are; an end in order is then taken for one.
        return State("done" if of is None or step >= of else "stopped", step, of)
    silent = (time.time() if now is None else now) - max(beat["written"] for beat in beats)
    gone = silent > _SILENT_SECONDS or holder_is_gone(workdir)
    return State("dead" if gone else "alive", logged_steps, of)

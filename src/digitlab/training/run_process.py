"""A run in a process of its own, alone or as one of several workers.

`start` begins one that is alone; workers are begun by `parallel/launch.py`, with a seat. Both run
`python -m digitlab.training.run_process`, which is `main`.
"""

from __future__ import annotations

import io
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from digitlab.child import Child, Hear, asked, heed
from digitlab.errors import DigitlabError
from digitlab.parallel.seat import seat_of_json
from digitlab.training.interrupt import Interrupted
from digitlab.training.relay import Relay
from digitlab.training.reporters import Lines
from digitlab.training.request import Request

MODULE = "digitlab.training.run_process"


def start(request: Request, log: Path, hear: Hear, name: str = "the run") -> Child:
    """Start a run in a process of its own.

    Args:
        request: what it is asked for.
        log: the file of its output.
        hear: called in a thread with each event, and with None once the process has ended. Its
            status is then 0; or, after `Child.stop`, 128 plus the number of the signal where there
            is a checkpoint to go on with, and minus a signal's number before the first step; or
            another, whose reason `Child.last_words` tells.
        name: what messages call it.

    Raises:
        RunError: where the log cannot be written.
    """
    return Child(name, MODULE, {"run": asdict(request)}, log, hear)


def main() -> int:
    """Train as the first line of standard input says; return the exit status."""
    # The log is a file, and so UTF-8, whatever the terminal of its owner is.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    request = asked()
    seat = seat_of_json(request["seat"]) if "seat" in request else None
    who = f"worker {seat.slot} of {seat.workers}" if seat else "a run"
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')}: {who}, process {os.getpid()}", flush=True)
    if seat is None:  # a worker heeds its launcher once it knows the others
        heed(lambda line: None)
    relay = Relay(request["events"], Lines(live=False))
    try:
        from digitlab.parallel.strategy import AlreadyFinishedError
        from digitlab.training.run import train_here

        train_here(Request(**request["run"]), seat, relay)
        relay.drain()
    except AlreadyFinishedError:
        print("the others have finished the run")
    except Interrupted as stopped:
        return stopped.exit_status
    except KeyboardInterrupt:
        return 130
    except DigitlabError as error:
        print(f"digitlab: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    finally:
        relay.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

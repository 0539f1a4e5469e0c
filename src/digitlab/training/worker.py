"""One of several workers: `python -m digitlab.training.worker`, started by `parallel/launch.py`.

Its standard output is its log; the launcher hears of it by a pipe.
"""

from __future__ import annotations

import json
import os
import sys
import time

from digitlab.errors import DigitlabError
from digitlab.parallel.launch import told
from digitlab.parallel.seat import Seat
from digitlab.training.interrupt import Interrupted
from digitlab.training.progress import Lines
from digitlab.training.relay import Relay
from digitlab.training.request import Call


def main() -> int:
    """Train as the first line of standard input says; return the exit status."""
    request = json.loads(told().readline())
    seat = Seat(**request["seat"])
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    print(f"{now}: worker {seat.slot} of {seat.workers}, process {os.getpid()}", flush=True)
    reporter = Relay(request["events"], Lines(live=False))
    try:
        from digitlab.parallel.strategy import AlreadyFinishedError
        from digitlab.training.run import train_here

        train_here(Call(**request["call"]), seat, reporter)
        reporter.drain()
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
        reporter.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

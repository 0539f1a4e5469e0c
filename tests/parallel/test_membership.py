"""A worker that the others took for lost ends, and no other does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch.distributed as dist

from digitlab.parallel.watchdog import DROPPED

pytestmark = pytest.mark.process

ASK = """
import sys
from digitlab.parallel.membership import Membership
from digitlab.parallel.quorum import Round
from digitlab.parallel.seat import Seat
from digitlab.parallel.watchdog import Watchdog
seat = Seat(0, "a", 2, 2, "127.0.0.1", int(sys.argv[1]), regroups=False)
membership = Membership(seat, Watchdog())
membership.end_if_dropped(Round(1, (seat.id, "1.a"), (), 0, seat.id))
membership.close()
print("goes on")
"""


@pytest.mark.parametrize(
    ("following", "status"), [(None, 0), (["0.a"], 0), (["1.a"], DROPPED)], ids=str
)
def test_who_is_not_in_the_next_round_ends(following: list[str] | None, status: int) -> None:
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    if following is not None:
        content = {"members": following, "new": [], "answered": 0}
        dist.PrefixStore("digitlab", store).set("round/2", json.dumps(content))
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(store.port)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stderr
    assert ("goes on" in done.stdout) == (status == 0)
    assert ("taking it for lost" in done.stderr) == (status == DROPPED)

"""The exchange of `ddp`, and of CUDA devices: a process group of torch.distributed."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from digitlab.parallel.membership import Membership
from digitlab.parallel.quorum import Round
from digitlab.parallel.seat import Seat

_CONNECTING = 4.0  # seconds for each wait in it


class ProcessGroup:
    """An exchange by gloo or NCCL.

    What it calls may hang, and is called under a guard that ends the process then.
    """

    def __init__(
        self,
        seat: Seat,
        device: torch.device,
        membership: Membership,
        now: Round,
        guard: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Connect the workers of a round; `guard` is `Team.collective`.

        Raises:
            PeersLostError: where one of them is lost meanwhile, or does not come.
        """
        self._guard, self.device = guard, device
        # Torch names groups by counting attempts, and would look for the others under a name that
        # is not theirs after an attempt that failed here only.
        dist.distributed_c10d._world.group_count = 0
        # Gloo waits for each other's address and then for each connection, and does not notice a
        # peer that is gone before; all enter a round at the same time, so this needs no patience.
        # Where a peer is stopped in these milliseconds, gloo heeds no timeout: it is ended.
        gloo = device.type != "cuda"
        seconds = min(_CONNECTING, seat.plan.timeout / 2) if gloo else seat.plan.timeout
        try:
            with guard():
                dist.init_process_group(
                    "gloo" if gloo else "nccl",
                    store=dist.PrefixStore(f"group/{now.number}", membership.store),
                    rank=now.rank,
                    world_size=len(now.members),
                    timeout=timedelta(seconds=seconds),
                )
                dist.distributed_c10d._set_pg_timeout(timedelta(seconds=seat.plan.timeout))
        except BaseException:
            with guard():
                self.close()
            raise
        finally:
            membership.restore_timeout()

    def gather(self, mine: Tensor, every: Tensor, meanwhile: Callable[[], None] | None) -> None:
        """See `Exchange`; on a GPU this only begins, and the device waits."""
        with self._guard():
            dist.all_gather(list(every.unbind()), mine)
        if meanwhile:
            meanwhile()

    def broadcast(self, tensor: Tensor, source: int) -> None:
        """See `Exchange`."""
        with self._guard():
            dist.broadcast(tensor, source)

    def close(self) -> None:
        """See `Exchange`."""
        if dist.is_initialized():
            dist.destroy_process_group()


def choose_interface(address: str) -> None:
    """Have gloo use the network interface of an address: that from which the store is reached.

    Otherwise it takes the one that this machine's name stands for, which may lead nowhere.
    """
    if not sys.platform.startswith("linux") or "GLOO_SOCKET_IFNAME" in os.environ:
        return
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = name.encode().ljust(40, b"\0")
            try:
                answer = fcntl.ioctl(probe, 0x8915, request)  # SIOCGIFADDR of linux/sockios.h
            except OSError:  # an interface without an address
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                os.environ["GLOO_SOCKET_IFNAME"] = name
                return

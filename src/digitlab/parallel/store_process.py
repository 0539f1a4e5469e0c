"""The process of the rendezvous store: `python -m digitlab.parallel.store_process FD`.

Started by `launch.py` with a listening socket, so that its port is known at once. It is a process
of its own because it must outlive every worker; it ends when its launcher does.
"""

from __future__ import annotations

import signal
import socket
import sys

import torch.distributed as dist


def serve(descriptor: int) -> None:
    """Keep the store on a listening socket until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the launcher ends it after the workers
    with socket.socket(fileno=descriptor) as listening:
        host, port = listening.getsockname()[:2]
        store = dist.TCPStore(
            host, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
        )
    sys.stdin.buffer.read()
    del store


if __name__ == "__main__":
    serve(int(sys.argv[1]))

"""Data parallel, exact: workers deal the shards of each batch among themselves.

Each worker computes its shards and adds those that are neighbours in the tree (tree.py). All send
what is left to all, and each adds the rest in the same order: so every number of workers gives the
bits of one process, and each takes the same step by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from digitlab.data.batches import Batch, Share
from digitlab.parallel.collective import HEAD, Collective
from digitlab.parallel.shards import ShardGradient
from digitlab.parallel.tree import fold, left_of, root


class DataParallel(Collective):
    """The strategy of one worker of several that give the bits of one process."""

    def _gradient(self, batch: Batch, wishes: Tensor) -> tuple[Tensor, ShardGradient]:
        share, leaves, width = self.team.share, len(batch.filled), self.packing.size
        nodes = [left_of(Share(rank, share.size), leaves) for rank in range(share.size)]
        mine = fold(self.pool.parts(batch, share), leaves, ShardGradient.__add__)
        length = HEAD + width * max(map(len, nodes))
        sent = torch.zeros(length, dtype=torch.uint8, device=self.job.device)
        sent[:HEAD] = wishes
        for place, node in enumerate(nodes[share.rank]):
            self.packing.pack(mine[node], sent[HEAD + place * width :][:width])
        every = self.team.gather(sent, lambda: self.pool.prepare_after(batch, share))
        parts = dict(mine)
        for rank in set(range(share.size)) - {share.rank}:
            for place, node in enumerate(nodes[rank]):
                parts[node] = self.packing.unpack(every[rank, HEAD + place * width :][:width])
        return every[:, :HEAD], fold(parts, leaves, ShardGradient.__add__)[root(leaves)]

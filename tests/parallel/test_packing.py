"""What goes over the wire comes back as it was, to the bit."""

from __future__ import annotations

import torch
from torch import nn

from digitlab.parallel.packing import Packing, packed_numbers, unpacked_numbers
from digitlab.parallel.shards import ShardGradient


def test_a_gradient_comes_back_with_its_buffers() -> None:
    norm = nn.BatchNorm2d(3)  # float buffers, and a counter
    kinds = (torch.randn(7), *norm.buffers())
    buffers = (torch.randn(3), torch.randn(3), torch.tensor(12))
    vector = torch.tensor([0.1, -0.0, float("nan"), float("inf"), 1e-42, 3.0, 4.0])
    part = ShardGradient(vector, 0.1 + 0.2, 41, buffers)
    packing = Packing(kinds)
    room = torch.zeros(2 * packing.size, dtype=torch.uint8)
    packing.pack(part, room[packing.size :])
    back = packing.unpack(room[packing.size :])
    assert back.vector.view(torch.int32).tolist() == vector.view(torch.int32).tolist()
    assert (back.loss, back.correct) == (0.1 + 0.2, 41)
    assert [buffer.dtype for buffer in back.buffers] == [buffer.dtype for buffer in buffers]
    assert all(torch.equal(a, b) for a, b in zip(back.buffers, buffers, strict=True))


def test_numbers_come_back() -> None:
    numbers = [0, -1, 2**62]
    assert unpacked_numbers(packed_numbers(numbers, torch.device("cpu"))) == numbers

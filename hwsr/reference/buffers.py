"""Where rows are kept while they stream: of every tensor the rows of one step, after those that its readers still need.

A tensor's buffer is (phases, rows, C, columns). With P phases column x lies in phase x modulo P, at x // P, between the
plan's margins of zeros. Nodes that compute with single values do not care; with two phases sums and differences of
neighbours are of whole rows, which `hwsr.reference.products` uses. Where P does not divide the width, the last column
of some phases is beyond the image; more of them where convolutions are made in tiles, WIDE side by side.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hwsr.ir.graph import Node
from hwsr.reference.plan import UPSCALING, Plan
from hwsr.reference.winograd import WIDE


@dataclass(frozen=True, eq=False)
class Buffers:
    """The buffers of one run, for steps of so many rows."""

    plan: Plan
    shapes: dict[str, tuple[int, int, int]]  # (C, rows a step, W)
    arrays: dict[str, NDArray] = field(default_factory=dict)
    spare: dict[tuple[object, ...], NDArray] = field(default_factory=dict)

    def first(self, name: str, reader: Node) -> int:
        """Where in a tensor's buffer the rows of `reader`'s step start."""
        lines = self.plan.lines[name]
        late = 0 if isinstance(reader, UPSCALING) else self.plan.lines[reader.name].lag - lines.lag
        return lines.before - late

    def rows(self, name: str, reader: Node) -> NDArray:
        """(phases, rows, C, columns) of a tensor at `reader`'s step; its maker is at the rows that it makes."""
        first = self.first(name, reader)
        return self.arrays[name][:, first : first + self.shapes[name][1]]

    def columns(self, rows: NDArray) -> NDArray:
        """Rows without their margins."""
        return rows[..., self.plan.margin : rows.shape[-1] - self.plan.margin]

    def inside(self, name: str, phase: int) -> int:
        """How many columns of a phase the image has."""
        return len(range(phase, self.shapes[name][2], self.plan.phases))

    def scratch(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
        """Memory for as long as one node is made; once zero, and the same for all that ask for the same."""
        key = (shape, np.dtype(dtype))
        if key not in self.spare:
            self.spare[key] = np.zeros(shape, dtype)
        return self.spare[key]


def allocate(plan: Plan, rows: int, width: int) -> Buffers:
    """Buffers for an image `width` pixels wide.

    Tensors that no later step reads share memory, as soon as their last reader in a step is done.
    """
    graph = plan.graph
    buffers = Buffers(plan, {name: graph.shape(name, rows, width) for name in plan.lines})
    free: dict[tuple[object, ...], list[NDArray]] = {}

    def take(name: str) -> NDArray:
        lines, (channels, count, wide) = plan.lines[name], buffers.shapes[name]
        columns = -(-wide // plan.phases)
        if plan.tiles:
            columns = -(-columns // WIDE) * WIDE
        shape = (plan.phases, lines.before + count + lines.after, channels, columns + 2 * plan.margin)
        spare = free.get((shape, lines.dtype), [])
        return spare.pop() if spare and not lines.before else np.zeros(shape, lines.dtype)

    last_readers = {name: node for node in graph.nodes for name in node.inputs}
    for node in graph.nodes:
        buffers.arrays[node.name] = take(node.name)
        for name in set(node.inputs):
            if last_readers[name] is node and not plan.lines[name].before:
                array = buffers.arrays[name]
                free.setdefault((array.shape, array.dtype.type), []).append(array)
    return buffers

"""The network as SVG: a column of blocks, words flowing down, skips in lanes at the left."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from hwsr.report.blocks import Block

WIDTH, ROW, BOX, LANE, TITLE, MARGIN = 380, 44, 30, 12, 18, 6


@dataclass(frozen=True)
class Skip:
    """A tensor that later blocks read: rows of its block and of those, and the lane that it runs in."""

    start: int
    ends: tuple[int, ...]
    lane: int


def skips(blocks: Sequence[Block]) -> tuple[Skip, ...]:
    """Every tensor with readers beyond the next row; those that overlap run in lanes of their own."""
    rows = {block.name: row for row, block in enumerate(blocks)}
    free: list[int] = []  # the row from which on each lane is free
    found = []
    for row, block in enumerate(blocks):
        readers = {rows[other.name] for other in blocks if block.name in other.inputs}
        ends = sorted(reader for reader in readers if reader > row + 1)
        if not ends:
            continue
        lane = next((i for i, until in enumerate(free) if until <= row), len(free))
        free[lane:] = [ends[-1], *free[lane + 1 :]]
        found.append(Skip(row, tuple(ends), lane))
    return tuple(found)


def draw(blocks: Sequence[Block]) -> Markup:
    """The picture; its colours are the page's classes."""
    found = skips(blocks)
    lanes = max((skip.lane + 1 for skip in found), default=0)
    left = MARGIN + lanes * LANE + (8 if lanes else 0)
    tops = _tops(blocks)
    parts = [*_bands(blocks, tops, left)]
    parts += [_skip(skip, tops, left) for skip in found]
    parts += [_block(block, y, left) for block, y in zip(blocks, tops, strict=True)]
    parts += [
        _wire(tops[row], tops[row + 1], left)
        for row, (above, below) in enumerate(pairwise(blocks))
        if above.name in below.inputs
    ]
    height = tops[-1] + BOX + MARGIN
    head = Markup(
        '<svg class="network" viewBox="0 0 {} {}" role="img" aria-label="network of {} blocks" '
        'font-family="inherit" font-size="12">'
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 6 3 0 6z" class="tip"/></marker></defs>'
    ).format(WIDTH, height, len(blocks))
    return head + Markup("").join(parts) + Markup("</svg>")


def _tops(blocks: Sequence[Block]) -> list[int]:
    """Where each box begins; a part of the network begins with its title."""
    tops, y, part = [], MARGIN, ""
    for block in blocks:
        y += TITLE if block.part and block.part != part else 0
        tops.append(y)
        y, part = y + ROW, block.part
    return tops


def _bands(blocks: Sequence[Block], tops: Sequence[int], left: int) -> list[Markup]:
    """A band and its title behind the rows of each part."""
    bands: list[tuple[str, int, int]] = []
    for block, y in zip(blocks, tops, strict=True):
        bottom = y + BOX + 4
        if bands and block.part == bands[-1][0]:
            bands[-1] = (block.part, bands[-1][1], bottom)
        else:
            bands.append((block.part, y - TITLE, bottom))
    shape = Markup(
        '<rect class="band" x="{}" y="{}" width="{}" height="{}" rx="6"/>'
        '<text class="part" x="{}" y="{}" text-anchor="end">{}</text>'
    )
    return [
        shape.format(left - 4, top, WIDTH - left + 2, bottom - top, WIDTH - MARGIN - 9, top + 13, part)
        for part, top, bottom in bands
        if part
    ]


def _block(block: Block, y: int, left: int) -> Markup:
    """A box: the operation at the left, what it is made of at the right; its name on hovering."""
    kind = block.label.split()[0]
    right, middle = WIDTH - MARGIN, y + 19
    return Markup(
        '<g class="block is-{}"><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="5"/>'
        '<text class="what" x="{}" y="{}">{}</text><text class="how" x="{}" y="{}" text-anchor="end">{}</text></g>'
    ).format(
        kind, block.name, left, y, right - left, BOX, left + 9, middle, block.label, right - 9, middle, _made(block)
    )


def _made(block: Block) -> str:
    """What it multiplies by, if it does, and the words that it makes."""
    channels, height, width = block.shape
    word = f"{channels} × {block.bits} bit"
    match block.weight_bits:
        case None:
            return f"{word}, {width}×{height}"
        case 2:
            return f"ternary weights, {word}"
    return f"{block.weight_bits}-bit weights, {word}"


def _wire(top: int, below: int, left: int) -> Markup:
    """From a box to the one below."""
    return Markup('<path class="wire" d="M{} {}V{}" marker-end="url(#tip)"/>').format(left + 26, top + BOX, below - 1)


def _skip(skip: Skip, tops: Sequence[int], left: int) -> Markup:
    x = MARGIN + skip.lane * LANE + 4
    start = tops[skip.start] + BOX - 8
    path = f"M{left} {start}H{x + 5}q-5 0 -5 5V{tops[skip.ends[-1]] + 6}q0 5 5 5H{left - 1}"
    wires = Markup('<path class="wire skip" d="{}" marker-end="url(#tip)"/>').format(path)
    for end in skip.ends[:-1]:
        wires += Markup('<path class="wire skip" d="M{} {}q0 5 5 5H{}" marker-end="url(#tip)"/>').format(
            x, tops[end] + 6, left - 1
        )
    return wires

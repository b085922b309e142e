"""Winograd's F(4x4, 3x3) in integers: 36 products for 16 outputs of a 3x3 kernel, in place of 144.

S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin and S. Gray, Fast Algorithms for Convolutional
Neural Networks (2016). A tile d of 6x6 inputs and a kernel g of 3x3 make 4x4 outputs

    A ((G g G^T) * (B d B^T)) A^T,

products taken one by one. To be integers the rows of Lavin and Gray's G are multiplied by 24 or a part of it, and A
makes up for that part: outputs come out SCALE[i] * SCALE[j] times too large, 9 times a power of two. In sums that wrap
around at 32 bits they are exact all the same: 9 has an inverse modulo 2^32, and what is left must fit, but nothing
before it.
"""

import numpy as np
from numpy.typing import NDArray

from hwsr.ir.graph import Conv, IntArray, Tensor

# Rows and columns of a tile's outputs, and of what the products see, which are as many parts.
SIDE, SEEN, PARTS = 4, 6, 36
# OUT output channels of WIDE tiles side by side are as many sums as 16 registers of 256 bits have room for.
OUT, WIDE = 6, 16

B = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
G = np.array([[6, 0, 0], [-2, -2, -2], [-2, 2, -2], [1, 2, 4], [1, -2, 4], [0, 0, 6]])
A = np.array([[1, 2, 2, 1, 1, 0], [0, 1, -1, 1, -1, 0], [0, 1, 1, 2, 2, 0], [0, 1, -1, 4, -4, 2]])
SCALE = (24, 12, 12, 12)
# The inverse of 9 modulo 2^32, and what a first output is still multiplied by after it.
INVERSE, LARGEST_SCALE = pow(9, -1, 1 << 32), 64


def tile_weights(weight: IntArray) -> IntArray:
    """What the products multiply by: (C_out, C_in, 3, 3) -> (36, C_out, C_in)."""
    both = np.einsum("ih,jw->ijhw", G, G).reshape(PARTS, -1)
    return (both @ weight.reshape(-1, 9).T).reshape(PARTS, *weight.shape[:2])


def packed(weight: IntArray) -> NDArray[np.int16]:
    """What the products multiply by, of (C_out, C_in, 3, 3): (C_out / OUT, 36, C_in / 2, OUT, 2), rounded up."""
    c_out, c_in = weight.shape[:2]
    padded = np.zeros((PARTS, -(-c_out // OUT) * OUT, -(-c_in // 2) * 2), np.int16)
    padded[:, :c_out, :c_in] = tile_weights(weight)
    split = padded.reshape(PARTS, -1, OUT, padded.shape[2] // 2, 2)
    return np.ascontiguousarray(split.transpose(1, 0, 3, 2, 4))


def tile_operand(node: Conv, x: Tensor) -> int:
    """Largest factor of a product; beside the image there are zeros."""
    lo, hi = min(x.lo, 0), max(x.hi, 0)
    weights = np.multiply.outer(B, B)
    up, down = (side.clip(0).sum((1, 3)) for side in (weights, -weights))
    inputs = np.maximum(up * hi - down * lo, down * hi - up * lo)
    return int(max(np.abs(tile_weights(node.weight)).max(), inputs.max()))

"""What Vivado's synthesis leaves of a stock kernel, beside what csynth reports of it.

No repository shows the synthesis of a single unmodified hls4ml kernel. The forms here follow from the structure; their
round numbers were read off one repository's modified kernels (18 convolutions, 28 other stages) and two whole designs
of another, so they say how synthesis goes and not how well they are known. The ranges are as wide as those reports
scatter; how often they hold the truth is not measured.
"""

from collections.abc import Mapping

from hwsr.estimate.kernel import Kernel
from hwsr.estimate.matvec import small_product_bits
from hwsr.estimate.model import Prediction, family

# Of csynth's figure: estimate, low and high. csynth counts every sum in full and forgets what logic is shared.
OF_CSYNTH = {
    "unrolled": {"lut": (0.6, 0.42, 0.72), "ff": (0.78, 0.65, 0.9)},
    "stage": {"lut": (0.5, 0.1, 1.0), "ff": (0.8, 0.35, 1.2)},
}
# Folded kernels: LUTs and flip-flops of control, of a bit of the window, of a bit of an accumulator.
_FOLDED = {"lut": (800, 0.3, 0.75), "ff": (800, 0.9, 1.0)}
FOLDED_RANGE = {"lut": (0.45, 2.4), "ff": (0.6, 2.4)}
# A ROM of up to 256 words shows one half at each of a block RAM's ports, 32 bits of it at a time.
_BOTH_PORTS_WORDS, _BOTH_PORTS_BITS = 256, 64
# Of a ROM's blocks, those that bits in use fill at least.
_ROM_LEAST = 0.9


def after_synthesis(kernel: Kernel, csynth: Mapping[str, Prediction]) -> dict[str, Prediction]:
    """LUTs, flip-flops, DSPs and memories after synthesis, by name, from the predictions of csynth's report."""
    kept = {name: csynth[name] for name in ("dsp", "uram")}
    if family(kernel) == "folded":
        return {**_folded(kernel, csynth), **kept, "bram18": _bram18(kernel, csynth["bram18"])}
    shares = OF_CSYNTH[family(kernel)]
    return {**{name: _share(csynth[name], shares[name]) for name in shares}, **kept, "bram18": csynth["bram18"]}


def _share(csynth: Prediction, share: tuple[float, float, float]) -> Prediction:
    value, low, high = (round(csynth.value * part) for part in share)
    return Prediction(value, low, high)


def _folded(kernel: Kernel, csynth: Mapping[str, Prediction]) -> dict[str, Prediction]:
    """No more than csynth counts."""
    logic = kernel.shift_registers + small_product_bits(kernel)
    found = {}
    for name, (control, window, accumulator) in _FOLDED.items():
        value = control + window * kernel.window_bits + accumulator * kernel.multipliers * kernel.acc_bits
        value += logic if name == "lut" else 0
        value = min(value, csynth[name].value)
        low, high = FOLDED_RANGE[name]
        found[name] = Prediction(round(value), round(value * low), round(value * high))
    return found


def _bram18(kernel: Kernel, csynth: Prediction) -> Prediction:
    if csynth.value == 0 or kernel.reuse_factor > _BOTH_PORTS_WORDS:
        return csynth
    halves = -(-kernel.multipliers * kernel.w_bits // _BOTH_PORTS_BITS)
    value = min(halves, csynth.value)
    return Prediction(value, min(round(value * _ROM_LEAST), csynth.low), csynth.high)

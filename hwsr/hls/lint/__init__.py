"""A linter of the generated C++, for what Vitis and Vivado HLS refuse or punish and no C++ compiler does.

It looks at what the firmware's top function reaches, as synthesis sees it, and knows nothing of numbers: a loop's bound
is static or not, an index depends on an unrolled counter or not.
"""

from pathlib import Path

from hwsr.errors import HwsrError
from hwsr.hls.lint import kernels, rules
from hwsr.hls.lint.calls import reached
from hwsr.hls.lint.cpp import read_firmware
from hwsr.hls.lint.finding import Finding
from hwsr.hls.lint.options import options, unbound, unpromised
from hwsr.hls.lint.ports import ports

__all__ = ["Finding", "lint"]


def lint(folder: Path, top: str, backend: str) -> list[Finding]:
    """Every finding in the firmware whose top function is `top` in `folder`/`top`.cpp, by place.

    backend: whose tool is to synthesize it.

    Raises HwsrError when a file cannot be read or the function is not there.
    """
    firmware = read_firmware(folder, f"{top}.cpp", backend)
    if top not in firmware.functions:
        raise HwsrError(f"{folder / f'{top}.cpp'} has no function '{top}'; write the project again with 'hwsr hls'")
    functions = reached(firmware.functions[top][0], firmware)
    found = {*rules.recursion(functions, firmware), *kernels.classes(functions, firmware)}
    found |= set(kernels.top_function(functions[0]))
    for function in functions:
        found |= {*rules.allocations(function), *rules.refused(function), *rules.loop_bounds(function)}
        found |= {*rules.pragmas(function, firmware), *rules.dataflow(function, firmware), *ports(function, firmware)}
        found |= {*kernels.pipelines(function), *kernels.arithmetic(function), *kernels.streams(function)}
        found |= {*kernels.intervals(function), *kernels.packed(function, firmware)}
        found |= {*options(function), *unpromised(function), *unbound(function, backend)}
    return sorted(found)

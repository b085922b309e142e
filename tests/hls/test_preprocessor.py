"""Conditional code: of each tool its own branch, every line in its place."""

import pytest

from hwsr.errors import HwsrError
from hwsr.hls.lint.preprocessor import compiled

CONDITIONAL = """#ifdef __VITIS_HLS__ // Vitis
a
#if VERSION > 3
b
#endif
#elif !defined(__SYNTHESIS__) || (0 && X)
c
#else
d
#endif
e"""


def test_each_tool_compiles_its_own_branch_and_asks_no_condition_of_another() -> None:
    assert compiled(CONDITIONAL, "Vivado").split("\n") == [*[""] * 8, "d", "", "e"]
    with pytest.raises(HwsrError, match=r"'VERSION > 3'"):
        compiled(CONDITIONAL, "Vitis")
    assert compiled(CONDITIONAL.replace("VERSION > 3", "0x1"), "Vitis").split() == ["a", "b", "e"]

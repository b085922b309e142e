"""What TLAST ends on an AXI4-Stream of video."""

from enum import StrEnum


class Tlast(StrEnum):
    """Every line, as video has it, or every frame, which is a transfer of a DMA engine."""

    LINE = "line"
    FRAME = "frame"

    def packet(self, height: int, width: int) -> int:
        """Pixels from one TLAST to the next."""
        return width if self is Tlast.LINE else height * width

"""A QONNX file's own digest, kept among its metadata, so that a bit that flips after the export is found.

Files that other tools wrote carry none.
"""

import onnx

from hwsr.errors import HwsrError
from hwsr.seal import BLANK, holds, seal_of

SEAL = "hwsr.sha256"


def sealed(model: onnx.ModelProto) -> bytes:
    """The bytes of a file that holds `model`, whose metadata get its digest (an earlier one is replaced)."""
    others = {prop.key: prop.value for prop in model.metadata_props if prop.key != SEAL}
    for seal in (BLANK, None):
        onnx.helper.set_model_props(model, others | {SEAL: seal or seal_of(model.SerializeToString())})
    return model.SerializeToString()


def check_seal(model: onnx.ModelProto, data: bytes) -> None:
    """Raise HwsrError where `data`, the bytes of `model`, are not those that were sealed."""
    seal = next((prop.value for prop in model.metadata_props if prop.key == SEAL), None)
    if seal is not None and not holds(data, seal):
        raise HwsrError(f"the file is not as it was exported (its {SEAL} does not match); export or copy it anew")

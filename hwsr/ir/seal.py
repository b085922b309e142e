"""A QONNX file's own digest, kept among its metadata, so that a bit that flips after the export is found.

The digest is of the whole file with zeros in the digest's own place. Files that other tools wrote carry none.
"""

import hashlib

import onnx

from hwsr.errors import HwsrError

SEAL = "hwsr.sha256"
_BLANK = b"0" * 64


def sealed(model: onnx.ModelProto) -> bytes:
    """The bytes of a file that holds `model`, whose metadata get its digest (an earlier one is replaced)."""
    others = {prop.key: prop.value for prop in model.metadata_props if prop.key != SEAL}
    onnx.helper.set_model_props(model, others | {SEAL: _BLANK.decode()})
    data = model.SerializeToString()
    seal = _digest(data)
    onnx.helper.set_model_props(model, others | {SEAL: seal.decode()})
    return model.SerializeToString()


def check_seal(model: onnx.ModelProto, data: bytes) -> None:
    """Raise HwsrError where `data`, the bytes of `model`, are not those that were sealed."""
    seal = next((prop.value.encode() for prop in model.metadata_props if prop.key == SEAL), None)
    if seal is not None and (len(seal) != len(_BLANK) or _digest(data.replace(seal, _BLANK)) != seal):
        raise HwsrError(f"the file is not as it was exported (its {SEAL} does not match); export or copy it anew")


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()

"""Digests that data carry within themselves: of all of it, with zeros in the digest's own place."""

import hashlib

# What a seal is made over, in its own place.
BLANK = "0" * 64


def seal_of(blank: bytes) -> str:
    """The SHA-256 to write over the BLANK in `blank`."""
    return hashlib.sha256(blank).hexdigest()


def holds(data: bytes, seal: str) -> bool:
    """Whether `data` is what `seal`, which it carries, was made of."""
    return len(seal) == len(BLANK) and seal_of(data.replace(seal.encode(), BLANK.encode())) == seal

"""The integer representation that every backend reads."""

"""The integer-exact numpy reference: what every backend must equal bit for bit."""

"""IntGraph -> hls4ml project -> g++ simulation, bit for bit."""

# Of hls4ml; named here, where importing it is not needed.
BACKENDS = ("Vitis", "Vivado")

"""IntGraph -> hls4ml project -> g++ simulation, bit for bit."""

"""Projects of hls4ml's own kernels: read from their C++, estimated and simulated without a tool."""

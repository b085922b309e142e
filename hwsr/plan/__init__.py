"""From a device, a frame size and a rate to the folding of every stage."""

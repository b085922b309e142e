"""Every network that hwsr knows through the C simulation of its HLS C++: what is covered, how, and what came of it."""

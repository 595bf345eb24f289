"""Speed and memory, measured on this machine with models of full size; the values of weights do not matter to them."""

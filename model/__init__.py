"""SD-AANet: the network, its training and evaluation, and the bundle it is served from."""

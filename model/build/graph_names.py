"""How export names the network's tensors in the graphs of a bundle."""

NETWORK_PREFIX = "network."
# Behind the name of a weight that is stored in half precision.
FP16_WEIGHT_SUFFIX = ".half"

"""SD-AANet: the network, its training and evaluation, and the bundle it is served from."""

import os

# onnxruntime's wheels report on sessions and models to their maker, and keep an id of the machine
# for it in the home folder, unless this is set before they are first used.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

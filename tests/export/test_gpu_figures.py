"""The operations that plans for GPUs count with are those of the networks."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from export.graphs import example_inputs, wrap
from model.build import PRESETS, build_network
from service.planning.gpu import NETWORKS


@pytest.mark.parametrize(("name", "tokens"), [("lite", 74), ("base", 108)])
def test_figures_of_networks_are_those_that_torch_counts(name: str, tokens: int) -> None:
    network = build_network(PRESETS[name]()).eval()
    graphs = wrap(network)

    def giga(graph: str, shots: int) -> float:
        inputs = example_inputs(network, images=1, pairs=1, shots=shots, tokens=tokens, seed=0)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            graphs[graph](*inputs[graph])
        return float(counter.get_total_flops()) / 1e9

    one, two = giga("head", 1), giga("head", 2)
    costs = NETWORKS[name]
    assert costs.encode == pytest.approx(giga("encoder", 1), rel=0.005)
    assert costs.class_ == pytest.approx(2 * one - two, rel=0.005)
    assert costs.shot == pytest.approx(two - one, rel=0.01)

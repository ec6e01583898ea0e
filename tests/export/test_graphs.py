"""The graph of the head beside the network that it wraps."""

import torch

from export.graphs import example_inputs, wrap
from model.build import PRESETS, build_network
from model.nets import EncodedImages


def test_the_plain_refit_leaves_the_networks_logits_as_they_are() -> None:
    torch.manual_seed(0)
    network = build_network(PRESETS["lite"]().at_side(65)).eval()
    cases = example_inputs(network, images=2, pairs=3, shots=2, tokens=3, seed=0)
    *asked, refit, identity = cases["head"]
    plain = torch.zeros_like(refit)
    plain[:, 0] = 1
    query, high, index, affinity, guided, gate, tokens, valid = asked
    with torch.inference_mode():
        logits, _, _ = wrap(network)["head"](*asked, plain, identity)
        refitted, _, _ = wrap(network)["head"](*asked, refit, identity)
        matched = network.match(
            EncodedImages(query, query, high),
            index,
            affinity=affinity,
            guided=guided,
            gate=gate,
            tokens=tokens.float(),
            token_valid=valid,
        )
    own = matched.logits[:, 1] - matched.logits[:, 0]
    torch.testing.assert_close(logits, own, rtol=0, atol=1e-6)
    assert not torch.allclose(refitted, own, atol=1e-2)

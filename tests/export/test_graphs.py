"""The graph of the head beside the network that it wraps."""

import torch

from export.graphs import comparison_inputs, example_inputs, wrap
from model.build import PRESETS, random_network
from model.nets import EncodedImages


def test_no_example_is_plainly_there_or_absent() -> None:
    network, _ = random_network(PRESETS["lite"]().at_side(65), seed=0)
    assert network.presence is not None
    network.presence.coefficients.copy_(torch.tensor([5.1, 5.2, 2.5]))  # those of a real network
    for intercept in (-1.5, 3.0):
        network.presence.intercept.fill_(intercept)
        for given in comparison_inputs(network).values():
            with torch.inference_mode():
                _, presence, _ = wrap(network)["head"](*given["head"])
            assert 0.2 < presence.min() <= presence.max() < 0.8


def test_the_plain_refit_leaves_the_networks_logits_as_they_are() -> None:
    network, _ = random_network(PRESETS["lite"]().at_side(65), seed=0)
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

"""Nodes that stay in float32 in every tier: the prior, presence, and the refit of a class."""

import onnx


def float_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that must not be computed in a lower precision."""
    return [*_prior_nodes(model), *_refit_nodes(model)]


def _prior_nodes(model: onnx.ModelProto) -> list[str]:
    """Nodes that depend on tokens or on their mean, up to where the prior joins the other maps.

    The prior is stretched from its smallest to its largest cosine. Outside the training domain
    these lie close together, so that little more than steps of 0.004 (int8) or 0.0005 (fp16) would
    be left of the prior. The constants that keep a flat map and a padded shot from a division by
    zero are smaller than such a step, too.
    """
    reached = {"tokens", "token_valid", "identity"}
    nodes = []
    for node in model.graph.node:  # sorted topologically
        if node.op_type != "Concat" and reached.intersection(node.input):
            nodes.append(node.name)
            reached.update(node.output)
    return nodes


def _refit_nodes(model: onnx.ModelProto) -> list[str]:
    """The nodes whose output a refit is multiplied by, and all nodes that depend on the refit.

    Calibration runs without adaptation, so its refits are (1, 0, …, 0). Ranges taken from them
    would clip any other refit.
    """
    reached = {"refit"}
    nodes = [node for node in model.graph.node if "cells" in node.output]
    for node in model.graph.node:  # sorted topologically
        # The exporter also reads the number of pairs from the refit's shape.
        if node.op_type != "Shape" and reached.intersection(node.input):
            nodes.append(node)
            reached.update(node.output)
    return [node.name for node in nodes]

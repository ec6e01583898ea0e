"""What stays in float32 in every tier: the prior, presence, and the refit of a class."""

import onnx


def float_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that must not be computed in a lower precision."""
    return [*_prior_nodes(model), *_refit_nodes(model)]


def _prior_nodes(model: onnx.ModelProto) -> list[str]:
    """Whatever is made of tokens or of their mean, up to where the prior joins the other maps.

    The prior is stretched from its least to its greatest cosine. Off the training domain they lie
    close together, and steps of 0.004 (int8) or 0.0005 (fp16) would be all that is left of it. And
    what keeps a flat map or a padded shot from a division by zero is smaller than any such step.
    """
    reached = {"tokens", "token_valid", "identity"}
    nodes = []
    for node in model.graph.node:  # sorted: a node stands behind those it depends on
        if node.op_type != "Concat" and reached.intersection(node.input):
            nodes.append(node.name)
            reached.update(node.output)
    return nodes


def _refit_nodes(model: onnx.ModelProto) -> list[str]:
    """Whatever a refit is multiplied with, and all behind it.

    What calibrates is not adapted: its refit is zeros but for one number, so ranges taken from it
    would cut every other refit off.
    """
    reached = {"refit"}
    nodes = [node for node in model.graph.node if "cells" in node.output]
    for node in model.graph.node:  # sorted: a node stands behind those it depends on
        # The exporter also asks the refit how many pairs there are, which is no arithmetic.
        if node.op_type != "Shape" and reached.intersection(node.input):
            nodes.append(node)
            reached.update(node.output)
    return [node.name for node in nodes]

"""Nodes that int8 leaves in float32: prior, presence, a class's refit, pooling by scale."""

import onnx


def float_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that must not be quantised, or gain nothing by it."""
    return [*_prior_nodes(model), *_refit_nodes(model), *_pooling_nodes(model)]


def _prior_nodes(model: onnx.ModelProto) -> list[str]:
    """Nodes of the head that depend on high-level features, up to where the prior joins other maps.

    The prior is stretched from its smallest to its largest cosine. Outside the training domain
    these lie close together, so that little more than steps of 0.004 would be left of the prior.
    The constants that keep a flat map and a padded shot from a division by zero are smaller than
    such a step, too.
    """
    inputs = {value.name for value in model.graph.input}
    reached = inputs & {"tokens", "token_valid", "identity"}
    if not reached:
        return []  # a graph without classes
    reached.add("high_feature")
    others = inputs - reached
    nodes = []
    for node in model.graph.node:  # sorted topologically
        joins = node.op_type == "Concat" and not others.isdisjoint(node.input)
        if not joins and not reached.isdisjoint(node.input):
            nodes.append(node.name)
            reached.update(node.output)
        elif node.op_type != "Shape" and not (reached | others).isdisjoint(node.input):
            others.update(node.output)
    return nodes


def _refit_nodes(model: onnx.ModelProto) -> list[str]:
    """The node that makes `cells`, and all nodes that depend on the refit.

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


def _pooling_nodes(model: onnx.ModelProto) -> list[str]:
    """The two products by which a map is pooled, by a constant from either side.

    onnxruntime multiplies bytes by a constant from the right alone. Quantising the second product
    saves no time then, and costs one rounding more.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    first = [node for node in products if node.input[0] in constants]
    made = {node.output[0] for node in first}
    return [node.name for node in [*first, *(n for n in products if n.input[0] in made)]]

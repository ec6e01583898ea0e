"""Where a graph compares tokens with a feature, which stays in float32 in every tier."""

import onnx


def token_products(model: onnx.ModelProto) -> list[str]:
    """Names of the matrix products of two activations: the cosines behind the prior.

    The prior is stretched from its least to its greatest cosine. Off the training domain they lie
    close together, and steps of 0.004 (int8) or 0.0005 (fp16) would be all that is left of it.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and not constants.intersection(node.input)
    ]

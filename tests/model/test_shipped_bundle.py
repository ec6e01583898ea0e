"""What holds for the graphs that ship, in each of their precisions."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.contract import Precision, SupportSet, resize_image, resize_mask
from model.runtime import BundleRuntime
from service.demo.samples import queries, supports
from service.settings import Settings


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_class_is_marked_alike_beside_one_of_more_shots(precision: Precision) -> None:
    """The shots of a batch are padded to the most of any class, which nothing may see."""
    runtime = BundleRuntime(Settings().bundle, precision=precision, intra_op_threads=1)
    side = runtime.manifest.input_side
    images = np.stack([resize_image(each.pixels(), side) for each in supports("duck")])
    masks = np.stack([resize_mask(each.mask("duck"), side) for each in supports("duck")])
    shots = tuple(runtime.prototypes(runtime.encode(images, masks), masks))
    few, many = SupportSet(shots[:2]), SupportSet((*shots, *shots))
    query = runtime.encode(resize_image(queries()[0].pixels(), side)[None])

    def answer(*classes: SupportSet) -> NDArray[np.float32]:
        logits = runtime.head(query, np.zeros(len(classes), np.int64), classes).logits
        return np.asarray(logits[0])

    np.testing.assert_allclose(answer(few, many), answer(few), rtol=0, atol=1e-3)

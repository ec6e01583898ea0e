"""Files that once did what they may not, each reduced by hand to the little that matters."""

import warnings

from service.imaging import decode_image, decode_mask

# A grey float TIFF of 1 x 2 pixels: a signalling NaN, which warned in a cast, and 1.0.
SIGNALLING_NAN = bytes.fromhex(
    "49492a0010000000"
    "0000a07f0000803f"
    "0a00"
    "000104000100000002000000"
    "010104000100000001000000"
    "020103000100000020000000"
    "030103000100000001000000"
    "060103000100000001000000"
    "110104000100000008000000"
    "150103000100000001000000"
    "160104000100000001000000"
    "170104000100000008000000"
    "530103000100000003000000"
    "00000000"
)


def test_a_signalling_nan_is_read_as_black_and_as_background() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(SIGNALLING_NAN, max_pixels=2)[..., 0].tolist() == [[0, 255]]
        assert decode_mask(SIGNALLING_NAN, max_pixels=2).objects.tolist() == [[False, True]]

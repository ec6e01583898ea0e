"""A small path tracer and the scenes it photographs: where the demo's sample images come from.

Vectors are float32 arrays of shape (3, N), one row a coordinate, z up; lengths are in
decimetres or so, masks and pictures are (H, W) and (H, W, 3).
"""

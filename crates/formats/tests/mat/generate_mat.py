"""Writes the MAT-files of this folder with SciPy: python generate_mat.py"""

import pathlib

import numpy as np
import scipy.io

here = pathlib.Path(__file__).parent
x = np.array([[[[100 * n + 10 * i + j for n in range(2)]] for j in range(3)] for i in range(2)], dtype=np.uint8)
y = np.array([[10], [1]], dtype=np.uint8)
for name, packed in [("compressed", True), ("plain", False)]:
    scipy.io.savemat(here / f"{name}.mat", {"note": "skipped", "X": x, "y": y}, do_compression=packed)

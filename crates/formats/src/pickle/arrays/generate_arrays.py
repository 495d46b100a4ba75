"""Writes the pickles of this folder with NumPy: python generate_arrays.py"""

import pathlib
import pickle

import numpy as np

here = pathlib.Path(__file__).parent
data = np.array([[0, 1, 2], [253, 254, 255]], dtype=np.uint8)
for protocol in range(2, 6):
    with open(here / f"protocol{protocol}.pkl", "wb") as file:
        pickle.dump({b"data": data, b"labels": [6, 256]}, file, protocol=protocol)

"""What the tests of readers share."""

import numpy as np
import pytest


@pytest.fixture
def write(tmp_path):
    """Write a file of this name: bytes, text, one array (.npy) or several (.npz)."""

    def write(name, content=None, **arrays):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_bytes(content.encode())
        elif content is not None:
            np.save(path, content)
        else:
            np.savez_compressed(path, **arrays)
        return path

    return write

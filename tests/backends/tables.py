"""What the tests of the user's tables share."""

import io
import zipfile

import numpy as np
import pytest

from backends.base import InputError
from backends.files import read_table


def table(path, label_column=None):
    return read_table(path, label_column)[0]


def sentence(path, label_column=None):
    """The one sentence that a file which cannot be used gives."""
    with pytest.raises(InputError) as error:
        read_table(path, label_column)
    text = str(error.value)
    assert path.name in text
    assert "\n" not in text
    return text


def archive(name, data, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as z:
        z.writestr(name, data)
    return out.getvalue()


def saved(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()

"""Arrays of plain Python objects in .npy files: decoded without importing, calling or building anything from outside.

An unpickler normally calls whatever the file names. This one knows five names of numpy and gives each a stand-in of its
own that only notes what it is told; arrays are made afterwards, from texts, numbers, booleans and None alone.
"""

import io
import pickle
from pathlib import Path

import numpy as np

# What numpy writes for an array of objects, by all the names that its versions gave these.
_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_SCALAR_KINDS = "biufU"
# The missing value of pandas' nullable integers, booleans and texts: a name alone, nothing is called.
_PANDAS_NA = (("pandas", "NA"), ("pandas._libs.missing", "NA"))


class NotPlainError(Exception):
    """A file holds something other than texts, numbers, booleans and None; its message says what."""


class NoArrayFileError(NotPlainError):
    """A file has no header of a .npy file, such as what other systems leave beside one (`._group.npy`)."""


def read_plain_objects(npy_file: Path) -> np.ndarray:
    """The array in a .npy file of Python objects, as numbers, booleans or texts.

    None, and NaN among texts, are missing values: "" among texts, NaN among numbers. Texts mixed with anything else
    become texts.

    Raises
    ------
    NotPlainError
        Anything else is in the file, or it is broken.
    """
    with npy_file.open("rb") as file:
        shape, dtype = _read_header(file)
        if dtype != np.dtype(object):
            raise NotPlainError(f"it is an array of {dtype}")
        array = _array(_load(file.read()))
    if array.shape != shape:
        raise NotPlainError(f"its header says shape {shape}, its content {array.shape}")
    return _with_plain_dtype(array)


def _read_header(file) -> tuple[tuple[int, ...], np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_2_0 if version == (2, 0) else np.lib.format.read_array_header_1_0
        shape, _, dtype = read(file)
    except Exception as error:  # numpy hands a header to Python's parser
        raise NoArrayFileError(f"it is no .npy file ({error})") from error
    return shape, dtype


def _load(content: bytes):
    try:
        return _PlainUnpickler(io.BytesIO(content)).load()
    except NotPlainError:
        raise
    except Exception as error:  # whatever broken or hostile bytes make of the unpickler
        raise NotPlainError(f"its content cannot be decoded ({type(error).__name__}: {error})") from error


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) in _PANDAS_NA:
            return None
        if module in _MODULES and name in _STAND_INS:
            return _STAND_INS[name]
        raise NotPlainError(f"it holds objects of {module}.{name}")

    def persistent_load(self, pid):
        raise NotPlainError(f"it refers to an object outside the file ({pid!r:.40})")


class _Noted:
    """Stands in for one of numpy's objects: keeps what it would have been made from."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.state = ()

    def __setstate__(self, state):
        self.state = state


class _Array(_Noted):
    """numpy's `_reconstruct` or `_frombuffer`; its state is (version, shape, dtype, is_fortran, values)."""


class _Scalar(_Noted):
    """numpy's `scalar`, made from (dtype, bytes)."""


class _Dtype(_Noted):
    """numpy's `dtype`, made from (text, align, copy); its state begins with (version, byte order)."""


class _Type(_Noted):
    """`numpy.ndarray` itself, an argument of `_reconstruct`."""


_STAND_INS = {"_reconstruct": _Array, "scalar": _Scalar, "dtype": _Dtype, "ndarray": _Type}


def _array(noted) -> np.ndarray:
    """object array of plain values."""
    if not isinstance(noted, _Array) or not isinstance(noted.state, tuple) or len(noted.state) != 5:
        raise NotPlainError(f"it holds a {type(noted).__name__.strip('_').lower()}, not an array of objects")
    _, shape, dtype, _, values = noted.state  # values are in C order whatever the order in memory was
    if not (isinstance(dtype, _Dtype) and dtype.arguments[:1] in (("O8",), ("O",)) and isinstance(values, list)):
        raise NotPlainError("its array is not one of objects")
    is_shape = isinstance(shape, tuple) and all(isinstance(length, int) and length >= 0 for length in shape)
    if not is_shape or np.prod(shape, dtype=object) != len(values):
        raise NotPlainError(f"its array of shape {shape!r:.40} has {len(values)} values")
    flat = np.empty(len(values), dtype=object)
    flat[:] = [_value(value) for value in values]
    return flat.reshape(shape)


def _value(value):
    if isinstance(value, _Scalar):
        return _scalar(*value.arguments)
    if value is None or type(value) in (str, bool, int, float):
        return value
    name = type(value).__name__.strip("_").lower()
    raise NotPlainError(f"it holds {'an' if name[0] in 'aeiou' else 'a'} {name}")


def _scalar(dtype, content=b""):
    """A numpy number, boolean or text as Python's."""
    text = dtype.arguments[0] if isinstance(dtype, _Dtype) and dtype.arguments else ""
    if not (isinstance(text, str) and text[:1] in _SCALAR_KINDS and text[1:].isdecimal() and type(content) is bytes):
        raise NotPlainError("it holds numpy values that are neither numbers, booleans nor texts")
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "<"
    return np.frombuffer(content, dtype=np.dtype(text).newbyteorder(order if order in ("<", ">") else "="))[0].item()


def _with_plain_dtype(array: np.ndarray) -> np.ndarray:
    """Booleans, int64 or float64 where all values are; texts otherwise."""
    values = array.ravel().tolist()
    kinds = {type(value) for value in values if value is not None}
    is_missing = np.array([value is None for value in values], dtype=bool).reshape(array.shape)
    if kinds == {bool} and not is_missing.any():
        return array.astype(bool)
    if kinds and kinds <= {int, float}:
        filled = np.where(is_missing, np.nan, array)
        fits = kinds == {int} and not is_missing.any() and all(-(2**63) <= value < 2**63 for value in values)
        return filled.astype(np.int64 if fits else np.float64)
    texts = ["" if value is None or value != value else str(value) for value in values]
    return np.array(texts, dtype=str).reshape(array.shape)

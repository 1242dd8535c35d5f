"""Parameters as text: JSON given on the command line or in a file, and the values that pipelines send as strings."""

import json
from pathlib import Path
from typing import Any

from ephys_postprocess.errors import ParameterError

_WORDS = {"true": True, "false": False, "null": None, "none": None}
MAX_LETTERS = 2**24  # of a file that the caller names


def value_from_text(value: Any) -> Any:
    """The JSON scalar that a string spells ("true", "8", "1e-3", ".5"); anything else comes back as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return value


def float_of(number: float) -> float:
    """A number as a float; ValueError for a whole number that is larger than any."""
    try:
        return float(number)
    except OverflowError:
        raise ValueError("must be a number of at most 308 digits") from None


def duration_s(value: Any) -> float:
    """Seconds of a duration as SpikeInterface takes it: a number of seconds, or text such as "500ms".

    Raises
    ------
    ValueError
        When it is neither, or not positive.
    """
    value = value_from_text(value)
    number, factor = value, 1.0
    if isinstance(value, str):
        text = value.strip().lower()
        unit = "ms" if text.endswith("ms") else text[-1:]
        factor = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}.get(unit, 0.0)
        number = value_from_text(text.removesuffix(unit))
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not 0 < float_of(number) * factor < float("inf"):
        raise ValueError("must be a duration such as '1s' or '500ms'")
    return number * factor


def memory_bytes(value: Any) -> int:
    """Bytes of an amount of memory: a number, or text such as "500M" or "2G".

    Raises
    ------
    ValueError
        When it is neither, or less than one byte.
    """
    text = str(value).strip().upper().removesuffix("B")
    is_binary = text.endswith("I")
    text = text.removesuffix("I")
    exponent = "KMGT".find(text[-1:]) + 1 if text else 0
    number = value_from_text(text[:-1] if exponent else text)
    is_number = isinstance(number, int | float) and not isinstance(value, bool)
    factor = (1024 if is_binary else 1000) ** exponent
    if not is_number or not 1 <= (size := float_of(number) * factor) < float("inf"):
        raise ValueError("must be an amount of memory such as '500M' or '2G'")
    return int(size)


def job_count(value: Any) -> int | float:
    """How many jobs: a whole number (negative ones count back from all cores), or a float in (0, 1] as a share.

    Raises
    ------
    ValueError
        When it is neither.
    """
    number = value_from_text(value)
    if isinstance(number, float) and number.is_integer() and number != 1:
        number = int(number)
    is_share = isinstance(number, float) and 0 < number <= 1
    if isinstance(number, bool) or not (isinstance(number, int) or is_share):
        raise ValueError("must be -1 (all cores), a whole number, or a share of the cores such as 0.5 or 1.0")
    return number


def read_parameters(text_or_path: str) -> tuple[dict[str, Any], str]:
    """Parameters from JSON text or, when it does not begin with a brace, from the file of that name.

    Returns
    -------
    document : dict
        As written; nothing is checked yet but that it is one JSON object.
    source : str
        What to call it in messages: "--params" or the file's name.

    Raises
    ------
    ParameterError
        When it is neither, or not valid JSON.
    """
    if text_or_path.lstrip().startswith(("{", "[")):
        return parse_parameters(text_or_path, "--params"), "--params"
    return read_parameters_file(text_or_path)


def text_of_file(path: Path) -> str:
    """The text in a file that the caller names, perhaps a pipe; ValueError for what never ends, or is no text."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        text = handle.read(MAX_LETTERS + 1)
    if len(text) > MAX_LETTERS:
        raise ValueError(f"it has more than {MAX_LETTERS} letters")
    return text


def read_parameters_file(path: str | Path) -> tuple[dict[str, Any], str]:
    """Parameters from a JSON file, and the file's name for messages."""
    path = Path(path)
    try:
        text = text_of_file(path)
    except FileNotFoundError:
        raise ParameterError(
            f"Parameters '{path}': neither JSON text (it would begin with '{{') nor an existing file."
        ) from None
    except (OSError, ValueError) as err:  # not text, or a name that no file can have
        raise ParameterError(f"Parameters file '{path}' cannot be read: {err}") from err
    return parse_parameters(text, path.name), path.name


def parse_parameters(text: str, source: str) -> dict[str, Any]:
    """The JSON object in `text`; repeated names, NaN and Infinity are refused because they hide mistakes."""
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except json.JSONDecodeError as err:
        raise ParameterError(_json_problem(err, text, source)) from err
    except (ValueError, RecursionError) as err:
        raise ParameterError(f"{source} is not valid parameters JSON: {err}") from err
    if not isinstance(document, dict):
        raise ParameterError(f'{source} must hold one JSON object, like {{"duplicate_threshold": 0.9}}.')
    return document


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"given twice in one object: {', '.join(map(repr, repeated))}")
    return dict(pairs)


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON value; use null or a number")


def _json_problem(err: json.JSONDecodeError, text: str, source: str) -> str:
    line = text.splitlines()[err.lineno - 1] if text.strip() else ""
    start = max(0, err.colno - 40)
    excerpt = line[start : err.colno + 40]
    pointer = " " * (err.colno - 1 - start) + "^"
    return f"{source} is not valid JSON: {err.msg} (line {err.lineno}, column {err.colno}).\n  {excerpt}\n  {pointer}"

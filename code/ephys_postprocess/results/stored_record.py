"""The data process of a finished result, read again: whole, edited, or no record of ours at all."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ephys_postprocess.inputs.special_files import read_regular
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.seals import is_json_sealed

MAX_BYTES = 256 * 2**20  # of a data process: one of ten thousand units has a few
_Checksum = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class File(_Part):
    """A file beside the store."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    sha256: _Checksum

    @field_validator("name")
    @classmethod
    def _lies_beside(cls, name: str) -> str:
        if "/" in name or "\0" in name or name in {".", ".."}:
            raise ValueError("must be the name of a file in the results folder")
        return name


class Integrity(_Part):
    """What `--verify` and `--resume` compare a result with."""

    manifest_sha256: _Checksum
    files: list[File]
    inputs: dict[str, str | int]  # the fields of an InputFingerprint
    has_report: bool = False
    seal_sha256: str = ""


class Stage(_Part):
    """What one stage took."""

    name: str
    seconds: float


class _Output(_Part):
    integrity: Integrity
    parameters_fingerprint: str
    versions: dict[str, str]
    num_units_in: int
    num_duplicate_units_removed: int
    num_units_out: int
    num_spikes: int
    num_channels: int
    stages: list[Stage]
    notes: list[str]
    metrics_not_computed: dict[str, str]

    def lines_without_values(self) -> list[str]:
        """Why metrics have no value for any unit, each reason once."""
        return [line for line in dict.fromkeys(self.metrics_not_computed.values()) if ": no value for any unit" in line]


class _CodeParameters(_Part):
    recording_name: str


class _Code(_Part):
    version: str
    parameters: _CodeParameters


class StoredRecord(_Part):
    """The part of a data process that says what a result is made of, and from."""

    code: _Code
    output_parameters: _Output

    @property
    def integrity(self) -> Integrity:
        return self.output_parameters.integrity


class UnusableRecordError(Exception):
    """There is no data process that a result could be judged by; the message says why."""


def read_stored_record(files: ResultFiles) -> StoredRecord:
    """The data process of a result of ours.

    Raises
    ------
    UnusableRecordError
        It is missing, unreadable, of another recording, edited, or not a record of this capsule.
    """
    name = files.data_process.name
    try:
        content = read_regular(files.data_process, MAX_BYTES)
        record = StoredRecord.model_validate(json.loads(content))
    except FileNotFoundError as error:
        raise UnusableRecordError(f"{name} is missing") from error
    except OSError as error:
        raise UnusableRecordError(f"{name} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise UnusableRecordError(f"{name} is not one of a complete result ({_said(error)})") from error
    except (ValueError, RecursionError) as error:
        raise UnusableRecordError(f"{name} is not JSON ({type(error).__name__})") from error
    if record.code.parameters.recording_name != files.shown_name:
        raise UnusableRecordError(f"{name} is of another recording ({record.code.parameters.recording_name!r})")
    if not is_json_sealed(content):
        raise UnusableRecordError(f"{name} has changed: its seal does not fit")
    return record


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}"

"""Small files of data folders with one thing spoiled each: opened, or refused with a message; never a traceback."""

import json
import shutil

import numpy as np
import pytest
from faults.attempts import attempt
from faults.broken_inputs import NAME
from faults.spoiled_files import make_forms, small_files, spoil

pytestmark = pytest.mark.filterwarnings("ignore")
NUM_FEW, NUM_MANY = 60, 300  # by the short tests and the long ones, a seed
FORMS = ("folders", "npz", "zarr")


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    return make_forms(tmp_path_factory.mktemp("forms"))


@pytest.mark.parametrize("form", FORMS)
def test_the_good_forms_are_accepted(forms, form):
    assert attempt(forms[form]).outcome == "accepted"
    if form == "folders":
        assert attempt(forms[form], use_motion_corrected=True).outcome == "accepted"


@pytest.mark.parametrize(
    ("seed", "number"),
    [(0, NUM_FEW), *(pytest.param(seed, NUM_MANY, marks=pytest.mark.slow) for seed in (1, 2))],
)
def test_no_spoiled_file_ends_in_a_traceback(forms, tmp_path, seed, number, tally):
    rng = np.random.default_rng(seed)
    outcomes = []
    for attempt_index in range(number):
        form = FORMS[attempt_index % len(FORMS)]
        files = small_files(forms[form])
        file = files[rng.integers(len(files))].relative_to(forms[form])
        data = shutil.copytree(forms[form], tmp_path / str(attempt_index))
        said = spoil(data / file, rng)
        wants_motion = form == "folders" and bool(rng.random() < 0.5)
        tally("spoiled small files")
        try:
            told = attempt(data, use_motion_corrected=wants_motion)
        except Exception as error:
            raise AssertionError(f"{form}, {file}: {said} (motion: {wants_motion})") from error
        assert told.text.strip()
        outcomes.append(told.outcome)
        shutil.rmtree(data)
    assert {"accepted", "refused"} <= set(outcomes)


def test_what_fails_only_when_traces_are_read_is_told_too(forms, tmp_path):
    data = shutil.copytree(forms["folders"], tmp_path / "data")
    record = {
        "code": {"parameters": {"motion_correction": {"apply": True, "interpolate_motion_kwargs": {"p": [None]}}}}
    }
    (data / f"data_process_preprocessing_{NAME}.json").write_text(json.dumps(record))
    told = attempt(data, use_motion_corrected=True)
    assert told.outcome == "refused"
    assert "Traces cannot be read" in told.text

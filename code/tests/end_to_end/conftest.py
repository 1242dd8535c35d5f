"""The input and the default run that several files look at, made once a session."""

import pytest
from end_to_end.make_inputs import NAME, save, save_motion, save_session


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """data/ with one usual recording of an awkward name, its motion estimate and a session folder."""
    data = tmp_path_factory.mktemp("tiny data (#1)")
    save(data)
    save_motion(data)
    save_session(data)
    return data


@pytest.fixture(scope="session")
def default_run(run_capsule, tiny_data):
    """The capsule with its defaults and two threads."""
    done = run_capsule("--n-jobs", "2", data=tiny_data)
    assert done.exit_code == 0, done.text
    return done


@pytest.fixture(scope="session")
def files_of():
    """files_of(name, ...): all that successful runs leave, besides copies of session metadata."""

    def files(*names):
        return {
            file
            for name in names
            for file in (
                f"postprocessed_{name}.zarr",
                f"data_process_postprocessing_{name}.json",
                f"units_{name}.csv",
                f"units_{name}.parquet",
                f"postprocessing-report_{name}.html",
            )
        }

    return files


@pytest.fixture(scope="session")
def metadata_copies():
    """Copies of `save_session`'s files."""
    return {f"postprocessing_{NAME}_{file}" for file in ("subject.json", "data_description.json")}

"""Two runs at once, on one recording and on two, and what an odd results folder must not lead to."""

import signal

import pytest
from faults.conftest import NAME, OTHER_NAME
from faults.scars import arrays_of, hidden, partial_results

from ephys_postprocess.errors import ResultError
from ephys_postprocess.results.files import ResultFiles


def test_the_second_run_of_a_recording_refuses_and_the_first_is_unharmed(
    start_capsule, capsule, tiny_data, tmp_path, undisturbed, tally
):
    tally("faults")
    first = start_capsule(tiny_data, tmp_path, "--recording", NAME, "--progress", "json")
    for line in first.stdout:
        if '"stage": "sample_templates"' in line:
            break
    first.send_signal(signal.SIGSTOP)
    for policy in ("fail", "placeholder"):
        code, said = capsule(tiny_data, tmp_path, "--recording", NAME, "--on-failure", policy)
        assert code == (75 if policy == "fail" else 0)  # later the other run will have ended
        assert "Another run is writing the results" in said
        assert "Traceback" not in said
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert arrays_of(tmp_path, NAME) == undisturbed[1]
    assert hidden(tmp_path) == []


def test_two_recordings_of_one_job_array(start_capsule, tiny_data, tmp_path, tally):
    tally("faults")
    runs = [start_capsule(tiny_data, tmp_path, "--recording", name) for name in (NAME, OTHER_NAME)]
    for run in runs:
        texts = run.communicate(timeout=120)
        assert run.returncode == 0, texts
    assert partial_results(tmp_path, NAME) == partial_results(tmp_path, OTHER_NAME) == []
    assert hidden(tmp_path) == []


def test_links_in_the_results_folder_lead_nowhere(tmp_path):
    """A link under a result's name is replaced, never followed; one under a working name is refused."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious.txt").write_text("x")
    results = tmp_path / "results"
    results.mkdir()
    files = ResultFiles(results, "r")
    for path in (files.building, files.staging, files.replaced):
        path.symlink_to(victim)
        with pytest.raises(ResultError, match="is a link"), files.held():
            pass
        path.unlink()
    files.analyzer.symlink_to(victim)
    with files.held():
        files.building.mkdir()
        files.staged(files.data_process).write_text("{}")
        files.publish()
    assert (victim / "precious.txt").read_text() == "x"
    assert [path.name for path in victim.iterdir()] == ["precious.txt"]
    assert not files.analyzer.is_symlink()


def test_a_lock_that_is_a_link_does_not_empty_what_it_leads_to(tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("x")
    files = ResultFiles(tmp_path, "r")
    files.lock.symlink_to(precious)
    with pytest.raises(ResultError, match="is a link"), files.held():
        pass
    assert precious.read_text() == "x"


def test_only_one_of_many_gets_the_lock(tmp_path):
    """The lock's file is removed by whoever gives it back: nobody may then hold a lock on a file without a name."""
    from concurrent.futures import ThreadPoolExecutor

    from ephys_postprocess.results.files import HeldElsewhereError

    inside, worst = [], []

    def hold(_):
        try:
            with ResultFiles(tmp_path, "r").held():
                inside.append(1)
                worst.append(len(inside))
                inside.pop()
        except HeldElsewhereError:
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, range(400)))
    assert max(worst) == 1

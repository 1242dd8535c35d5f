"""Cores, jobs, chunks and folders."""

import os

import pytest

from ephys_postprocess.machine.cores import cgroup_quota, usable_cores
from ephys_postprocess.machine.execution import Execution, count_threads, default_scratch, make_execution
from ephys_postprocess.parameters.job_kwargs import JobKwargs
from ephys_postprocess.parameters.text import job_count


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        ("-1", 8),
        ("1", 1),
        ("1.0", 8),
        ("0.5", 4),
        (".5", 4),
        ("0.8", 6),
        ("0.01", 1),
        ("99", 8),
        ("0", 1),
        ("-2", 7),
        ("8.0", 8),
        ("-99", 1),
        ("0.0", 1),
        (3, 3),
        (0.25, 2),
        ("1e0", 8),
    ],
)
def test_number_of_jobs(text, jobs):
    assert count_threads(job_count(text), 8) == jobs


@pytest.mark.parametrize("text", ["x", "", "1.5", "-0.5", "nan", "inf", True, None, [1]])
def test_no_number_of_jobs(text):
    with pytest.raises(ValueError, match="must be -1"):
        job_count(text)


def test_a_share_is_not_lost_to_rounding():
    assert count_threads(0.7, 10) == 7
    assert count_threads(0.29, 100) == 29


@pytest.fixture
def many_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 64),
        ({"CO_CPUS": "16"}, 16),
        ({"N_JOBS_EXT": "12"}, 12),
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "32"}, 4),
        ({"SLURM_CPUS_ON_NODE": "32(x2)"}, 32),
        ({"CO_CPUS": "", "N_JOBS_EXT": "many"}, 64),
        ({"CO_CPUS": "0"}, 64),
        ({"CO_CPUS": "128"}, 64),
    ],
)
def test_core_counts_of_schedulers(environment, count, tmp_path):
    assert usable_cores(environment, tmp_path).count == count


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def test_cgroup_2_quota_is_the_smallest_on_the_way_up(tmp_path):
    write(tmp_path / "proc/self/cgroup", "0::/a/b\n")
    write(tmp_path / "sys/fs/cgroup/a/cpu.max", "250000 100000\n")
    write(tmp_path / "sys/fs/cgroup/a/b/cpu.max", "max 100000\n")
    assert cgroup_quota(tmp_path) == 2.5
    assert usable_cores({}, tmp_path).limits["cgroup"] == 3


def test_cgroup_1_quota(tmp_path):
    write(tmp_path / "proc/self/cgroup", "4:cpu,cpuacct:/x\n1:memory:/x\n")
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "50000\n")
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n")
    assert cgroup_quota(tmp_path) == 0.5
    assert usable_cores({}, tmp_path).count == 1


def test_cgroup_1_without_quota(tmp_path):
    write(tmp_path / "proc/self/cgroup", "4:cpu:/x\n")
    write(tmp_path / "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n")
    assert cgroup_quota(tmp_path) is None
    assert cgroup_quota(tmp_path / "nothing") is None


@pytest.mark.usefixtures("many_cores")
def test_single_flags_win_over_job_kwargs():
    job_kwargs = JobKwargs(n_jobs=4, progress_bar=False)
    assert make_execution(job_kwargs, environment={}).num_threads == 4
    assert make_execution(job_kwargs, environment={}).progress == "plain"
    assert make_execution(job_kwargs, n_jobs=2, progress="json", environment={}).num_threads == 2
    assert make_execution(job_kwargs, progress="json", environment={}).progress_style == "json"
    assert make_execution(JobKwargs(), environment={"CO_CPUS": "3"}).num_threads == 3


@pytest.mark.parametrize(
    ("job_kwargs", "samples"),
    [
        ({}, 30000),
        ({"chunk_duration": "500ms"}, 15000),
        ({"chunk_size": 123}, 123),
        ({"chunk_memory": "1M"}, 1302),
        ({"total_memory": "2M"}, 1302),
        ({"chunk_memory": 1}, 1),
    ],
)
def test_chunk_length(job_kwargs, samples):
    execution = make_execution(JobKwargs(n_jobs=1, **job_kwargs), environment={})
    if "total_memory" in job_kwargs:
        execution = Execution(num_threads=2, total_memory_bytes=2_000_000, chunk_duration_s=None)
    assert execution.chunk_samples(30000.0, 384, 2) == samples


def test_what_has_no_effect_is_kept_to_be_said():
    execution = make_execution(JobKwargs(mp_context="spawn"), environment={})
    assert execution.job_kwargs_without_effect == ("mp_context",)


def test_default_folders_lie_beside_code():
    assert Execution.data_folder.parent == Execution.results_folder.parent
    assert Execution.data_folder.name == "data"
    assert os.access(default_scratch(), os.W_OK)

"""Limits of control groups, on whatever level a scheduler or a container sets them."""

import pytest

from ephys_postprocess.machine.cgroups import cgroup_folders
from ephys_postprocess.machine.cores import cgroup_quota
from ephys_postprocess.machine.space import available_memory_bytes

JOB = "system.slice/slurmstepd.scope/job_5"
STEP = f"{JOB}/step_batch/user/task_0"


@pytest.fixture
def machine(tmp_path):
    """machine({path below the root: text}) makes a root whose machine has 500 GB free."""

    def make(files):
        for name, text in {"proc/meminfo": "MemAvailable: 500000000 kB\n", **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n", encoding="ascii")
        return tmp_path

    return make


def version_2(group, limit, usage=300_000_000, name="memory.max", cache=0):
    folder = f"sys/fs/cgroup/{group}".rstrip("/")
    return {
        f"{folder}/{name}": limit,
        f"{folder}/memory.current": usage,
        f"{folder}/memory.stat": f"anon 5\ninactive_file {cache}",
    }


def version_1(group, limit, usage=300_000_000):
    folder = f"sys/fs/cgroup/memory/{group}".rstrip("/")
    return {
        f"{folder}/memory.limit_in_bytes": limit,
        f"{folder}/memory.usage_in_bytes": usage,
        f"{folder}/memory.stat": "inactive_file 7\ntotal_inactive_file 1000",
    }


UNLIMITED_1 = 9223372036854771712


@pytest.mark.parametrize(
    ("files", "free"),
    [
        # SLURM limits the job, two levels above the task
        ({"proc/self/cgroup": f"0::/{STEP}", **version_2(JOB, 2_000_000_000), **version_2(STEP, "max")}, 1_700_000_000),
        ({"proc/self/cgroup": f"0::/{STEP}", **version_2(STEP, 900_000_000, cache=50_000_000)}, 650_000_000),
        ({"proc/self/cgroup": f"0::/{STEP}", **version_2(JOB, 2e9), **version_2(STEP, "max")}, 512_000_000_000),
        ({"proc/self/cgroup": f"0::/{JOB}", **version_2(JOB, 400_000_000, name="memory.high")}, 100_000_000),
        ({"proc/self/cgroup": "0::/", **version_2("", 700_000_000)}, 400_000_000),  # a container
        ({"proc/self/cgroup": "0::/on/the/host", **version_2("", 700_000_000)}, 400_000_000),
        ({"proc/self/cgroup": "0::/../beside", **version_2("", 700_000_000)}, 400_000_000),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/x\n9:memory:/slurm/uid_0/job_5/step_0/task_0",
                **version_1("slurm/uid_0/job_5", 1_000_000_000),
                **version_1("slurm/uid_0/job_5/step_0/task_0", UNLIMITED_1),
            },
            700_001_000,
        ),
        ({"proc/self/cgroup": "9:memory:/on/the/host\n0::/", **version_1("", 600_000_000)}, 300_001_000),
        ({"proc/self/cgroup": f"0::/{JOB}", **version_2(JOB, 100, usage=5000)}, 0),
        ({}, 512_000_000_000),
    ],
)
def test_memory_that_every_level_leaves(machine, files, free):
    assert available_memory_bytes(machine(files)) == free


def test_cores_of_every_level(machine):
    root = machine(
        {
            "proc/self/cgroup": f"0::/{STEP}",
            f"sys/fs/cgroup/{JOB}/cpu.max": "400000 100000",
            f"sys/fs/cgroup/{STEP}/cpu.max": "max 100000",
        }
    )
    assert cgroup_quota(root) == 4


def test_levels_go_from_the_mount_to_the_group_itself(machine):
    root = machine({"proc/self/cgroup": "3:cpu,cpuacct:/a/b\n0::/a/b"})
    version_1_folders, version_2_folders = cgroup_folders("cpu", root)
    mount = root / "sys/fs/cgroup"
    assert version_2_folders[:3] == [mount, mount / "a", mount / "a/b"]
    assert mount / "cpu,cpuacct/a/b" in version_1_folders
    assert cgroup_folders("cpu", root / "nothing") == ([], [])

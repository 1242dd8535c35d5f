"""One machine as a whole SLURM cluster: its daemons below one folder, talking over loopback."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=5
JobRequeue=1
SchedulerParameters=bf_interval=1,sched_interval=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
RUNNING = ("PENDING", "RUNNING", "COMPLETING", "REQUEUED")


class SlurmNode:
    """Context manager: `munged`, `slurmctld` and `slurmd` run inside it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "CAPSULE_PYTHON": sys.executable}
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        ports = {"ctld_port": _free_port(), "slurmd_port": _free_port()}
        host = socket.gethostname().partition(".")[0]
        (self.folder / "slurm.conf").write_text(CONF.format(host=host, folder=self.folder, **ports))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {name: self.folder / f"munge.{name}" for name in ("socket", "log", "pid", "seed")}
        self._start(
            *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={files['socket']}"),
            *(f"--log-file={files['log']}", f"--pid-file={files['pid']}", f"--seed-file={files['seed']}"),
        )
        self._wait_until(files["socket"].exists)
        self._start("slurmctld", "-D", "-c")
        self._start("slurmd", "-D", "-c", "-N", host)
        self._wait_until(lambda: "idle" in self.call("sinfo", "-h", "-o", "%t", check=False))
        return self

    def __exit__(self, *_):
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def call(self, *command, check=True, environment=()) -> str:
        """Standard output of one of SLURM's commands, or of a script that calls them."""
        done = subprocess.run(
            list(map(str, command)),
            env={**self.environment, **dict(environment)},
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        assert done.returncode == 0 or not check, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def told(self, job: str) -> dict[str, str]:
        """What SLURM knows of a job (or a task of an array): JobState, Reason, ExitCode, Restarts and so on."""
        words = self.call("scontrol", "show", "job", "-o", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, job: str, *states: str) -> dict[str, str]:
        """Wait until a job has one of these states, or by default has ended; what SLURM knows of it."""
        self._wait_until(
            lambda: self.told(job)["JobState"] in states if states else self.told(job)["JobState"] not in RUNNING
        )
        return self.told(job)

    def _start(self, *command) -> None:
        log = (self.folder / f"{command[0]}.out").open("wb")
        with log:
            self._daemons.append(
                subprocess.Popen(list(map(str, command)), env=self.environment, stdout=log, stderr=log, cwd=self.folder)
            )

    def _wait_until(self, is_so, seconds=180) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, "".join(
                path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.out")
            )
            assert all(daemon.poll() is None for daemon in self._daemons), "a daemon has ended"
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

"""The engines that workflows run in, from package registries alone; run only when asked for by their marker.

Nextflow needs Java 17 and Maven, SLURM needs root and the packages slurm-wlm and munge. Without them a line says so and
the tests are skipped, unless EPHYS_WORKFLOWS_REQUIRED is set, as it is in `.ci/run`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from end_to_end.make_inputs import save, save_cut_short
from workflows.slurm_node import SlurmNode

NEXTFLOW_VERSION = "24.10.0"  # the newest whose parts are all on Maven Central
OPENED = (
    *("lang", "io", "nio", "nio.file.spi", "net", "util", "util.concurrent", "util.concurrent.locks"),
    *("util.concurrent.atomic", "util.regex"),
)
OPENED_OF_SUN = (
    *("sun.nio.ch", "sun.nio.fs", "sun.net.www.protocol.http", "sun.net.www.protocol.https"),
    *("sun.net.www.protocol.ftp", "sun.net.www.protocol.file", "jdk.internal.misc", "jdk.internal.vm"),
)


def pytest_collection_modifyitems(config, items):
    if "workflows" in config.getoption("markexpr", ""):
        return
    left_out = [item for item in items if item.get_closest_marker("workflows")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def need(is_there: bool, what: str) -> None:
    """Skip, or where the workflows must be tested fail, for want of something."""
    if not is_there:
        (pytest.fail if os.environ.get("EPHYS_WORKFLOWS_REQUIRED") else pytest.skip)(f"not tested: {what}")


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """data/ with two recordings, and one whose traces are cut short."""
    data = tmp_path_factory.mktemp("recordings")
    save(data, "probe A#1.0")
    save(data, "probe B")
    save_cut_short(data, "broken")
    return data


@pytest.fixture(scope="session")
def nextflow():
    """nextflow(*arguments, cwd=…): the finished process."""
    need(bool(shutil.which("java") and shutil.which("mvn")), "Nextflow needs Java and Maven")
    jars = _nextflow_jars()
    opened = [f"java.{name}" for name in OPENED] + list(OPENED_OF_SUN)
    java = ["java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
    java += [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in opened]

    def run(*arguments, cwd: Path):
        quiet = {"NXF_OFFLINE": "true", "NXF_ANSI_LOG": "false", "NXF_DISABLE_CHECK_LATEST": "true"}
        return subprocess.run(
            [*java, "-cp", f"{jars}/*", "nextflow.cli.Launcher", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **quiet, "NXF_HOME": str(cwd / "nxf"), "CAPSULE_PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def _nextflow_jars() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "ephys-postprocess" / f"nextflow-{NEXTFLOW_VERSION}"
    if not folder.is_dir():
        made = folder.with_name(f"{folder.name}.{os.getpid()}")
        pom = Path(__file__).parent / "nextflow.pom.xml"
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={made}"]
        subprocess.run(["mvn", "-q", "-B", "-f", pom, f"-Dnxf.version={NEXTFLOW_VERSION}", *goal], check=True)
        made.rename(folder)
    return folder


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """SLURM with this machine as its only node, on loopback."""
    need(os.getuid() == 0, "SLURM's daemons need root")
    need(all(map(shutil.which, ("slurmctld", "slurmd", "munged"))), "SLURM needs the packages slurm-wlm and munge")
    with SlurmNode(tmp_path_factory.mktemp("slurm")) as node:
        yield node

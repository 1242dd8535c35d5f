"""CONTRIBUTING's recipe for a metric, carried out on a copy of the package."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from end_to_end.make_inputs import NAME, save

CODE = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"^ *```python\n( *)# (\S+\.py)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project, to which the recipe's two pieces of code have been added as they stand."""
    project = tmp_path_factory.mktemp("project")
    for name in ("ephys_postprocess", "tools", "run", "run_capsule.py", "find_python.sh", "params.json", "docs"):
        source, target = CODE / name, project / "code" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(source, target)
    section = (CODE / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Add a metric")[1].split("\n## ")[0]
    files = {}
    for _, file, block in _BLOCK.findall(section):
        path = project / "code" / file
        path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{textwrap.dedent(block)}", encoding="utf-8")
        files[file] = path
    assert len(files) == 2
    subprocess.run([sys.executable, "tools/render_docs.py"], cwd=project / "code", check=True, capture_output=True)
    return project / "code"


@pytest.fixture(scope="module")
def finished(copy, run_capsule, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    save(data)
    params = {"quality_metrics": {"short_intervals": {"longest_ms": 25.0}}}
    done = run_capsule("--params", json.dumps(params), "--n-jobs", "2", data=data, code=copy)
    assert done.exit_code == 0, done.text
    return done


def test_the_new_metric_is_in_the_table_with_its_values(finished):
    import pandas as pd
    import spikeinterface.core as si

    table = pd.read_csv(finished.results / f"units_{NAME}.csv", dtype={"unit_id": str})
    analyzer = si.load(finished.store(NAME))
    trains = [analyzer.sorting.get_unit_spike_train(unit_id) for unit_id in analyzer.unit_ids]
    expected = [np.mean(np.diff(train) < 0.025 * analyzer.sampling_frequency) for train in trains]
    np.testing.assert_allclose(table["short_interval_share"], expected)


def test_spikeinterface_opens_and_curates_the_table_that_holds_it(finished):
    import spikeinterface.core as si

    analyzer = si.load(finished.store(NAME))
    extension = analyzer.get_extension("quality_metrics")
    assert "short_interval_share" in extension.get_data()
    assert extension.params["own_metric_names"] == ["short_intervals"]
    assert "short_intervals" not in extension.params["metric_names"]
    first, second, *others = analyzer.unit_ids
    in_memory = analyzer.select_units([first, second, *others])
    assert in_memory.get_extension("quality_metrics").get_data()["short_interval_share"].notna().all()
    merged = in_memory.merge_units([[first, second]])
    column = merged.get_extension("quality_metrics").get_data()["short_interval_share"]
    assert column.isna().sum() == 1  # of the new unit, of which SpikeInterface cannot know it


def test_parquet_and_report_tell_it_with_the_parameter_that_was_used(finished):
    import pyarrow.parquet

    meaning = "Share of a unit's intervals below 25 ms."
    field = pyarrow.parquet.read_schema(finished.results / f"units_{NAME}.parquet").field("short_interval_share")
    assert field.metadata[b"meaning"].decode() == meaning
    assert field.metadata[b"source"] == b"quality_metrics"
    report = (finished.results / f"postprocessing-report_{NAME}.html").read_text(encoding="utf-8")
    assert '"short_interval_share"' in report
    assert meaning in report
    assert "share of short intervals (below 25 ms)" in report


def test_help_and_documents_know_it(copy, run_capsule):
    shipped = json.loads((copy / "params.json").read_text(encoding="utf-8"))
    assert "short_intervals" in shipped["quality_metrics_names"]
    assert shipped["quality_metrics"]["short_intervals"] == {"longest_ms": 10.0}
    assert "longest_ms=10.0" in run_capsule("--help", "parameters", code=copy).stdout
    assert "short_interval_share" in (copy / "docs" / "data_dictionary.md").read_text(encoding="utf-8")

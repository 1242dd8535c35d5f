"""--resume, --verify and --audit: what counts as complete, what as the same, and what as broken."""

import json
import os
import shutil

import pytest
from end_to_end.make_inputs import save
from faults.conftest import NAME
from faults.scars import arrays_of

from ephys_postprocess.commands.report import _read_data_process
from ephys_postprocess.commands.summary import summarise
from ephys_postprocess.commands.verify import verify, verify_recording
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.manifest import FILE_NAME, check_manifest, write_manifest
from ephys_postprocess.results.seals import seal_json

KEPT = "kept     "


@pytest.fixture
def results(undisturbed, tmp_path):
    return shutil.copytree(undisturbed[0], tmp_path / "results")


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    """An input of our own to change."""
    data = tmp_path_factory.mktemp("own") / "data"
    data.mkdir()
    save(data, NAME)
    return data


@pytest.fixture(scope="module")
def own_results(capsule, own_data, tmp_path_factory):
    results = tmp_path_factory.mktemp("own results")
    code, said = capsule(own_data, results, *FEW)
    assert code == 0, said
    return results


FEW = ("--no-report",)


def test_an_up_to_date_result_is_kept(capsule, own_data, own_results):
    before = arrays_of(own_results, NAME)
    code, said = capsule(own_data, own_results, *FEW, "--resume")
    assert code == 0, said
    assert KEPT in said
    assert arrays_of(own_results, NAME) == before


def damage_array(files, _data):
    path = files.analyzer / "extensions/templates/average/0.0.0"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def touch_raw(_files, data):
    raw = data / f"preprocessed_{NAME}" / "traces_cached_seg0.raw"
    os.utime(raw, (1, 1))


def change_traces(_files, data):
    raw = data / f"preprocessed_{NAME}" / "traces_cached_seg0.raw"
    times = raw.stat()
    with raw.open("r+b") as handle:
        handle.write(b"\1\2\3\4")
    os.utime(raw, ns=(times.st_atime_ns, times.st_mtime_ns))


def change_spikes(_files, data):
    spikes = data / f"spikesorted_{NAME}" / "spikes.npy"
    times = spikes.stat()
    with spikes.open("r+b") as handle:
        handle.seek(-24, os.SEEK_END)
        handle.write(b"\0")
    os.utime(spikes, ns=(times.st_atime_ns, times.st_mtime_ns))


REASONS = {
    "no data process": (lambda files, _: files.data_process.unlink(), "not complete"),
    "data process cut short": (lambda files, _: os.truncate(files.data_process, 100), "not complete"),
    "a flipped bit": (damage_array, "damaged: extensions/templates/average/0.0.0 has changed"),
    "a missing array": (lambda files, _: shutil.rmtree(files.analyzer / "extensions/templates"), "damaged: .* missing"),
    "a table changed": (lambda files, _: files.units_table.write_text("x"), r"damaged: units_.* has changed"),
    "raw file touched": (touch_raw, "inputs have changed: names, sizes, times or contents"),
    "traces changed in place": (change_traces, "inputs have changed: .*the traces"),
    "spikes changed in place": (change_spikes, "inputs have changed: .*the spikes"),
    "other parameters": (None, "parameters that change results are different"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_result_is_redone_and_the_log_says_why(reason, own_data, own_results, tmp_path, monkeypatch, caplog, tally):
    """In-process up to the decision: what it costs to make a result is tested elsewhere."""
    tally("faults")
    import re

    from ephys_postprocess.cli.arguments import parse_arguments
    from ephys_postprocess.commands import pipeline
    from ephys_postprocess.commands import recording as postprocess

    change, message = REASONS[reason]
    data, results = shutil.copytree(own_data, tmp_path / "data"), shutil.copytree(own_results, tmp_path / "results")
    if change is not None:
        change(ResultFiles(results, NAME), data)
    arguments = [*FEW, "--data", str(data), "--results", str(results), "--resume"]
    if reason == "other parameters":
        arguments += ["--skip-extensions", "quality_metrics"]
    parsed = parse_arguments(arguments)

    class Decided(Exception):  # noqa: N818 - not an error
        pass

    def decide(*_):
        raise Decided

    monkeypatch.setattr(postprocess, "sample", decide)
    caplog.set_level("INFO", logger="ephys_postprocess")
    pipeline.run(parsed.parameters, parsed.execution)
    assert re.search(f"computed, because .*{message}", caplog.text), caplog.text


@pytest.mark.parametrize("field", ["version", "library"])
def test_other_versions_are_a_reason(own_results, tmp_path, field):
    from ephys_postprocess.results import resume

    results = shutil.copytree(own_results, tmp_path / "results")
    files = ResultFiles(results, NAME)
    record = json.loads(files.data_process.read_text())
    if field == "version":
        record["code"]["version"] = "0.0.1"
    else:
        record["output_parameters"]["versions"]["numpy"] = "1.0"
    reseal(files, record)
    fingerprint = record["output_parameters"]["parameters_fingerprint"]
    said = resume.why_redo(files, None, fingerprint, 1)
    assert ("0.0.1" in said) if field == "version" else ("numpy 1.0 then" in said)


def reseal(files, record):
    """What someone writes who knows how a data process is sealed."""
    record["output_parameters"]["integrity"]["seal_sha256"] = ""
    files.data_process.write_text(seal_json(json.dumps(record)))


def edit(files, section, key, value):
    record = json.loads(files.data_process.read_text())
    record[section][key] = value
    files.data_process.write_text(json.dumps(record, indent=3))


def linked(folder):
    """Put a link to the same content in a folder's place."""
    moved = folder.parents[3] / "moved"
    folder.rename(moved)
    folder.symlink_to(moved)


def test_verify_on_the_command_line(capsule, results, tally):
    tally("faults")
    code, said = capsule(results, results, "--verify", results)
    assert code == 0, said
    assert said.count("\n") == 2
    assert "whole" in said
    assert "Not covered: " in said
    files = ResultFiles(results, NAME)
    damage_array(files, None)
    code, said = capsule(results, results, "--verify", results)
    assert code == 1
    assert "extensions/templates/average/0.0.0 has changed: its checksum differs" in said
    code, said = capsule(results, results, "--verify", results / "gone")
    assert code == 2
    assert "not a readable folder" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: (files.analyzer / ".zmetadata").write_text("{}"), r"\.zmetadata has 2 bytes instead of"),
        (lambda files: (files.analyzer / "extra").write_text(""), "extra was added later"),
        (lambda files: (files.analyzer / FILE_NAME).unlink(), "cannot be read"),
        (lambda files: (files.analyzer / FILE_NAME).write_text("[]"), "not the one that the data process names"),
        (lambda files: files.units_table.unlink(), "is missing"),
        (lambda files: files.data_process.write_text("{"), "is not JSON"),
        (lambda files: files.data_process.write_text("{}"), "not one of a complete result"),
        (lambda files: files.data_process.write_text("[" * 100_000), "is not JSON"),
        (lambda files: edit(files, "code", "version", "9"), "its seal does not fit"),
        (lambda files: edit(files, "output_parameters", "num_units_out", 99), "its seal does not fit"),
        (lambda files: edit(files, "output_parameters", "versions", None), "versions: Input should be"),
        (lambda files: (files.analyzer / "extensions" / "new").mkdir(), "extensions/new is an empty folder"),
        (lambda files: linked(files.analyzer / "extensions" / "templates"), "extensions/templates is a link"),
        (lambda files: files.report.unlink(), "postprocessing-report_.* is missing"),
        (lambda files: files.report.write_text("<html>"), "postprocessing-report_.* has changed"),
        (lambda files: files.units_parquet.write_bytes(b""), "units_.* has changed"),
        (lambda files: shutil.rmtree(files.analyzer), "is missing"),
    ],
)
def test_what_verify_finds(results, change, message, tally):
    tally("faults")
    import re

    files = ResultFiles(results, NAME)
    assert verify_recording(files).status == "whole"
    change(files)
    verdict = verify_recording(files)
    assert verdict.status == "broken"
    assert re.search(message, verdict.line)
    assert verify(results) == 1


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def terabyte(path):
    os.truncate(path, 10**12)


@pytest.mark.parametrize("change", [pipe, terabyte])
@pytest.mark.parametrize("name", ["data_process", "units_table", "units_parquet", "report", "manifest"])
def test_what_is_no_file_of_a_result_is_neither_waited_for_nor_read_whole(results, change, name, tally):
    tally("faults")
    files = ResultFiles(results, NAME)
    change(files.analyzer / FILE_NAME if name == "manifest" else getattr(files, name))
    assert verify_recording(files).status == "broken"
    assert summarise(results) == 0
    assert _read_data_process(files.data_process) is None or name != "data_process"


def test_a_reason_that_is_a_pipe(tmp_path):
    files = ResultFiles(tmp_path, "r")
    with files.held():
        files.write_placeholder("Too many bad channels")
    pipe(files.analyzer / "reason.txt")
    assert verify_recording(files).line == "no reason given"


def test_a_data_process_nested_deeper_than_the_stack(tmp_path, caplog):
    (tmp_path / "d.json").write_text("[" * 100_000)
    assert _read_data_process(tmp_path / "d.json") is None
    assert "d.json is not used: it cannot be read" in caplog.text


def test_a_placeholder_is_told_as_one(tmp_path):
    files = ResultFiles(tmp_path, "r")
    with files.held():
        files.write_placeholder("Too many\nbad channels")
    assert verify_recording(files).line == "Too many bad channels"
    assert verify(tmp_path) == 0


def test_the_manifest_does_not_depend_on_threads_or_place(tmp_path):
    for place, threads in (("a", 1), ("b", 4)):
        for name in ("x/y/z.bin", ".zgroup", "ü"):
            path = tmp_path / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 1000)
        digest = write_manifest(tmp_path / place, threads)
        assert check_manifest(tmp_path / place, digest, threads) == []
    assert (tmp_path / "a" / FILE_NAME).read_bytes() == (tmp_path / "b" / FILE_NAME).read_bytes()


def test_spikeinterface_and_zarr_do_not_mind_the_manifest(results):
    import spikeinterface.core as si
    import zarr

    path = ResultFiles(results, NAME).analyzer
    assert "extensions" in zarr.open_consolidated(str(path))
    zarr.consolidate_metadata(str(path))
    analyzer = si.load_sorting_analyzer(path, load_extensions=False)
    assert analyzer.get_num_units() == 5
    assert {"templates", "quality_metrics"} <= set(analyzer.get_saved_extension_names())


@pytest.mark.slow
def test_audit(capsule, tiny_data, undisturbed, results):
    code, said = capsule(tiny_data, undisturbed[0], "--recording", NAME, "--audit", "2")
    assert code == 0, said
    assert "quality_metrics: snr" in said
    import zarr

    array = zarr.open(str(ResultFiles(results, NAME).analyzer), mode="r+")["extensions/unit_locations/unit_locations"]
    array[:] = array[:] + 5.0
    code, said = capsule(tiny_data, results, "--recording", NAME, "--audit", "2")
    assert code == 1
    assert "ERROR:   unit_locations" in said

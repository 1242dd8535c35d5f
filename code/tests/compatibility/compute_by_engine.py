"""A pytest plugin: SpikeInterface's own tests against the installed SpikeInterface, with or without our engine.

`run_spikeinterface_tests.py` starts pytest with it. ENGINE_BEHIND_COMPUTE is "ours" or "stock", TESTS_FOLDER the folder
that holds `src/spikeinterface/…/tests`.
"""

import os
from pathlib import Path

import spikeinterface
import spikeinterface.core
import spikeinterface.metrics
import spikeinterface.postprocessing
from spikeinterface.core import SortingAnalyzer

from ephys_postprocess.accelerate import ACCELERATED_EXTENSIONS, compute

stock_compute = SortingAnalyzer.compute
stock_compute_one = SortingAnalyzer.compute_one_extension
stock_compute_several = SortingAnalyzer.compute_several_extensions


def pytest_configure():
    make_tests_importable(Path(os.environ["TESTS_FOLDER"]) / "src" / "spikeinterface")
    if os.environ["ENGINE_BEHIND_COMPUTE"] == "ours":
        SortingAnalyzer.compute_one_extension = compute_one_extension
        SortingAnalyzer.compute_several_extensions = compute_several_extensions


def make_tests_importable(source: Path) -> None:
    """Let `spikeinterface.postprocessing.tests` and its like be found: no wheel has them."""
    for package in (spikeinterface.core, spikeinterface.metrics, spikeinterface.postprocessing):
        package.__path__.append(str(source / Path(*package.__name__.split(".")[1:])))


def compute_one_extension(analyzer, extension_name, save=True, verbose=False, **options):
    """`SortingAnalyzer.compute_one_extension`, by our engine where it has the extension."""
    if extension_name not in ACCELERATED_EXTENSIONS:
        return stock_compute_one(analyzer, extension_name, save=save, verbose=verbose, **options)
    compute(analyzer, extension_name, save=save, **options)
    return analyzer.get_extension(extension_name)


def compute_several_extensions(analyzer, extensions, save=True, verbose=False, **job_kwargs):
    """`SortingAnalyzer.compute_several_extensions`: by our engine if it has one of them, which leaves it the others."""
    if not set(extensions) & set(ACCELERATED_EXTENSIONS):
        stock_compute_several(analyzer, extensions, save=save, verbose=verbose, **job_kwargs)
    else:
        compute(analyzer, extensions, save=save, **job_kwargs)

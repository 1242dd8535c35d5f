"""Every broken input of the corpus: the expected outcome with the expected message, and never a traceback."""

import re

import pytest
from faults.attempts import attempt
from faults.broken_inputs import CASES

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_good_folder_is_accepted_silently(data):
    assert attempt(data).text == "accepted"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_broken_input(case, data, tally):
    tally("inputs")
    case.break_it(data)
    told = attempt(data, **dict(case.options))
    assert told.outcome == case.outcome, told.text
    assert re.search(case.message, told.text), told.text
    assert "Traceback" not in told.text


def test_there_are_enough_cases_with_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES) >= 120

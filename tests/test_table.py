"""Tables: a name becomes code, or a message that helps."""

from __future__ import annotations

import sys

import pytest

from edge.device import DEVICES
from edge.engines import ENGINES
from edge.errors import UsageError
from edge.prepare import STEPS
from edge.read import READERS
from edge.table import Build, Entry, lookup
from edge.tasks import TASKS

TABLE = {"resize": Entry("edge.prepare.place:resize"), "orient": Entry("edge.prepare.place:orient")}


def test_a_name_is_looked_up() -> None:
    assert lookup(TABLE, "orient", "step") is TABLE["orient"]


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'resize'") as caught:
        lookup(TABLE, "resise", "step")
    assert caught.value.exit_code == 2


def test_a_name_that_is_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(UsageError, match=r"the step 'zzz'.*There are: orient, resize\.") as caught:
        lookup(TABLE, "zzz", "step")
    assert "did you mean" not in str(caught.value)


def test_an_entry_is_imported_on_use_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("colorsys:rgb_to_hsv", needs=("colorsys",))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert entry.missing() == ()
    assert "colorsys" not in sys.modules
    assert entry.load()(0.0, 0.0, 1.0)[2] == 1.0


def test_an_entry_names_what_it_lacks_in_its_order() -> None:
    assert Entry("json:loads", needs=("no_such_b", "json", "no_such_a")).missing() == ("no_such_b", "no_such_a")


@pytest.mark.parametrize(
    ("name", "entry"),
    [(name, entry) for table in (STEPS, TASKS, READERS, ENGINES) for name, entry in table.items()],
)
def test_every_row_of_every_table_can_be_loaded(name: str, entry: Entry) -> None:
    if entry.missing():
        pytest.skip(f"{name} needs {entry.missing()}")
    assert callable(entry.load())


def test_an_entry_lacks_the_device_that_the_machine_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("json:loads", needs=("json",), device="NVIDIA GPU")
    monkeypatch.setitem(DEVICES, "NVIDIA GPU", lambda: False)
    assert entry.missing() == ("NVIDIA GPU",)
    monkeypatch.setitem(DEVICES, "NVIDIA GPU", lambda: True)
    assert entry.missing() == ()


@pytest.mark.parametrize(("file", "missing"), [("dec*.py", ()), ("no_such.*", ("json-other",))])
def test_an_entry_needs_one_of_the_distributions_that_share_a_name(file: str, missing: tuple[str, ...]) -> None:
    entry = Entry("json:loads", needs=("json",), build=Build("json-other", file))
    assert entry.missing() == missing


def test_a_build_of_a_package_that_is_not_there_lacks_once() -> None:
    assert Entry("a:b", needs=("no_such",), build=Build("no-such-gpu", "*")).missing() == ("no-such-gpu",)

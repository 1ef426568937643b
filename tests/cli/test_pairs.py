"""Pairs on the command line: what is no pair is said, what makes no sense is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cli.pairs import confirmed_in, labels_in, scans_in
from edge.errors import UsageError
from edge.roles import absolute


def test_what_a_person_vouches_for_is_checked_at_once() -> None:
    assert confirmed_in(["modality=MR", "age-years=4"]) == {"modality": "MR", "age-years": "4"}
    for word in ("modality", "=MR", "modality=", "colour=grey", "age-years=old"):
        with pytest.raises(UsageError):
            confirmed_in([word])


def test_two_values_of_one_thing_are_not_chosen_between() -> None:
    assert confirmed_in(["laterality=L", "laterality=L"]) == {"laterality": "L"}
    with pytest.raises(UsageError, match=r"laterality=R.*found laterality=L, too"):
        confirmed_in(["laterality=L", "laterality=R"])


def test_roles_go_by_absolute_paths() -> None:
    assert absolute(scans_in(["t1=a.nii", "t2=b=c.nii"])) == {
        str(Path("a.nii").absolute()): "t1",
        str(Path("b=c.nii").absolute()): "t2",
    }
    with pytest.raises(UsageError, match="one role for a scan"):
        absolute(scans_in(["t1=a.nii", "t2=a.nii"]))


@pytest.mark.parametrize("word", ["t1", "=a.nii", "t1="])
def test_a_scan_without_its_role_or_its_path_is_no_pair(word: str) -> None:
    with pytest.raises(UsageError, match=r"Reading --scan .*: expected ROLE=PATH"):
        scans_in([word])


def test_labels_have_the_role_of_their_scan() -> None:
    scans = scans_in(["fixed=a.nii", "moving=b.nii"])
    assert labels_in(["moving=c.nii"], scans) == [("labels of moving", Path("c.nii"))]
    assert labels_in([], []) == []
    with pytest.raises(UsageError, match="expected the scans to be named, too"):
        labels_in(["moving=c.nii"], scans[:1])
    with pytest.raises(UsageError, match=r"Reading --labels 'moving': expected ROLE=PATH"):
        labels_in(["moving"], scans)

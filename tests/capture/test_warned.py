"""What was warned of once isn't warned of again because we did something with warnings."""

from __future__ import annotations

import sys
import types
import warnings

import pytest

from nbops.capture.warned import still_warned
from nbops.core.hushed import hushed


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("module_that_warns")
    exec("import warnings\ndef f(): warnings.warn('told once')", vars(made))
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def changed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")


def test_a_warning_stays_told(module: types.ModuleType) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        module.f()
        filters = list(warnings.filters)
        for _ in range(2):
            with still_warned():
                changed()
            module.f()
        assert len(told) == 1 and list(warnings.filters) == filters
        changed()
        module.f()  # somebody else's doing
        assert len(told) == 2


def test_also_where_it_fails(module: types.ModuleType) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        module.f()
        with pytest.raises(KeyError), still_warned():
            changed()
            raise KeyError
        module.f()
        assert len(told) == 1


def test_what_is_kept_quiet_leaves_no_mark(module: types.ModuleType) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        filters = list(warnings.filters)
        with hushed(Warning):
            module.f()
            with hushed(DeprecationWarning):
                pass
        assert not told and list(warnings.filters) == filters
        module.f()
        with hushed(Warning), pytest.raises(KeyError):
            raise KeyError
        module.f()
        assert len(told) == 1 and list(warnings.filters) == filters

"""A tracked cell runs as one without us: same errors, warnings, identities, signatures, workers; all is restored."""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
import traceback
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
from instrumented_cells import PREPARE, Cells

from nbops.capture.instruments.code_swap import Probe, Swaps, plain_function

SKLEARN = """
import sklearn.metrics, sklearn.model_selection, sklearn.ensemble, sklearn.pipeline
from sklearn.linear_model import Ridge
from sklearn.base import BaseEstimator, RegressorMixin
"""
OWN = """
import warnings, inspect, sys
class Own(RegressorMixin, BaseEstimator):
    def __init__(self, shift=0.0): self.shift = shift
    def fit(self, X, y=None, *, sample_weight=None):
        if self.shift == 13:
            raise ValueError("no luck")
        warnings.warn("fitted", UserWarning, stacklevel=2)
        self.caller_ = sys._getframe(1).f_lineno
        return self
    def predict(self, X):
        return super().__repr__() and np.zeros(len(X))
"""


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Cells(tmp_path)
    made.plain(PREPARE)
    made.plain(SKLEARN)
    yield made
    made.instruments.uninstall()


def everything() -> dict[Any, Any]:
    """What could be changed: code, defaults and attributes of every function of the packages watched, the members of
    their classes, the import machinery, builtins."""
    found: dict[Any, Any] = {"meta_path": list(sys.meta_path), "open": id(open), "excepthook": sys.excepthook}
    packages = ("sklearn", "pyarrow", "pandas.io", "IPython.core.pylabtools")
    for name, module in list(sys.modules.items()):
        if not name.startswith(packages) or not isinstance(module, types.ModuleType):
            continue
        for key, value in list(vars(module).items()):
            found[name, key] = id(value)
            for owner in (value, *(vars(value).values() if isinstance(value, type) else ())):
                found[name, key, id(owner)] = owner
                function = plain_function(owner)
                if function is not None:
                    found[name, key, id(owner), "function"] = (
                        function.__code__,
                        function.__defaults__,
                        function.__kwdefaults__,
                        dict(vars(function)),
                    )
    return found


def test_after_a_scope_and_after_uninstall_all_is_as_it_was(cells):

    for name in ("IPython.core.pylabtools", "pandas.io.parquet", "pyarrow.parquet"):
        importlib.import_module(name)
    before = everything()
    assert len(before) > 10_000
    cells.run("Ridge().fit(X, y).score(X, y); df.to_parquet('x.parquet')")
    after = everything()
    assert [k for k, v in before.items() if after.get(k) is not v and after.get(k) != v] == []
    from nbops.capture.instruments import Scope

    cells.instruments.begin(Scope(workspace=cells.workspace))
    assert everything() != before
    cells.instruments.uninstall()
    after = everything()
    assert [k for k, v in before.items() if after.get(k) is not v and after.get(k) != v] == []


@pytest.mark.parametrize(
    "line",
    [
        "Ridge().fit(X, y[:5])",
        "Ridge(alpha='much').fit(X, y)",
        "Ridge().predict(X)",
        "Ridge().fit()",
        "sklearn.metrics.r2_score(y, y[:3])",
        "sklearn.metrics.r2_score(y)",
        "sklearn.metrics.f1_score(won, won, average='odd')",
        "sklearn.model_selection.cross_val_score(Ridge(), X, y, scoring='nonsense')",
        "sklearn.pipeline.make_pipeline(Ridge(), Ridge()).fit(X, y)",
        "Own(13).fit(X, y)",
        "Own(shift=13).fit(X=X, y=y)",
        "pd.read_parquet('absent.parquet')",
        "open('absent.txt')",
        "class Broken(BaseEstimator, metaclass=3): pass",
        "class Broken(BaseEstimator, odd=3): pass",
    ],
)
def test_a_traceback_is_the_same_text(cells, line):
    cells.plain(OWN)
    source = f"def inner():\n    {line}\ninner()\n"

    def text(run) -> str:
        try:
            cells.count = 100  # the same cell name
            run(source)
        except Exception:  # noqa: BLE001 - each line raises another one
            said = traceback.format_exc()
        return said[said.index('  File "<cell 101>"') :]

    def tracked(source: str) -> None:
        cells.run(source, fails=True)
        raise cells.error

    untracked = text(cells.plain)
    assert "inner" in untracked
    assert text(tracked) == untracked


def test_errors_handled_in_the_cell_look_the_same_too(cells):
    source = """
import traceback
try:
    Ridge().fit(X, y[:5])
except ValueError as error:
    said = traceback.format_exc()
    depth = len(traceback.extract_tb(error.__traceback__))
"""
    cells.plain(source)
    plain = cells.namespace["said"].replace(f"<cell {cells.count}>", "<cell>"), cells.namespace["depth"]
    cells.run(source)
    assert (cells.namespace["said"].replace(f"<cell {cells.count}>", "<cell>"), cells.namespace["depth"]) == plain


def test_a_warning_points_at_the_users_line(cells):
    cells.plain(OWN)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        cells.run("\n\nown = Own().fit(X, y)\n")
    assert [(w.filename, w.lineno) for w in seen] == [(f"<cell {cells.count}>", 3)]


def test_signatures_sources_and_names_stay(cells):
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.metrics import f1_score
    from sklearn.utils.validation import has_fit_parameter

    cells.plain(OWN)
    cells.namespace["inspect"] = inspect
    subjects = [Ridge.fit, LinearRegression.predict, f1_score, Ridge.score, cells.namespace["Own"].fit]
    plain = [(inspect.signature(s), inspect.getsource(s), s.__name__, s.__qualname__) for s in subjects]
    specs = [inspect.getfullargspec(s) for s in subjects]
    assert has_fit_parameter(cells.namespace["Own"](), "sample_weight")
    cells.namespace.update(subjects=subjects, has=has_fit_parameter)
    cells.run("""
again = [(inspect.signature(s), inspect.getsource(s), s.__name__, s.__qualname__) for s in subjects]
specs = [inspect.getfullargspec(s) for s in subjects]
takes = has(Own(), "sample_weight")
""")
    assert cells.namespace["again"] == plain
    assert cells.namespace["specs"] == specs
    assert cells.namespace["takes"]


def test_what_looks_at_the_callers_frames_works(cells):
    cells.plain(OWN)
    cells.run("""
limit = 0.5
picked = df.query("a > @limit")
evaluated = pd.eval("df.a + limit")
def f():
    local = 1.0
    return len(df.query("b > @local")), sorted(locals()), [frame.function for frame in inspect.stack()][:2]
counted, names, stack = f()
""")
    ns = cells.namespace
    assert len(ns["picked"]) == (ns["df"]["a"] > 0.5).sum()
    assert (ns["names"], ns["stack"]) == (["local"], ["f", "<module>"])


def test_clone_pickle_and_identity(cells):
    from sklearn.metrics import f1_score

    cells.namespace.update(f1=f1_score, code=f1_score.__code__, pickle=pickle)
    cells.run("""
from sklearn.metrics import f1_score
from sklearn.base import clone
same = f1_score is f1
model = clone(Ridge(alpha=3)).fit(X, y)
back = pickle.loads(pickle.dumps((model, f1_score, Ridge.fit)))
""")
    ns = cells.namespace
    assert ns["same"] and ns["back"][1] is f1_score and ns["back"][0].alpha == 3


def test_workers_in_other_processes(cells):
    cells.plain(OWN.replace('warnings.warn("fitted", UserWarning, stacklevel=2)', "pass"))
    seen = cells.run("""
from sklearn.model_selection import cross_val_score
from sklearn.ensemble import VotingRegressor
from joblib import Parallel, delayed
scores = cross_val_score(Own(), X, y, cv=2, n_jobs=2)
voting = VotingRegressor([("own", Own()), ("ridge", Ridge())], n_jobs=2).fit(X, y)
def work(shift): return type(Own(shift).fit(X, y)).__name__
done = Parallel(n_jobs=2)(delayed(work)(i) for i in range(2))
""")
    assert cells.namespace["done"] == ["Own", "Own"]
    assert [m.name for m in seen.models] == ["voting"]
    assert len(cells.namespace["scores"]) == 2


def test_another_threads_fits_are_its_own_affair(cells):
    seen = cells.run("""
import threading
found = []
thread = threading.Thread(target=lambda: found.append(Ridge().fit(X, y).score(X, y)))
thread.start(); thread.join()
""")
    assert len(cells.namespace["found"]) == 1
    assert (seen.models, seen.metrics, seen.files) == ((), (), ())


def test_a_class_given_new_code_meanwhile_keeps_it(cells):
    """%autoreload assigns ``__code__``."""
    cells.plain(OWN)
    cells.run("""
def fit(self, X, y=None, *, sample_weight=None): return "new"
Own.fit.__code__ = fit.__code__
""")
    own = cells.namespace["Own"]
    assert own().fit(None) == "new"
    cells.run("1")
    assert own().fit(None) == "new"


def test_nested_scopes_record_apart(cells):
    from nbops.capture.instruments import Scope

    cells.namespace.update(i=cells.instruments, scope=Scope(workspace=cells.workspace))
    seen = cells.run("""
outer = Ridge().fit(X, y)
i.begin(scope)
inner = Ridge(alpha=2).fit(X, y)
inside = i.end(globals())
outer.score(X, y)
""")
    assert [m.name for m in cells.namespace["inside"].models] == ["inner"]
    assert [m.name for m in seen.models] == ["outer"]
    assert len(seen.metrics) == 1


def test_a_fault_of_ours_is_a_note_and_the_call_goes_on(cells):
    """A frame whose copy fails stands in for all that can go wrong when we look at the user's objects."""
    seen = cells.run("""
class Odd(pd.DataFrame):
    def copy(self, *args, **kwargs): raise RuntimeError("not to be copied")
model = Ridge()
odd = Odd(X)
fitted = model.fit(odd.to_numpy(), y)
from sklearn.dummy import DummyRegressor
dummy = DummyRegressor().fit(odd, y)
""")
    assert cells.namespace["dummy"].n_outputs_ == 1
    assert any("a model's signature was not recorded: RuntimeError: not to be copied" in note for note in seen.notes)
    assert [(m.name, m.signature is None) for m in seen.models] == [("model", False), ("dummy", True)]


@pytest.mark.parametrize(
    ("declared", "call"),
    [
        ("a, b=2", "1"),
        ("a, /, b, *, c=3, **more", "1, 2, d=4"),
        ("*args, **kwargs", "1, x=2"),
        ("a, *rest, c", "1, 2, 3, c=4"),
        ("", ""),
    ],
)
def test_a_stub_passes_every_kind_of_argument(declared, call):
    made: dict[str, Any] = {}
    body = f"  free = 7\n  def f({declared}):\n    return free, sorted(locals().items())\n  return f"
    exec(f"def outer():\n{body}\nf = outer()", made)
    plain = eval(f"f({call})", made)
    signature = inspect.signature(made["f"])
    heard: list[Any] = []

    class Ear(Probe):
        def enter(self, args, kwargs):
            heard.append((args, kwargs))
            return 1

        def leave(self, token, result):
            heard.append(result)

    swaps = Swaps()
    code = made["f"].__code__
    assert swaps.watch(made["f"], Ear())
    assert not swaps.watch(made["f"], Ear())
    assert eval(f"f({call})", made) == plain == heard[1]
    assert inspect.signature(made["f"]) == signature
    assert made["f"].__code__.co_freevars == code.co_freevars
    swaps.restore()
    assert made["f"].__code__ is code


def test_generators_and_compiled_functions_are_left_alone():
    def generator():
        yield 1

    async def coroutine() -> None:
        pass

    swaps = Swaps()
    assert not any(swaps.watch(f, Probe()) for f in (generator, coroutine, len, print, None, int))
    assert len(swaps) == 0

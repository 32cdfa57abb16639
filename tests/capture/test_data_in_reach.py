"""In-place changes, by every way we can think of, to what every kind of path reaches: none is missed."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nbops.capture.cells import CellStart
from nbops.capture.session import Outcome, Session
from nbops.workspace import open_workspace

PREPARE = """
import functools, types, collections, dataclasses
import numpy as np, pandas as pd, scipy.sparse as sp
a = np.arange(12.0)
grid = np.arange(12.0).reshape(3, 4)
df = pd.DataFrame({"x": np.arange(5.0), "n": np.arange(5), "s": list("abcde")})
serie = pd.Series(np.arange(4.0))
sparse = sp.csr_matrix(np.eye(3))
masked = np.ma.masked_array(np.arange(4.0), [0, 1, 0, 0])
record = np.zeros(3, dtype=[("k", "i4"), ("v", "f8")])
class Box:
    kept = None
    def __init__(self, inner): self.inner = inner
    def spoil(self): self.inner[0] = -1.0
    def __getattr__(self, name): raise AssertionError("nobody asks for " + name)
class Slotted:
    __slots__ = ("inner",)
@dataclasses.dataclass
class Pair:
    left: object
    right: object
"""

# a change in place of what the expression X names
CHANGES = {
    "a": """
{X}[0] = 99
{X} += 1
{X}.fill(3)
{X}.sort(); {X}[:] = {X}[::-1].copy()
{X}.put([1], 7)
np.add({X}, 1, out={X})
np.copyto({X}, 5)
memoryview({X})[2] = 8.0
{X}.flat[3] = -1
{X}.view('i8')[0] += 1
np.random.default_rng(0).shuffle({X})
{X}.itemset if 0 else {X}.__setitem__(1, 9)
np.frombuffer({X}, dtype='u1')[0:1].base if 0 else np.put({X}, 0, 4)
{X}.byteswap(inplace=True)
np.place({X}, {X} > 3, 0)
np.nan_to_num({X}, copy=False); {X}[1] = 2.5
{X}.resize(6, refcheck=False)
""",
    "grid": """
{X}[1, 2] = 50
{X}.T[0, 0] = 3
np.fill_diagonal({X}, 9)
{X}.ravel()[5] = 70
{X}.shape = (4, 3)
""",
    "df": """
{X}.loc[0, 'x'] = 77
{X}['new'] = 1
{X}.drop(columns='n', inplace=True)
{X}.insert(0, 'z', 3)
{X}.columns = list('uvw')
{X}.index = [5, 4, 3, 2, 1]
{X}.sort_values('s', ascending=False, inplace=True)
{X}.iat[1, 0] = -5
del {X}['s']
{X}.pop('x')
{X}.eval('q = x + 1', inplace=True)
{X}.update(pd.DataFrame({{'x': [9.0]}}))
{X}.iloc[2] = [0.0, 0, 'q']
""",
    "serie": """
{X}[0] = 5
{X}.iloc[1] = 9
{X}.name = 'other'
{X}.drop(0, inplace=True)
{X}.update([7.0])
""",
    "sparse": """
{X}.data[0] = 4
{X}[0, 0] = 6
{X}.setdiag(3)
{X}.data *= 2
""",
    "masked": """
{X}[0] = np.ma.masked
{X}.mask = False
{X}.data[2] = 44
""",
    "record": """
{X}['v'][1] = 2.5
{X}[0] = (1, 1.0)
{X}[2]['k'] = 4
""",
}

# how the cell comes to it: what was there before, the expression for it, its path in the record
PATHS = {
    "a name": ("", "{D}", "{D}"),
    "a list": ("held = [1, {D}]", "held[1]", "held[1]"),
    "a dict": ("held = {{'k': {{'deep': {D}}}}}", "held['k']['deep']", "held['k']['deep']"),
    "a tuple in a deque": ("held = collections.deque([(0, {D})])", "held[0][1]", "held[0][1]"),
    "an attribute": ("held = Box({D})", "held.inner", "held.inner"),
    "a slot": ("held = Slotted(); held.inner = {D}", "held.inner", "held.inner"),
    "a class's attribute": ("Box.kept = {D}", "Box.kept", "Box.kept"),
    "a dataclass": ("held = Pair(None, [{D}])", "held.right[0]", "held.right[0]"),
    "a namespace": ("held = types.SimpleNamespace(inner={D})", "held.inner", "held.inner"),
    "another name": ("alias = {D}", "alias", "{D}"),
    "globals()": ("", "globals()['{D}']", "{D}"),
    "exec": ("", "eval('{D}')", "{D}"),
}
# how the cell has it done
ACTS = {
    "here": "{change}",
    "in a function's argument": "def act(given):\n    {given}\nact({X})",
    "in exec": "exec({change!r})",
}
PAIRS = [(data, change) for data, changes in CHANGES.items() for change in changes.split("\n") if change]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("reach")
    (folder / ".nbops").mkdir()
    (folder / "nbops.toml").write_text("[capture]\nbudget_s = 60.0\n")  # a busy machine is not the question here
    opened = Session(open_workspace(folder, environ={}))
    yield opened
    opened.close()
    opened.workspace.store.close()


def prepared(more: str = "") -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(PREPARE + more, namespace)
    return namespace


def execute(session: Session, source: str, namespace: dict[str, Any]) -> Outcome:
    cell = session.begin(CellStart(source=source, code=source), namespace)
    assert cell is not None
    error: BaseException | None = None
    try:
        exec(source, namespace)
    except Exception as problem:
        error = problem
        raise
    finally:
        done = session.end(cell, error)
    return done


def written(session: Session, source: str, namespace: dict[str, Any]) -> list[str]:
    done = execute(session, source, namespace)
    assert done.record is not None, done.problem
    return [use.name for use in done.record.writes]


@pytest.mark.filterwarnings("ignore")  # a change by a way that will go is one too
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pair=st.sampled_from(PAIRS), path=st.sampled_from(sorted(PATHS)), act=st.sampled_from(sorted(ACTS)))
@example(pair=("df", "{X}.sort_values('s', ascending=False, inplace=True)"), path="another name", act="here")
def test_no_change_in_place_is_missed(session: Session, pair: tuple[str, str], path: str, act: str) -> None:
    data, change = pair
    before, expression, recorded = (text.format(D=data) for text in PATHS[path])
    names = {"change": change.format(X="X0"), "given": change.format(X="given"), "X": "X0"}
    source = f"X0 = {expression}\n" + ACTS[act].format(**names)
    namespace = prepared(before)
    assert recorded in written(session, source, namespace)
    assert_kept_is_true(session, namespace, data)


def assert_kept_is_true(session: Session, namespace: dict[str, Any], data: str) -> None:
    """A cell that only looks writes nothing, and reads what the last one has left."""
    from nbops.fingerprints.fingerprint import fingerprint

    done = execute(session, f"looked = {data} is None", namespace)
    assert done.record is not None
    assert [(u.name, u.fingerprint.digest) for u in done.record.reads] == [(data, fingerprint(namespace[data]).digest)]
    assert done.record.writes == ()


def test_what_shares_memory_is_changed_with_it(session: Session) -> None:
    namespace = prepared("view = a[2:8]\nturned = grid.T\nheld = {'v': a[:4]}\nfar = np.arange(3)\nframe_view = None")
    assert written(session, "a[3] = -9", namespace) == ["a", "view", "held['v']"]
    assert written(session, "turned[0, 1] = 5", namespace) == ["turned", "grid"]
    assert written(session, "view[0] += 1", namespace) == ["view", "a", "held['v']"]
    assert written(session, "a[11] = 5", namespace) == ["a"]  # the others have the content they were last seen with
    assert written(session, "a[3] = 6\ndel a", namespace) == ["view", "held['v']"]
    exec("hidden = iter([view])", namespace)
    assert written(session, "for value in hidden:\n    value += 1", namespace) == ["value", "view", "held['v']"]


def test_names_that_a_text_makes_are_written(session: Session, tmp_path: Path, monkeypatch: Any) -> None:
    namespace = prepared()
    assert written(session, "exec('made = df + df[[\"x\"]]')", namespace) == ["made"]
    assert written(session, "globals()['other'] = df.head()", namespace) == ["other"]
    assert written(session, "eval('(third := a + 1)'); exec('del made')", namespace) == ["third"]
    assert written(session, "exec('df = df.tail(2)')", namespace) == ["df"]
    assert written(session, "n = eval('len(df)')", namespace) == []
    main = types.ModuleType("__main__")
    vars(main).update(namespace)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert written(session, "import __main__\n__main__.a[1] = 9", vars(main)) == ["a"]
    assert written(session, "__main__.late = a + 1", vars(main)) == ["late"]
    assert written(session, "import sys\nsys.modules['__main__'].a[0] = 4", vars(main)) == ["a"]
    assert written(session, "sys.modules.get(__name__).a[0] = 5", vars(main)) == ["a"]


def test_what_lies_beneath_a_view_is_changed(session: Session) -> None:
    namespace = prepared("full = np.zeros((4, 3))\npart = full[1:]\nraw = bytearray(32)\nlying = np.frombuffer(raw)")
    execute(session, "n = full.sum() + lying.sum()", namespace)  # seen
    assert written(session, "part.base[0, 0] = 11", namespace) == ["full"]
    assert written(session, "n = part.base is full", namespace) == []
    assert written(session, "raw[6] = 1", namespace) == ["lying"]
    assert written(session, "raw[6] = 1", namespace) == []


def test_in_wrappers_and_functions_attributes(session: Session) -> None:
    namespace = prepared("""
user, chain = collections.UserDict(k=a), collections.ChainMap({"d": df})
def keeper(): pass
keeper.cache = grid
""")
    assert "user.data['k']" in written(session, "user['k'][0] = -3", namespace)
    assert "chain.maps[0]['d']" in written(session, "chain['d'].loc[0, 'x'] = -3", namespace)
    assert "keeper.cache" in written(session, "keeper.cache[0] = 2", namespace)


def test_what_ipython_keeps_of_outputs_is_no_name_of_data(session: Session) -> None:
    """It has the number of the execution, which another session counts otherwise."""
    namespace = prepared("Out = {2: df}; _ = _2 = df")
    assert written(session, "df['new'] = 1", namespace) == ["df"]
    assert written(session, "exec('df.loc[0, \"x\"] = 4')", namespace) == ["df"]
    assert written(session, "Out[2].loc[1, 'x'] = 4", namespace) == ["Out[2]", "df"]


def test_frames_that_share_blocks_with_an_array(session: Session) -> None:
    namespace = prepared("base = np.arange(6.0).reshape(3, 2)\nshared = pd.DataFrame(base, copy=False)")
    assert np.shares_memory(namespace["base"], namespace["shared"].iloc[:, 0].array._ndarray)
    assert written(session, "base[0, 0] = 42", namespace) == ["base", "shared"]


def test_what_a_function_of_the_users_changes(session: Session, tmp_path: Path, monkeypatch: Any) -> None:
    namespace = prepared("""
def spoil(): df.loc[0, "x"] = -1
def by_another(): spoil()
def made():
    inner = np.arange(3.0)
    def change(): inner[0] += 1
    return change
change = made()
def with_default(given=a): given[0] += 1
part = functools.partial(np.copyto, a)
box = Box(a)
method = box.spoil
class Caller:
    def run(self): serie.iloc[0] = 8.0
caller = Caller()
@functools.lru_cache
def cached(): grid[0, 0] = 99
""")
    assert written(session, "by_another()", namespace) == ["df"]
    assert written(session, "change()", namespace) == ["change.<inner>"]
    assert "with_default.<default 0>" in written(session, "with_default()", namespace)
    assert "part.args[0]" in written(session, "part(3.0)", namespace)
    assert "method.__self__.inner" in written(session, "method()", namespace)
    assert "serie" in written(session, "caller.run()", namespace)
    assert "grid" in written(session, "cached()", namespace)
    (tmp_path / "our_rides.py").write_text("import numpy as np\nCACHE = np.zeros(3)\ndef fill(): CACHE[:] = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    exec("import our_rides\nfrom our_rides import fill", namespace)
    assert written(session, "fill()", namespace) == ["our_rides.CACHE"]
    assert "our_rides.CACHE" in written(session, "our_rides.CACHE[0] = 1", namespace)
    assert written(session, "from our_rides import fill as again\nagain()", namespace) == ["our_rides.CACHE"]
    del sys.modules["our_rides"]


def test_names_in_texts_for_pandas(session: Session) -> None:
    done = execute(session, "n = len(df.query('x in @serie'))", prepared())
    assert done.record is not None
    assert [u.name for u in done.record.reads] == ["df", "serie"]


def test_nothing_of_the_users_is_run_and_nothing_is_held(session: Session) -> None:
    import gc
    import weakref

    namespace = prepared("""
class Trap(dict):
    def items(self): raise AssertionError
    def __iter__(self): raise AssertionError
class Lazy:
    @property
    def data(self): raise AssertionError
    def __len__(self): raise AssertionError
    def __eq__(self, other): raise AssertionError
    __hash__ = None
trap, lazy = Trap(k=np.arange(3)), Lazy()
loop = []; loop.append(loop); loop.append({"again": loop})
""")
    done = execute(session, "pass; trap; lazy; loop", namespace)
    assert done.record is not None
    assert ([u.name for u in done.record.reads], done.record.notes) == (["trap['k']"], ())
    namespace = prepared("held = [pd.DataFrame({'a': range(3)})]")
    gone = weakref.ref(namespace["held"][0])
    execute(session, "del held", namespace)
    gc.collect()
    assert gone() is None


def test_too_much_is_said(session: Session) -> None:
    done = execute(session, "n = len(held)", prepared("held = [np.arange(2) + i for i in range(300)]"))
    assert done.record is not None
    assert done.record.notes == ("more than 100 tables and arrays are within the cell's reach: not all are recorded",)


def test_what_is_not_looked_into_stays_out(session: Session) -> None:
    """Frames within a library's own objects are theirs: a plot's, an estimator's."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(np.eye(3), np.arange(3.0))
    done = execute(session, "n = model.coef_.sum()", {"model": model, "pd": pd})
    assert done.record is not None
    assert done.record.reads == ()

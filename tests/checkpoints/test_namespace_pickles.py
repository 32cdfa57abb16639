"""A namespace comes back with what it shared, shared again; what can't come back is named."""

from __future__ import annotations

import pickle
import sqlite3
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbops.checkpoints.pickling import HOOKED, TooLargeError, dump, load
from nbops.core import redaction


def run(code: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(code, namespace)
    return namespace


def kept(namespace: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in namespace.items() if not k.startswith("__")}


def again(namespace: dict[str, Any], most: int = 10**9) -> tuple[dict[str, Any], dict[str, str]]:
    stream, buffers, refused = dump(kept(namespace), namespace, most=most)
    copies = [bytearray(b.raw()) for b in buffers]
    new: dict[str, Any] = {"__name__": "__main__"}
    new |= load(stream, copies, new)
    return new, refused


def test_functions_live_in_the_namespace_and_share_their_cells():
    old = run("""
rate = 2
def pay(hours): return rate * hours
def counter():
    n = 0
    def up():
        nonlocal n
        n += 1
        return n
    def see(): return n
    return up, see
up, see = counter()
up()
class Shop:
    def price(self): return pay(3)
shop = Shop()
def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)
import functools
@functools.lru_cache(maxsize=7)
def square(x): return x * x + rate
""")
    new, refused = again(old)
    assert refused == {}
    new["rate"] = 10
    assert (new["pay"](2), new["shop"].price(), new["square"](3)) == (20, 30, 19)
    assert new["up"]() == new["see"]() == 2
    assert new["even"](10)
    assert isinstance(new["shop"], new["Shop"])
    assert new["square"].cache_parameters()["maxsize"] == 7


def test_what_was_one_object_is_one_object_and_views_are_views():
    old = run("""
import numpy as np
shared = [1]; one = {"s": shared}; two = (shared,)
whole = np.arange(100_000.0); tail = whole[50_000:]; every = whole.reshape(100, 1000)[::2, ::-1]; fixed = whole[:3]
fixed.flags.writeable = False
generator = np.random.default_rng(5); generator.random(10)
""")
    new, refused = again(old)
    assert refused == {}
    new["shared"].append(2)
    assert new["one"]["s"] is new["shared"] is new["two"][0]
    new["whole"][:] = 7
    assert new["tail"][0] == new["every"][1, 1] == new["fixed"][0] == 7
    assert not new["fixed"].flags.writeable
    assert new["generator"].random() == old["generator"].random()
    new["tail"][0] = 1
    assert new["whole"][50_000] == 1


def test_frames_are_equal_writable_and_independent():
    old = run("""
import pandas as pd, numpy as np
frame = pd.DataFrame({"a": np.arange(5000.0), "b": ["x", "y"] * 2500, "c": pd.date_range("2020", periods=5000)})
column = frame["a"]; part = frame[1000:2000]; grouped = frame.groupby("b")["a"].mean()
same = frame
""")
    new, refused = again(old)
    assert refused == {}
    for name in ("frame", "part"):
        pd.testing.assert_frame_equal(new[name], old[name])
    assert new["same"] is new["frame"]
    new["frame"].iloc[0, 0] = -1
    assert new["column"].iloc[0] == 0
    new["frame"]["d"] = 1


def test_what_cannot_be_kept_is_named_with_all_that_holds_it(tmp_path):
    path = tmp_path / "f"
    path.write_text("text")
    old = run(f"""
import sqlite3, threading, numpy as np
fine = [1, 2]
connection = sqlite3.connect(":memory:")
holder = {{"c": connection}}
generator = (i for i in range(3))
lock = threading.Lock()
file = open({str(path)!r})
mapped = np.memmap({str(path)!r}, mode="r")
""")
    new, refused = again(old)
    assert set(refused) == {"connection", "holder", "generator", "lock", "file", "mapped"}
    assert refused["file"] == "an open file"
    assert "sqlite3.Connection" in refused["connection"]
    assert new["fine"] == [1, 2]
    assert new["sqlite3"] is sqlite3
    assert new["threading"] is threading
    old["file"].close()


def test_what_makes_a_value_again_finds_what_was_bound_before_it():
    old = run("""
import numpy as np
FACTOR = 3
class Tensor:
    def __init__(self, data): self.data = np.asarray(data) * 1.0; self.norm = helper(self.data)
    def __reduce__(self): return Tensor, (list(self.data),)
class Model:
    def __setstate__(self, state): self.weights = np.asarray(state['weights']) * FACTOR
def helper(data): return float(np.abs(data).sum())
tensor = Tensor([1, -2]); both = [tensor]
model = Model(); model.weights = [1]
""")
    new, refused = again(old)
    assert refused == {}
    assert (new["tensor"].norm, new["both"][0] is new["tensor"], new["model"].weights.tolist()) == (3.0, True, [3])


def test_classes_that_code_of_the_notebook_makes_are_not_made_by_it_once_more():
    old = run("""
SEEN = []
class Base:
    def __init_subclass__(cls): SEEN.append(cls.__name__)
class Child(Base): pass
class Meta(type):
    def __init__(cls, *how): SEEN.append(cls.__name__)
class Made(metaclass=Meta): pass
base, child, made = Base(), Child(), Made()
""")
    new, refused = again(old)
    assert refused == dict.fromkeys(["Child", "child", "Made", "made"], HOOKED)
    assert (new["SEEN"], type(new["base"]) is new["Base"]) == (["Child", "Made"], True)


def test_a_secret_is_not_kept_wherever_it_is(monkeypatch):
    monkeypatch.setattr(redaction, "_HIDDEN", [])
    redaction.hide("tulip moon lamp")
    old = run("""
import numpy as np, pandas as pd
key = 'tulip moon lamp'; client = {'auth': [key]}; plain = 'tulip'
small, large = pd.DataFrame({'key': [key] * 3}), pd.DataFrame({'key': [key] * 5000})
array = np.array([key] * 5000)
""")
    new, refused = again(old)
    assert refused == dict.fromkeys(["key", "client", "small", "large", "array"], "it holds a secret")
    assert new["plain"] == "tulip"


def test_an_array_that_shares_memory_with_a_frame_is_not_kept_as_a_copy():
    if not pd.__version__.startswith("3"):
        pytest.skip("the frame's memory is shared this way from pandas 3 on")
    old = run("""
import numpy as np, pandas as pd
values = np.arange(10_000.0)
frame = pd.DataFrame(values.reshape(-1, 1), copy=False)
""")
    assert np.shares_memory(old["values"], old["frame"].to_numpy())
    _, refused = again(old)
    assert refused == {"values": "it shares its memory with frame"}


def test_the_same_buffer_has_the_same_content_and_size_is_bounded():
    old = run("import numpy as np\nbig = np.ones(100_000); text = 'x' * 1000")
    first = dump(kept(old), old, most=10**9)
    old["text"] = "y" * 1000
    second = dump(kept(old), old, most=10**9)
    assert [bytes(b.raw()) for b in first[1]] == [bytes(b.raw()) for b in second[1]]
    assert len(first[0]) < 5000
    with pytest.raises(TooLargeError):
        dump({"words": [str(i) for i in range(100_000)]}, {}, most=10_000)
    assert pickle.loads(pickle.dumps(1)) == 1

"""Reads and writes of names, told from the text and compared with what Python does."""

from __future__ import annotations

import ast
import contextlib
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.notebook.names import literals, names, python_source

CASES = [
    # the cell, reads, writes, mutates
    ("x = 1", "", "x", ""),
    ("x = y", "y", "x", ""),
    ("x = 1\ny = x", "", "x y", ""),
    ("y = x\nx = 1", "x", "x y", ""),
    ("x += 1", "x", "x", ""),
    ("x = x + 1", "x", "x", ""),
    ("a, (b, *c) = d", "d", "a b c", ""),
    ("x: int = y", "y", "x", ""),
    ("x: T", "T", "", ""),
    ("df['a'] = 1", "df", "", "df"),
    ("df.loc[m, 'a'] += v", "df m v", "", "df"),
    ("df.a.b = 1", "df", "", "df"),
    ("df = load()\ndf['a'] = 1", "load", "df", "df"),
    ("del df", "df", "", ""),
    ("del df['a']", "df", "", "df"),
    ("x = 1\ndel x\nx", "x", "x", ""),
    ("df.drop('a', axis=1, inplace=True)", "df", "", "df"),
    ("new = df.drop('a', axis=1)", "df", "new", ""),
    ("rows.append(1)", "rows", "", "rows"),
    ("model.fit(X, y)", "model X y", "", "model"),
    ("m = model.fit(X)", "model X", "m", "model"),
    ("s = a.add(b)", "a b", "s", ""),
    ("if c:\n  x = 1\nx", "c x", "x", ""),
    ("if c:\n  x = 1\nelse:\n  x = 2\nx", "c", "x", ""),
    ("for i in xs:\n  t = i\nt", "xs t", "i t", ""),
    ("for i in xs:\n  print(last)\n  last = i", "xs last", "i last", ""),
    ("while n:\n  n -= 1", "n", "n", ""),
    ("for x.a in xs: pass", "xs x", "", "x"),
    ("with open(p) as f:\n  d = f.read()\nf", "p", "f d", ""),
    ("with a as (b, c): pass", "a", "b c", ""),
    ("try:\n  x = 1\nexcept E as e:\n  print(e)\n  x = 2\nx", "E", "x", ""),
    ("try:\n  x = f()\nexcept E as e:\n  y = e\nx\ne", "E f x e", "x y", ""),
    ("try:\n  x = 1\nfinally:\n  x", "x", "x", ""),
    ("(n := 10) and n", "", "n", ""),
    ("[y for x in xs if (y := x)]\ny", "xs", "y", ""),
    ("[x for x in xs]", "xs", "", ""),
    ("[x for x in x]", "x", "", ""),
    ("[a + b for a in xs for b in a]", "xs", "", ""),
    ("{k: v + w for k, v in d.items()}", "d w", "", ""),
    ("sum(i * k for i in r)", "k r", "", ""),
    ("f = lambda a, b=c: a + b + d", "c d", "f", ""),
    ("def f(a, b: T = c) -> R:\n  x = a\n  return x + g", "T R c g", "f", ""),
    ("def f():\n  return x\nx = 1", "", "f x", ""),
    ("def f():\n  return x\ny = f()\nx = 1", "x", "f x y", ""),
    ("def f():\n  return g()\ndef g():\n  return z\nf()", "z", "f g", ""),
    ("def f():\n  return f()", "", "f", ""),
    ("def f():\n  return g()\ndef g():\n  return f()", "", "f g", ""),
    ("def f():\n  global x\n  x = y", "y", "f x", ""),
    ("def f():\n  def g():\n    nonlocal a\n    a = b\n  a = 1", "b", "f", ""),
    ("def f():\n  cache['k'] = 1", "cache", "f", "cache"),
    ("def f(cache):\n  cache['k'] = 1", "", "f", ""),
    ("def f():\n  import os\n  return os.x", "", "f", ""),
    ("def f():\n  y\n  y = 1", "", "f", ""),
    ("def f():\n  for i in [k for k in ks]: j = i\n  return j", "ks", "f", ""),
    ("async def f():\n  async with a as b: await b\nawait f()", "a", "f", ""),
    ("@deco\ndef f():\n  return x\nx = 1", "deco x", "f x", ""),
    ("if c:\n  def f(): return x\nelse:\n  def f(): return y\nf()", "c x y", "f", ""),
    ("class A(B, metaclass=M):\n  x = 1\n  y = x + z\n  def m(self):\n    return x + self.y", "B M z x", "A", ""),
    ("class A:\n  def m(self): return h()\ndef h(): pass\nA().m()", "", "A h", ""),
    ("class A:\n  @property\n  def m(self): return A", "", "A", ""),
    ("import a.b, c as d\nfrom e import f as g\na, d, g", "", "a d g", ""),
    ("match v:\n  case {'k': k, **rest}: pass\n  case [p, *q] if p > w: pass\n  case C(z): pass",
     "v w C", "k rest p q z", ""),
    ("match v:\n  case 1: x = 1\n  case _: x = 2\nx", "v", "x", ""),
    ("x = y if c else z", "y c z", "x", ""),
    ("f'{a} {b:{w}}'", "a b w", "", ""),
    ("%matplotlib inline\nx = a", "a", "x", ""),
    ("files = !ls {d}\nx = %who", "", "files x", ""),
    ("!pip list\ndf?\nx = 1", "", "x", ""),
    ("%%time\nx = a", "a", "x", ""),
    ("%%track name -t tag\n\n%%time\nx = a", "a", "x", ""),
    ("%%capture out --no-stderr\nx = a", "a", "out x", ""),
    ("%time x = f(a)", "f a", "x", ""),
    ("%%bash\nx = 1", "", "", ""),
    ("%%writefile x.py\nimport a", "", "", ""),
    (">>> x = a", "a", "x", ""),
    ("    x = a\n    y = x", "a", "x y", ""),
    ("x = await a", "a", "x", ""),
    ("", "", "", ""),
    ("# only a comment", "", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "reads", "writes", "mutates"), CASES, ids=[c[0] for c in CASES])
def test_reads_writes_and_mutations(source: str, reads: str, writes: str, mutates: str) -> None:
    found = names(source)
    assert (set(found.reads), set(found.writes), set(found.mutates), found.unparsable) == (
        set(reads.split()), set(writes.split()), set(mutates.split()), False,
    )  # fmt: skip


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")
def test_type_parameters_are_no_reads() -> None:
    found = names("type A[T] = list[T]\ndef f[T](x: T) -> T: return y\nclass C[T](B[T]):\n  def m(self) -> T: ...")
    assert (set(found.reads), set(found.writes)) == ({"y", "B"}, {"A", "f", "C"})


def test_the_other_fields() -> None:
    found = names("import numpy as np, a.b\nfrom .x import y\nfrom z import *\ndel q\nid = input(np.f(1).g())")
    assert found.imports == {"np": "numpy", "a": "a", "y": ".x.y"}
    assert (found.star_imports, set(found.deletes)) == (("z",), {"q"})
    assert set(found.builtins) == {"input"}
    assert set(found.writes) == {"np", "a", "y", "id"}
    assert set(found.calls) == {"input", "np.f"}


@pytest.mark.parametrize(
    "source", ["x = = 1", "def", "%%unknown\n(", "x = 'a\n", "\0", "(" * 5000, "-" * 100_000 + "1"]
)
def test_what_does_not_parse_is_said_to_be_so(source: str) -> None:
    found = names(source)
    assert found.unparsable == (not source.startswith("%%"))
    assert not found.reads
    assert literals(source) == {}


def test_generated_code_of_any_depth_is_survived() -> None:
    assert names(" + ".join(["x"] * 3000)).unparsable or names(" + ".join(["x"] * 3000)).reads == {"x"}
    assert literals("y = 1\nz = " + " + ".join(["x"] * 3000)) in ({}, {"y": 1})


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [("%matplotlib inline\n\n!ls\nx = 1", 4, "x = 1"), ("%%time\n\nx = 1", 3, "x = 1"),
     ("\n\n%%track a\n%%time\n!ls\nx = 1", 6, "x = 1"), ("x?\ny = 1", 2, "y = 1")],
)  # fmt: skip
def test_python_source_keeps_line_numbers(source: str, line: int, text: str) -> None:
    turned = python_source(source)
    ast.parse(turned)
    assert turned.split("\n")[line - 1] == text


@pytest.mark.parametrize("source", ["x = 5 % 3", "a = (7\n  % 2)", "s = '''\n%magic\n!ls\nwhy?\n'''", "x = 1 # why?"])
def test_python_is_left_alone(source: str) -> None:
    assert python_source(source) == source


LITERALS = [
    ("a = 1\nb, c = 'x', [1, (2, None)]\nd = {'k': True}", {"a": 1, "b": "x", "c": [1, (2, None)], "d": {"k": True}}),
    ("a = 60 * 60\nb = -1.5\nc = 10**6\nd = 1/4\ne = +2", {"a": 3600, "b": -1.5, "c": 10**6, "d": 0.25, "e": 2}),
    ("a = b = 3\nc: int = 4\nd: int", {"a": 3, "b": 3, "c": 4}),
    ("a = 1\na = f()\nb = f()\nb = 1", {"b": 1}),
    ("a = 1\na += 1\nb = 1\ndel b\nc = [1]\nc[0] = 2\nd = []\nd.append(1)", {}),
    ("a = 1\nif x:\n  a = 2\nfor b in y: pass\nc = 1\nimport c", {}),
    ("a = 1\ndef f():\n  global a\n  a = 2", {}),
    ("a = 1\ndef f():\n  a = 2\nz = [a for a in y]", {"a": 1}),
    ("a = 1/0\nb = 10**10**10\nc = 9**99\nd = 'x' * 9\ne = (-8)**0.5\nf = 'a' 'b'", {"f": "ab"}),
    ("a = b'x'\nb = 1j\nc = ...\nd = {1: 2}\ne = {**f}\ng = {1, 2}\nh = f'{x}'", {}),
    (f"a = {'x' * 1001!r}\nb = {list(range(200))}\nc = {list(range(50))}", {"c": list(range(50))}),
    ("%%time\na = 1\n!ls", {"a": 1}),
    ("x.y = 1\nx[0] = 2\n*a, b = 1, 2", {}),
]


@pytest.mark.parametrize(("source", "expected"), LITERALS, ids=[x[0][:40] for x in LITERALS])
def test_literals(source: str, expected: dict[str, Any]) -> None:
    found = literals(source)
    assert found == expected
    assert [type(v) for v in found.values()] == [type(v) for v in expected.values()]


# Programs of the statements below, run by Python itself in a namespace that records look-ups. -----------------
NAME = st.sampled_from("abcd")


def block(body: str) -> str:
    return "\n".join("  " + line for line in body.split("\n"))


SIMPLE = st.one_of(
    st.builds("{} = {}".format, NAME, NAME),
    st.builds("{} = 1".format, NAME),
    st.builds("{} += {}".format, NAME, NAME),
    st.builds("{} = [{} for {} in [{}]]".format, NAME, NAME, NAME, NAME),
    st.builds("({} := {})".format, NAME, NAME),
    st.builds("[({} := x) for x in [{}]]".format, NAME, NAME),
    st.builds("def {}(): return {}".format, st.sampled_from("fg"), NAME),
    st.builds("def {}({}): return {}".format, st.sampled_from("fg"), NAME, NAME),
    st.builds("def f():\n  global {}\n  {} = {}".format, NAME, NAME, NAME),
    st.just("f()"),
    st.builds("f({})".format, NAME),
    st.builds("class C:\n  {} = {}\n  def m(self): return {}".format, NAME, NAME, NAME),
    st.just("C().m()"),
    st.builds("import sys as {}".format, NAME),
    st.builds("(lambda {}: {})(1)".format, NAME, NAME),
    st.builds("del {}".format, NAME),
)
STATEMENT = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(lambda n, b: f"if {n}:\n{block(b)}", NAME, inner),
        st.builds(lambda n, b, c: f"if {n}:\n{block(b)}\nelse:\n{block(c)}", NAME, inner, inner),
        st.builds(lambda n, b: f"for {n} in (1, 2):\n{block(b)}", NAME, inner),
        st.builds(lambda n, b: f"try:\n{block(b)}\nexcept Exception as {n}:\n  pass", NAME, inner),
        st.builds(lambda b, c: f"try:\n{block(b)}\nfinally:\n{block(c)}", inner, inner),
        st.builds(lambda n, b: f"match 1:\n  case {n} if {n}:\n{block(block(b))}", NAME, inner),
    ),
    max_leaves=3,
)


class Watching(dict):  # type: ignore[type-arg]
    """A namespace that notes which names were there before the cell and were looked up, and which it set."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys("abcd", 0))
        self.fresh = set("abcd")
        self.read: set[str] = set()
        self.written: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        if name in self.fresh:
            self.read.add(name)
        return super().__getitem__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.written.add(name)
        self.fresh.discard(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        self.fresh.discard(name)
        super().__delitem__(name)


@settings(max_examples=400, deadline=None)
@given(st.lists(STATEMENT, min_size=1, max_size=5))
def test_nothing_that_python_reads_or_writes_at_top_level_is_missed(statements: list[str]) -> None:
    source = "\n".join(statements)
    try:
        code = compile(source, "cell", "exec")
    except SyntaxError:
        return
    space = Watching()
    # A mapping of its own as locals: every look-up of the cell's own lines passes there. A name that isn't there
    # any more ends the program; what it did before still counts.
    with contextlib.suppress(Exception):
        exec(code, dict.fromkeys("abcd", 0), space)
    found = names(source)
    assert space.read <= found.reads
    assert space.written <= found.writes | caught(source)


def caught(source: str) -> set[str]:
    """Names of `except … as`, bound for the handler only."""
    return {n.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ExceptHandler) and n.name}

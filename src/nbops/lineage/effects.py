"""What one execution of a cell did to the names of its kernel: from its text, and from what was recorded of it.

The text tells which names a cell needs and binds. Whether data was changed in place is not guessed where digests
from before and after the cell tell it. For the rest the answer errs on the side of a change: a slice with a cell
too many is right, one with a cell too few isn't.

Some state has no name in the notebook: the process-wide random generators, settings of the process, whether nbops is
loaded. It goes by the names `RANDOM`, `PROCESS` and `TRACKING` here. (pyplot's current figure is none: it is closed at
a cell's end.)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nbops.core.runs import CellRecord, CellStatus
from nbops.notebook.names import Names, names
from nbops.notebook.outside import reads_outside
from nbops.notebook.scopes import Walk
from nbops.notebook.syntax import parsed

RANDOM, PROCESS, TRACKING = "<random>", "<process>", "<tracking>"

_SEEDS = ("seed", "manual_seed", "set_random_seed", "set_state", "setstate")
_SETTINGS = frozenset(
    {"set_option", "reset_option", "set_theme", "set_style", "set_palette", "set_context", "chdir", "filterwarnings"}
    | {
        "simplefilter",
        "set_config",
        "set_loglevel",
        "setlocale",
        "putenv",
        "basicConfig",
        "register_matplotlib_converters",
    }
    | {"enable_notebook", "set_printoptions", "seterr", "patch_sklearn", "load_dotenv", "use", "rc", "insert"}
)
# A line magic or command that changes the kernel for the cells after it.
_KERNEL_MAGIC = re.compile(
    r"^[ \t]*%(cd|env|set_env|matplotlib|config|autoreload|run|load_ext|pylab)\b(.*)$", re.MULTILINE
)
_OURS = re.compile(r"^[ \t]*%%?(nbops|track)\b", re.MULTILINE)
_LOADS_US = re.compile(r"^[ \t]*%(load_ext|reload_ext)[ \t]+nbops\b", re.MULTILINE)
_CALLS_THAT_LOOK = frozenset(
    {"predict", "predict_proba", "decision_function", "score", "get_params", "head", "tail", "describe", "info"}
    | {"copy", "keys", "values", "items", "get", "index", "count", "savefig", "to_csv", "to_parquet", "exists"}
)


@dataclass(frozen=True, kw_only=True)
class Effects:
    """`needs` are the names whose value from before counts, or may count; `firmly` those it reads before it can have
    bound them itself; `binds` those it may give another object, `surely` those
    it certainly does; `changes` those whose object it changes, or may change, in place. `values` are the names
    whose value is recorded (data by digest, parameters), so that its being the same can be told. `holds` pairs names
    where one's object may be part of the other's. `late` maps a function, lambda or class that it defines to the names
    that are read when it is called. `opaque`: the text tells nothing."""

    needs: frozenset[str] = frozenset()
    firmly: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    surely: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    imports: Mapping[str, str] = field(default_factory=dict)
    holds: tuple[tuple[str, str], ...] = ()
    late: Mapping[str, frozenset[str]] = field(default_factory=dict)
    opaque: bool = False

    @property
    def functions(self) -> frozenset[str]:
        """The functions and classes it defines."""
        return frozenset(self.late)

    @property
    def makes(self) -> frozenset[str]:
        """The names that mean something else after it than before."""
        return self.binds | self.changes

    @property
    def only_imports(self) -> bool:
        """It binds names of modules and does nothing else with names."""
        return bool(self.imports) and self.binds <= set(self.imports) and not self.changes and not self.needs


def effects(text: str | None, record: CellRecord | None, known: Mapping[str, str], data: frozenset[str]) -> Effects:
    """What an execution did.

    Parameters
    ----------
    text : str or None
        The cell's text as it was executed.
    record : CellRecord or None
        What was recorded of it; None for a cell that was not tracked.
    known : mapping
        What names stand for by the imports of earlier cells: ``{"np": "numpy"}``.
    data : set of str
        Names that hold data somewhere in this kernel: their digests tell what changed them.
    """
    recorded = {use.name for use in record.writes} if record else set()
    read = {use.name: use.fingerprint.digest for use in record.reads} if record else {}
    failed = record is not None and record.status is not CellStatus.OK
    tree = parsed(text) if text else None
    said = names(text) if text else Names()
    if tree is None or said.unparsable:
        return Effects(
            needs=frozenset(read),
            binds=frozenset(recorded),
            changes=frozenset(recorded),
            opaque=bool(text) and not failed,
        )
    imports = {**known, **said.imports}
    looked = _Look(tree, imports)
    # what a call may have changed: for data the digests tell, where they were taken
    told = {name for name, digest in read.items() if digest is not None}
    unsure = (said.mutates | looked.called_on) - said.writes - set(imports)
    changes = {name for name in unsure if name not in told} | (recorded - said.writes)
    state_needs, state_changes = _states(text or "", looked, imports)
    binds = set(said.writes) | recorded
    surely = set() if failed else set(Walk(tree.body).bound)
    if failed:  # how far it came is told by what is recorded, if by anything
        binds = recorded | {name for name in said.writes if name in (record.params if record else {})}
        changes = recorded - said.writes
    scalars = {n for n, v in record.params.items() if not isinstance(v, (list, dict))} if record else set()
    return Effects(
        needs=frozenset(
            (said.reads | said.mutates | said.builtins | set(read)) - _surely_bound_first(said) | state_needs
        ),
        firmly=frozenset(_firmly(tree)),
        binds=frozenset(binds),
        surely=frozenset(surely),
        changes=frozenset(changes | state_changes),
        deletes=said.deletes,
        imports=said.imports,
        holds=tuple(
            (a, b)
            for a, b, plain in looked.holds
            if not {a, b} & (set(imports) | scalars) and (plain or not {a, b} & (data | recorded | set(read)))
        ),
        late=_late(tree),
        opaque=bool(looked.opaque or said.star_imports),
    )


def _surely_bound_first(said: Names) -> frozenset[str]:
    """Names changed in place only after the cell itself has bound them."""
    return (said.mutates & said.writes) - said.reads


def _firmly(tree: ast.Module) -> set[str]:
    """Names read by a statement before which no other one can have bound them. A definition reads nothing yet."""
    found: set[str] = set()
    bound: set[str] = set()
    for statement in tree.body:
        walk = Walk([statement])
        if not isinstance(statement, _DEFINITIONS):
            found |= (walk.reads | walk.mutates) - bound
        bound |= walk.writes
    return found


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _late(tree: ast.Module) -> dict[str, frozenset[str]]:
    """What the functions, lambdas and classes of a cell read when they are called."""
    known = Walk(tree.body).later
    late: dict[str, frozenset[str]] = {name: frozenset(needs) for name, needs in known.items()}
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITIONS) and node.name not in late:
            late[node.name] = _read_inside(node)
        elif isinstance(node, ast.Assign):
            inside = list(_read_by_lambdas(node.value, frozenset()))
            names = [t.id for t in node.targets if isinstance(t, ast.Name)]
            late |= {name: frozenset().union(*inside) for name in names if inside}
    return late


def _read_by_lambdas(node: ast.AST, own: frozenset[str]) -> Iterator[frozenset[str]]:
    """What each outermost lambda reads; `own` are the variables of the comprehensions that it stands in."""
    if isinstance(node, ast.Lambda):
        yield _read_inside(node) - own
        return
    for comprehension in getattr(node, "generators", ()):
        own |= {n.id for n in ast.walk(comprehension.target) if isinstance(n, ast.Name)}
    for child in ast.iter_child_nodes(node):
        yield from _read_by_lambdas(child, own)


def _read_inside(node: ast.AST) -> frozenset[str]:
    """The names that a definition's body reads and doesn't bind."""
    own = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    own |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in own)


def _states(text: str, looked: _Look, imports: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """(the nameless states it needs, those it changes)."""
    needs, changes = set(), set()
    lines = [_import(name, target) for name, target in imports.items() if not target.startswith(".")]
    if any(h.reason == "random" for h in reads_outside("\n".join([*lines, text]))):
        needs.add(RANDOM)  # it draws from a generator that it hasn't seeded itself
    if looked.seeds or RANDOM in needs:
        changes.add(RANDOM)
    if looked.settings or _KERNEL_MAGIC.search(_LOADS_US.sub("", text)):
        changes.add(PROCESS)
    if _LOADS_US.search(text):
        changes.add(TRACKING)
    elif _OURS.search(text):
        needs.add(TRACKING)
    return needs, changes


def _import(name: str, target: str) -> str:
    module, _, last = target.rpartition(".")
    return f"from {module} import {last} as {name}" if module else f"import {target} as {name}"


class _Look:
    """One look at a cell's tree for what :mod:`nbops.notebook.names` doesn't ask."""

    def __init__(self, tree: ast.Module, imports: Mapping[str, str]) -> None:
        self.imports = imports
        self.called_on: set[str] = set()
        self.holds: list[tuple[str, str, bool]] = []
        self.seeds = self.settings = self.opaque = False
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._statement(node.value)  # the call itself is met later, as a node of its own
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                targets: list[ast.expr] = [*node.targets] if isinstance(node, ast.Assign) else [node.target]
                self._assigned(targets, node.value)

    def _dotted(self, node: ast.expr) -> str:
        """``numpy.random.seed`` of ``np.random.seed``; empty for what doesn't start at a name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])

    def _call(self, node: ast.Call) -> None:
        name = self._dotted(node.func)
        last = name.rpartition(".")[2]
        root = _root(node.func)
        module = root is not None and root in self.imports
        self.seeds = self.seeds or (last in _SEEDS and module)
        self.opaque = self.opaque or name in ("exec", "globals", "locals", "vars", "setattr")
        if name.endswith(("run_line_magic", "run_cell_magic")) and node.args:
            magic = node.args[0]
            self.opaque = self.opaque or (isinstance(magic, ast.Constant) and magic.value in ("run", "pylab"))
        if isinstance(node.func, ast.Name) and node.func.id not in self.imports:
            # a function of the notebook's own may change what it is given
            for argument in [*node.args, *(k.value for k in node.keywords)]:
                if isinstance(argument, ast.Name) and node.func.id not in _BUILTIN_CALLS:
                    self.called_on.add(argument.id)
        if isinstance(node.func, ast.Name) and node.func.id == "next":
            self.called_on.update(a.id for a in node.args if isinstance(a, ast.Name))
        # rng.normal() moves rng on, whatever becomes of the result
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and not module:
            self.called_on.update({node.func.value.id} if last in _DRAWS else ())

    def _statement(self, call: ast.Call) -> None:
        """A call whose result nobody takes is there for what it does."""
        last = self._dotted(call.func).rpartition(".")[2]
        root = _root(call.func)
        if root is None or not isinstance(call.func, ast.Attribute):
            return
        if root in self.imports:
            self.settings = (
                self.settings or last in _SETTINGS or self._dotted(call.func).startswith(("sys.path.", "os."))
            )
        elif last not in _CALLS_THAT_LOOK:
            self.called_on.add(root)

    def _assigned(self, targets: list[ast.expr], value: ast.expr) -> None:
        bound = []
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    bound.append(node.id)
            if isinstance(target, (ast.Attribute, ast.Subscript)) and (root := _root(target)) is not None:
                if root in self.imports:
                    self.settings = True  # os.environ["X"] = …, plt.rcParams[…] = …
                else:
                    bound.append(root)
        plain = _is_chain(value)
        inside = {n.id for n in ast.walk(value) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        self.holds += [(a, b, plain) for a in bound for b in inside]
        if not plain:
            self.holds += [(a, b, False) for a in bound for b in bound if a < b]  # fig, ax = plt.subplots()


# Methods of random generators and iterators: each call changes what the next one gives.
_DRAWS = frozenset(
    {"normal", "random", "integers", "choice", "permutation", "permuted", "shuffle", "uniform", "standard_normal"}
    | {"randn", "rand", "randint", "sample", "gauss", "poisson", "binomial", "beta", "gamma", "exponential", "choices"}
    | {"multivariate_normal", "lognormal", "randrange", "spawn", "bytes", "read", "readline", "readlines", "pop"}
    | {"logistic", "laplace", "geometric", "multinomial", "dirichlet", "triangular", "weibull", "next", "fetchone"}
)
_BUILTIN_CALLS = frozenset(
    {"print", "display", "len", "repr", "str", "type", "sum", "min", "max", "sorted", "range", "list", "dict", "set"}
    | {"tuple", "zip", "enumerate", "isinstance", "abs", "round", "any", "all", "float", "int", "id", "hash", "bool"}
    | {"getattr", "hasattr", "iter", "map", "filter", "reversed", "frozenset", "callable", "format", "dir"}
)


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_chain(node: ast.expr) -> bool:
    """``a``, ``a.b``, ``a[i]``, or a tuple, list or dict of them: no call, no arithmetic."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(_is_chain(e) for e in node.elts)
    if isinstance(node, ast.Dict):
        return all(_is_chain(v) for v in node.values)
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return isinstance(node, ast.Name)

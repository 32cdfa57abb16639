"""Hints in a cell's text that its result depends on more than code, parameters and files: a URL, a database,
the clock, unseeded randomness. A step that shows one isn't cached unless it is declared to be.

Hints, not proofs: what a library does inside isn't seen. Names are followed through imports, those of
earlier cells too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from nbops.notebook.files import Notebook
from nbops.notebook.scopes import Walk, dotted
from nbops.notebook.syntax import parsed

_URL = re.compile(r"(?:https?|ftps?|sftp|s3[an]?|gs|gcs|abfss?|adl|az|hdfs|hf|webhdfs)://[^\s'\"]", re.IGNORECASE)
_CLOCK = frozenset(
    {f"datetime.{name}" for name in ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")}
    | {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime"}
    | {"pandas.Timestamp.now", "pandas.Timestamp.today", "pandas.Timestamp.utcnow"}
    | {"arrow.now", "arrow.utcnow", "pendulum.now", "pendulum.today"}
)
_DATABASE = frozenset(
    {f"{module}.connect" for module in ("sqlite3", "psycopg", "psycopg2", "duckdb", "pymysql", "MySQLdb", "oracledb")}
    | {f"{module}.connect" for module in ("cx_Oracle", "pyodbc", "mysql.connector", "snowflake.connector", "trino")}
    | {"sqlalchemy.create_engine", "sqlalchemy.engine.create_engine", "pymongo.MongoClient", "redis.Redis"}
)
_DATABASE_LAST = frozenset(
    {"read_sql", "read_sql_query", "read_sql_table", "read_gbq", "read_database", "create_engine"}
)
_WEB = ("requests.", "httpx.", "urllib.request.", "urllib3.", "aiohttp.", "sklearn.datasets.fetch_")
_WEB_CALLS = frozenset({"seaborn.load_dataset", "datasets.load_dataset"})

# Functions that draw from a generator of the whole process, by the name that seeds it.
_PYTHON = frozenset(
    {f"random.{name}" for name in ("random", "randint", "randrange", "choice", "choices", "sample", "shuffle")}
    | {f"random.{name}" for name in ("uniform", "gauss", "triangular", "getrandbits", "randbytes")}
    | {f"random.{name}variate" for name in ("normal", "beta", "expo", "gamma", "lognorm", "vonmises", "pareto")}
)
_ALWAYS_RANDOM = ("secrets.", "os.urandom", "uuid.uuid1", "uuid.uuid4", "random.SystemRandom")
SEEDS = {
    "random.seed": "random",
    "numpy.random.seed": "numpy",
    "torch.manual_seed": "torch",
    "tensorflow.random.set_seed": "tensorflow",
    "keras.utils.set_random_seed": "tensorflow",
}
GENERATORS = frozenset({"numpy.random.default_rng", "numpy.random.RandomState", "random.Random"}) | {
    f"numpy.random.{name}" for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "SeedSequence")
}
# scikit-learn objects that draw from numpy's process-wide generator when `random_state` is left out
_RANDOM_STATE = frozenset(
    {"RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"}
    | {"GradientBoostingClassifier", "GradientBoostingRegressor", "BaggingClassifier", "BaggingRegressor"}
    | {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "AdaBoostClassifier", "AdaBoostRegressor"}
    | {"MLPClassifier", "MLPRegressor", "SGDClassifier", "SGDRegressor", "IsolationForest", "KMeans"}
    | {"MiniBatchKMeans", "DecisionTreeClassifier", "DecisionTreeRegressor", "RandomizedSearchCV", "TSNE"}
    | {"ShuffleSplit", "StratifiedShuffleSplit", "train_test_split", "RandomSplit", "permutation_importance"}
    | {f"make_{name}" for name in ("classification", "regression", "blobs", "moons", "circles")}
)
_SHUFFLED = frozenset({"KFold", "StratifiedKFold", "StratifiedGroupKFold"})
_KNOWN = {
    "np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot", "sns": "seaborn", "sa": "sqlalchemy", "tf": "tensorflow",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Outside:
    """One hint. `reason` is url, database, clock or random; `line` counts from 1 in the cell; `what` is the call or
    the text that gives it; `cell` is the cell's index in the notebook, 0 for a text alone."""

    reason: str
    line: int
    what: str
    cell: int = 0


def reads_outside(code: Notebook | str) -> tuple[Outside, ...]:
    """The hints in a notebook, or in one cell's text, in the order of the lines.

    Randomness is seeded from the line on that seeds its generator (``np.random.seed(0)``); a generator made
    with a seed (``default_rng(0)``) or an estimator given a `random_state` gives no hint.
    """
    look = Look()
    if isinstance(code, Notebook):
        for cell in code.code_cells():
            look.at(cell.index, cell.source)
    else:
        look.at(0, code)
    return tuple(look.found)


def reasons(found: Iterable[Outside]) -> tuple[str, ...]:
    """Each reason once, sorted: what a record keeps as `uncacheable`."""
    return tuple(sorted({each.reason for each in found}))


class Look:
    """Looks at cell after cell: imports and seeds count from where they stand. `found` are the hints so far."""

    def __init__(self) -> None:
        self.found: list[Outside] = []
        self.imports = dict(_KNOWN)
        self.seeded: set[str] = set()

    def at(self, cell: int, source: str) -> None:
        tree = parsed(source)
        if tree is None:
            return
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imports.update(Walk([node]).imports)
        silent = set(_docstrings(tree))
        nodes = [n for n in ast.walk(tree) if isinstance(n, (ast.Call, ast.Constant, ast.JoinedStr))]
        hints: dict[tuple[int, str], Outside] = {}
        for node in sorted(nodes, key=lambda n: (n.lineno, n.col_offset)):
            said = self.call(node) if isinstance(node, ast.Call) else _url(node) if node not in silent else None
            if said is not None:
                reason, what = said
                hints.setdefault(
                    (node.lineno, reason), Outside(reason=reason, line=node.lineno, what=what[:80], cell=cell)
                )
        self.found += hints.values()

    def full(self, node: ast.expr) -> str:
        """The dotted name behind a call, imports followed; ``.name`` for a method of anything else."""
        written = dotted(node)
        if written is None:
            return f".{node.attr}" if isinstance(node, ast.Attribute) else ""
        first, _, rest = written.partition(".")
        base = self.imports.get(first, first)
        return f"{base}.{rest}" if rest else base

    def call(self, node: ast.Call) -> tuple[str, str] | None:
        name = self.full(node.func)
        written = dotted(node.func) or name
        last = name.rpartition(".")[2]
        if name in SEEDS:
            (self.seeded.add if _seed_given(node) else self.seeded.discard)(SEEDS[name])
            return None
        if _is_clock(name, node):
            return "clock", written
        if name in _DATABASE or last in _DATABASE_LAST:
            return "database", written
        if name.startswith(_WEB) or name in _WEB_CALLS:
            return "url", written
        if last in ("run_line_magic", "run_cell_magic", "system", "getoutput"):
            return _magic(node)
        if self.random(name, last, node):
            return "random", written
        return None

    def random(self, name: str, last: str, node: ast.Call) -> bool:
        if name.startswith(_ALWAYS_RANDOM):
            return True
        if name in GENERATORS:
            return not _seed_given(node)
        if name in _PYTHON:
            return "random" not in self.seeded
        if name.startswith("numpy.random."):
            return last not in ("seed", "Generator", "get_state", "set_state") and "numpy" not in self.seeded
        if name in {f"torch.{n}" for n in ("rand", "randn", "randint", "randperm", "normal", "bernoulli")}:
            return "torch" not in self.seeded
        keywords = {k.arg: k.value for k in node.keywords}
        if "numpy" in self.seeded or None in keywords or _some(keywords.get("random_state")):
            return False
        if last in _RANDOM_STATE:
            return not _is(keywords.get("shuffle"), False)
        if last in _SHUFFLED:
            return _is(keywords.get("shuffle"), True)
        return last == "sample" and bool(keywords.keys() & {"n", "frac"}) and "counts" not in keywords


def _is_clock(name: str, node: ast.Call) -> bool:
    if name in _CLOCK or f"datetime.{name}" in _CLOCK or name == "pandas.datetime.now":
        return True
    now = name == "pandas.to_datetime" or name == "pandas.Timestamp"
    return now and bool(node.args) and _is(node.args[0], "now", "today")


def _magic(node: ast.Call) -> tuple[str, str] | None:
    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("run_line_magic", "run_cell_magic"):
        if texts and texts[0] in ("sql", "bigquery"):
            return "database", f"%{texts[0]}"
        texts = texts[1:]
    for text in texts:
        if match := _URL.search(text):
            return "url", _without_credentials(text[match.start() :].split()[0])
    return None


def _url(node: ast.expr) -> tuple[str, str] | None:
    """A text that begins with a URL, computed ones included (``f"https://…{month}"``)."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _URL.match(node.value.lstrip()):
        return "url", _without_credentials(node.value.strip())
    return None


def _without_credentials(url: str) -> str:
    return re.sub(r"(://)[^/@\s]*@", r"\1", url).split("?")[0]


def _docstrings(tree: ast.Module) -> list[ast.AST]:
    """Texts that are statements by themselves: nobody opens them."""
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]


def _seed_given(node: ast.Call) -> bool:
    given = [*node.args, *(k.value for k in node.keywords)]
    return bool(given) and _some(given[0])


def _some(node: ast.expr | None) -> bool:
    return node is not None and not (isinstance(node, ast.Constant) and node.value is None)


def _is(node: ast.expr | None, *values: object) -> bool:
    return isinstance(node, ast.Constant) and any(node.value is v or node.value == v for v in values)

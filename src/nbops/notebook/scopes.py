"""One pass over a cell's syntax tree, in the order of execution and by Python's scoping rules.

What a function or method reads from the notebook's namespace counts wherever the function is used, and at the
cell's end: that is when it can be called.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nbops.notebook.bindings import arguments, own_names, type_parameters
from nbops.notebook.syntax import parsed

# Methods that, called for their effect alone (`x.append(1)` as a statement), change their object.
CHANGING = frozenset(
    {"append", "extend", "insert", "remove", "pop", "popitem", "clear", "sort", "reverse", "update"}
    | {"setdefault", "add", "discard", "fit", "partial_fit", "set_params", "fill", "resize", "put"}
)
_FITTING = frozenset({"fit", "partial_fit", "fit_transform", "fit_predict", "set_params"})


def dotted(node: ast.expr) -> str | None:
    """``a.b.c`` of a chain of attributes that starts at a name, else None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


@dataclass(kw_only=True)
class _Scope:
    """A function, comprehension or class body. `names` are its own; a function knows them beforehand."""

    kind: str
    names: set[str]
    globals: set[str] = field(default_factory=set)


@functools.lru_cache(maxsize=128)
def walked(source: str) -> Walk | None:
    """The pass over a cell's text; None where it is neither Python nor IPython, or can't be looked through (hundreds
    of nested expressions, as generated code has them). It is shared between callers: nobody changes it."""
    tree = parsed(source)
    try:
        return None if tree is None else Walk(tree.body)
    except RecursionError:
        return None


class Walk(ast.NodeVisitor):
    """One pass in the order of execution. `bound` holds what is certainly bound at the point reached; `touched` which
    of the statements was the last to bind, unbind or change a name."""

    def __init__(self, statements: Iterable[ast.AST]) -> None:
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.mutates: set[str] = set()
        self.deletes: set[str] = set()
        self.calls: set[str] = set()
        self.imports: dict[str, str] = {}
        self.stars: list[str] = []
        self.bound: set[str] = set()
        self.touched: dict[str, int] = {}
        self.place = 0  # of the statement that is looked at
        self.scopes: list[_Scope] = []
        self.later: dict[str, set[str]] = {}  # what the function or class of that name reads when called
        self.calling: set[str] = set()
        self.deferred: set[str] | None = None  # what the function now looked into reads from outside
        for self.place, statement in enumerate(statements):
            self.visit(statement)
        for name in list(self.later):
            self.called(name)

    # as the base class does it, which looks for its methods by text, for each node, and visits each `Load`
    def visit(self, node: ast.AST) -> None:
        visitor = _VISITORS.get(type(node))
        if visitor is None:
            visitor = _VISITORS[type(node)] = getattr(Walk, f"visit_{type(node).__name__}", Walk.generic_visit)
        visitor(self, node)

    def generic_visit(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                for item in value:
                    if isinstance(item, ast.AST):
                        self.visit(item)
            elif isinstance(value, ast.AST) and name != "ctx":
                self.visit(value)

    def body(self, statements: Iterable[ast.AST]) -> None:
        for statement in statements:
            self.visit(statement)

    def visit_Constant(self, _node: ast.Constant) -> None: ...

    # names ------------------------------------------------------------------------------------------------
    def owner(self, name: str) -> _Scope | None:
        """The scope a name belongs to, None for the notebook's namespace."""
        for depth, scope in enumerate(reversed(self.scopes)):
            if name in scope.globals:
                return None
            if name in scope.names and (scope.kind != "class" or depth == 0):
                return scope
        return None

    def load(self, name: str) -> None:
        if self.owner(name) is not None:
            return
        if self.deferred is not None:
            self.deferred.add(name)
            return
        if name not in self.bound:
            self.reads.add(name)
        self.called(name)

    def called(self, name: str) -> None:
        if name in self.later and name not in self.calling:
            self.calling.add(name)
            for needed in self.later[name]:
                self.load(needed)
            self.calling.discard(name)

    def bind(self, name: str) -> None:
        scope = self.scopes[-1] if self.scopes else None
        if scope is not None and name not in scope.globals:
            scope.names.add(name)
            return
        self.writes.add(name)
        self.touched[name] = self.place
        if self.deferred is None:
            self.bound.add(name)

    def mutate(self, node: ast.expr) -> None:
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        if isinstance(node, ast.Name) and self.owner(node.id) is None:
            self.mutates.add(node.id)
            self.touched[node.id] = self.place

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        elif self.owner(node.id) is None:
            self.load(node.id)
            self.deletes.add(node.id)
            self.touched[node.id] = self.place
            self.bound.discard(node.id)

    def visit_Attribute(self, node: ast.Attribute | ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.mutate(node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit_Attribute(node)

    def visit_Call(self, node: ast.Call) -> None:
        if name := dotted(node.func):
            self.calls.add(name)
        if isinstance(node.func, ast.Attribute):
            in_place = any(
                k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value is True
                for k in node.keywords
            )
            if in_place or node.func.attr in _FITTING:
                self.mutate(node.func.value)
        self.generic_visit(node)

    # statements that bind ---------------------------------------------------------------------------------
    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in CHANGING:
            self.mutate(call.func.value)
        self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        self.body(node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if not self.scopes or self.scopes[-1].kind == "class":  # a function never evaluates them
            self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        inner: list[_Scope] = []  # a walrus in a comprehension binds outside of it
        while self.scopes and self.scopes[-1].kind == "comprehension":
            inner.append(self.scopes.pop())
        self.bind(node.target.id)
        self.scopes.extend(reversed(inner))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.split(".")[0]
            self.imported(alias.asname or top, alias.name if alias.asname else top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
            else:
                self.imported(alias.asname or alias.name, f"{module.rstrip('.')}.{alias.name}")

    def imported(self, name: str, target: str) -> None:
        if not self.scopes:
            self.imports[name] = target
        self.bind(name)

    # branches ---------------------------------------------------------------------------------------------
    def branches(self, *bodies: Iterable[ast.AST]) -> None:
        """One of these is run: bound afterwards is what all of them bind."""
        before, outcomes = set(self.bound), []
        for statements in bodies:
            self.bound = set(before)
            self.body(statements)
            outcomes.append(self.bound)
        self.bound = set.intersection(*outcomes)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.branches(node.body, node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self.branches([node.body], [node.orelse])

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self.branches(node.values[1:], [])

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self.branches(node.body, [])
        self.branches(node.orelse, [])

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.branches([node.target, *node.body], [])
        self.branches(node.orelse, [])

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.visit_For(node)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.bound)
        self.body(node.body)
        self.body(node.orelse)
        outcomes = [self.bound]
        for handler in node.handlers:
            self.bound = set(before)
            self.handler(handler)
            outcomes.append(self.bound)
        self.bound = set.intersection(*outcomes)
        if node.finalbody:  # reached from anywhere in the body
            after, self.bound = self.bound, before
            self.body(node.finalbody)
            self.bound |= after

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self.visit_Try(node)

    def handler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name is None:
            self.body(node.body)
            return
        # `except E as e` binds e for the handler only, and unbinds it after
        known = node.name in self.writes
        self.bind(node.name)
        self.body(node.body)
        self.bound.discard(node.name)
        if not known:
            self.writes.discard(node.name)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        complete = any(
            case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            for case in node.cases
        )
        bodies: list[list[ast.AST]] = [
            [case.pattern, *([case.guard] if case.guard else []), *case.body] for case in node.cases
        ]
        self.branches(*bodies, *([] if complete else [[]]))

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.generic_visit(node)
        if node.name:
            self.bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.bind(node.rest)

    # scopes -----------------------------------------------------------------------------------------------
    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.body(node.decorator_list)
        self.keep(node.name, self.function(node), now=bool(node.decorator_list))  # a decorator may call it

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for name in self.function(node):
            self.load(name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.body(node.decorator_list)
        self.scopes.append(_Scope(kind="types", names=type_parameters(node)))
        self.body([*node.bases, *node.keywords])
        needed: set[str] = set()
        self.scopes.append(_Scope(kind="class", names=set()))
        for statement in node.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.body(statement.decorator_list)
                needed |= self.function(statement)
                self.bind(statement.name)
            else:
                self.visit(statement)
        del self.scopes[-2:]
        self.keep(node.name, needed, now=False)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        """Python 3.12's ``type X = …``; its value is not evaluated before it is asked for."""
        self.visit(node.name)  # type: ignore[attr-defined]

    def keep(self, name: str, needed: set[str], *, now: bool) -> None:
        """Bind a function or class, and keep what it reads when called; inside of another one that is taken to
        happen now."""
        self.bind(name)
        if now or self.scopes or self.deferred is not None:
            for each in needed:
                self.load(each)
        else:
            self.later[name] = self.later.get(name, set()) | needed

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
        """Visit what is evaluated at a function's definition; give the outside names that its body reads."""
        given = arguments(node.args)
        self.body([*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)])
        types = type_parameters(node)
        self.scopes.append(_Scope(kind="types", names=types))
        self.body(a.annotation for a in given if a.annotation)
        if not isinstance(node, ast.Lambda) and node.returns:
            self.visit(node.returns)
        self.scopes.pop()
        statements: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        own, outside = own_names(statements)
        own |= {a.arg for a in given} | types
        before, bound = self.deferred, set(self.bound)
        needed = self.deferred = set()
        self.scopes.append(_Scope(kind="function", names=own - outside, globals=outside))
        self.body(statements)
        self.scopes.pop()
        self.deferred, self.bound = before, bound
        return needed

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.visit(node.generators[0].iter)  # evaluated outside of the comprehension
        self.scopes.append(_Scope(kind="comprehension", names=set()))
        for place, generator in enumerate(node.generators):
            if place:
                self.visit(generator.iter)
            self.visit(generator.target)
            self.body(generator.ifs)
        self.body([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.scopes.pop()

    visit_SetComp = visit_ListComp  # noqa: N815 - the names that ast.NodeVisitor looks for
    visit_GeneratorExp = visit_ListComp  # noqa: N815
    visit_DictComp = visit_ListComp  # noqa: N815


_VISITORS: dict[type[ast.AST], Callable[[Walk, Any], None]] = {}

"""The names of paddle that a script uses, found without running it, by its syntax tree.

check.py and explain.py use it. Followed are imports and their aliases, imports of all names,
assignments of one name to another, attributes, and the script's own modules beside it. What an
object is that a call returns is not known, so that methods are not among these names.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from digitlab.errors import DataError
from digitlab.paddle.source import Source, read_source


@dataclass(frozen=True)
class Use:
    """A name of paddle at a place in a script.

    Attributes:
        name: in full, as paddle.fluid.dygraph.nn.Conv2D; what is a module ends in no dot.
        path: of the file.
        line: its number.
    """

    name: str
    path: Path
    line: int


@dataclass(frozen=True)
class Call:
    """An attribute of something that is not known, such as `loss.backward`; for explain.py."""

    attribute: str
    path: Path
    line: int


def sources_of(script: Path) -> list[Source]:
    """Return a script and those of its own modules, beside it, that it imports.

    Raises:
        ConfigError: no such file.
        DataError: one of them is no Python; names the line.
    """
    found: dict[Path, Source] = {}
    left = [script]
    while left:
        path = left.pop(0)
        if path.resolve() in found:
            continue
        source = read_source(path)
        found[path.resolve()] = source
        left += _modules_beside(parsed(source), path.parent, script.parent)
    return list(found.values())


def parsed(source: Source) -> ast.Module:
    """Return the syntax tree of a source.

    Raises:
        DataError: it is no Python; names the line.
    """
    try:
        return source.parsed()
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{source.path}:{line}" if line else f"{source.path}"
        raise DataError(f"{where}: is no Python 3: {getattr(error, 'msg', error)}") from None


def uses_in(source: Source, offers: Callable[[str], bool]) -> tuple[list[Use], list[Call]]:
    """Return what a script uses of paddle, in the order of its lines, and what else it calls.

    Args:
        source: the script.
        offers: whether a module of paddle, by its name in full, has a name: asked of names that an
            import of all names may have brought.
    """
    finder = _Finder(source.path, offers)
    finder.module(parsed(source))
    return (
        sorted(dict.fromkeys(finder.uses), key=lambda use: use.line),
        sorted(dict.fromkeys(finder.calls), key=lambda call: call.line),
    )


def _modules_beside(tree: ast.Module, folder: Path, first: Path) -> Iterator[Path]:
    for node in ast.walk(tree):
        names: list[str] = []
        start = first
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                start = folder.joinpath(*[".."] * (node.level - 1))
            module = node.module or ""
            names = [module, *(f"{module}.{one.name}".strip(".") for one in node.names)]
        for name in names:
            place = start.joinpath(*name.split("."))
            for path in (place.with_suffix(".py") if name else None, place / "__init__.py"):
                if path is not None and path.is_file() and name.split(".")[0] != "paddle":
                    yield path


_NAMED = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
_Scope = dict[str, str | None]  # what names mean: a name of paddle, or None for anything else


class _Finder(ast.NodeVisitor):
    """Goes through a tree scope by scope."""

    def __init__(self, path: Path, offers: Callable[[str], bool]) -> None:
        self._path, self._offers = path, offers
        self._scopes: list[_Scope] = [{}]
        self._stars: list[str] = []  # modules of paddle all names of which were imported
        self._other_stars = False
        self._bound: set[str] = set()
        self.uses: list[Use] = []
        self.calls: list[Call] = []

    def module(self, tree: ast.Module) -> None:
        """Go through a whole script."""
        self._bound = {"__file__", "__name__", "__doc__", "get_ipython", *vars(builtins)} | {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        self._bind(tree.body)
        for node in tree.body:
            self.visit(node)

    # What names mean.

    def _bind(self, body: list[ast.stmt]) -> None:
        """Note what the statements of one scope bind, whichever comes first."""
        for node in _in_scope(body):
            if isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.split(".")[0]
                    self._set(one.asname or top, one.name if one.asname else top)
            elif isinstance(node, ast.ImportFrom):
                self._bind_from(node)
            elif isinstance(node, (*_NAMED, ast.ExceptHandler)) and node.name:
                self._set(node.name, None)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._set(node.id, None)
        for _ in range(3):  # a name of a name of a name
            for node in _in_scope(body):
                if isinstance(node, ast.Assign) and (name := self._dotted(node.value)):
                    for target in node.targets:
                        if isinstance(target, ast.Name):
                            self._set(target.id, name)

    def _bind_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        ours = not node.level and _is_paddle(module)
        for one in node.names:
            if one.name == "*":
                if ours:
                    self._stars.append(module)
                else:
                    self._other_stars = True
            else:
                self._set(one.asname or one.name, f"{module}.{one.name}" if ours else None)

    def _set(self, name: str, meaning: str | None) -> None:
        if meaning is not None and not _is_paddle(meaning):
            meaning = None
        scope = self._scopes[-1]
        scope[name] = meaning or scope.get(name)  # where it is both, it may be paddle's

    def _meaning(self, name: str) -> str | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        for module in reversed(self._stars):
            if self._offers(f"{module}.{name}"):
                return f"{module}.{name}"
        if self._stars and not self._other_stars and name not in self._bound:
            return f"{self._stars[-1]}.{name}"  # from nowhere else
        return None

    def _dotted(self, node: ast.expr) -> str | None:
        """Return the name of paddle that an expression is."""
        if isinstance(node, ast.Name):
            return self._meaning(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._dotted(node.value)
            return owner and f"{owner}.{node.attr}"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "getattr"
            and len(node.args) > 1
            and isinstance(node.args[1], ast.Constant)
        ):
            owner = self._dotted(node.args[0])
            return owner and f"{owner}.{node.args[1].value!s}"
        return None

    # What is used.

    def _use(self, name: str, node: ast.AST) -> None:
        self.uses.append(Use(name, self._path, getattr(node, "lineno", 0)))

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            if _is_paddle(one.name):
                self._use(one.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.level and _is_paddle(node.module or ""):
            for one in node.names:
                self._use(f"{node.module}.{one.name}" if one.name != "*" else f"{node.module}", one)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and (name := self._dotted(node)):
            self._use(name, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if name := self._dotted(node):
            self._use(name, node)
            return
        self.calls.append(Call(node.attr, self._path, node.end_lineno or node.lineno))
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if name := self._dotted(node):
            self._use(name, node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in (*node.decorator_list, *_defaults(node.args), node.returns):
            if outside is not None:
                self.visit(outside)
        self._inside(node.body, node.args)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for default in _defaults(node.args):
            self.visit(default)
        self._inside([ast.copy_location(ast.Expr(node.body), node)], node.args)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        self._inside(node.body, None)

    def _inside(self, body: list[ast.stmt], arguments: ast.arguments | None) -> None:
        self._scopes.append({})
        if arguments is not None:
            for one in ast.walk(arguments):
                if isinstance(one, ast.arg):
                    self._set(one.arg, None)
                    if one.annotation is not None:
                        self.visit(one.annotation)
        self._bind(body)
        for node in body:
            self.visit(node)
        self._scopes.pop()


def _in_scope(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of one scope: not what lies in functions and classes, but these."""
    left: list[ast.AST] = list(body)
    while left:
        node = left.pop(0)
        yield node
        if not isinstance(node, (*_NAMED, ast.Lambda)):
            left = [*ast.iter_child_nodes(node), *left]


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [one for one in (*arguments.defaults, *arguments.kw_defaults) if one is not None]


def _is_paddle(name: str) -> bool:
    return name.split(".")[0] == "paddle"

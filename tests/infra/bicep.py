"""Reads Bicep by tree-sitter: enough of it to ask what a file declares and says, without Azure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"

_PARSER = Parser(Language(tree_sitter_bicep.language()))

Value = object
"""What a Bicep expression is in Python: str, int, bool, list and dict for literals; `Expression` for all else."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Something that only a deployment evaluates; its text."""

    text: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """A resource or module: what it is, and what its body says."""

    symbol: str
    kind: str
    existing: bool
    condition: str | None
    body: dict[str, Value]
    line: int

    @property
    def type(self) -> str:
        """A resource's type without its API version."""
        return self.kind.partition("@")[0]

    def at(self, path: str) -> Value:
        """The value under a dotted path, e.g. `properties.sku.name`. Raises `KeyError`."""
        found: Value = self.body
        for name in path.split("."):
            if not isinstance(found, dict):
                raise KeyError(path)
            found = found[name]
        return found


class Bicep:
    """One file."""

    def __init__(self, source: bytes, path: Path = INFRA / "none.bicep") -> None:
        self.path = path
        self.source = source
        self.root = _PARSER.parse(source).root_node

    @classmethod
    def read(cls, path: Path) -> Bicep:
        """The file at `path`."""
        return cls(path.read_bytes(), path)

    @property
    def lines(self) -> list[str]:
        """Its lines, comments included."""
        return self.source.decode().splitlines()

    @cached_property
    def code(self) -> str:
        """Its text without comments."""
        spans = [(node.start_byte, node.end_byte) for node in walk(self.root) if node.type == "comment"]
        kept, end = [], 0
        for start, stop in spans:
            kept.append(self.source[end:start])
            end = stop
        return b"".join([*kept, self.source[end:]]).decode()

    def errors(self) -> list[str]:
        """Where the parser could not follow."""
        return [
            f"{self.path.name}:{node.start_point[0] + 1}: {text(node)[:60]!r}"
            for node in walk(self.root)
            if node.is_error or node.is_missing
        ]

    @cached_property
    def parameters(self) -> dict[str, bool]:
        """Each parameter, and whether it must be given."""
        return {
            text(node.named_children[0]): len(node.named_children) < 3
            for node in self.root.named_children
            if node.type == "parameter_declaration"
        }

    @cached_property
    def variables(self) -> dict[str, Value]:
        """Each variable and what it is."""
        return {
            text(node.named_children[0]): value(node.named_children[1])
            for node in self.root.named_children
            if node.type == "variable_declaration"
        }

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Each output and its expression."""
        return {
            text(node.named_children[0]): text(node.named_children[-1])
            for node in self.root.named_children
            if node.type == "output_declaration"
        }

    @cached_property
    def resources(self) -> list[Declaration]:
        """Every resource, nested and existing ones too."""
        return [_declaration(node) for node in walk(self.root) if node.type == "resource_declaration"]

    @cached_property
    def modules(self) -> list[Declaration]:
        """Every module."""
        return [_declaration(node) for node in walk(self.root) if node.type == "module_declaration"]

    def resource(self, symbol: str) -> Declaration:
        """The one resource of that symbolic name."""
        (found,) = (resource for resource in self.resources if resource.symbol == symbol)
        return found

    def declared(self) -> set[str]:
        """Every name that an expression of this file can use."""
        locals_ = {
            name
            for node in walk(self.root)
            if node.type in ("for_statement", "lambda_expression")
            for name in self.bound(node)
        }
        return {
            *self.parameters,
            *self.variables,
            *(resource.symbol for resource in self.resources),
            *(module.symbol for module in self.modules),
            *locals_,
        }

    @staticmethod
    def bound(node: Node) -> list[str]:
        """What a loop or a lambda names: all before `in`, or before the arrow."""
        before = node.named_children[: -2 if node.type == "for_statement" else -1]
        kinds = ("identifier", "loop_variable", "loop_enumerator")
        return [text(each) for child in before for each in walk(child) if each.type in kinds]

    def used(self) -> set[str]:
        """Every name that an expression of this file uses; functions and property names left out."""
        return {text(node) for node in walk(self.root) if node.type == "identifier" and not _names_something(node)}


def every_file() -> list[Bicep]:
    """All Bicep of the repository."""
    return [Bicep.read(path) for path in sorted(INFRA.rglob("*.bicep"))]


def module(name: str) -> Bicep:
    """One of infra/modules."""
    return Bicep.read(INFRA / "modules" / f"{name}.bicep")


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in the file's order."""
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: Node) -> str:
    """The source of a node."""
    assert node.text is not None
    return node.text.decode()


def value(node: Node) -> Value:  # noqa: PLR0911 -- one return a kind of literal
    """The node as Python."""
    source = text(node)
    if node.type == "string":
        if any(child.type == "interpolation" for child in node.named_children):
            return Expression(source)
        if source.startswith("'''"):
            return source[3:-3].removeprefix("\n")
        return re.sub(r"\\(.)", r"\1", source[1:-1])
    if node.type == "number":
        return int(source)
    if source in ("true", "false"):
        return source == "true"
    if node.type == "array":
        return [value(child) for child in node.named_children if child.type != "comment"]
    if node.type == "object":
        return {
            _key(child.named_children[0]): value(child.named_children[1])
            for child in node.named_children
            if child.type == "object_property" and len(child.named_children) > 1
        }
    return Expression(source)


def _key(node: Node) -> str:
    return text(node).strip("'")


def _declaration(node: Node) -> Declaration:
    name, kind, *rest = node.named_children
    condition = None
    body = rest[-1]
    while body.type in ("for_statement", "if_statement"):
        if body.type == "if_statement":
            condition = text(body.named_children[0])
        body = body.named_children[-1]
    found = value(body)
    assert isinstance(found, dict), f"{text(name)} has no body"
    existing = any(child.type == "existing" for child in node.children)
    return Declaration(text(name), _key(kind), existing, condition, found, node.start_point[0])


def _names_something(node: Node) -> bool:
    """Whether an identifier is a declaration's, a property's or a function's name, and no use of a value."""
    parent = node.parent
    if parent is None:
        return True
    first = parent.named_children[0] == node
    if parent.type.endswith("_declaration") or parent.type in ("object_property", "call_expression"):
        return first and not (parent.type == "call_expression" and parent.children[0].type == "member_expression")
    return parent.type in ("decorator", "type", "resource_expression")

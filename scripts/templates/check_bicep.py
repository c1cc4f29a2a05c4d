"""Checks Bicep files by the tree-sitter grammar: syntax, and that every name in an expression is declared in the file.

The types of resources need Microsoft's own compiler and are not checked. Usage: check_bicep.py FILE...
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import tree_sitter
import tree_sitter_bicep

DECLARATIONS = {
    "parameter_declaration",
    "variable_declaration",
    "resource_declaration",
    "module_declaration",
    "output_declaration",
    "type_declaration",
    "user_defined_function",
}
LOOPS = {"for_statement", "for_loop_parameters"}
# Namespaces of functions, which look like names of values.
NAMESPACES = {"az", "sys"}
# Newer than the grammar. The line becomes spaces, so that positions stay.
EXTENSION = re.compile(rb"^extension [A-Za-z0-9]+$", re.MULTILINE)


def check(path: str) -> Iterator[str]:
    with open(path, "rb") as file:
        source = EXTENSION.sub(lambda found: b" " * len(found[0]), file.read())
    root = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language())).parse(source).root_node
    nodes = list(descendants(root))
    broken = [node for node in nodes if node.is_error or node.is_missing]
    if broken:
        yield from (f"{path}:{node.start_point.row + 1}:{node.start_point.column + 1}: syntax error" for node in broken)
        return
    declared = {name.text for node in nodes if node.type in DECLARATIONS if (name := identifier_of(node)) is not None}
    declared |= {name.text for node in nodes if node.type in LOOPS for name in node.named_children if name.type == "identifier"}
    for node in nodes:
        if node.type == "identifier" and names_a_value(node) and node.text not in declared:
            name = (node.text or b"").decode()
            if name not in NAMESPACES:
                yield f"{path}:{node.start_point.row + 1}:{node.start_point.column + 1}: {name} is not declared"


def descendants(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    for child in node.children:
        yield child
        yield from descendants(child)


def identifier_of(node: tree_sitter.Node) -> tree_sitter.Node | None:
    return next((child for child in node.named_children if child.type == "identifier"), None)


def names_a_value(node: tree_sitter.Node) -> bool:
    """Returns whether an identifier is an expression, not a key, a function or a declaration."""
    parent = node.parent
    if parent is None or parent.type in DECLARATIONS and identifier_of(parent) == node:
        return False
    if parent.type in {"call_expression", "object_property", "type", "primitive_type"}:
        return parent.type == "object_property" and parent.named_children[0] != node
    return parent.type not in {"for_loop_parameters", "parameterized_type", "decorator"}


def main(paths: list[str]) -> int:
    faults = [fault for path in paths for fault in check(path)]
    for fault in faults:
        print(fault)
    return 1 if faults or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Checks Bicep files by the tree-sitter grammar: syntax, that every name in an expression is declared in the file, that every parameter and variable is
used, and that a module gets the parameters that its file has and is asked for outputs that it has.

The types of resources need Microsoft's own compiler and are not checked. Usage: check_bicep.py FILE...
"""

from __future__ import annotations

import os
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
    nodes = nodes_of(path)
    broken = [node for node in nodes if node.is_error or node.is_missing]
    if broken:
        yield from (f"{path}:{node.start_point.row + 1}:{node.start_point.column + 1}: syntax error" for node in broken)
        return
    declared = {name.text for node in nodes if node.type in DECLARATIONS if (name := identifier_of(node)) is not None}
    declared |= {name.text for node in nodes if node.type in LOOPS for name in node.named_children if name.type == "identifier"}
    declared |= {name.text for node in nodes if node.type == "lambda_expression" for name in parameters_of_lambda(node)}
    for node in nodes:
        if node.type == "identifier" and names_a_value(node) and node.text not in declared:
            name = (node.text or b"").decode()
            if name not in NAMESPACES:
                yield f"{path}:{node.start_point.row + 1}:{node.start_point.column + 1}: {name} is not declared"


    used = {node.text for node in nodes if node.type == "identifier" and names_a_value(node)}
    for node in nodes:
        if node.type in {"parameter_declaration", "variable_declaration"} and text_of(identifier_of(node)).encode() not in used:
            yield f"{path}:{node.start_point.row + 1}: {text_of(identifier_of(node))} is not used"
        if node.type == "module_declaration":
            yield from (f"{path}:{node.start_point.row + 1}: {fault}" for fault in check_module(os.path.dirname(path), node, nodes))


def nodes_of(path: str) -> list[tree_sitter.Node]:
    with open(path, "rb") as file:
        source = EXTENSION.sub(lambda found: b" " * len(found[0]), file.read())
    return list(descendants(tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language())).parse(source).root_node))


def check_module(folder: str, module: tree_sitter.Node, nodes: list[tree_sitter.Node]) -> Iterator[str]:
    """Yields what is wrong with one use of a module: its parameters, and the outputs that the file asks it for."""
    name = text_of(identifier_of(module))
    file = os.path.join(folder, text_of(next(child for child in module.named_children if child.type == "string")).strip("'"))
    if not os.path.exists(file):
        yield f"module {name}: {file} is missing"
        return
    inside = nodes_of(file)
    declared = [node for node in inside if node.type == "parameter_declaration"]
    parameters = {text_of(identifier_of(node)): "=" in {child.type for child in node.children} for node in declared}
    outputs = {text_of(identifier_of(node)) for node in inside if node.type == "output_declaration"}
    given = {text_of(member.named_children[0]) for member in members_of(module, "params")}
    yield from (f"module {name} has no parameter {one}" for one in sorted(given - parameters.keys()))
    yield from (f"module {name} needs the parameter {one}" for one, has_default in parameters.items() if not has_default and one not in given)
    for node in nodes:
        asked = re.fullmatch(rf"{name}!?\.outputs\.(\w+)", text_of(node)) if node.type == "member_expression" else None
        if asked is not None and asked[1] not in outputs:
            yield f"module {name} has no output {asked[1]}"


def members_of(node: tree_sitter.Node, key: str) -> list[tree_sitter.Node]:
    """Returns the members of the object that is the value of a key somewhere below a node."""
    for found in descendants(node):
        if found.type == "object_property" and text_of(found.named_children[0]) == key:
            return [member for member in found.named_children[1].named_children if member.type == "object_property"]
    return []


def parameters_of_lambda(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    first = node.named_children[0]
    return [first] if first.type == "identifier" else first.named_children


def text_of(node: tree_sitter.Node | None) -> str:
    return "" if node is None else (node.text or b"").decode()


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

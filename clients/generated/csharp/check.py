"""Parses every file of the client that openapi-generator makes for C#, since a machine without .NET can't compile it."""

import sys
from pathlib import Path

import tree_sitter_c_sharp
from tree_sitter import Language, Parser

parser = Parser(Language(tree_sitter_c_sharp.language()))
files = sorted(Path(sys.argv[1]).rglob("*.cs"))
wrong = [file for file in files if parser.parse(file.read_bytes()).root_node.has_error]
models = {file.stem for file in files if file.parent.name == "Model"}
missing = {"EncryptRequest", "EncryptDocumentRequest", "EncryptBatchResult", "Problem", "ProblemFix"} - models
if not files or wrong or missing:
    sys.exit(f"C#: of {len(files)} files {wrong} do not parse, and {missing} are missing")
print(f"c# {len(files)} files parse")

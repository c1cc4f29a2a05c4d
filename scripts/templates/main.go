// Checks Terraform files by HashiCorp's own parser: syntax, format, the kinds of blocks, and that every variable, local, resource and
// data source that an expression names is declared in the same folder. Resources and data sources are checked against providers.json,
// which provider-schema.ts makes: their types, members, required members, and what expressions read of them. Values are not checked.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Number of labels of each block at the top of a file.
var blocks = map[string]int{
	"terraform": 0, "locals": 0, "variable": 1, "output": 1, "provider": 1, "module": 1, "resource": 2, "data": 2, "import": 0,
	"moved": 0, "removed": 0, "check": 1,
}

// First names of expressions that Terraform itself defines.
var builtIn = map[string]bool{"path": true, "terraform": true, "each": true, "count": true, "self": true}

func main() {
	faults := 0
	for _, folder := range os.Args[1:] {
		files, _ := filepath.Glob(filepath.Join(folder, "*.tf"))
		if len(files) == 0 {
			fmt.Printf("%s: no .tf file\n", folder)
			faults++
		}
		for _, fault := range checkFolder(files) {
			fmt.Println(fault)
			faults++
		}
	}
	if faults > 0 {
		os.Exit(1)
	}
}

// Returns the faults of the files of one module.
func checkFolder(files []string) []string {
	var faults []string
	var bodies []*hclsyntax.Body
	parser := hclparse.NewParser()
	declared := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return append(faults, err.Error())
		}
		file, diagnostics := parser.ParseHCL(text, name)
		if diagnostics.HasErrors() {
			faults = append(faults, diagnostics.Error())
			continue
		}
		if !bytes.Equal(hclwrite.Format(text), text) {
			faults = append(faults, name+": not formatted as terraform fmt does")
		}
		body := file.Body.(*hclsyntax.Body)
		bodies = append(bodies, body)
		for _, attribute := range body.Attributes {
			faults = append(faults, fmt.Sprintf("%s: %s is outside of a block", attribute.SrcRange, attribute.Name))
		}
		for _, block := range body.Blocks {
			labels, known := blocks[block.Type]
			if !known || labels != len(block.Labels) {
				faults = append(faults, fmt.Sprintf("%s: %q with %d labels is no block of Terraform", block.DefRange(), block.Type, len(block.Labels)))
				continue
			}
			faults = append(faults, wrongMembers(block)...)
			for _, name := range names(block) {
				if declared[name] {
					faults = append(faults, fmt.Sprintf("%s: %s is declared twice", block.DefRange(), name))
				}
				declared[name] = true
			}
		}
	}
	for _, body := range bodies {
		faults = append(faults, unknown(body, declared)...)
	}
	sort.Strings(faults)
	return faults
}

// Returns the names under which expressions refer to a block.
func names(block *hclsyntax.Block) []string {
	switch block.Type {
	case "variable":
		return []string{"var." + block.Labels[0]}
	case "module":
		return []string{"module." + block.Labels[0]}
	case "resource":
		return []string{block.Labels[0] + "." + block.Labels[1]}
	case "data":
		return []string{"data." + block.Labels[0] + "." + block.Labels[1]}
	case "locals":
		var all []string
		for name := range block.Body.Attributes {
			all = append(all, "local."+name)
		}
		return all
	}
	return nil
}

// Returns one fault for each expression that names something undeclared.
func unknown(body *hclsyntax.Body, declared map[string]bool) []string {
	var faults []string
	for _, attribute := range body.Attributes {
		// These members hold words of Terraform, not expressions.
		if attribute.Name == "type" || attribute.Name == "ignore_changes" || attribute.Name == "provider" || attribute.Name == "providers" {
			continue
		}
		for _, traversal := range attribute.Expr.Variables() {
			name, ok := nameOf(traversal)
			if !ok || builtIn[traversal.RootName()] {
				continue
			}
			if !declared[name] {
				faults = append(faults, fmt.Sprintf("%s: %s is not declared", traversal.SourceRange(), name))
				continue
			}
			if member, isWrong := unreadable(traversal); isWrong {
				faults = append(faults, fmt.Sprintf("%s: %s has no %s", traversal.SourceRange(), name, member))
			}
		}
	}
	for _, block := range body.Blocks {
		inner := declared
		if block.Type == "dynamic" { // its content may name the block itself
			inner = map[string]bool{}
			for name := range declared {
				inner[name] = true
			}
			inner[block.Labels[0]+".value"] = true
			inner[block.Labels[0]+".key"] = true
		}
		faults = append(faults, unknown(block.Body, inner)...)
	}
	return faults
}

// Returns the declaration that a traversal names: two steps of it, or three for a data source.
func nameOf(traversal hcl.Traversal) (string, bool) {
	wanted := 2
	if traversal.RootName() == "data" {
		wanted = 3
	}
	name := traversal.RootName()
	for _, step := range traversal[1:min(wanted, len(traversal))] {
		attribute, ok := step.(hcl.TraverseAttr)
		if !ok {
			return name, false
		}
		name += "." + attribute.Name
	}
	return name, len(traversal) >= wanted
}

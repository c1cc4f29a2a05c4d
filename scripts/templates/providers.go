package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

//go:embed providers.json
var providersJSON []byte

// What a block may have: true for an attribute, members of its own for a block. A name that ends in ! is required.
type members map[string]any

type schema struct {
	Members  members  `json:"members"`
	Readable []string `json:"readable"`
}

// By kind and type, such as "resource azurerm_key_vault".
var providers = func() map[string]schema {
	var read struct {
		Blocks map[string]schema `json:"blocks"`
	}
	if err := json.Unmarshal(providersJSON, &read); err != nil {
		panic(err)
	}
	return read.Blocks
}()

// Members that Terraform itself defines for every resource and data source.
var metaArguments = []string{"count", "depends_on", "for_each", "lifecycle", "provider", "provisioner", "connection"}

// Returns the faults of a resource or data source: its type, its members, and required ones that it lacks.
func wrongMembers(block *hclsyntax.Block) []string {
	if block.Type != "resource" && block.Type != "data" {
		return nil
	}
	known, ok := providers[block.Type+" "+block.Labels[0]]
	if !ok {
		return []string{fmt.Sprintf("%s: %s is not in providers.json: provider-schema.ts adds what the provider has", block.DefRange(), block.Labels[0])}
	}
	return faultsOf(block.Body, known.Members, block.DefRange(), metaArguments)
}

func faultsOf(body *hclsyntax.Body, known members, at hcl.Range, others []string) []string {
	var faults []string
	given := map[string]bool{}
	for name, attribute := range body.Attributes {
		given[name] = true
		if _, ok := known.find(name); !ok && !slices.Contains(others, name) {
			faults = append(faults, fmt.Sprintf("%s: the provider knows no %s here", attribute.SrcRange, name))
		}
	}
	for _, block := range body.Blocks {
		name, content := block.Type, block.Body
		if name == "dynamic" {
			name = block.Labels[0]
			content = contentOf(block.Body)
		}
		given[name] = true
		if slices.Contains(others, name) {
			continue
		}
		found, _ := known.find(name)
		inner, isBlock := found.(map[string]any)
		if !isBlock {
			faults = append(faults, fmt.Sprintf("%s: the provider knows no block %s here", block.DefRange(), name))
			continue
		}
		faults = append(faults, faultsOf(content, inner, block.DefRange(), nil)...)
	}
	for name := range known {
		if required, ok := strings.CutSuffix(name, "!"); ok && !given[required] {
			faults = append(faults, fmt.Sprintf("%s: the provider requires %s", at, required))
		}
	}
	return faults
}

func (known members) find(name string) (any, bool) {
	if found, ok := known[name]; ok {
		return found, true
	}
	found, ok := known[name+"!"]
	return found, ok
}

// Returns what a dynamic block repeats.
func contentOf(dynamic *hclsyntax.Body) *hclsyntax.Body {
	for _, block := range dynamic.Blocks {
		if block.Type == "content" {
			return block.Body
		}
	}
	return &hclsyntax.Body{}
}

// Returns the member that an expression reads of a resource or data source, and whether the provider knows none of that name.
func unreadable(traversal hcl.Traversal) (string, bool) {
	block, names := "resource "+traversal.RootName(), 2
	if traversal.RootName() == "data" {
		block, names = "data "+traversal[1].(hcl.TraverseAttr).Name, 3 // nameOf has read these steps
	}
	known, ok := providers[block]
	if !ok {
		return "", false // a variable, a local, or a type that is a fault already
	}
	for _, step := range traversal[names:] { // an index of count or for_each may stand before the member
		if member, ok := step.(hcl.TraverseAttr); ok {
			return member.Name, !slices.Contains(known.Readable, member.Name)
		}
	}
	return "", false
}

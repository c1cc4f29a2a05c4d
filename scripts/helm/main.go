// Lints a chart and renders it, as `helm lint --strict` and `helm template` do, by Helm's own packages.
// Usage: helm lint CHART VALUES | helm template CHART VALUES | helm notes CHART VALUES
package main

import (
	"fmt"
	"os"
	"path"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

const namespace = "vaultspan"

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: helm lint|template|notes CHART VALUES"))
	}
	values, err := chartutil.ReadValuesFile(os.Args[3])
	if err != nil {
		fail(err)
	}
	switch os.Args[1] {
	case "lint":
		linter := lint.All(os.Args[2], values, namespace, true)
		for _, message := range linter.Messages {
			fmt.Println(message)
		}
		if linter.HighestSeverity >= support.WarningSev {
			os.Exit(1)
		}
	case "template":
		render(values, func(name string) bool { return !strings.HasSuffix(name, "NOTES.txt") })
	case "notes":
		render(values, func(name string) bool { return strings.HasSuffix(name, "NOTES.txt") })
	default:
		fail(fmt.Errorf("no such command: %s", os.Args[1]))
	}
}

// Prints the wanted files of the rendered chart, each with its name as `helm template` does.
func render(values chartutil.Values, wanted func(name string) bool) {
	chart, err := loader.Load(os.Args[2])
	if err != nil {
		fail(err)
	}
	release := chartutil.ReleaseOptions{Name: "vaultspan", Namespace: namespace, IsInstall: true}
	all, err := chartutil.ToRenderValues(chart, values, release, nil)
	if err != nil {
		fail(err)
	}
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	if err != nil {
		fail(err)
	}
	var names []string
	for name, text := range files {
		if wanted(name) && !strings.HasPrefix(path.Base(name), "_") && strings.TrimSpace(text) != "" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("---\n# Source: %s\n%s\n", name, strings.TrimSpace(files[name]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

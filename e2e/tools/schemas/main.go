// Command schemas writes JSON schemas for kubeconform, so that it needs no network: of Kubernetes' own kinds, from the
// OpenAPI document of its sources, and of custom resources, from their definitions. Every object is closed: a field that
// nobody defined is an error.
//
//	schemas OUTPUT-FOLDER swagger.json CRD.yaml...
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type schema = map[string]any

const (
	dialect = "http://json-schema.org/draft-07/schema#"
	prefix  = "io.k8s.apimachinery.pkg."
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: schemas OUTPUT-FOLDER swagger.json CRD.yaml...")
	}
	out := args[0]
	if err := kubernetes(out, args[1]); err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	for _, file := range args[2:] {
		if err := definition(out, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// kubernetes writes one file that defines all types, and one for each kind that refers to it.
func kubernetes(out, file string) error {
	var document struct {
		Definitions map[string]schema `json:"definitions"`
	}
	if err := read(file, &document); err != nil {
		return err
	}
	definitions := document.Definitions
	// What the API server reads is more than what its document says.
	definitions[prefix+"util.intstr.IntOrString"]["type"] = []any{"string", "integer"}
	definitions[prefix+"api.resource.Quantity"]["type"] = []any{"string", "number"}
	for name, definition := range definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		closed(definition)
		// Types with several kinds are those of requests (DeleteOptions), which no manifest has.
		if len(kinds) != 1 {
			continue
		}
		kind := kinds[0].(schema)
		reference := schema{"$ref": "../definitions.json#/definitions/" + name}
		if err := write(out, text(kind, "group"), text(kind, "version"), text(kind, "kind"), reference); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(out, "definitions.json"), schema{"$schema": dialect, "definitions": definitions})
}

// definition writes the schemas of a CustomResourceDefinition's versions.
func definition(out, file string) error {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema schema `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := read(file, &crd); err != nil {
		return err
	}
	if len(crd.Spec.Versions) == 0 {
		return errors.New("no versions")
	}
	for _, version := range crd.Spec.Versions {
		object := version.Schema.OpenAPIV3Schema
		properties, ok := object["properties"].(schema)
		if !ok {
			return errors.New("no properties")
		}
		properties["apiVersion"] = schema{"const": crd.Spec.Group + "/" + version.Name}
		properties["kind"] = schema{"const": crd.Spec.Names.Kind}
		properties["metadata"] = schema{"$ref": "../definitions.json#/definitions/" + prefix + "apis.meta.v1.ObjectMeta"}
		closed(object)
		object["$schema"] = dialect
		if err := write(out, crd.Spec.Group, version.Name, crd.Spec.Names.Kind, object); err != nil {
			return err
		}
	}
	return nil
}

// closed makes every object refuse what it does not define, and says in JSON Schema what OpenAPI says in its own way.
func closed(node any) {
	switch node := node.(type) {
	case schema:
		_, properties := node["properties"].(schema)
		_, others := node["additionalProperties"]
		if properties && !others && node["x-kubernetes-preserve-unknown-fields"] != true {
			node["additionalProperties"] = false
		}
		if node["x-kubernetes-int-or-string"] == true {
			delete(node, "anyOf")
			node["type"] = []any{"string", "integer"}
		}
		if typ, ok := node["type"].(string); ok && node["nullable"] == true {
			node["type"] = []any{typ, "null"}
		}
		for _, child := range node {
			closed(child)
		}
	case []any:
		for _, child := range node {
			closed(child)
		}
	}
}

// write puts a schema where kubeconform's template finds it; for the core group that is a folder of the version's name.
func write(out, group, version, kind string, object schema) error {
	if group == "" {
		group = version
	}
	folder := filepath.Join(out, group)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return writeJSON(filepath.Join(folder, strings.ToLower(kind)+"_"+version+".json"), object)
}

func writeJSON(file string, object schema) error {
	content, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

func read(file string, into any) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(content, into)
}

func text(object schema, key string) string {
	value, _ := object[key].(string)
	return value
}

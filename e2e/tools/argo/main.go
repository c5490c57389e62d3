// argo-diff says which objects Argo CD would call OutOfSync, by Argo CD's own diff engine.
//
//	argo-diff [flags] DESIRED LIVE
//
// DESIRED and LIVE are files with a List of objects in JSON: what Git has, and what the cluster has, with managed
// fields. For each field that differs it prints one line. It exits with 0 when everything is in sync, with 1 when
// something is not, and with 2 when it cannot tell.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"github.com/itchyny/gojq"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/util/proto"
)

var (
	mode      = flag.String("diff", "three-way", "three-way, structured-merge (ServerSideApply=true) or server-side")
	manager   = flag.String("manager", "argocd-controller", "the field manager that applies")
	openAPI   = flag.String("openapi", "", "the server's /openapi/v2 in JSON; three-way needs none")
	predicted = flag.String("predicted", "", "a List of what a server-side dry run answers; for server-side only")
	ignored   = jqPaths{}
)

func main() {
	flag.Var(ignored, "ignore", "KIND:PATH, a jq path expression as in ignoreDifferences; may be repeated")
	flag.Parse()
	outOfSync, err := run(flag.Args())
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "argo-diff:", err)
		os.Exit(2)
	case outOfSync:
		os.Exit(1)
	}
}

func run(files []string) (bool, error) {
	if len(files) != 2 {
		return false, errors.New("usage: argo-diff [flags] DESIRED LIVE")
	}
	desired, err := readList(files[0])
	if err != nil {
		return false, err
	}
	live, err := readList(files[1])
	if err != nil {
		return false, err
	}
	options, err := diffOptions()
	if err != nil {
		return false, err
	}
	outOfSync := false
	for _, object := range desired {
		differences, err := compare(object, find(live, object), options)
		if err != nil {
			return false, fmt.Errorf("%s: %w", name(object), err)
		}
		for _, difference := range differences {
			outOfSync = true
			fmt.Println(name(object), difference)
		}
	}
	return outOfSync, nil
}

func diffOptions() ([]diff.Option, error) {
	options := []diff.Option{diff.WithManager(*manager), diff.WithNormalizer(ignored)}
	switch *mode {
	case "three-way":
		return options, nil
	case "structured-merge":
		options = append(options, diff.WithStructuredMergeDiff(true))
	case "server-side":
		answers, err := readList(*predicted)
		if err != nil {
			return nil, err
		}
		options = append(options, diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(recorded(answers)))
	default:
		return nil, fmt.Errorf("-diff %s: no such mode", *mode)
	}
	parser, err := readSchema(*openAPI)
	return append(options, diff.WithGVKParser(parser)), err
}

func compare(desired, live *unstructured.Unstructured, options []diff.Option) ([]string, error) {
	if live == nil {
		return []string{"is missing"}, nil
	}
	// Argo CD gives objects their namespace before it compares them.
	desired.SetNamespace(live.GetNamespace())
	result, err := diff.Diff(desired, live, options...)
	if err != nil || !result.Modified {
		return nil, err
	}
	var before, after any
	if err := errors.Join(json.Unmarshal(result.NormalizedLive, &before), json.Unmarshal(result.PredictedLive, &after)); err != nil {
		return nil, err
	}
	return differences("", before, after), nil
}

// differences names the fields in which two JSON values differ, and what they are in each.
func differences(path string, live, desired any) []string {
	if reflect.DeepEqual(live, desired) {
		return nil
	}
	switch live := live.(type) {
	case map[string]any:
		if desired, ok := desired.(map[string]any); ok {
			return differentFields(path, live, desired)
		}
	case []any:
		if desired, ok := desired.([]any); ok && len(live) == len(desired) {
			var found []string
			for i := range live {
				found = append(found, differences(path+"["+strconv.Itoa(i)+"]", live[i], desired[i])...)
			}
			return found
		}
	}
	return []string{fmt.Sprintf("%s: live %s, desired %s", strings.TrimPrefix(path, "."), text(live), text(desired))}
}

func differentFields(path string, live, desired map[string]any) []string {
	keys := map[string]bool{}
	for key := range live {
		keys[key] = true
	}
	for key := range desired {
		keys[key] = true
	}
	var found []string
	for key := range keys {
		found = append(found, differences(path+"."+key, live[key], desired[key])...)
	}
	slices.Sort(found)
	return found
}

func text(value any) string {
	bytes, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(bytes)
}

func name(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}

func find(objects []*unstructured.Unstructured, wanted *unstructured.Unstructured) *unstructured.Unstructured {
	for _, object := range objects {
		if object.GroupVersionKind() == wanted.GroupVersionKind() && object.GetName() == wanted.GetName() {
			return object.DeepCopy()
		}
	}
	return nil
}

func readList(file string) ([]*unstructured.Unstructured, error) {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := unstructured.UnstructuredList{}
	if err := list.UnmarshalJSON(bytes); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	objects := make([]*unstructured.Unstructured, 0, len(list.Items))
	for i := range list.Items {
		objects = append(objects, &list.Items[i])
	}
	return objects, nil
}

func readSchema(file string) (*managedfields.GvkParser, error) {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	document, err := openapi_v2.ParseDocument(bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	models, err := proto.NewOpenAPIData(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return managedfields.NewGVKParser(models, false)
}

// recorded answers what the API server answered to a server-side apply as a dry run.
type recorded []*unstructured.Unstructured

func (answers recorded) Run(_ context.Context, desired *unstructured.Unstructured, _ string) (string, error) {
	answer := find(answers, desired)
	if answer == nil {
		return "", errors.New("no answer of a dry run")
	}
	bytes, err := answer.MarshalJSON()
	return string(bytes), err
}

// jqPaths takes fields out of the objects of a kind before they are compared. Argo CD does this outside its engine, by
// the same jq.
type jqPaths map[string][]*gojq.Code

func (paths jqPaths) String() string { return "" }

func (paths jqPaths) Set(flag string) error {
	kind, path, _ := strings.Cut(flag, ":")
	query, err := gojq.Parse("del(" + path + ")")
	if err != nil {
		return err
	}
	code, err := gojq.Compile(query)
	paths[kind] = append(paths[kind], code)
	return err
}

func (paths jqPaths) Normalize(object *unstructured.Unstructured) error {
	for _, path := range paths[object.GetKind()] {
		// jq takes the numbers of encoding/json alone.
		var value any
		bytes, err := object.MarshalJSON()
		if err := errors.Join(err, json.Unmarshal(bytes, &value)); err != nil {
			return err
		}
		value, _ = path.Run(value).Next()
		if err, ok := value.(error); ok {
			return err
		}
		bytes, err = json.Marshal(value)
		if err := errors.Join(err, object.UnmarshalJSON(bytes)); err != nil {
			return err
		}
	}
	return nil
}

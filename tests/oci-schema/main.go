// oci-schema holds an OCI image layout against the JSON schemas of the image specification: oci-layout, index.json, and all
// indexes, manifests and configs that they lead to.
//
// usage: oci-schema LAYOUT
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/image-spec/schema"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: oci-schema LAYOUT")
		os.Exit(2)
	}
	layout := os.Args[1]
	err := check(filepath.Join(layout, "oci-layout"), schema.ValidatorMediaTypeLayoutHeader, nil)
	if err == nil {
		err = index(layout, filepath.Join(layout, "index.json"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check holds one file against a schema and decodes it into what value points to.
func check(path string, validator schema.Validator, value any) error {
	text, err := os.ReadFile(path)
	if err == nil {
		err = validator.Validate(bytes.NewReader(text))
	}
	if err == nil && value != nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func index(layout, path string) error {
	var index v1.Index
	if err := check(path, schema.ValidatorMediaTypeImageIndex, &index); err != nil {
		return err
	}
	for _, listed := range index.Manifests {
		if err := image(layout, listed); err != nil {
			return err
		}
	}
	return nil
}

func image(layout string, listed v1.Descriptor) error {
	path := blob(layout, listed)
	switch listed.MediaType {
	case v1.MediaTypeImageIndex:
		return index(layout, path)
	case v1.MediaTypeImageManifest:
		var manifest v1.Manifest
		if err := check(path, schema.ValidatorMediaTypeManifest, &manifest); err != nil {
			return err
		}
		return check(blob(layout, manifest.Config), schema.ValidatorMediaTypeImageConfig, nil)
	default:
		return fmt.Errorf("%s: there is no schema for %s", path, listed.MediaType)
	}
}

func blob(layout string, described v1.Descriptor) string {
	return filepath.Join(layout, "blobs", described.Digest.Algorithm().String(), described.Digest.Encoded())
}

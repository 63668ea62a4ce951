package main

import (
	"bytes"
	"encoding/json"

	"github.com/containers/image/v5/manifest"
	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// as decodes a document with encoding/json.
func as[T any](text []byte) read {
	value := new(T)
	return readAs(value, json.Unmarshal(text, value))
}

func layout(text []byte) any {
	return map[string]read{"image-spec": as[v1.ImageLayout](text)}
}

func manifestOf(text []byte) map[string]read {
	parsed, err := ggcr.ParseManifest(bytes.NewReader(text))
	return map[string]read{"image-spec": as[v1.Manifest](text), "go-containerregistry": readAs(parsed, err)}
}

// manifest has both of containers/image's types, of which the media type decides.
func manifests(text []byte) map[string]read {
	answers := manifestOf(text)
	oci, err := manifest.OCI1FromManifest(text)
	answers["containers/image oci"] = readAs(oci, err)
	docker, err := manifest.Schema2FromManifest(text)
	answers["containers/image docker"] = readAs(docker, err)
	return answers
}

func index(text []byte) any {
	parsed, err := ggcr.ParseIndexManifest(bytes.NewReader(text))
	oci, ociErr := manifest.OCI1IndexFromManifest(text)
	docker, dockerErr := manifest.Schema2ListFromManifest(text)
	return map[string]read{
		"image-spec":              as[v1.Index](text),
		"go-containerregistry":    readAs(parsed, err),
		"containers/image oci":    readAs(oci, ociErr),
		"containers/image docker": readAs(docker, dockerErr),
	}
}

func config(text []byte) any {
	parsed, err := ggcr.ParseConfigFile(bytes.NewReader(text))
	return map[string]read{
		"image-spec":           as[v1.Image](text),
		"go-containerregistry": readAs(parsed, err),
		"containers/image":     as[manifest.Schema2Image](text),
	}
}

// archiveManifest reads a docker-archive's manifest.json.
func archiveManifest(text []byte) any {
	return map[string]read{"go-containerregistry": as[tarball.Manifest](text), "moby": as[[]manifestItem](text)}
}

// manifestItem is what Docker and containers/image read.
type manifestItem struct {
	Config       string
	RepoTags     []string
	Layers       []string
	Parent       string                       `json:",omitempty"`
	LayerSources map[string]v1.Descriptor `json:",omitempty"`
}

package main

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// member is what archive/tar says of a member.
type member struct {
	Name, Link, Uname, Gname string
	Kind                     byte
	Mode, Size               int64
	Uid, Gid                 int
	Seconds                  int64
	Nanoseconds              int
	Xattrs                   map[string][]byte
	Content                  string
}

func layer(text []byte) any {
	members := []member{}
	archive := tar.NewReader(bytes.NewReader(text))
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return read{Value: members}
		}
		if err != nil {
			return read{Error: err.Error()}
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, io.LimitReader(archive, 1<<24)); err != nil {
			return read{Error: err.Error()}
		}
		xattrs := map[string][]byte{}
		for key, value := range header.PAXRecords {
			if rest, is := strings.CutPrefix(key, "SCHILY.xattr."); is {
				xattrs[rest] = []byte(value)
			}
		}
		members = append(members, member{
			// As bytes, which need not be UTF-8.
			Name: quoted(header.Name), Link: quoted(header.Linkname), Uname: quoted(header.Uname), Gname: quoted(header.Gname),
			Kind: header.Typeflag, Mode: header.Mode, Size: header.Size, Uid: header.Uid, Gid: header.Gid,
			Seconds: header.ModTime.Unix(), Nanoseconds: header.ModTime.Nanosecond(), Xattrs: xattrs,
			Content: hex.EncodeToString(hash.Sum(nil)),
		})
	}
}

func quoted(text string) string { return hex.EncodeToString([]byte(text)) }

// image is what a program loads from a docker-archive.
type image struct {
	Config  string
	Tags    []string
	DiffIDs []string
}

// archive reads a docker-archive as those do who unpack it, of whose members the last of a name counts, as those who look for a
// member until they find it, and with go-containerregistry.
func archive(text []byte) any {
	return map[string]read{
		"last":                 found(text, func(_, _ bool) bool { return true }),
		"first":                found(text, func(there, _ bool) bool { return !there }),
		"go-containerregistry": crane(text),
	}
}

func found(text []byte, replaces func(there, same bool) bool) read {
	type file struct {
		kind    byte
		link    string
		content []byte
	}
	files := map[string]file{}
	archive := tar.NewReader(bytes.NewReader(text))
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return read{Error: err.Error()}
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return read{Error: err.Error()}
		}
		key := path.Clean(header.Name)
		if _, there := files[key]; replaces(there, false) {
			files[key] = file{header.Typeflag, header.Linkname, content}
		}
	}
	open := func(wanted string) ([]byte, error) {
		for range 8 {
			file, there := files[path.Clean(wanted)]
			switch {
			case !there:
				return nil, fmt.Errorf("no %s", wanted)
			case file.kind == tar.TypeSymlink:
				wanted = path.Join(path.Dir(wanted), file.link)
			case file.kind == tar.TypeLink:
				wanted = file.link
			case file.kind == tar.TypeReg:
				return file.content, nil
			default:
				return nil, fmt.Errorf("%s is no file", wanted)
			}
		}
		return nil, errors.New("too many links")
	}
	return readAs(load(open))
}

func load(open func(string) ([]byte, error)) (*image, error) {
	text, err := open("manifest.json")
	if err != nil {
		return nil, err
	}
	var items []manifestItem
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("no image")
	}
	config, err := open(items[0].Config)
	if err != nil {
		return nil, err
	}
	loaded := image{Config: digest(config), Tags: items[0].RepoTags}
	for _, name := range items[0].Layers {
		layer, err := open(name)
		if err != nil {
			return nil, err
		}
		plain, err := decompressed(layer)
		if err != nil {
			return nil, err
		}
		loaded.DiffIDs = append(loaded.DiffIDs, digest(plain))
	}
	return &loaded, nil
}

// decompressed is what those formats hold that Go knows by itself.
func decompressed(layer []byte) ([]byte, error) {
	in := bytes.NewReader(layer)
	switch {
	case bytes.HasPrefix(layer, []byte{0x1f, 0x8b, 8}):
		plain, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(plain)
	case bytes.HasPrefix(layer, []byte("BZh")):
		return io.ReadAll(bzip2.NewReader(in))
	default:
		return layer, nil
	}
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func crane(text []byte) read {
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	items, err := tarball.LoadManifest(opener)
	if err != nil || len(items) == 0 {
		return read{Error: fmt.Sprint("no image: ", err)}
	}
	// It takes no archive of several images without being told which.
	var tag *name.Tag
	if len(items) > 1 && len(items[0].RepoTags) > 0 {
		parsed, err := name.NewTag(items[0].RepoTags[0])
		if err != nil {
			return read{Error: err.Error()}
		}
		tag = &parsed
	}
	opened, err := tarball.Image(opener, tag)
	if err != nil {
		return read{Error: err.Error()}
	}
	name, err := opened.ConfigName()
	if err != nil {
		return read{Error: err.Error()}
	}
	loaded := image{Config: name.String(), Tags: items[0].RepoTags}
	layers, err := opened.Layers()
	if err != nil {
		return read{Error: err.Error()}
	}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			return read{Error: err.Error()}
		}
		plain, err := io.ReadAll(content)
		if err != nil {
			return read{Error: err.Error()}
		}
		loaded.DiffIDs = append(loaded.DiffIDs, digest(plain))
	}
	return read{Value: &loaded}
}

// readers says what Go's decoders read in documents and archives, for strake's tests, which compare it with what strake reads: one
// question after the other on stdin, the answers on stdout.
//
// A question is a byte that says what is asked, the length of what follows as four bytes, the most significant first, and that many
// bytes. An answer is a length and JSON. Of a document it has what each decoder reads, as that decoder's own type is written, or
// the error; of an archive what each program that takes images finds in it.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

var questions = map[byte]func([]byte) any{
	'a': archive,
	'c': config,
	'i': index,
	'j': archiveManifest,
	'm': func(text []byte) any { return manifests(text) },
	'o': layout,
	't': layer,
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		question, err := in.ReadByte()
		if err == io.EOF {
			return
		}
		if err == nil {
			err = answer(question, in, out)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "readers:", err)
			os.Exit(1)
		}
	}
}

func answer(question byte, in io.Reader, out *bufio.Writer) error {
	var length uint32
	if err := binary.Read(in, binary.BigEndian, &length); err != nil {
		return err
	}
	input := make([]byte, length)
	if _, err := io.ReadFull(in, input); err != nil {
		return err
	}
	read, known := questions[question]
	if !known {
		return fmt.Errorf("no question %q", question)
	}
	text, err := json.Marshal(read(input))
	if err != nil {
		return err
	}
	if err := binary.Write(out, binary.BigEndian, uint32(len(text))); err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	return out.Flush()
}

// read is what one decoder reads, or why it does not.
type read struct {
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func readAs(value any, err error) read {
	if err != nil {
		return read{Error: err.Error()}
	}
	return read{Value: value}
}

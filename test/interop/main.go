// Command interop checks an export of a transparency log, and proofs from the API, with the libraries of Go's checksum database
// (golang.org/x/mod/sumdb/tlog) and of transparency-dev. It has no code of Vaultspan.
//
//	interop EXPORT VKEY [-old CHECKPOINT] [-inclusion PROOF] [-consistency PROOF]
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	sumdb "golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// tiles reads the tiles of an export. tlog.TileHashReader checks each against the root.
type tiles struct{ folder string }

func (t tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		// tlog's paths begin with the height, which C2SP fixes.
		path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
		bytes, err := os.ReadFile(filepath.Join(t.folder, "tile", path))
		if err != nil {
			return nil, err
		}
		read = append(read, bytes)
	}
	return read, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func checkpoint(text []byte, verifier sumdb.Verifier) (tlog.Tree, error) {
	found, _, _, err := log.ParseCheckpoint(text, verifier.Name(), verifier)
	if err != nil {
		return tlog.Tree{}, err
	}
	return tlog.Tree{N: int64(found.Size), Hash: tlog.Hash(found.Hash)}, nil
}

func checkExport(folder string, tree tlog.Tree, lines [][]byte) error {
	if int64(len(lines)) != tree.N {
		return fmt.Errorf("%d entries instead of %d", len(lines), tree.N)
	}
	reader := tlog.TileHashReader(tree, tiles{folder})
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil || root != tree.Hash {
		return fmt.Errorf("the tiles do not lead to the root: %v", err)
	}
	for i, line := range lines {
		leaf := tlog.RecordHash(line)
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(i))})
		if err != nil || hashes[0] != leaf {
			return fmt.Errorf("entry %d is not the one that was hashed: %v", i, err)
		}
		if i%100 != 0 {
			continue
		}
		path, err := tlog.ProveRecord(tree.N, int64(i), reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, tree.N, tree.Hash, int64(i), leaf); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}

func checkGrowth(folder string, old, tree tlog.Tree) error {
	path, err := tlog.ProveTree(tree.N, old.N, tlog.TileHashReader(tree, tiles{folder}))
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash)
}

// checkInclusion checks a proof in the format of C2SP tlog-proof.
func checkInclusion(text []byte, verifier sumdb.Verifier, lines [][]byte) error {
	var found proof.TLogProof
	if err := found.Unmarshal(text); err != nil {
		return err
	}
	tree, err := checkpoint(found.Checkpoint, verifier)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, hash := range found.Hashes {
		path = append(path, tlog.Hash(hash[:]))
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, int64(found.Index), tlog.RecordHash(lines[found.Index]))
}

// checkConsistency checks a proof in the form in which a C2SP witness takes it, against a kept checkpoint.
func checkConsistency(text []byte, verifier sumdb.Verifier, old tlog.Tree) error {
	head, signed, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || lines[0] != fmt.Sprintf("old %d", old.N) {
		return fmt.Errorf("no proof from %d entries", old.N)
	}
	var path tlog.TreeProof
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return fmt.Errorf("%q is no hash", line)
		}
		path = append(path, tlog.Hash(hash))
	}
	tree, err := checkpoint(signed, verifier)
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash)
}

func run(folder, vkey string, options map[string][]byte) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := checkpoint(text, verifier)
	if err != nil {
		return err
	}
	entries, err := os.ReadFile(filepath.Join(folder, "entries.ndjson"))
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSuffix(entries, []byte("\n")), []byte("\n"))
	if err := checkExport(folder, tree, lines); err != nil {
		return err
	}
	if inclusion, given := options["-inclusion"]; given {
		if err := checkInclusion(inclusion, verifier, lines); err != nil {
			return err
		}
	}
	kept, given := options["-old"]
	if !given {
		return nil
	}
	old, err := checkpoint(kept, verifier)
	if err != nil {
		return err
	}
	if err := checkGrowth(folder, old, tree); err != nil {
		return err
	}
	if consistency, given := options["-consistency"]; given {
		return checkConsistency(consistency, verifier, old)
	}
	return nil
}

func main() {
	options := map[string][]byte{}
	for at := 3; at+1 < len(os.Args); at += 2 {
		text, err := os.ReadFile(os.Args[at+1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		options[os.Args[at]] = text
	}
	if err := run(os.Args[1], os.Args[2], options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("verified")
}

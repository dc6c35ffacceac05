package delivery

import (
	"archive/tar"
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"path"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// widestWindow is what a zstd stream may make us keep: that of --long=27.
const widestWindow = 128 << 20

// decompress tells tar, tar.gz and tar.zst by their first bytes.
func decompress(r *bufio.Reader) (io.ReadCloser, error) {
	head, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case len(head) == 0:
		return nil, errors.New("it is empty")
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		plain, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(widestWindow))
		if err != nil {
			return nil, err
		}
		return plain.IOReadCloser(), nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")), bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte("PK")):
		return nil, errors.New("its format is not known; pack it as tar, tar.gz or tar.zst")
	}
	return io.NopCloser(r), nil
}

// machines are the architectures of servers, by GOARCH.
var machines = map[elf.Machine]string{
	elf.EM_X86_64:  "amd64",
	elf.EM_AARCH64: "arm64",
	elf.EM_386:     "386",
	elf.EM_ARM:     "arm",
	elf.EM_RISCV:   "riscv64",
	elf.EM_S390:    "s390x",
	elf.EM_PPC64:   "ppc64le",
}

// noteHook remembers an entry that is a hook.
func (b *Build) noteHook(header *tar.Header) {
	if dir, name := path.Split(path.Clean(header.Name)); dir == ".deliver/hooks/" && header.Typeflag != tar.TypeDir {
		b.Hooks = append(b.Hooks, name)
	}
}

// upToMachine is how much of a program says what it is for.
const upToMachine = 20

// mayBeProgram says whether it is worth looking what is in an entry.
func mayBeProgram(header *tar.Header) bool {
	return header.Mode&0o111 != 0 && header.Size >= upToMachine
}

// note remembers for which architecture an entry is, if it is a program.
func (b *Build) note(header *tar.Header, head []byte) {
	if !mayBeProgram(header) || len(head) < upToMachine || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return
	}
	machine := elf.Machine(uint16(head[18]) | uint16(head[19])<<8)
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		machine = elf.Machine(uint16(head[19]) | uint16(head[18])<<8)
	}
	if arch := machines[machine]; arch != "" && !slices.Contains(b.Arches, arch) {
		b.Arches = append(b.Arches, arch)
	}
}

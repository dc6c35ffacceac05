package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is deliver as well: in scripts, and as the helper that
// deliver puts on servers, which is a copy of itself under another name.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "deliver-") {
		main()
	}
	testscript.Main(m, map[string]func(){"deliver": main})
}

package host

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// tarUmask is what tar takes away from modes: nothing for root.
func tarUmask() fs.FileMode {
	if os.Geteuid() == 0 {
		return 0
	}
	return processUmask()
}

// processUmask reads what could else only be learned by setting it.
func processUmask() fs.FileMode {
	const usual = 0o022
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return usual
	}
	for line := range strings.Lines(string(status)) {
		if octal, ok := strings.CutPrefix(line, "Umask:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(octal), 8, 32)
			if err == nil {
				return fs.FileMode(mask)
			}
		}
	}
	return usual
}
